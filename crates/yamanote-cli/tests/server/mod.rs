//! The tool as a child process.

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
            .args(args)
            .stdout(Stdio::piped());
        let mut child = self.0.spawn().expect("the tool starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the first line");
        // serving DIR at http://ADDRESS (driver NAME, N workers)
        let (_, rest) = line.split_once(" at http://").expect(&line);
        let (address, rest) = rest.split_once(" (driver ").expect(&line);
        let (driver, _) = rest.split_once(',').expect(&line);
        Server {
            address: address.parse().expect("an address"),
            driver: driver.to_owned(),
            child,
            stdout,
        }
    }
}

/// A running server; killed if a test fails before it ends it.
pub struct Server {
    pub address: SocketAddr,
    pub driver: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Ctrl-C.
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    }

    /// Waits for its end, which must be a success, and returns what it wrote meanwhile.
    pub fn wait(mut self) -> String {
        let mut output = String::new();
        self.stdout.read_to_string(&mut output).expect("text");
        let status = self.child.wait().expect("it can be waited for");
        assert!(status.success(), "{status}");
        output
    }

    pub fn interrupt_and_wait(self) {
        self.interrupt();
        self.wait();
    }

    /// Descriptors it has open, once that number has come to rest.
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
