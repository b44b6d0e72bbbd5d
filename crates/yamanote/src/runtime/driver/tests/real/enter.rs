//! `io_uring_enter` under strain: more than the queues hold, errors injected from outside, sleepers
//! woken, a fork.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use yamanote_test::{Capability, in_own_process, require};

use super::{Bench, pipe, poll_once};
use crate::runtime::driver::batch::Batch;
use crate::runtime::driver::op::read::Read;
use crate::runtime::driver::op::transfer::Offset;
use crate::runtime::driver::op::write::Write;
use crate::runtime::driver::ring::{Door, Profile, Ring, RingParams};
use crate::sys::uring;

/// R1, R2: 10,000 operations in one go through the smallest ring; then the same, dropped.
#[test]
fn ten_thousand_operations_in_one_poll() {
    let Some(bench) = Bench::new(8) else { return };
    let zero = Arc::new(File::open("/dev/zero").unwrap());
    for drops in [false, true] {
        let mut ops = Vec::new();
        for _ in 0..10_000 {
            let mut op = bench.op(Read::new(zero.clone(), vec![1; 3], Offset::At(0)));
            assert!(poll_once(&mut op).is_pending());
            ops.push(op);
        }
        if !drops {
            for op in ops {
                let (n, buf) = bench.finish(op);
                assert_eq!((n.unwrap(), buf), (3, vec![0; 3]));
            }
        }
        bench.drain();
    }
    assert!(bench.driver.ops_submitted() >= 20_000);
}

