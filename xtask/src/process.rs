//! One child process with a time limit: what it wrote and how it ended.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// No more than this of a process's output is kept, from its end.
const KEPT: u64 = 64 * 1024;

pub struct Ended {
    /// `None`: it was killed because its time was up.
    pub status: Option<ExitStatus>,
    pub output: String,
}

impl Ended {
    /// How it ended, in words.
    pub fn how(&self) -> String {
        match self.status {
            None => "timed out".to_owned(),
            Some(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit status {code}"),
                (None, Some(signal)) => format!("killed by signal {signal}"),
                (None, None) => "ended".to_owned(),
            },
        }
    }
}

/// Runs `command` in a process group of its own, with both outputs going to the file `output`,
/// which is removed afterwards. Nothing of the group outlives the call.
///
/// A file and not a pipe: a grandchild that keeps a pipe open would keep us waiting.
pub fn run(command: &mut Command, output: &Path, timeout: Duration) -> io::Result<Ended> {
    let mut file = File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(output)?;
    fs::remove_file(output)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file.try_clone()?)
        .process_group(0)
        .spawn()?;
    let status = wait(&mut child, Instant::now() + timeout);
    let group = Pid::from_child(&child);
    // If the group is already empty, there is nothing left to kill.
    let _ = kill_process_group(group, Signal::KILL);
    child.wait()?;

    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(KEPT)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let output = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended {
        status: status?,
        output,
    })
}

fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, seconds: u64) -> Ended {
        let name = format!(
            "xtask-process-{:?}-{}",
            thread::current().id(),
            std::process::id()
        );
        let output = std::env::temp_dir().join(name);
        let mut command = Command::new("sh");
        run(
            command.args(["-c", script]),
            &output,
            Duration::from_secs(seconds),
        )
        .unwrap()
    }

    #[test]
    fn output_and_status_are_told() {
        let ended = sh("echo out; echo err >&2; exit 3", 60);
        assert_eq!(
            (ended.output.as_str(), ended.how().as_str()),
            ("out\nerr\n", "exit status 3")
        );
        assert_eq!(sh("kill -TERM $$", 60).how(), "killed by signal 15");
    }

    #[test]
    fn what_takes_too_long_is_killed_with_its_children() {
        let ended = sh("sleep 600 & echo $!; wait", 1);
        assert_eq!(ended.how(), "timed out");
        let stat = format!("/proc/{}/stat", ended.output.trim());
        let deadline = Instant::now() + Duration::from_secs(60);
        // There may be no process to reap it, so a zombie counts as dead.
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < deadline, "the child still runs");
            thread::sleep(Duration::from_millis(10));
        }
    }
}
