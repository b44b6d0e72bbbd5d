//! The processes of a run.
#![forbid(unsafe_code)]

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

/// A process whose answers are read line by line. It is ended when this is dropped.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    /// Reads its standard error, so that it can always write.
    errors: Option<JoinHandle<String>>,
}

/// Of what a process says when it fails.
const LAST_WORDS: usize = 400;

impl Process {
    pub fn start(command: &mut Command) -> io::Result<Process> {
        Process::start_with(command, Stdio::piped())
    }

    /// With its standard error, which otherwise is kept for what goes wrong.
    pub fn start_with(command: &mut Command, stderr: Stdio) -> io::Result<Process> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()?;
        let errors = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut said = Vec::new();
                let _ = stderr.read_to_end(&mut said);
                String::from_utf8_lossy(&said).into_owned()
            })
        });
        Ok(Process {
            errors,
            stdin: child.stdin.take(),
            lines: BufReader::new(child.stdout.take().expect("it is piped")),
            child,
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line, or an error with what the process had to say if there is none.
    pub fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => Err(self.last_words()),
            Ok(_) => Ok(line),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Closes its standard input, at which a server ends, and waits for it.
    pub fn finish(mut self) -> Result<(), String> {
        self.stdin.take();
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(self.last_words()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// How it ended, and the beginning of what it printed to its standard error.
    fn last_words(&mut self) -> String {
        self.stdin.take();
        let status = self
            .child
            .wait()
            .as_ref()
            .map_or_else(|error| error.to_string(), ExitStatus::to_string);
        let errors = self.errors.take().and_then(|errors| errors.join().ok());
        let said = errors.unwrap_or_default();
        let said: Vec<&str> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("note: run with"))
            .collect();
        match said.is_empty() {
            true => status,
            false => {
                let said: String = said.join(" ").chars().take(LAST_WORDS).collect();
                format!("{status}: {said}")
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
