//! Children end: every exit is noticed on both drivers, by pidfd or, where a seccomp filter denies
//! those, by SIGCHLD; and nothing stays in the process table.

mod process_support;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::Stdio;
use std::task::Poll;
use std::time::{Duration, Instant};

use process_support::{BELL, assert_all_reaped, children, deny_pidfds, runtime, sh};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::process::Command;
use yamanote::runtime::Runtime;
use yamanote::time::{sleep, timeout};
use yamanote_test::{Capability, Setup, Snapshot, matrix, require};

fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Every way to end; the status can be asked for any number of times.
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

/// A thousand at the rate the machine allows, 50 at a time; none is missed, nothing is left.
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

/// A wait that is dropped, at whatever point, loses nothing.
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

/// A child that is not to be killed goes on without us; one that is to be killed has no last words.
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

    // The child is being awaited in the other runtime meanwhile.
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

/// strace -D is the child of what it traces: for the kernel the child has exited before its tracer
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

/// As [`traced`], with children that were dropped: the pidfd reports the exit too early, and
/// nothing has listened to SIGCHLD before.
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

    /// Ten thousand that nobody waits for: neither a zombie nor a descriptor stays.
    alone fn many_dropped_children(setup: Setup) {
        // Enough on one cell; a tenth of it on the others.
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
        // The set of orphans has its descriptor, mio's waker has none.
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
            // If it is ignored, the kernel reaps by itself and tells nobody the status.
            // SAFETY: a signal is ignored.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            let mut child = sh("sleep 0.05").kill_on_drop(true).spawn().unwrap();
            let error = timeout(Duration::from_secs(20), child.wait()).await.unwrap().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
        });
    }
}