/// Runs an ignored test of this file alone, with `strace` injecting errors into one call.
fn run_traced(test: &str, inject: &str, expect: &str) {
    let path = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let call = inject.split(':').next().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .args(["-e", &format!("inject={inject}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &path, "--ignored", "--test-threads=1"])
        .env("YAMANOTE_TEST_EXPECT", expect)
        // LeakSanitizer, if we are built with it, cannot look at a process that is traced.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{inject}: {stdout}\n{}",
        String::from_utf8_lossy(&output.stderr),
    );
}

/// O2 on the real kernel: any one enter, or several, fails with any passing error.
#[test]
fn injected_errors_of_enter_lose_nothing() {
    if !require(Capability::IoUring) || !require(Capability::Strace) {
        return;
    }
    for errno in ["EAGAIN", "EINTR", "EBUSY", "ENOMEM"] {
        for when in ["1", "2", "3", "5", "8", "1+2", "2+3", "7..20"] {
            let inject = format!("io_uring_enter:error={errno}:when={when}");
            run_traced("enter_is_traced", &inject, "");
        }
    }
}

/// R9, R10: what `io_uring_setup` may say, and what is made of it.
#[test]
fn injected_errors_of_setup_are_survived_or_explained() {
    if !require(Capability::IoUring) || !require(Capability::Strace) {
        return;
    }
    for (inject, expect) in [
        ("ENOMEM:when=1..2", "16"),
        ("EINVAL:when=1", "64"),
        ("EINVAL:when=1..2", "64"),
        ("ENOMEM", "ulimit -l"),
        ("EINVAL", "5.19"),
        ("ENOSYS", "CONFIG_IO_URING"),
        ("EMFILE", "ulimit -n"),
    ] {
        let inject = format!("io_uring_setup:error={inject}");
        run_traced("setup_is_traced", &inject, expect);
    }
    // R13, L7: a filter that knows only one of the calls.
    run_traced(
        "others_are_traced",
        "io_uring_register:error=EINVAL",
        "io_uring_register",
    );
    run_traced(
        "others_are_traced",
        "io_uring_enter:error=EPERM",
        "io_uring_enter",
    );
}

/// What runs under `strace` above: a ring of as many entries as expected, or the expected words.
#[test]
#[ignore = "started by injected_errors_of_setup_are_survived_or_explained"]
fn setup_is_traced() {
    use crate::runtime::driver::probe;
    let expect = std::env::var("YAMANOTE_TEST_EXPECT").unwrap();
    let params = RingParams {
        entries: 64,
        profile: Profile::Shared,
    };
    match (Ring::new(params), expect.parse::<u32>()) {
        (Ok(ring), Ok(entries)) => assert_eq!(ring.entries(), entries),
        (Err(_), Err(_)) => {
            let refusal = probe::usable().unwrap_err().to_string();
            assert!(refusal.contains(&expect), "{refusal}");
            assert!(probe::report().refusal.unwrap().contains(&expect));
        }
        (answer, _) => panic!("{answer:?} instead of {expect}"),
    }
}

/// What runs under `strace` above.
#[test]
#[ignore = "started by injected_errors_of_enter_lose_nothing"]
fn enter_is_traced() {
    let bench = Bench::new(8).unwrap();
    let (reader, writer) = pipe();
    let (reader, writer) = (Arc::new(reader), Arc::new(writer));
    for round in 0..20u8 {
        // One that waits, one that is dropped, one that writes, then more than the queue holds.
        let mut waiting = bench.op(Read::new(reader.clone(), vec![0; 1], Offset::Cursor));
        assert!(poll_once(&mut waiting).is_pending());
        let (idle, _keep) = pipe();
        let mut dropped = bench.op(Read::new(idle, vec![0; 1], Offset::Cursor));
        assert!(poll_once(&mut dropped).is_pending());
        drop(dropped);
        let (n, _) = bench.run(Write::new(writer.clone(), vec![round], Offset::Cursor));
        assert_eq!(n.unwrap(), 1);
        let (n, buf) = bench.finish(waiting);
        assert_eq!((n.unwrap(), buf), (1, vec![round]));
        let zero = Arc::new(File::open("/dev/zero").unwrap());
        let mut ops: Vec<_> = (0..20)
            .map(|_| bench.op(Read::new(zero.clone(), vec![1; 8], Offset::At(0))))
            .collect();
        for op in &mut ops {
            assert!(poll_once(op).is_pending());
        }
        for op in ops {
            assert_eq!(bench.finish(op).0.unwrap(), 8);
        }
    }
    bench.drain();
}

/// R18, R19: wakes from other threads, through both doors; coalesced, none lost.
#[test]
fn a_waiter_is_woken_whatever_the_door() {
    if !require(Capability::IoUring) {
        return;
    }
    for eventfd in [false, true] {
        let params = RingParams {
            entries: 8,
            profile: Profile::Shared,
        };
        let mut ring = match eventfd {
            false => Ring::new(params).unwrap(),
            true => Ring::new_with_door(params, Door::eventfd().unwrap()).unwrap(),
        };
        ring.flush();
        let posted = Arc::new(AtomicU64::new(0));
        const LAST: u64 = 50_000;
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (waker, posted) = (ring.waker(), posted.clone());
                std::thread::spawn(move || {
                    while posted.fetch_add(1, Ordering::Relaxed) < LAST {
                        waker.wake().unwrap();
                    }
                    waker.wake().unwrap();
                })
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut batch = Batch::default();
        let mut waits = 0u64;
        while posted.load(Ordering::Relaxed) <= LAST {
            uring::wait(
                ring.raw_fd(),
                ring.unsubmitted(),
                Some(Duration::from_secs(5)),
                false,
            )
            .unwrap();
            ring.reap(&mut batch, usize::MAX);
            waits += 1;
            assert!(Instant::now() < deadline, "stuck after {waits} waits");
        }
        for waker in wakers {
            waker.join().unwrap();
        }
        // The last wakes were sent before the joins returned: one more wait ends at once.
        ring.waker().wake().unwrap();
        let start = Instant::now();
        uring::wait(
            ring.raw_fd(),
            ring.unsubmitted(),
            Some(Duration::from_secs(5)),
            false,
        )
        .unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
        assert!(ring.take_woken() || ring.reap(&mut batch, usize::MAX) > 0);
    }
}

/// The wait is over when the time is, not before, and does not consume what is there.
#[test]
fn a_wait_keeps_its_time() {
    if !require(Capability::IoUring) {
        return;
    }
    let params = RingParams {
        entries: 8,
        profile: Profile::Shared,
    };
    let mut ring = Ring::new(params).unwrap();
    let mut batch = Batch::default();
    ring.flush();
    ring.reap(&mut batch, usize::MAX);
    for millis in [0, 1, 20] {
        let limit = Duration::from_millis(millis);
        let start = Instant::now();
        uring::wait(ring.raw_fd(), 0, Some(limit), false).unwrap();
        assert!(start.elapsed() >= limit);
        assert!(start.elapsed() < limit + Duration::from_millis(500));
    }
    for limit in [None, Some(Duration::MAX)] {
        let waker = ring.waker();
        let delay = Duration::from_millis(20);
        let start = Instant::now();
        let sleeper = std::thread::spawn(move || {
            std::thread::sleep(delay);
            waker.wake().unwrap();
        });
        uring::wait(ring.raw_fd(), 0, limit, false).unwrap();
        assert!(start.elapsed() >= delay, "{limit:?}");
        // What was not reaped ends the next wait too.
        uring::wait(ring.raw_fd(), 0, limit, false).unwrap();
        ring.reap(&mut batch, usize::MAX);
        sleeper.join().unwrap();
    }
    assert!(ring.take_woken());
}

/// R22: a forked child that uses the ring is told so, one that drops it harms nobody.
#[test]
fn a_forked_child_cannot_touch_its_parents_ring() {
    in_own_process(
        module_path!(),
        "a_forked_child_cannot_touch_its_parents_ring",
        || {
            let Some(bench) = Bench::new(8) else { return };
            let (reader, writer) = pipe();
            let mut op = bench.op(Read::new(reader, vec![0; 3], Offset::Cursor));
            assert!(poll_once(&mut op).is_pending());
            bench.turn();
            let params = RingParams {
                entries: 8,
                profile: Profile::Shared,
            };
            let mut spare = Some(Ring::new(params).unwrap());
            for drops in [false, true] {
                // SAFETY: this process has no other thread that matters (the harness's main thread
                // waits in a join), and the child leaves by `_exit`.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    let ring = std::panic::AssertUnwindSafe(|| {
                        if drops {
                            drop(spare.take());
                        } else {
                            bench.turn();
                        }
                    });
                    std::panic::set_hook(Box::new(|_| {}));
                    let panicked = std::panic::catch_unwind(ring).is_err();
                    // SAFETY: ends the child without running destructors.
                    unsafe { libc::_exit(i32::from(panicked == drops)) };
                }
                let mut status = 0;
                // SAFETY: waits for the child made above; `status` is writable.
                assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
                assert_eq!(status, 0, "drops: {drops}");
            }
            let mut spare = spare.unwrap();
            spare.waker().wake().unwrap();
            uring::wait(spare.raw_fd(), 0, None, false).unwrap();
            assert!(spare.reap(&mut Batch::default(), usize::MAX) > 0);
            let writer: OwnedFd = writer;
            std::io::Write::write_all(&mut File::from(writer), b"abc").unwrap();
            assert_eq!(bench.finish(op).1, b"abc");
        },
    );
}

