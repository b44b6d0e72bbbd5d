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

    /// A seccomp filter lets every io_uring system call fail with EPERM, as container runtimes do.
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

/// Installs the filter in the calling process.
fn deny_io_uring() -> std::io::Result<()> {
    const LOAD_SYSCALL_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const JUMP_IF_ABOVE: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // io_uring_setup, io_uring_enter and io_uring_register have neighbouring numbers.
    let mut filter = [
        step(LOAD_SYSCALL_NUMBER, 0, 0, 0),
        step(JUMP_IF_AT_LEAST, 0, 2, libc::SYS_io_uring_setup as u32),
        step(JUMP_IF_ABOVE, 1, 0, libc::SYS_io_uring_register as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and its filter live through the calls.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
    };
    match failed {
        true => Err(std::io::Error::last_os_error()),
        false => Ok(()),
    }
}
