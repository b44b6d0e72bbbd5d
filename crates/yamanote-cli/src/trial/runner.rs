//! What Cargo starts in the place of each test program: it runs that, and notes what it costs.
#![forbid(unsafe_code)]

use crate::output;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

/// Begins the line in the output that says which program follows.
pub const BEGIN: &str = "yamanote try begins ";

/// Started by `cargo test` for `yamanote try`.
#[derive(clap::Args)]
pub struct Args {
    /// A line of JSON is appended to this
    record: PathBuf,
    /// A program that takes longer is ended
    seconds: u64,
    program: PathBuf,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// What a test program has cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The package, and the program without the hash in its name.
    pub name: String,
    pub path: PathBuf,
    pub wall_ms: u64,
    pub cpu_ms: u64,
    /// At its highest.
    pub memory_kib: u64,
    /// Why it ended without success.
    pub failure: Option<String>,
}

pub fn run(args: &Args) -> ExitCode {
    match supervise(args) {
        Ok(status) => status,
        Err(error) => {
            let program = args.program.display();
            output::complain(&format!("yamanote try: {program}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn supervise(args: &Args) -> io::Result<ExitCode> {
    let name = name(args);
    let mut out = io::stdout().lock();
    write!(out, "\n{BEGIN}{name}\n")?;
    out.flush()?;
    let start = Instant::now();
    let mut child = Command::new(&args.program).args(&args.args).spawn()?;
    let deadline = start + Duration::from_secs(args.seconds);
    let (status, in_time) = wait(&mut child, deadline)?;
    let wall = start.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time() + usage.system_time();
    let failure = match in_time {
        true => (!status.success()).then(|| status.to_string()),
        false => Some(format!("not done after {} s", args.seconds)),
    };
    let record = Record {
        name,
        path: args.program.clone(),
        wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        cpu_ms: u64::try_from(cpu.num_milliseconds()).unwrap_or(0),
        memory_kib: u64::try_from(usage.max_rss()).unwrap_or(0),
        failure,
    };
    let mut line = serde_json::to_string(&record)?;
    line.push('\n');
    let mut file = OpenOptions::new();
    let mut file = file.create(true).append(true).open(&args.record)?;
    file.write_all(line.as_bytes())?;
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    Ok(ExitCode::from(
        code.and_then(|it| u8::try_from(it).ok()).unwrap_or(1),
    ))
}

/// How it ended, and whether by itself.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<(ExitStatus, bool)> {
    // A short test is not to look longer than it was.
    let mut nap = Duration::from_micros(100);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, true));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            return Ok((child.wait()?, false));
        }
        std::thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(20));
    }
}

fn name(args: &Args) -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let program = args
        .program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    // rustdoc makes one for each example, or one for all.
    if args.program.to_string_lossy().contains("rustdoctest") {
        return "examples in the documentation".to_owned();
    }
    let name = match program.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 => name,
        _ => &program,
    };
    format!("{package} {name}")
}
