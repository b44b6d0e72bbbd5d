//! A process that forks keeps its runtime. Its child has none: it may drop what it has inherited,
//! and touches neither a ring nor the set of sockets when it does, because both are still the
//! parent's. A program that the process starts inherits nothing of ours.

mod program_support;
mod tcp_support;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use program_support::runtime;
use tcp_support::{assert_numbered, numbered, pair};
use yamanote::buf::IoBuf;
use yamanote::fs::{self, File};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::runtime::{DriverChoice, Runtime};
use yamanote::task::JoinHandle;
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

/// What this process has open of pipes, by number, and which pipe each is.
fn pipes() -> HashMap<i32, String> {
    let numbers = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = numbers.filter_map(|entry| {
        let path = entry.unwrap().path();
        let number = path.file_name()?.to_str()?.parse().ok()?;
        let target = std::fs::read_link(path).ok()?;
        Some((number, target.to_str()?.to_owned()))
    });
    links.filter(|(_, to)| to.starts_with("pipe:")).collect()
}

/// Passes the bytes of this range on, through a relay that has taken all before.
async fn pass(far: &mut TcpStream, end: &mut TcpStream, range: std::ops::Range<usize>) {
    let mut received = vec![0; range.len()];
    let bytes = numbered(range.clone());
    let (sent, read) = yamanote::join!(far.write_all(&bytes), end.read_exact(&mut received));
    sent.unwrap();
    read.unwrap();
    assert_numbered(range.start, &received);
}

async fn relay() -> (TcpStream, TcpStream, JoinHandle<u64>) {
    let ((far, mut near), (mut out, end)) = (pair().await, pair().await);
    let copying = async move { yamanote::io::copy(&mut near, &mut out).await.unwrap() };
    (far, end, yamanote::spawn(copying))
}

matrix! {
    /// The pipes that stand between sockets are kept for the next copy, of this process.
    alone fn a_child_has_pipes_of_its_own(setup: Setup) {
        const MIB: usize = 1 << 20;
        let runtime = builder!(setup).build().unwrap();
        let before = pipes();
        let (mut far, mut end, copying) = runtime.block_on(relay());
        runtime.block_on(pass(&mut far, &mut end, 0..2 * MIB));
        assert!(runtime.metrics().kernel_copied_bytes() > 0);
        let kept: HashMap<_, _> = pipes().into_iter().filter(|it| !before.contains_key(&it.0)).collect();
        assert!(!kept.is_empty(), "the pool keeps a pipe while there is a copy");
        let status = in_child(|| {
            // Whoever takes a pipe of the parent finds this in it.
            let mut poisoned: Vec<_> = kept.keys().map(|number| {
                let mut options = std::fs::OpenOptions::new();
                options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
                let mut pipe = options.open(format!("/proc/self/fd/{number}")).unwrap();
                pipe.write_all(b"poison").unwrap();
                pipe
            }).collect();
            let runtime = builder!(setup).build().unwrap();
            let copied = runtime.block_on(async {
                let (mut far, mut end, copying) = relay().await;
                pass(&mut far, &mut end, 0..2 * MIB).await;
                drop(far);
                copying.await.unwrap()
            });
            assert_eq!(copied, 2 * MIB as u64);
            assert!(runtime.metrics().kernel_copied_bytes() > 0);
            for pipe in &mut poisoned {
                // Two descriptors are one pipe's.
                match pipe.read(&mut [0; 100]) {
                    Ok(length) => assert_eq!(length % 6, 0),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                }
            }
        });
        assert_eq!(status, 0, "{status:#x}");
        // The parent's pipes are open, and what it copies is as before.
        let now = pipes();
        assert!(kept.iter().all(|(number, pipe)| now.get(number) == Some(pipe)));
        runtime.block_on(async {
            pass(&mut far, &mut end, 2 * MIB..4 * MIB).await;
            drop(far);
            assert_eq!(copying.await.unwrap(), 4 * MIB as u64);
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
