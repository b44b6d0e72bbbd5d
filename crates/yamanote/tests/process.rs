//! Children: every byte, every exit, on both drivers and whichever way the exit is noticed, by pidfd
//! or, where a seccomp filter denies those, by SIGCHLD.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::Stdio;
use std::task::Poll;
use std::time::{Duration, Instant};

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::process::{ChildStdin, Command};
use yamanote::runtime::Runtime;
use yamanote::time::{sleep, timeout};
use yamanote_test::{Capability, Setup, Snapshot, builder, deny_syscall, matrix, require};

/// The eventfd that a handler of signals rings, from the first spawn to the end of the process.
const BELL: usize = 1;

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn runtime(setup: Setup) -> Runtime {
    builder!(setup).build().unwrap()
}

/// A runtime whose threads have all slept: libc opens a file when a new thread first allocates.
fn settled(setup: Setup) -> Runtime {
    let rt = runtime(setup);
    let metrics = rt.metrics();
    let has_slept =
        || (0..metrics.num_workers()).all(|worker| metrics.worker_park_count(worker) > 0);
    loop {
        rt.block_on(async { sleep(Duration::from_millis(1)).await });
        if has_slept() {
            return rt;
        }
    }
}

/// From here on exits are noticed by SIGCHLD.
fn deny_pidfds() {
    deny_syscall(libc::SYS_pidfd_open, libc::ENOSYS);
}

/// From here on at most `count` descriptors can be opened.
fn leave_descriptors(count: u64) {
    let next = std::fs::File::open("/dev/null").unwrap().as_raw_fd() as u64;
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: writes `limit`.
    let known = unsafe { libc::getrlimit64(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(known, 0);
    limit.rlim_cur = next + count;
    // SAFETY: reads `limit`, of a process of its own.
    let set = unsafe { libc::setrlimit64(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(set, 0);
}

/// Our children by process id, with their states; 'Z' is a zombie.
fn children() -> BTreeMap<u32, char> {
    let mut children = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // PID (NAME) STATE PARENT ...
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let state = fields.next().unwrap().chars().next().unwrap();
        if fields.next() == Some(&std::process::id().to_string()) {
            children.insert(pid, state);
        }
    }
    children
}

/// While the runtime is driven, nothing of ours stays in the process table.
async fn assert_all_reaped() {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !children().is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", children());
        sleep(Duration::from_millis(5)).await;
    }
}

fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + (i >> 8)) as u8).collect()
}

/// Every way to end, known as often as one asks.
fn exits(setup: Setup) {
    runtime(setup).block_on(async {
        for code in [0, 1, 7, 255] {
            let mut child = sh(&format!("exit {code}")).spawn().unwrap();
            assert!(child.id().is_some());
            let status = child.wait().await.unwrap();
            assert_eq!(status.code(), Some(code));
            assert_eq!(child.id(), None);
            assert_eq!(child.wait().await.unwrap(), status);
            assert_eq!(child.try_wait().unwrap(), Some(status));
            child.start_kill().unwrap();
            child.kill().await.unwrap();
        }
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        assert_all_reaped().await;
    });
}

/// A thousand at a rate the machine allows, 50 at a time; none is missed, nothing is left.
fn a_thousand(setup: Setup) {
    let before = Snapshot::take();
    let rt = runtime(setup);
    rt.block_on(async {
        for batch in 0..20 {
            let waits: Vec<_> = (0..50)
                .map(|i| {
                    let code = (batch * 50 + i) % 256;
                    let mut child = sh(&format!("exit {code}")).spawn().unwrap();
                    yamanote::spawn(async move {
                        assert_eq!(child.wait().await.unwrap().code(), Some(code));
                    })
                })
                .collect();
            for wait in waits {
                timeout(Duration::from_secs(20), wait)
                    .await
                    .expect("an exit was missed")
                    .unwrap();
            }
        }
        assert_eq!(children(), BTreeMap::new());
    });
    drop(rt);
    let now = Snapshot::take();
    assert_eq!(now.descriptor_count(), before.descriptor_count() + BELL);
}

