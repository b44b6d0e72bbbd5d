//! A process that forks keeps its runtime. Its child has none: it may drop what it has inherited,
//! and touches neither a ring nor the set of sockets when it does, because both are still the
//! parent's. A program that the process starts inherits nothing of ours.

mod program_support;
mod tcp_support;

use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use program_support::runtime;
use tcp_support::pair;
use yamanote::buf::IoBuf;
use yamanote::fs::{self, File};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::runtime::{DriverChoice, Runtime};
use yamanote_test::{Capability, Setup, TempDir, builder, in_own_process, matrix, require};

/// Runs `f` in a forked child and returns the child's exit status.
fn in_child(f: impl FnOnce()) -> i32 {
    // SAFETY: the child runs `f`, which needs no lock another thread may hold but the allocator's,
    // which glibc makes usable in the child.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
        // SAFETY: leaves without destructors.
        unsafe { libc::_exit(if result.is_ok() { 0 } else { 101 }) };
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut status = 0;
        // SAFETY: waits for our own child; `status` is writable.
        let ended = unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) };
        if ended == pid {
            return status;
        }
        if Instant::now() > deadline {
            // SAFETY: our own child, which has not been waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            // SAFETY: as above.
            unsafe { libc::waitpid(pid, &mut status, 0) };
            panic!("the child hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A direct read in a task, which goes through the ring where the file system is on a disk; where
/// there are no direct reads, a sync.
async fn use_the_ring(dir: &TempDir) {
    let path = dir.path().join("direct");
    yamanote::fs::write(&path, [7; 4096]).await.unwrap();
    let mut options = yamanote::fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECT);
    let read = async move {
        let file = options.open(&path).await?;
        let bytes = vec![0; 2 * 4096];
        let start = bytes.as_ptr().align_offset(4096);
        let (result, _) = file.read_at(bytes.slice(start..start + 4096), 0).await;
        result
    };
    let read = yamanote::spawn(read).await.unwrap();
    assert!(read.is_ok_and(|n| n == 4096) || !require(Capability::Ext4));
}

fn connected(runtime: &Runtime) -> (TcpStream, TcpStream) {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (a, b) = yamanote::join!(TcpStream::connect(address), listener.accept());
        (a.unwrap(), b.unwrap().0)
    })
}

async fn ping(a: &mut TcpStream, b: &mut TcpStream) {
    for _ in 0..3 {
        let (_, read) = yamanote::join!(
            async {
                yamanote::time::sleep(Duration::from_millis(2)).await;
                a.write_all(b"x").await.unwrap();
            },
            async { b.read_exact(&mut [0]).await }
        );
        read.unwrap();
    }
}

matrix! {
    /// The child drops sockets, pending operations and the runtime itself; the parent goes on.
    alone fn a_child_may_drop_everything(setup: Setup) {
        let dir = TempDir::new();
        let runtime = builder!(setup).build().unwrap();
        let (mut a, mut b) = connected(&runtime);
        runtime.block_on(use_the_ring(&dir));
        runtime.block_on(ping(&mut a, &mut b));
        let pending = runtime.spawn(std::future::pending::<()>());
        // What the child drops is a copy.
        // SAFETY: in the child only, where the originals are forgotten by `_exit`.
        let (copy, sockets) = unsafe { (std::ptr::read(&runtime), (std::ptr::read(&a), std::ptr::read(&b))) };
        let mut inherited = Some((copy, sockets));
        let status = in_child(|| drop(inherited.take()));
        std::mem::forget(inherited);
        assert_eq!(status, 0, "{status:#x}");
        // Nothing of the parent's is gone.
        runtime.block_on(async {
            yamanote::time::timeout(Duration::from_secs(5), ping(&mut a, &mut b)).await.unwrap();
        });
        runtime.block_on(use_the_ring(&dir));
        pending.abort();
        assert_eq!(runtime.metrics().leaked_ops(), 0);
    }

    /// A child that leaves by `exit`, which runs destructors of statics, ends.
    alone fn a_child_that_polls_is_told(setup: Setup) {
        let dir = TempDir::new();
        let runtime = builder!(setup).build().unwrap();
        let (mut a, mut b) = connected(&runtime);
        runtime.block_on(use_the_ring(&dir));
        std::panic::set_hook(Box::new(|_| ()));
        let status = in_child(|| runtime.block_on(use_the_ring(&dir)));
        let _ = std::panic::take_hook();
        assert_eq!(libc::WEXITSTATUS(status), 101, "{status:#x}: it panics");
        assert!(libc::WIFEXITED(status));
        runtime.block_on(async {
            yamanote::time::timeout(Duration::from_secs(5), ping(&mut a, &mut b)).await.unwrap();
        });
    }
}

/// R21: a program started by this one inherits its input, output and error, and nothing of ours.
#[test]
fn a_child_inherits_no_descriptor() {
    in_own_process(module_path!(), "a_child_inherits_no_descriptor", || {
        let seen_by_child = || {
            let script = "for fd in /proc/self/fd/*; do readlink $fd; done; true";
            let mut child = Command::new("sh");
            child.args(["-c", script]).stdin(Stdio::null());
            let output = child.output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines()
                .filter(|line| !line.starts_with("pipe:"))
                .count()
        };
        let before = seen_by_child();
        // Those that were already in this process when it started.
        let inherited: Vec<_> = (0..1000)
            // SAFETY: no memory involved.
            .filter(|&number| unsafe { libc::fcntl(number, libc::F_GETFD) } == 0)
            .collect();
        for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
            for workers in [0, 2] {
                let runtime = runtime(choice, workers).unwrap();
                let directory = TempDir::new();
                let path = directory.path().join("open");
                runtime.block_on(async {
                    let (client, server) = pair().await;
                    let listener = yamanote::net::TcpListener::bind("127.0.0.1:0")
                        .await
                        .unwrap();
                    let socket = yamanote::net::TcpSocket::new_v4().unwrap();
                    let mut file = File::create(&path).await.unwrap();
                    file.write_all(b"x").await.unwrap();
                    file.sync_all().await.unwrap();
                    let opened = File::open(&path).await.unwrap();
                    let mut entries = fs::read_dir(directory.path()).await.unwrap();
                    assert!(entries.next_entry().await.unwrap().is_some());
                    for number in 0..1000 {
                        // SAFETY: no memory involved.
                        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
                        assert!(flags != 0 || inherited.contains(&number), "{number}");
                    }
                    assert_eq!(seen_by_child(), before);
                    drop((
                        client,
                        server,
                        listener,
                        socket,
                        file.as_raw_fd(),
                        opened,
                        entries,
                    ));
                });
            }
        }
    });
}
