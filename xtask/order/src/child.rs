//! Runs programs in a process of its own, because what goes wrong in a runtime is most often that
//! nothing happens any more.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::program::Program;
use crate::{on_tokio, on_yamanote};

/// A program takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The runtime that runs the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    Tokio,
    Uring,
    Epoll,
}

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Subject::Tokio => "tokio",
            Subject::Uring => "uring",
            Subject::Epoll => "epoll",
        }
    }

    /// What [`serve`] says first.
    fn introduction(self) -> String {
        match self {
            Subject::Tokio => "tokio::runtime::runtime::Runtime".to_owned(),
            Subject::Uring | Subject::Epoll => {
                format!("yamanote::runtime::runtime::Runtime {}", self.name())
            }
        }
    }
}

/// The child's side: says which runtime it is, then the log of each program of the file, a line
/// each.
pub fn serve(subject: Subject, path: &Path) {
    std::panic::set_hook(Box::new(|_| ()));
    let run: fn(&Program) -> String = match subject {
        Subject::Tokio => {
            println!("{}", on_tokio::interpreter::crate_name());
            on_tokio::interpreter::run
        }
        Subject::Uring | Subject::Epoll => {
            let mut builder = yamanote::runtime::Builder::new_current_thread();
            let runtime = builder.build().expect("a runtime");
            let driver = runtime.metrics().driver();
            println!("{} {driver}", on_yamanote::interpreter::crate_name());
            on_yamanote::interpreter::run
        }
    };
    let file = File::open(path).expect("the parent wrote it");
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(file).lines() {
        let line = line.expect("the parent wrote it");
        let program = serde_json::from_str(&line).expect("the parent wrote it");
        let log = run(&program);
        writeln!(out, "{log}").expect("the parent reads");
    }
}

/// The parent's side: the log of each program.
pub fn run(
    subject: Subject,
    programs: &[Program],
    mut done: impl FnMut(),
) -> Result<Vec<String>, String> {
    let mut logs = Vec::new();
    while logs.len() < programs.len() {
        let mut process = Process::start(subject, &programs[logs.len()..])?;
        let ended = loop {
            match process.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    logs.push(line);
                    done();
                    if logs.len() == programs.len() {
                        return Ok(logs);
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => break "hangs",
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break "ends the process",
            }
        };
        let _ = process.child.kill();
        logs.push(ended.to_owned());
        done();
    }
    Ok(logs)
}

struct Process {
    child: Child,
    lines: Receiver<String>,
    path: PathBuf,
}

impl Process {
    fn start(subject: Subject, programs: &[Program]) -> Result<Process, String> {
        let name = format!("order-{}-{}.json", std::process::id(), subject.name());
        let path = std::env::temp_dir().join(name);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = std::io::BufWriter::new(File::create(&path).map_err(failed)?);
        for program in programs {
            let line = serde_json::to_string(program).map_err(|error| error.to_string())?;
            writeln!(file, "{line}").map_err(failed)?;
        }
        file.flush().map_err(failed)?;
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(this);
        command.args(["--serve", subject.name()]).arg(&path);
        if subject != Subject::Tokio {
            command.env("YAMANOTE_DRIVER", subject.name());
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let out = child.stdout.take().expect("piped above");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let process = Process { child, lines, path };
        let introduction = process.lines.recv_timeout(PATIENCE).unwrap_or_default();
        match introduction == subject.introduction() {
            true => Ok(process),
            false => Err(format!(
                "{} is linked where {} is wanted",
                introduction,
                subject.introduction()
            )),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}
