//! Rings under strain: more than the queues hold, a fork, a descriptor that is closed, the end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use yamanote_test::in_own_process;

use super::{Rig, pipe, poll_once};
use crate::runtime::driver::batch::Batch;
use crate::runtime::driver::ops::read::Read;
use crate::runtime::driver::ops::write::Write;
use crate::runtime::driver::ring::Ring;
use crate::sys::uring;

/// R1, R2: 10,000 operations in one go through the smallest ring; then the same, dropped.
#[test]
fn ten_thousand_operations_in_one_poll() {
    let Some(rig) = Rig::new(8) else { return };
    let zero = Arc::new(File::open("/dev/zero").unwrap());
    for drops in [false, true] {
        let mut ops = Vec::new();
        for _ in 0..10_000 {
            let mut op = rig.op(Read::new(zero.clone(), vec![1; 3], 0));
            assert!(poll_once(&mut op).is_pending());
            ops.push(op);
        }
        if !drops {
            for op in ops {
                let (n, buf) = rig.finish(op);
                assert_eq!((n.unwrap(), buf), (3, vec![0; 3]));
            }
        }
        rig.drain();
    }
    assert!(rig.driver.ops_submitted() >= 20_000);
}

/// R22: a forked child that uses the ring is told so, one that drops it harms nobody.
#[test]
fn a_forked_child_cannot_touch_its_parents_ring() {
    in_own_process(
        module_path!(),
        "a_forked_child_cannot_touch_its_parents_ring",
        || {
            let Some(rig) = Rig::new(8) else { return };
            let (reader, writer) = pipe();
            let mut op = rig.op(Read::new(reader, vec![0; 3], 0));
            assert!(poll_once(&mut op).is_pending());
            rig.turn();
            let mut spare = Some(Ring::new(8).unwrap());
            for drops in [false, true] {
                // SAFETY: this process has no other thread that matters (the harness's main thread
                // waits in a join), and the child leaves by `_exit`.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    let ring = std::panic::AssertUnwindSafe(|| {
                        if drops {
                            drop(spare.take());
                        } else {
                            rig.turn();
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
            assert_eq!(rig.finish(op).1, b"abc");
        },
    );
}

/// A thread without a slot gets its operation back: it would wait for turns that may not come.
#[test]
fn an_operation_of_a_thread_without_a_slot_is_refused() {
    let Some(rig) = Rig::new(8) else { return };
    drop(rig.driver.ring(0).unwrap());
    let driver = rig.driver.clone();
    let refused = std::thread::spawn(move || {
        let zero = File::open("/dev/zero").unwrap();
        let read = Read::new(zero, vec![1, 2, 3], 0);
        poll_once(&mut crate::runtime::driver::Op::new(driver, read))
    });
    let Poll::Ready((n, buf)) = refused.join().unwrap() else {
        panic!("it waits");
    };
    assert_eq!(n.unwrap_err().raw_os_error(), Some(libc::EAGAIN));
    assert_eq!(buf, [1, 2, 3]);
    assert_eq!(rig.driver.ops_submitted(), 0);
}

/// A future kept outside of the runtime gets its result, or the cancellation, after the shutdown; a
/// new one is refused with its buffer.
#[test]
fn a_result_can_be_fetched_after_the_shutdown() {
    let Some(rig) = Rig::new(8) else { return };
    let (reader, writer) = pipe();
    let (reader, writer) = (Arc::new(reader), Arc::new(writer));
    let write = Write::new(writer, b"abc".to_vec(), 0);
    let mut write = rig.op(write);
    let mut done = rig.op(Read::new(reader.clone(), vec![0; 3], 0));
    let mut stuck = rig.op(Read::new(reader.clone(), vec![0; 3], 0));
    let mut late = rig.op(Read::new(reader, vec![7; 3], 0));
    assert!(poll_once(&mut write).is_pending());
    assert!(poll_once(&mut done).is_pending());
    rig.turn();
    assert!(poll_once(&mut stuck).is_pending());
    rig.driver.shutdown(Instant::now() + Duration::from_secs(5));
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
            let Some(rig) = Rig::new(8) else { return };
            let fd = rig.driver.ring(0).unwrap().raw_fd();
            // SAFETY: what a careless program does; nothing of ours is confused by it below.
            assert_eq!(unsafe { libc::close(fd) }, 0);
            // Somebody else's, which must stay open.
            let other = File::open("/dev/zero").unwrap();
            assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&other), fd);
            for sleeps in [true, false] {
                let zero = File::open("/dev/zero").unwrap();
                let mut op = rig.op(Read::new(zero, vec![7; 3], 0));
                let first = poll_once(&mut op);
                if sleeps {
                    assert!(first.is_pending());
                    rig.driver.park(0, crate::runtime::driver::Role::None, None);
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
            let reason = rig.driver.fallback_reason().unwrap();
            assert!(reason.contains("closed the descriptor"), "{reason}");
            assert!(!rig.driver.ring_ready());
            drop(rig);
            assert!(other.metadata().is_ok(), "closed by somebody else");
        },
    );
}

/// T4, O21's mild form: a write that must not be cancelled, to a pipe nobody reads, holds the
/// shutdown up until its time is over, and is not leaked even then.
#[test]
fn a_stuck_write_does_not_outlive_the_time_of_the_shutdown() {
    let Some(rig) = Rig::new(8) else { return };
    let (_reader, writer) = pipe();
    let writer = Arc::new(writer);
    // More than a pipe holds.
    let fill = Write::new(writer.clone(), vec![0; 1 << 20], 0);
    assert!(rig.run(fill).0.unwrap() < 1 << 20);
    let mut op = rig.op(Write::new(writer, vec![0; 1], 0));
    assert!(poll_once(&mut op).is_pending());
    drop(op);
    rig.turn();
    let limit = Duration::from_millis(50);
    let start = Instant::now();
    rig.driver.shutdown(start + limit);
    assert!(start.elapsed() >= limit);
    assert!(start.elapsed() < limit + Duration::from_secs(1));
    assert_eq!((rig.driver.live_ops(), rig.driver.leaked_ops()), (0, 0));
}

/// What the kernel has taken ends also when the ring was given up meanwhile, asleep or not, and the
/// sleeper does not spin.
#[test]
fn a_read_under_way_ends_after_its_ring_was_given_up() {
    let Some(rig) = Rig::new(8) else { return };
    let (reader, writer) = pipe();
    let mut op = rig.op(Read::new(reader, vec![0; 3], 0));
    assert!(poll_once(&mut op).is_pending());
    rig.turn();
    let mut ring = rig.driver.ring(0).unwrap();
    ring.give_up("a test", libc::EPERM);
    drop(ring);
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        std::io::Write::write_all(&mut File::from(writer), b"abc").unwrap();
    });
    let before = rig.driver.turns(0);
    let (n, buf) = rig.finish(op);
    writer.join().unwrap();
    assert_eq!((n.unwrap(), &buf[..]), (3, &b"abc"[..]));
    assert!(rig.driver.turns(0) - before < 100);
    assert_eq!(rig.driver.live_ops(), 0);
}
