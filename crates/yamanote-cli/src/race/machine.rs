//! The machine that the figures are of.
#![forbid(unsafe_code)]

use super::report::Machine;
use crate::{mounts, version};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Looks at this machine, at the place of the files and at the source tree.
pub fn look(root: &Path, files: &Path) -> Machine {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
    let here = files.canonicalize().unwrap_or_else(|_| files.to_owned());
    Machine {
        processor: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: kib.unwrap_or(0_u64) * 1024,
        kernel: version::kernel(),
        compiler: said(Command::new("rustc").arg("--version")).unwrap_or_default(),
        file_system: mounts::file_system(&here).unwrap_or_else(|| "unknown".to_owned()),
        driver: version::driver().unwrap_or_else(|why| format!("none: {why}")),
        commit: commit(root),
    }
}

/// The checkout's commit, and whether files differ from it.
fn commit(root: &Path) -> Option<String> {
    let git = |args: &[&str]| said(Command::new("git").arg("-C").arg(root).args(args));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(match changes.is_empty() {
        true => commit,
        false => format!("{commit} with changes"),
    })
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.trim().to_owned())
}

/// `name : value`, as files of /proc have it.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}