/// A thread without a slot gets its operation back: it would wait for turns that may not come.
#[test]
fn an_operation_of_a_thread_without_a_slot_is_refused() {
    let Some(bench) = Bench::new(8) else { return };
    drop(bench.driver.ring(0).unwrap());
    let driver = bench.driver.clone();
    let refused = std::thread::spawn(move || {
        let zero = File::open("/dev/zero").unwrap();
        let read = Read::new(zero, vec![1, 2, 3], Offset::At(0));
        poll_once(&mut crate::runtime::driver::op::Op::new(driver, read))
    });
    let Poll::Ready((n, buf)) = refused.join().unwrap() else {
        panic!("it waits");
    };
    assert_eq!(n.unwrap_err().raw_os_error(), Some(libc::EAGAIN));
    assert_eq!(buf, [1, 2, 3]);
    assert_eq!(bench.driver.ops_submitted(), 0);
}

/// A future kept outside of the runtime gets its result, or the cancellation, after the shutdown; a
/// new one is refused with its buffer.
#[test]
fn a_result_can_be_fetched_after_the_shutdown() {
    let Some(bench) = Bench::new(8) else { return };
    let (reader, writer) = pipe();
    let (reader, writer) = (Arc::new(reader), Arc::new(writer));
    let write = Write::new(writer, b"abc".to_vec(), Offset::Cursor);
    let mut write = bench.op(write);
    let mut done = bench.op(Read::new(reader.clone(), vec![0; 3], Offset::Cursor));
    let mut stuck = bench.op(Read::new(reader.clone(), vec![0; 3], Offset::Cursor));
    let mut late = bench.op(Read::new(reader, vec![7; 3], Offset::Cursor));
    assert!(poll_once(&mut write).is_pending());
    assert!(poll_once(&mut done).is_pending());
    bench.turn();
    assert!(poll_once(&mut stuck).is_pending());
    bench
        .driver
        .shutdown(Instant::now() + Duration::from_secs(5));
    let Poll::Ready((result, buf)) = poll_once(&mut done) else {
        panic!("its bytes were there before the shutdown");
    };
    assert_eq!((result.unwrap(), buf), (3, b"abc".to_vec()));
    let Poll::Ready((result, _)) = poll_once(&mut stuck) else {
        panic!("cancelled by the shutdown");
    };
    assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    let Poll::Ready((result, buf)) = poll_once(&mut late) else {
        panic!("refused after the shutdown");
    };
    assert!(result.unwrap_err().to_string().contains("shutting down"));
    assert_eq!(buf, [7; 3]);
    assert!(poll_once(&mut write).is_ready());
}

