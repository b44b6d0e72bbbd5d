//! The tool as a child process.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// `yamanote`, with the environment's choice of driver taken away.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yamanote"));
    command.env_remove("YAMANOTE_DRIVER").stdin(Stdio::null());
    command
}

/// How to start a server.
pub struct Started(Command);

impl Started {
    pub fn new() -> Started {
        Started(command())
    }

    pub fn env(mut self, name: &str, value: &str) -> Started {
        self.0.env(name, value);
        self
    }

    /// On a driver, whichever `auto` would take.
    pub fn on(self, driver: &str) -> Started {
        self.env("YAMANOTE_DRIVER", driver)
    }

    /// With limits on descriptors, a soft and a hard one.
    pub fn with_descriptors(mut self, soft: u64, hard: u64) -> Started {
        let limit = rustix::process::Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        // SAFETY: between fork and exec only setrlimit is called, with memory on the stack.
        unsafe {
            self.0.pre_exec(move || {
                rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
                Ok(())
            })
        };
        self
    }

    /// Keeps its standard error, for [`Server::end`].
    pub fn with_errors(mut self) -> Started {
        self.0.stderr(Stdio::piped());
        self
    }

    pub fn by_nobody(mut self) -> Started {
        self.0.uid(65534).gid(65534);
        self
    }

    /// A seccomp filter lets the set-up of rings fail with EPERM, as container runtimes do.
    pub fn without_io_uring(mut self) -> Started {
        // SAFETY: between fork and exec only prctl is called, with memory on the stack.
        unsafe { self.0.pre_exec(deny_io_uring) };
        self
    }

    /// Serves `directory` at a free port.
    pub fn serve(mut self, directory: &Path, args: &[&str]) -> Server {
        self.0
            .arg("serve")
            .arg(directory)
            .args(["--addr", "127.0.0.1:0"])
            .args(args);
        self.start()
    }

    /// Serves the directory it is started in, with `args` only.
    pub fn serve_here(mut self, directory: &Path, args: &[&str]) -> Server {
        self.0.current_dir(directory).arg("serve").args(args);
        self.start()
    }

    fn start(mut self) -> Server {
        self.0.stdout(Stdio::piped());
        let mut child = self.0.spawn().expect("the tool starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (address, driver) = announcement(&mut stdout);
        Server {
            address,
            driver,
            child,
            stdout: Some(stdout),
        }
    }
}

/// Reads `serving DIR at http://ADDRESS (driver NAME, N workers)`.
fn announcement(stdout: &mut BufReader<ChildStdout>) -> (SocketAddr, String) {
    let mut line = String::new();
    stdout.read_line(&mut line).expect("the first line");
    let (_, rest) = line.split_once(" at http://").expect(&line);
    let (address, rest) = rest.split_once(" (driver ").expect(&line);
    let (driver, _) = rest.split_once(',').expect(&line);
    (address.parse().expect("an address"), driver.to_owned())
}

/// A running server; killed if a test fails before it ends it.
pub struct Server {
    pub address: SocketAddr,
    pub driver: String,
    child: Child,
    /// `None` if nobody reads it any more.
    stdout: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// Ctrl-C.
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    }

    /// Waits for its end, which must be a success, and returns what it wrote meanwhile.
    pub fn wait(self) -> String {
        let ended = self.end();
        assert_eq!(ended.status, Some(0), "{}", ended.errors);
        ended.output
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let (mut output, mut errors) = (String::new(), String::new());
        if let Some(stdout) = &mut self.stdout {
            stdout.read_to_string(&mut output).expect("text");
        }
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).expect("text");
        }
        let status = self.child.wait().expect("it can be waited for").code();
        Ended {
            status,
            output,
            errors,
        }
    }

    /// The next line of its standard error, which must have been asked for.
    pub fn error_line(&mut self) -> String {
        let stderr = self.child.stderr.as_mut().expect("it is piped");
        let mut line = Vec::new();
        // Byte by byte, so that nothing that follows is lost.
        let mut byte = [0];
        while stderr.read(&mut byte).expect("it can be read") == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text")
    }

    /// The next address that it announces.
    pub fn next_address(&mut self) -> SocketAddr {
        announcement(self.stdout.as_mut().expect("it is read")).0
    }

    /// Closes the pipe that its output goes to.
    pub fn stop_reading(&mut self) {
        self.stdout = None;
    }

    /// Its soft limit on descriptors.
    pub fn descriptor_limit(&self) -> u64 {
        let path = format!("/proc/{}/limits", self.child.id());
        let limits = std::fs::read_to_string(path).expect("it runs");
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let soft = line.expect("it is always there").split_whitespace().nth(3);
        soft.expect("the first column").parse().expect("a number")
    }

    pub fn interrupt_and_wait(self) {
        self.interrupt();
        self.wait();
    }

    /// The descriptors it has open, once that number has come to rest.
    pub fn descriptors(&self) -> usize {
        let count = || {
            std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
                .expect("it runs")
                .count()
        };
        let mut before = usize::MAX;
        loop {
            let now = count();
            if now == before {
                return now;
            }
            before = now;
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

/// How a server ended, and what it has written since it was last asked.
pub struct Ended {
    pub status: Option<i32>,
    pub output: String,
    pub errors: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For a child before its exec. No ring can be made without the first of the three system calls.
fn deny_io_uring() -> std::io::Result<()> {
    yamanote_test::try_deny_syscall(libc::SYS_io_uring_setup, libc::EPERM)
}