/// A wait that is dropped, wherever it is, loses nothing.
fn cancelled_waits(setup: Setup) {
    runtime(setup).block_on(async {
        for round in 0..40u64 {
            let mut child = sh("sleep 0.01; exit 9").spawn().unwrap();
            let status = loop {
                let limit = Duration::from_micros(100 + (round * 379) % 3000);
                match timeout(limit, child.wait()).await {
                    Ok(status) => break status.unwrap(),
                    Err(_) => {
                        if let Some(status) = child.try_wait().unwrap() {
                            break status;
                        }
                    }
                }
            };
            assert_eq!(status.code(), Some(9));
            assert_eq!(child.wait().await.unwrap(), status);
        }
    });
}

/// Children that nobody waits for: alive, dead already, killed by the drop.
fn dropped_children(setup: Setup) {
    runtime(setup).block_on(async {
        for round in 0..100 {
            let script = ["exit 0", "sleep 0.05", "sleep 0.2"][round % 3];
            drop(sh(script).spawn().unwrap());
            let mut killed = Command::new("sleep");
            drop(killed.arg("1000").kill_on_drop(true).spawn().unwrap());
            // The futures hold a child.
            drop(sh("exec sleep 1000").kill_on_drop(true).status());
            drop(sh("exec sleep 1000").kill_on_drop(true).output());
        }
        assert_all_reaped().await;
    });
}