/// R15: the program closes all descriptors it does not know.
#[test]
fn a_ring_closed_by_the_program_is_noticed() {
    in_own_process(
        module_path!(),
        "a_ring_closed_by_the_program_is_noticed",
        || {
            let Some(bench) = Bench::new(8) else { return };
            let fd = bench.driver.ring(0).unwrap().raw_fd();
            // SAFETY: what a careless program does; nothing of ours is confused by it below.
            assert_eq!(unsafe { libc::close(fd) }, 0);
            // Another's, who must not find it closed.
            let other = File::open("/dev/zero").unwrap();
            assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&other), fd);
            for sleeps in [true, false] {
                let zero = File::open("/dev/zero").unwrap();
                let mut op = bench.op(Read::new(zero, vec![7; 3], Offset::Cursor));
                let first = poll_once(&mut op);
                if sleeps {
                    assert!(first.is_pending());
                    bench
                        .driver
                        .park(0, crate::runtime::driver::Role::None, None);
                }
                let second = match first.is_ready() {
                    true => first,
                    false => poll_once(&mut op),
                };
                let Poll::Ready((result, buf)) = second else {
                    panic!("the kernel cannot have taken it");
                };
                assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EAGAIN));
                assert_eq!(buf, [7; 3]);
            }
            let reason = bench.driver.fallback_reason().unwrap();
            assert!(reason.contains("closed the descriptor"), "{reason}");
            assert!(!bench.driver.ring_ready());
            drop(bench);
            assert!(other.metadata().is_ok(), "closed by somebody else");
        },
    );
}

/// What runs under `strace` above.
#[test]
#[ignore = "started by injected_errors_of_setup_are_survived_or_explained"]
fn others_are_traced() {
    let expect = std::env::var("YAMANOTE_TEST_EXPECT").unwrap();
    let refusal = crate::runtime::driver::probe::usable().unwrap_err();
    assert!(refusal.cause.contains(&expect), "{refusal}");
}

/// A ring pinned to its thread: completions appear when that thread enters, and only then.
#[test]
fn a_pinned_ring_completes_when_its_thread_enters() {
    if !require(Capability::IoUring) {
        return;
    }
    let params = RingParams {
        entries: 8,
        profile: Profile::Pinned,
    };
    let Ok(mut ring) = Ring::new(params) else {
        // Before Linux 6.1.
        return;
    };
    let (reader, writer) = pipe();
    ring.arm_readiness(std::os::fd::AsRawFd::as_raw_fd(&reader));
    ring.flush();
    std::io::Write::write_all(&mut File::from(writer), b"x").unwrap();
    assert!(ring.needs_enter(), "task work is announced");
    ring.flush();
    assert!(ring.reap(&mut Batch::default(), usize::MAX) > 0);
    assert!(ring.take_readiness_event());
    assert!(!ring.take_readiness_event());
}

