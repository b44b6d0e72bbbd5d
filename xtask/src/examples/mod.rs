//! `cargo xtask examples`: programs that use other people's crates, run on both drivers.
//!
//! They are the workspace in `examples/`, whose crates come from the registry unchanged; its lock
//! file must know one Tokio, ours. Each test program is a process of its own with a time limit,
//! because what goes wrong in a runtime is most often that nothing happens any more.
//! `--measure` compares a proxy among them with itself on the Tokio of the registry.
#![forbid(unsafe_code)]

mod measure;
mod tunnel;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const DRIVERS: [&str; 2] = ["uring", "epoll"];

/// The output of the programs is kept here, below `examples`.
const LOGS: &str = "target/logs";

/// The slowest program takes a few seconds, and more on a machine with much to do.
const LIMIT: Duration = Duration::from_secs(300);

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    let chosen: Vec<&str> = args.iter().map(String::as_str).collect();
    let drivers: &[&str] = match chosen[..] {
        [] => &DRIVERS,
        ["--driver", driver] if DRIVERS.contains(&driver) => &[driver],
        ["--measure"] => return measure::run(root),
        _ => {
            eprintln!("usage: cargo xtask examples [--driver uring|epoll | --measure]");
            return ExitCode::from(2);
        }
    };
    let dir = root.join("examples");
    let started = Instant::now();
    let lock = std::fs::read_to_string(dir.join("Cargo.lock")).expect("examples/Cargo.lock");
    if let Err(found) = only_ours(&lock) {
        eprintln!("examples/Cargo.lock: the only tokio should be ours, but there is {found}");
        return ExitCode::FAILURE;
    }
    let Some(programs) = build(&dir) else {
        return ExitCode::FAILURE;
    };
    let built = started.elapsed();
    std::fs::create_dir_all(dir.join(LOGS)).expect("the target directory is writable");
    let mut table = format!("built in {} s\n", built.as_secs());
    let mut failures = 0;
    for driver in drivers {
        for run in programs.iter().flat_map(|program| Run::of(program, driver)) {
            let outcome = run.start(&dir);
            failures += usize::from(outcome != Outcome::Passed);
            writeln!(table, "{driver:6} {:24} {outcome:?}", run.name).expect("a String grows");
        }
    }
    print!("{table}");
    println!(
        "{} programs, {failures} failures, {} s",
        programs.len(),
        started.elapsed().as_secs()
    );
    match failures {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// `Ok` if the one `tokio` of a lock file has no source, as is the case for a path; else what is
/// there.
fn only_ours(lock: &str) -> Result<(), String> {
    let tokios: Vec<&str> = lock
        .split("[[package]]")
        .filter(|package| package.lines().any(|line| line == "name = \"tokio\""))
        .collect();
    match tokios[..] {
        [only] if !only.contains("\nsource = ") && only.contains("\"yamanote\"") => Ok(()),
        _ => Err(format!("{} times tokio:{}", tokios.len(), tokios.concat())),
    }
}

/// Builds the test programs; the paths that Cargo names.
fn build(dir: &Path) -> Option<Vec<PathBuf>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(dir)
        .args(["test", "--locked", "--workspace", "--no-run"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo can be started");
    let mut programs: Vec<PathBuf> = Vec::new();
    // Passed on as it comes: the first build takes minutes.
    for line in BufReader::new(cargo.stderr.take().expect("it is piped")).lines() {
        let line = line.expect("cargo says it in UTF-8");
        eprintln!("{line}");
        programs.extend(executable(&line));
    }
    if !cargo.wait().expect("it is our child").success() {
        return None;
    }
    assert!(!programs.is_empty(), "Cargo named no program");
    Some(programs)
}

/// The path of a line like `  Executable unittests src/main.rs (target/debug/deps/h2_example-0a)`.
fn executable(line: &str) -> Option<PathBuf> {
    let rest = line.trim_start().strip_prefix("Executable ")?;
    let (_, path) = rest.strip_suffix(')')?.rsplit_once('(')?;
    Some(path.into())
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Passed,
    Failed,
    Hung,
}

/// One program on one driver.
struct Run<'a> {
    name: String,
    program: &'a Path,
    driver: &'a str,
    /// Without this it does not find an installed server, and uses its own.
    path_is_kept: bool,
}

impl<'a> Run<'a> {
    fn of(program: &'a Path, driver: &'a str) -> Vec<Run<'a>> {
        let file = program.file_name().unwrap_or_default().to_string_lossy();
        let name = file.rsplit_once("_example-").map_or(&*file, |it| it.0);
        let run = |name: &str, path_is_kept| Run {
            name: name.to_owned(),
            program,
            driver,
            path_is_kept,
        };
        match name {
            "redis" => vec![run("redis", true), run("redis, own server", false)],
            _ => vec![run(name, true)],
        }
    }

    fn start(&self, dir: &Path) -> Outcome {
        let log = dir
            .join(LOGS)
            .join(format!("{}-{}.log", self.name, self.driver));
        let output = File::create(&log).expect("the target directory is writable");
        let mut command = Command::new(dir.join(self.program));
        command
            .current_dir(dir)
            .arg("--nocapture")
            .env("YAMANOTE_DRIVER", self.driver)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output);
        if !self.path_is_kept {
            command.env("PATH", "");
        }
        let mut child = command.spawn().expect("Cargo has built it");
        let started = Instant::now();
        let outcome = loop {
            match child.try_wait().expect("it is our child") {
                Some(status) if status.success() => break Outcome::Passed,
                Some(_) => break Outcome::Failed,
                None if started.elapsed() > LIMIT => {
                    child.kill().expect("it is our child");
                    child.wait().expect("it was killed");
                    break Outcome::Hung;
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        if outcome != Outcome::Passed {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            eprintln!("=== {} on {}: {outcome:?}\n{said}", self.name, self.driver);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "[[package]]\nname = \"tokio\"\nversion = \"1.54.99\"\ndependencies = [\n \"yamanote\",\n]\n";
    const THEIRS: &str =
        "[[package]]\nname = \"tokio\"\nversion = \"1.54.1\"\nsource = \"registry+index\"\n";

    #[test]
    fn a_second_tokio_is_seen() {
        assert!(only_ours(OURS).is_ok());
        assert!(only_ours(THEIRS).is_err());
        assert!(only_ours(&format!("{OURS}\n{THEIRS}")).is_err());
        assert!(only_ours("[[package]]\nname = \"tokio-util\"\n").is_err());
    }

    #[test]
    fn programs_are_found_in_what_cargo_says() {
        let line = "  Executable unittests src/main.rs (target/debug/deps/h2_example-0a1b)";
        let program = executable(line).unwrap();
        assert_eq!(program, Path::new("target/debug/deps/h2_example-0a1b"));
        assert_eq!(Run::of(&program, "epoll")[0].name, "h2");
        assert_eq!(executable("   Compiling h2 v0.4.20"), None);
    }
}