/// A child that is not to be killed goes on without us; one that is has no last words.
fn kill_on_drop(setup: Setup) {
    runtime(setup).block_on(async {
        for kill in [false, true] {
            let mut command = sh("read line; echo last words");
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.kill_on_drop(kill).spawn().unwrap();
            let pid = child.id().unwrap();
            let (mut stdin, mut stdout) =
                (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            drop(child);
            let _ = stdin.write_all(b"go on\n").await;
            let mut words = String::new();
            stdout.read_to_string(&mut words).await.unwrap();
            assert_eq!(words, if kill { "" } else { "last words\n" });
            assert_all_reaped().await;
            assert!(!exists(pid));
        }
    });
}

fn killed(setup: Setup) {
    runtime(setup).block_on(async {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        drop(
            Command::new("sleep")
                .arg("1000")
                .kill_on_drop(true)
                .spawn()
                .unwrap(),
        );
        assert_all_reaped().await;
    });
}

/// A child outlives its runtime: awaited in the next one, or reaped by it.
fn changed_runtimes(setup: Setup) {
    // They live until the other end of their input is closed.
    let (input, end) = yamanote_test::pipe();
    let also = input.try_clone().unwrap();
    let rt = runtime(setup);
    let (mut awaited, dropped) = rt.block_on(async {
        let awaited = sh("read line; exit 5").stdin(input).spawn().unwrap();
        let dropped = sh("read line").stdin(also).spawn().unwrap();
        (awaited, dropped)
    });
    let pid = dropped.id().unwrap();
    drop(dropped);
    drop(rt);
    drop(end);
    let deadline = Instant::now() + Duration::from_secs(20);
    while children().get(&pid) != Some(&'Z') {
        assert!(Instant::now() < deadline, "no runtime, no reaper");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(children().get(&pid), Some(&'Z'), "no runtime, no reaper");
    runtime(setup).block_on(async {
        assert_eq!(awaited.wait().await.unwrap().code(), Some(5));
        assert_all_reaped().await;
    });

    // While it is being awaited in the other.
    let (input, end) = yamanote_test::pipe();
    let rt = runtime(setup);
    let child = rt.block_on(async { sh("read line; exit 6").stdin(input).spawn() });
    let mut child = child.unwrap();
    let other = runtime(setup);
    other.block_on(async {
        let mut wait = pin!(child.wait());
        poll_fn(|cx| {
            assert!(wait.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop_elsewhere(rt);
        drop(end);
        assert_eq!(wait.await.unwrap().code(), Some(6));
    });
}

/// A runtime may not be dropped where another one runs.
fn drop_elsewhere(rt: Runtime) {
    std::thread::spawn(move || drop(rt)).join().unwrap();
}

/// Whether the tracer is there and the program to be traced has been started.
fn is_traced_sleep(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.starts_with("Name:\tsleep\n") && !status.contains("TracerPid:\t0\n")
}

/// strace -D is the child of what it traces: the child has exited for the kernel before its tracer
/// lets us have it.
fn traced(setup: Setup) {
    runtime(setup).block_on(async {
        let children: Vec<_> = (0..5)
            .map(|_| {
                let mut command = Command::new("strace");
                command.args(["-o", "/dev/null", "-D", "sleep", "100"]);
                yamanote::spawn(async move {
                    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
                    let pid = child.id().unwrap() as i32;
                    let deadline = Instant::now() + Duration::from_secs(20);
                    while !is_traced_sleep(pid) {
                        assert!(Instant::now() < deadline, "it is not traced");
                        sleep(Duration::from_millis(5)).await;
                    }
                    // SAFETY: our own child, which nobody has waited for.
                    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
                    timeout(Duration::from_secs(20), child.wait())
                        .await
                        .expect("the exit was missed")
                        .unwrap()
                })
            })
            .collect();
        for child in children {
            assert_eq!(child.await.unwrap().signal(), Some(libc::SIGINT));
        }
    });
}

/// As [`traced`], of children that were dropped: the pidfd tells of the exit too early, and nothing
/// has listened to SIGCHLD before.
fn dropped_and_traced(setup: Setup) {
    runtime(setup).block_on(async {
        let pids: Vec<_> = (0..5)
            .map(|_| {
                let mut command = Command::new("strace");
                command.args(["-o", "/dev/null", "-D", "sleep", "100"]);
                let child = command.stderr(Stdio::null()).spawn().unwrap();
                child.id().unwrap() as i32
            })
            .collect();
        sleep(Duration::from_millis(300)).await;
        for pid in pids {
            // SAFETY: our own child, which runs.
            assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
        }
        assert_all_reaped().await;
    });
}

matrix! {
    alone fn exits_by_pidfd(setup: Setup) { exits(setup) }
    alone fn exits_by_signal(setup: Setup) { deny_pidfds(); exits(setup) }
    alone fn a_thousand_by_pidfd(setup: Setup) { a_thousand(setup) }
    alone fn a_thousand_by_signal(setup: Setup) { deny_pidfds(); a_thousand(setup) }
    alone fn cancelled_waits_by_pidfd(setup: Setup) { cancelled_waits(setup) }
    alone fn cancelled_waits_by_signal(setup: Setup) { deny_pidfds(); cancelled_waits(setup) }
    alone fn dropped_children_by_pidfd(setup: Setup) { dropped_children(setup) }
    alone fn dropped_children_by_signal(setup: Setup) { deny_pidfds(); dropped_children(setup) }
    alone fn kill_on_drop_by_pidfd(setup: Setup) { kill_on_drop(setup) }
    alone fn kill_on_drop_by_signal(setup: Setup) { deny_pidfds(); kill_on_drop(setup) }
    alone fn changed_runtimes_by_pidfd(setup: Setup) { changed_runtimes(setup) }
    alone fn changed_runtimes_by_signal(setup: Setup) { deny_pidfds(); changed_runtimes(setup) }
    alone fn traced_by_pidfd(setup: Setup) {
        if require(Capability::Strace) { traced(setup) }
    }
    alone fn traced_by_signal(setup: Setup) {
        if require(Capability::Strace) { deny_pidfds(); traced(setup) }
    }
    alone fn dropped_and_traced_by_pidfd(setup: Setup) {
        if require(Capability::Strace) { dropped_and_traced(setup) }
    }
    alone fn dropped_and_traced_by_signal(setup: Setup) {
        if require(Capability::Strace) { deny_pidfds(); dropped_and_traced(setup) }
    }

    /// Ten thousand who are not waited for: no zombie stays, no descriptor.
    alone fn many_dropped_children(setup: Setup) {
        // Enough on one cell; a tenth on the others.
        let count = if setup.workers == Some(2) { 10_000 } else { 1_000 };
        let before = Snapshot::take();
        let rt = runtime(setup);
        rt.block_on(async {
            for i in 0..count {
                drop(Command::new("true").stdin(Stdio::null()).spawn().unwrap());
                if i % 50 == 0 {
                    yamanote::task::yield_now().await;
                }
            }
            assert_all_reaped().await;
        });
        drop(rt);
        // The set of orphans has its descriptor, mio's waker none.
        assert_eq!(Snapshot::take().descriptor_count(), before.descriptor_count() + BELL + 1);
    }

    /// A program that takes SIGCHLD for itself hides nothing from pidfds.
    alone fn sigchld_belongs_to_the_program(setup: Setup) {
        // SAFETY: restores the default action.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        runtime(setup).block_on(async {
            for _ in 0..20 {
                drop(sh("sleep 0.02").spawn().unwrap());
                assert!(sh("exit 0").status().await.unwrap().success());
            }
            assert_all_reaped().await;
            // Ignored, the kernel reaps for itself, and tells nobody the status.
            // SAFETY: a signal is ignored.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            let mut child = sh("sleep 0.05").kill_on_drop(true).spawn().unwrap();
            let error = timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
        });
    }

    /// Failures to start leave nothing behind.
    alone fn what_cannot_start(setup: Setup) {
        let rt = settled(setup);
        let before = Snapshot::take();
        rt.block_on(async {
            for _ in 0..20 {
                let mut command = Command::new("/no/such/program");
                command.stdin(Stdio::piped()).stdout(Stdio::piped());
                assert_eq!(command.spawn().unwrap_err().kind(), ErrorKind::NotFound);
                assert_eq!(command.output().await.unwrap_err().kind(), ErrorKind::NotFound);
                assert_eq!(command.status().await.unwrap_err().kind(), ErrorKind::NotFound);
                let huge = "x".repeat(4 << 20);
                let error = Command::new("true").arg(huge).spawn().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::E2BIG));
                let error = Command::new("true").current_dir("/no/such").spawn().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotFound);
            }
        });
        assert_eq!(children(), BTreeMap::new());
        assert_eq!(Snapshot::take().descriptor_count(), before.descriptor_count() + BELL);
    }

    /// More children than descriptors: those without a pidfd end as well as the others.
    alone fn more_children_than_descriptors(setup: Setup) {
        let rt = settled(setup);
        let before = Snapshot::take();
        leave_descriptors(8);
        rt.block_on(async {
            let children: Vec<_> = (0..40)
                .map(|code| (code, sh(&format!("sleep 0.3; exit {code}")).spawn().unwrap()))
                .collect();
            std::fs::File::open("/dev/null").unwrap_err();
            for (code, mut child) in children {
                let status = timeout(Duration::from_secs(20), child.wait())
                    .await
                    .expect("an exit was missed")
                    .unwrap();
                assert_eq!(status.code(), Some(code));
            }
        });
        assert_eq!(children(), BTreeMap::new());
        assert_eq!(Snapshot::take().descriptor_count(), before.descriptor_count() + BELL);
    }

    /// The first child needs the one descriptor that all share, and does not run without it.
    alone fn no_descriptor_no_child(setup: Setup) {
        let rt = settled(setup);
        let (mut from_child, to_us) = yamanote_test::pipe();
        let next = std::fs::File::open("/dev/null").unwrap();
        leave_descriptors(0);
        rt.block_on(async {
            let mut command = sh("echo ran");
            let error = command.stdout(to_us).spawn().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            drop(next);
            assert_eq!(sh("exit 3").status().await.unwrap().code(), Some(3));
        });
        let mut words = String::new();
        std::io::Read::read_to_string(&mut from_child, &mut words).unwrap();
        assert_eq!(words, "");
        assert_eq!(children(), BTreeMap::new());
    }

    /// A set that takes no more pidfds is no reason to lose a child.
    alone fn no_room_for_a_pidfd(setup: Setup) {
        runtime(setup).block_on(async {
            assert!(sh("exit 0").status().await.unwrap().success());
            deny_syscall(libc::SYS_epoll_ctl, libc::ENOSPC);
            assert_eq!(sh("exit 3").status().await.unwrap().code(), Some(3));
        });
    }

    /// A kill goes by the pidfd, which cannot mean another process.
    alone fn a_kill_by_pidfd(setup: Setup) {
        deny_syscall(libc::SYS_kill, libc::EPERM);
        killed(setup);
    }

    /// Where a filter lets pidfds carry no signals, it goes by number.
    alone fn a_kill_by_number(setup: Setup) {
        deny_syscall(libc::SYS_pidfd_send_signal, libc::EPERM);
        killed(setup);
    }

    /// Descriptors go with the child, not with its drop alone.
    alone fn descriptors_are_given_back(setup: Setup) {
        let rt = settled(setup);
        let before = Snapshot::take();
        rt.block_on(async {
            for _ in 0..50 {
                let output = sh("echo out; echo err >&2").stdin(Stdio::piped()).output().await.unwrap();
                assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
                let mut child = Command::new("cat")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                assert!(child.wait().await.unwrap().success());
            }
        });
        assert_eq!(children(), BTreeMap::new());
        assert_eq!(Snapshot::take().descriptor_count(), before.descriptor_count() + BELL);
    }

    /// A child that was started and cannot be watched, because the runtime is over, is killed if it
    /// should not outlive its handle.
    alone fn kill_on_drop_of_what_cannot_be_watched(setup: Setup) {
        let rt = runtime(setup);
        let handle = rt.handle().clone();
        drop(rt);
        let _entered = handle.enter();
        let (mut from_child, to_us) = yamanote_test::pipe();
        let mut command = Command::new("sleep");
        command.arg("100").stdout(to_us).kill_on_drop(true);
        command.spawn().unwrap_err();
        drop(command);
        let begin = Instant::now();
        std::io::Read::read_to_end(&mut from_child, &mut Vec::new()).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(50), "it lived on");
    }

    /// Outside a runtime, or without I/O, nothing is started.
    alone fn no_runtime_no_child(setup: Setup) {
        let text = |f: &dyn Fn()| {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
            match panic.downcast::<String>() {
                Ok(text) => *text,
                Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
            }
        };
        let spawn = || drop(Command::new("sleep").arg("1").spawn());
        assert_eq!(
            text(&spawn),
            "there is no reactor running, must be called from the context of a Tokio 1.x runtime"
        );
        let without_io = match setup.workers {
            None => yamanote::runtime::Builder::new_current_thread().build(),
            Some(_) => yamanote::runtime::Builder::new_multi_thread().build(),
        }
        .unwrap();
        assert_eq!(
            text(&|| without_io.block_on(async { spawn() })),
            "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime \
             builder to enable IO."
        );
        assert_eq!(children(), BTreeMap::new());
    }

    /// Both pipes full at once, in both directions; every byte comes back.
    async fn a_megabyte_through_cat() {
        let bytes = pattern(1 << 20);
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let sent = bytes.clone();
        let writer = yamanote::spawn(async move { stdin.write_all(&sent).await });
        let mut received = Vec::new();
        stdout.read_to_end(&mut received).await.unwrap();
        writer.await.unwrap().unwrap();
        assert!(received == bytes);
        assert!(child.wait().await.unwrap().success());
    }

    /// More than the pipes hold on both streams, while the exit is awaited.
    async fn all_the_output() {
        let script = "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; exit 3";
        let output = sh(script).output().await.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 200_000));
        let output = sh("echo a").spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0), "nothing was piped");
    }

    /// A grandchild holds the pipe: its words count as output, the exit is known before.
    async fn output_of_a_grandchild() {
        let script = "echo early; (sleep 0.3; echo late) &";
        let output = sh(script).output().await.unwrap();
        assert_eq!(output.stdout, b"early\nlate\n");
    }

    /// A wait closes stdin, so a child that reads to the end ends.
    async fn a_wait_closes_stdin() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        assert!(child.stdin.is_some());
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none());
    }

    /// Writing to who does not read any more is an error, not the end of this process.
    async fn broken_pipe() {
        let mut child = sh("exec <&-; exec sleep 1000")
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let error = loop {
            if let Err(error) = stdin.write_all(&[0; 4096]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }

    /// Vectored writes, flush and shutdown.
    async fn stdin_as_a_writer() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin: ChildStdin = child.stdin.take().unwrap();
        assert!(yamanote::io::AsyncWrite::is_write_vectored(&stdin));
        let parts = [std::io::IoSlice::new(b"one "), std::io::IoSlice::new(b"two")];
        assert_eq!(stdin.write_vectored(&parts).await.unwrap(), 7);
        stdin.flush().await.unwrap();
        // Closes nothing.
        stdin.shutdown().await.unwrap();
        stdin.write_all(b" three").await.unwrap();
        drop(stdin);
        assert_eq!(child.wait_with_output().await.unwrap().stdout, b"one two three");
    }

    /// The output of one child is the input of the next, and blocks as programs expect it.
    async fn a_pipeline() {
        let mut first = sh("echo hello").stdout(Stdio::piped()).spawn().unwrap();
        let between: Stdio = first.stdout.take().unwrap().try_into().unwrap();
        let second = Command::new("tr").args(["a-z", "A-Z"]).stdin(between).output();
        assert_eq!(second.await.unwrap().stdout, b"HELLO\n");
        assert!(first.wait().await.unwrap().success());

        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let flags = |fd: i32| {
            // SAFETY: F_GETFL takes no argument.
            unsafe { libc::fcntl(fd, libc::F_GETFL) }
        };
        assert_ne!(flags(child.stdout.as_ref().unwrap().as_raw_fd()) & libc::O_NONBLOCK, 0);
        let stdin = child.stdin.take().unwrap().into_owned_fd().unwrap();
        let stdout = child.stdout.take().unwrap().into_owned_fd().unwrap();
        for fd in [&stdin, &stdout] {
            assert_eq!(flags(fd.as_raw_fd()) & libc::O_NONBLOCK, 0);
        }
        drop(stdin);
        child.wait().await.unwrap();
    }

    /// The streams of a child that std has started.
    async fn streams_from_std() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "cat; echo err >&2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = ChildStdin::from_std(child.stdin.take().unwrap()).unwrap();
        let mut stdout = yamanote::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut stderr = yamanote::process::ChildStderr::from_std(child.stderr.take().unwrap()).unwrap();
        stdin.write_all(b"in").await.unwrap();
        drop(stdin);
        let (mut out, mut err) = (String::new(), String::new());
        stdout.read_to_string(&mut out).await.unwrap();
        stderr.read_to_string(&mut err).await.unwrap();
        assert_eq!((&*out, &*err), ("in", "err\n"));
        child.wait().unwrap();
    }

    /// What the child gets is what was asked for.
    async fn every_option() {
        let mut command = sh("echo $0 $A $B $C; pwd; ps -o pgid= -p $$ | tr -d ' '; echo $$");
        command
            .arg0("renamed")
            .arg("zero")
            .env("A", "1")
            .envs([("B", "2"), ("C", "3")])
            .env_remove("C")
            .current_dir("/")
            .process_group(0);
        let text = String::from_utf8(command.output().await.unwrap().stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["zero 1 2", "/"]);
        if lines.len() == 4 {
            assert_eq!(lines[2], lines[3], "leads a group of its own");
        }
        let output = Command::new("/usr/bin/env").env_clear().env("ONLY", "this").output().await;
        assert_eq!(output.unwrap().stdout, b"ONLY=this\n");
        assert_eq!(command.as_std().get_program(), "sh");
        command.as_std_mut().arg("last");
        let std = command.into_std();
        assert_eq!(std.get_args().last().unwrap(), "last");
        assert!(!Command::from(std).get_kill_on_drop());
    }

    /// An error before exec is the error of the spawn.
    async fn pre_exec() {
        let mut command = Command::new("true");
        // SAFETY: the closure only returns.
        unsafe { command.pre_exec(|| Err(std::io::Error::from_raw_os_error(libc::EXFULL))) };
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::EXFULL));
        let error = Command::new("true").uid(4_000_000).gid(4_000_000).status().await;
        if !require(Capability::Root) {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
    }
}