/// The owner pushes for four threads, which wait for the ends or drop the futures while it sleeps.
#[test]
fn many_threads_share_a_ring_whose_owner_sleeps() {
    use std::pin::Pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake, Waker};

    const THREADS: u8 = 4;
    const ROUNDS: u32 = 2000;

    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let Some(bench) = Bench::new(8) else { return };
    let zero = Arc::new(File::open("/dev/zero").unwrap());
    let running = Arc::new(AtomicUsize::new(THREADS.into()));
    let (inboxes, threads): (Vec<_>, Vec<_>) = (0..THREADS)
        .map(|id| {
            let (inbox, ops) = std::sync::mpsc::channel();
            let (driver, running) = (bench.driver.clone(), running.clone());
            let work = move || {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                let mut cx = Context::from_waker(&waker);
                for round in 0..ROUNDS {
                    let mut op: crate::runtime::driver::op::Op<Read<Arc<File>, Vec<u8>>> =
                        ops.recv().unwrap();
                    if round % 7 == 0 {
                        continue;
                    }
                    let deadline = Instant::now() + Duration::from_secs(20);
                    loop {
                        if let Poll::Ready((n, buf)) = Pin::new(&mut op).poll(&mut cx) {
                            assert_eq!((n.unwrap(), buf), (16, vec![0; 16]));
                            break;
                        }
                        std::thread::park_timeout(Duration::from_secs(5));
                        assert!(
                            Instant::now() < deadline,
                            "{id}: no wake-up in round {round}"
                        );
                    }
                }
            };
            let thread = std::thread::spawn(move || {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                running.fetch_sub(1, Ordering::Release);
                driver.unpark(0);
                result.unwrap();
            });
            (inbox, thread)
        })
        .unzip();
    for round in 0..ROUNDS {
        for inbox in &inboxes {
            let mut op = bench.op(Read::new(zero.clone(), vec![1; 16], Offset::At(0)));
            assert!(poll_once(&mut op).is_pending());
            // Fails if the thread has panicked, which it tells itself.
            let _ = inbox.send(op);
        }
        if round % 3 == 0 {
            bench.turn();
        }
    }
    while running.load(Ordering::Acquire) > 0 {
        bench
            .driver
            .park(0, crate::runtime::driver::Role::None, None);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    bench.drain();
}

/// T4, O21's mild form: a write that must not be cancelled, to a pipe nobody reads, holds the
/// shutdown up until its time is over, and is not leaked even then.
#[test]
fn a_stuck_write_does_not_outlive_the_time_of_the_shutdown() {
    let Some(bench) = Bench::new(8) else { return };
    let (_reader, writer) = pipe();
    let writer = Arc::new(writer);
    // More than a pipe holds.
    let fill = Write::new(writer.clone(), vec![0; 1 << 20], Offset::Cursor);
    assert!(bench.run(fill).0.unwrap() < 1 << 20);
    let mut op = bench.op(Write::new(writer, vec![0; 1], Offset::Cursor));
    assert!(poll_once(&mut op).is_pending());
    drop(op);
    bench.turn();
    let patience = Duration::from_millis(50);
    let start = Instant::now();
    bench.driver.shutdown(start + patience);
    assert!(start.elapsed() >= patience);
    assert!(start.elapsed() < patience + Duration::from_secs(1));
    assert_eq!((bench.driver.live_ops(), bench.driver.leaked_ops()), (0, 0));
}

/// What the kernel has taken ends also when the ring was given up meanwhile, asleep or not, and the
/// sleeper does not spin.
#[test]
fn a_read_under_way_ends_after_its_ring_was_given_up() {
    let Some(bench) = Bench::new(8) else { return };
    let (reader, writer) = pipe();
    let mut op = bench.op(Read::new(reader, vec![0; 3], Offset::Cursor));
    assert!(poll_once(&mut op).is_pending());
    bench.turn();
    let mut ring = bench.driver.ring(0).unwrap();
    ring.give_up("a test", libc::EPERM);
    drop(ring);
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        std::io::Write::write_all(&mut File::from(writer), b"abc").unwrap();
    });
    let before = bench.driver.turns(0);
    let (n, buf) = bench.finish(op);
    writer.join().unwrap();
    assert_eq!((n.unwrap(), &buf[..]), (3, &b"abc"[..]));
    assert!(bench.driver.turns(0) - before < 100);
    assert_eq!(bench.driver.live_ops(), 0);
}
