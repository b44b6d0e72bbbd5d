//! The orders that matter, one by one: what may race with a drop, what the kernel may refuse, how a
//! completion may be wrong.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use super::kernel::Mood;
use super::storm::{SendZeroCopy, WRITTEN};
use super::world::{TrackedBuf, TrackedFd};
use super::{Bell, Simulation, poll_once, poll_with};
use crate::buf::IoBuf;
use crate::runtime::driver::batch::Batch;
use crate::runtime::driver::op::read::Read;
use crate::runtime::driver::op::table::{Routed, Table, split_user_data, user_data};
use crate::runtime::driver::op::transfer::Offset;
use crate::runtime::driver::op::write::Write;
use crate::runtime::driver::op::{CqeResult, Op};
use crate::sys::uring::abi::{CQE_F_MORE, CQE_F_NOTIF};

type ReadOp = Op<Read<TrackedFd, TrackedBuf>, Simulation>;

fn read(simulation: &Arc<Simulation>) -> ReadOp {
    let world = &simulation.kernel.world;
    let read = Read::new(world.descriptor(), world.buffer(16, 0), Offset::At(0));
    Op::new(simulation.clone(), read)
}

fn send_zero_copy(simulation: &Arc<Simulation>) -> Op<SendZeroCopy, Simulation> {
    let world = &simulation.kernel.world;
    let send = SendZeroCopy {
        socket: world.descriptor(),
        buf: world.buffer(16, WRITTEN),
    };
    Op::new(simulation.clone(), send)
}

fn stalled(sq_entries: u32, cq_entries: u32) -> Arc<Simulation> {
    let simulation = Simulation::new(1, sq_entries, cq_entries);
    // The ring's own poll is taken first, so that the queue is all the test's.
    simulation.turn(usize::MAX);
    simulation.kernel.set_mood(Mood {
        stalls: true,
        ..Mood::default()
    });
    simulation
}

fn assert_nothing_left(simulation: &Simulation) {
    simulation.settle();
    let world = &simulation.kernel.world;
    assert_eq!(simulation.lock().live_ops(), 0);
    assert_eq!((world.live_buffers(), world.open_descriptors()), (0, 0));
    world.check_canaries();
}

/// O1.
#[test]
fn dropped_before_the_first_poll_it_never_was() {
    let simulation = stalled(4, 8);
    let enters = simulation.kernel.enters();
    drop(read(&simulation));
    assert_eq!(simulation.lock().submitted_total(), 0);
    assert_eq!(simulation.kernel.enters(), enters);
    assert_nothing_left(&simulation);
}

/// O2, O3, O4: dropped when pushed, taken, waiting, completed; the payload stays to the last CQE.
#[test]
fn dropped_in_any_state_the_payload_lives_to_the_last_completion() {
    for state in ["P", "S", "W", "C"] {
        let simulation = stalled(4, 8);
        let world = simulation.kernel.world.clone();
        let mut op = read(&simulation);
        assert!(poll_once(&mut op).is_pending());
        if state != "P" {
            simulation.turn(usize::MAX);
            assert_eq!(simulation.kernel.in_flight(), 1);
        }
        if state == "W" {
            assert!(poll_with(&mut op, &Arc::default()).is_pending());
        }
        if state == "C" {
            simulation.kernel.complete_nth(0, 16, 0);
            simulation.turn(usize::MAX);
            assert_eq!(simulation.lock().live_ops(), 0);
            assert_eq!(world.live_buffers(), 1);
        }
        drop(op);
        let left = usize::from(state != "C");
        assert_eq!(
            (world.live_buffers(), world.open_descriptors()),
            (left, left)
        );
        assert_nothing_left(&simulation);
    }
}

/// O12: the operation's and the cancellation's completions in either order, with every outcome. Only
/// the operation's own frees the payload, exactly once.
#[test]
fn only_the_targets_own_completion_frees_it() {
    for target in [16, 0, -libc::ECANCELED, -libc::EINTR, -libc::EIO] {
        for cancel in [0, -libc::ENOENT, -libc::EALREADY] {
            for cancel_first in [true, false] {
                let simulation = stalled(4, 8);
                let world = simulation.kernel.world.clone();
                let mut op = read(&simulation);
                assert!(poll_once(&mut op).is_pending());
                simulation.turn(usize::MAX);
                drop(op);
                simulation.turn(usize::MAX);
                assert_eq!(simulation.kernel.in_flight(), 2);
                let order = if cancel_first {
                    [(1, cancel), (0, target)]
                } else {
                    [(0, target), (0, cancel)]
                };
                for (index, res) in order {
                    let is_target = res == target && index == 0;
                    let before = world.live_buffers();
                    simulation.kernel.complete_nth(index, res, 0);
                    simulation.turn(usize::MAX);
                    let freed = before - world.live_buffers();
                    if !is_target {
                        assert_eq!(freed, 0, "the cancellation freed its target");
                    }
                }
                assert_nothing_left(&simulation);
            }
        }
    }
}

/// R16: the kernel breaks an operation off, though nobody asked, because its thread exits. It goes to
/// the kernel again, whether somebody waits for it, or it is an orphan that must happen, or finds the
/// queue full; a dropped read does not.
#[test]
fn what_was_broken_off_unasked_is_done_again() {
    for res in [-libc::ECANCELED, -libc::EINTR, -512] {
        let simulation = stalled(4, 8);
        let bell = Arc::<Bell>::default();
        let mut op = read(&simulation);
        assert!(poll_with(&mut op, &bell).is_pending());
        for _ in 0..5 {
            // Reaped in one, submitted in the next.
            simulation.turn(usize::MAX);
            simulation.turn(usize::MAX);
            assert_eq!(simulation.kernel.in_flight(), 1);
            simulation.kernel.complete_nth(0, res, 0);
        }
        simulation.turn(usize::MAX);
        simulation.turn(usize::MAX);
        assert_eq!(bell.rung(), 0);
        simulation.kernel.complete_nth(0, 16, 0);
        simulation.turn(usize::MAX);
        assert_eq!(bell.rung(), 1);
        let Poll::Ready((result, _)) = poll_once(&mut op) else {
            panic!("not ready after its completion");
        };
        assert_eq!(result.unwrap(), 16);

        let mut dropped = read(&simulation);
        assert!(poll_once(&mut dropped).is_pending());
        simulation.turn(usize::MAX);
        drop(dropped);
        simulation.turn(usize::MAX);
        simulation.kernel.complete_nth(0, res, 0);
        simulation.settle();
        assert_nothing_left(&simulation);
    }
}

/// O2: the enters fail from the first to the 200th; nothing is lost and nothing reused early.
#[test]
fn failing_enters_leave_every_submission_owned() {
    for failing in 1..=if cfg!(miri) { 5 } else { 200 } {
        let simulation = Simulation::new(failing, 4, 8);
        simulation.kernel.set_mood(Mood {
            enter_fails: 1,
            ..Mood::default()
        });
        let bell = Arc::<Bell>::default();
        let mut op = read(&simulation);
        let mut dropped = read(&simulation);
        assert!(poll_with(&mut op, &bell).is_pending());
        assert!(poll_once(&mut dropped).is_pending());
        drop(dropped);
        for _ in 0..failing {
            simulation.turn(usize::MAX);
        }
        assert_eq!(simulation.kernel.world.live_buffers(), 2);
        assert!(simulation.lock().needs_enter());
        simulation.kernel.set_mood(Mood::default());
        simulation.settle();
        assert_eq!(bell.rung(), 1);
        let Poll::Ready((result, buf)) = poll_once(&mut op) else {
            panic!("not ready after its completion");
        };
        assert_eq!(result.unwrap(), 16);
        drop(buf);
        drop(op);
        assert_nothing_left(&simulation);
    }
}

/// O8: result and notification, with and without error; dropped between the two.
#[test]
fn a_zero_copy_buffer_stays_until_the_notification() {
    // Result and notification; the result decides.
    for res in [16, -libc::ECONNRESET, -libc::ECANCELED] {
        for drops in [false, true] {
            let simulation = stalled(4, 8);
            let bell = Arc::<Bell>::default();
            let mut op = send_zero_copy(&simulation);
            assert!(poll_with(&mut op, &bell).is_pending());
            simulation.turn(usize::MAX);
            simulation.kernel.complete_nth(0, res, CQE_F_MORE);
            simulation.turn(usize::MAX);
            assert_eq!(simulation.lock().live_ops(), 1);
            assert_eq!(simulation.kernel.world.live_buffers(), 1);
            if drops {
                drop(op);
                simulation.turn(usize::MAX);
                assert_eq!(simulation.kernel.in_flight(), 1, "nothing to cancel");
                assert_eq!(simulation.kernel.world.live_buffers(), 1);
                simulation.kernel.complete_nth(0, 0, CQE_F_NOTIF);
            } else {
                assert!(poll_with(&mut op, &bell).is_pending());
                assert_eq!(bell.rung(), 0);
                simulation.kernel.complete_nth(0, 0, CQE_F_NOTIF);
                simulation.turn(usize::MAX);
                assert_eq!(bell.rung(), 1);
                let Poll::Ready((result, _buf)) = poll_once(&mut op) else {
                    panic!("not ready after the notification");
                };
                assert_eq!(
                    result.map_err(|e| e.raw_os_error()).ok(),
                    (res > 0).then_some(16)
                );
            }
            assert_nothing_left(&simulation);
        }
    }
    // An error that came alone is the end.
    let simulation = stalled(4, 8);
    let mut op = send_zero_copy(&simulation);
    assert!(poll_once(&mut op).is_pending());
    simulation.turn(usize::MAX);
    simulation.kernel.complete_nth(0, -libc::EPIPE, 0);
    simulation.turn(usize::MAX);
    assert!(poll_once(&mut op).is_ready());
    drop(op);
    assert_nothing_left(&simulation);
}

/// O13, R1: a thousand operations through a queue of four, all dropped in one go.
#[test]
fn a_thousand_drops_through_a_full_queue() {
    let simulation = stalled(4, 8);
    let mut ops: Vec<ReadOp> = Vec::new();
    let mut refused = 0;
    let drops = if cfg!(miri) { 30 } else { 1000 };
    for _ in 0..drops {
        let mut op = read(&simulation);
        assert!(poll_once(&mut op).is_pending());
        refused += usize::from(!op.is_started());
        ops.push(op);
    }
    assert_eq!(refused, 0, "the owner makes room by entering");
    let enters = simulation.kernel.enters();
    ops.clear();
    assert_eq!(simulation.kernel.enters(), enters, "a drop does not enter");
    assert_eq!(simulation.kernel.world.live_buffers(), drops);
    assert_nothing_left(&simulation);
    let entered = simulation.kernel.enters() - enters;
    assert!(
        entered < 2 * drops as u64,
        "{entered} enters for {drops} cancellations"
    );
}

/// R1: a thread that may not enter waits for room, and is told when there is some: once, however often
/// it has asked.
#[test]
fn without_the_right_to_enter_an_operation_waits_for_room() {
    let simulation = stalled(4, 8);
    simulation
        .may_enter
        .store(false, std::sync::atomic::Ordering::Relaxed);
    let bell = Arc::<Bell>::default();
    let mut ops: Vec<ReadOp> = (0..6).map(|_| read(&simulation)).collect();
    for op in &mut ops {
        assert!(poll_with(op, &bell).is_pending());
    }
    for _ in 0..100 {
        assert!(poll_with(&mut ops[5], &bell).is_pending());
    }
    let started = ops.iter().filter(|op| op.is_started()).count();
    assert_eq!((started, bell.rung()), (4, 0));
    simulation.turn(usize::MAX);
    assert_eq!(bell.rung(), 1);
    for op in &mut ops {
        assert!(poll_with(op, &bell).is_pending());
        assert!(op.is_started());
    }
    drop(ops);
    assert_nothing_left(&simulation);
}

/// R2: far more completions than the queue holds.
#[test]
fn an_overflowing_completion_queue_loses_nothing() {
    let simulation = Simulation::new(3, 64, 8);
    let mut done = 0;
    let rounds = if cfg!(miri) { 1 } else { 1000 };
    for _ in 0..rounds {
        let mut ops: Vec<ReadOp> = (0..100).map(|_| read(&simulation)).collect();
        for op in &mut ops {
            assert!(poll_once(op).is_pending());
        }
        simulation.settle();
        done += ops.iter_mut().map(poll_once).filter(Poll::is_ready).count();
    }
    assert_eq!(done, rounds * 100);
    assert!(simulation.lock().counters().overflows > 0);
    assert_nothing_left(&simulation);
}

/// R20: a reap takes no more than it is told to.
#[test]
fn a_reap_is_bounded() {
    let simulation = Simulation::new(3, 64, 128);
    let mut ops: Vec<ReadOp> = (0..60).map(|_| read(&simulation)).collect();
    for op in &mut ops {
        assert!(poll_once(op).is_pending());
    }
    simulation.lock().flush();
    simulation.kernel.step();
    assert_eq!(simulation.turn(7), 7);
    assert_eq!(simulation.turn(usize::MAX), 53);
    for op in &mut ops {
        assert!(poll_once(op).is_ready());
    }
}

/// R3: the kernel loses a completion and counts it: the future says so, nothing is freed. (A leak
/// checker is right about this test.)
#[test]
fn a_lost_completion_fails_loudly_and_frees_nothing() {
    let simulation = Simulation::new(5, 4, 8);
    let world = simulation.kernel.world.clone();
    let bell = Arc::<Bell>::default();
    let mut op = read(&simulation);
    let mut dropped = read(&simulation);
    assert!(poll_with(&mut op, &bell).is_pending());
    assert!(poll_once(&mut dropped).is_pending());
    simulation.turn(usize::MAX);
    simulation.kernel.set_mood(Mood {
        loses: 2,
        ..Mood::default()
    });
    simulation.kernel.step();
    simulation.turn(usize::MAX);
    assert_eq!(simulation.lock().counters().lost_completions, 2);
    assert_eq!(bell.rung(), 1);
    let panic = catch_unwind(AssertUnwindSafe(|| poll_once(&mut op)))
        .err()
        .unwrap();
    assert!(panic.downcast_ref::<String>().unwrap().contains("EBADR"));
    drop((op, dropped));
    simulation.turn(usize::MAX);
    assert_eq!(simulation.lock().live_ops(), 2);
    assert_eq!(world.live_buffers(), 2);
    // New operations go on.
    let mut next = read(&simulation);
    assert!(poll_once(&mut next).is_pending());
    for _ in 0..4 {
        simulation.kernel.step();
        simulation.turn(usize::MAX);
    }
    assert!(poll_once(&mut next).is_ready());
    let other = Simulation::new(0, 4, 8);
    std::mem::swap(&mut *simulation.lock(), &mut *other.lock());
    drop(next);
    let Ok(other) = Arc::try_unwrap(other) else {
        panic!("nobody else has it");
    };
    assert_eq!(other.ring.into_inner().unwrap().leak(), 2);
    assert_eq!(world.live_buffers(), 2);
}

/// O20: each poll brings another waker; the last one is woken, once, the others are let go.
#[test]
fn the_last_waker_is_woken() {
    let simulation = stalled(4, 8);
    let mut op = read(&simulation);
    let bells: Vec<Arc<Bell>> = (0..5).map(|_| Arc::default()).collect();
    for bell in &bells {
        assert!(poll_with(&mut op, bell).is_pending());
    }
    for bell in &bells[..4] {
        assert_eq!(Arc::strong_count(bell), 1);
    }
    simulation.turn(usize::MAX);
    simulation.kernel.complete_nth(0, 1, 0);
    simulation.turn(usize::MAX);
    let rung: Vec<usize> = bells.iter().map(|bell| bell.rung()).collect();
    assert_eq!(rung, [0, 0, 0, 0, 1]);
}

/// O22.
#[test]
#[should_panic(expected = "polled after it had completed")]
fn polling_again_panics() {
    let simulation = Simulation::new(6, 4, 8);
    let mut op = read(&simulation);
    assert!(poll_once(&mut op).is_pending());
    simulation.settle();
    assert!(poll_once(&mut op).is_ready());
    let _ = poll_once(&mut op);
}

/// O18: a completion that claims more than fits is cut; absurd ones change nothing.
#[test]
fn a_result_beyond_the_buffer_is_cut() {
    let simulation = stalled(4, 8);
    let world = simulation.kernel.world.clone();
    let mut op = read(&simulation);
    assert!(poll_once(&mut op).is_pending());
    simulation.turn(usize::MAX);
    for (user_data, res, flags) in [
        (u64::MAX, i32::MIN, u32::MAX),
        (user_data(0, 9), 5, 0),
        (user_data(77, 0), 5, CQE_F_NOTIF),
        (user_data(u32::MAX, 77 << 24), 5, CQE_F_MORE),
    ] {
        simulation.kernel.post_stray(user_data, res, flags);
    }
    simulation.turn(usize::MAX);
    assert_eq!(simulation.lock().counters().unknown_completions, 4);
    assert_eq!(simulation.lock().live_ops(), 1);
    // Not through `complete_nth`, which would believe the number and fill the buffer.
    let mut batch = Batch::default();
    let routed = simulation
        .lock()
        .table()
        .complete(0, 0, CqeResult::new(4096, 0));
    assert!(matches!(routed, Routed::Wake(_)));
    batch.finish();
    let Poll::Ready((result, buf)) = poll_once(&mut op) else {
        panic!("completed");
    };
    assert_eq!((result.unwrap(), buf.bytes_init()), (16, 16));
    drop(buf);
    world.check_canaries();
}

/// O7's half that is the operation's: a write is carried out although nobody waits; unless told.
#[test]
fn a_dropped_write_is_not_cancelled_unless_asked() {
    for cancels in [false, true] {
        let simulation = stalled(4, 8);
        let world = &simulation.kernel.world;
        let mut write = Write::new(world.descriptor(), world.buffer(16, WRITTEN), Offset::At(0));
        if cancels {
            write = write.cancel_on_drop();
        }
        let mut op = Op::new(simulation.clone(), write);
        assert!(poll_once(&mut op).is_pending());
        drop(op);
        simulation.lock().cancel_all();
        simulation.turn(usize::MAX);
        let cancellations = simulation.kernel.in_flight() - 1;
        assert_eq!(cancellations > 0, cancels);
        simulation.kernel.set_mood(Mood::default());
        assert_nothing_left(&simulation);
    }
}

/// O17: a slot whose generations are used up is never used again.
#[test]
fn a_used_up_slot_is_retired() {
    let simulation = stalled(4, 8);
    let mut ring = simulation.lock();
    let table: &mut Table = ring.table();
    table.age_first_slot(u32::MAX);
    drop(ring);
    let mut keys = Vec::new();
    for _ in 0..3 {
        let mut op = read(&simulation);
        assert!(poll_once(&mut op).is_pending());
        simulation.turn(usize::MAX);
        let last = simulation.kernel.last_user_data();
        keys.push(split_user_data(last));
        simulation.kernel.complete_nth(0, 1, 0);
        simulation.turn(usize::MAX);
        assert!(poll_once(&mut op).is_ready());
        simulation.kernel.post_stray(last, 1, 0);
        simulation.turn(usize::MAX);
    }
    assert_eq!(keys, [(0, u32::MAX), (1, 0), (1, 1)]);
    assert_eq!(simulation.lock().counters().unknown_completions, 3);
    assert_nothing_left(&simulation);
}

/// The types an operation needs to cross threads with.
#[test]
fn operations_are_send_and_unpin() {
    fn check<T: Send + Unpin>(_: &T) {}
    let simulation = stalled(4, 8);
    check(&read(&simulation));
}

/// Rule 1: a ring that goes with operations in the kernel, awaited, dropped or forgotten, takes none of
/// their memory along. The kernel writes to it later, and finds it.
#[test]
fn a_ring_that_goes_leaves_the_kernel_its_memory() {
    for leaks in [false, true] {
        let simulation = stalled(4, 8);
        let world = simulation.kernel.world.clone();
        let mut awaited = read(&simulation);
        let mut dropped = read(&simulation);
        assert!(poll_once(&mut awaited).is_pending());
        assert!(poll_once(&mut dropped).is_pending());
        simulation.turn(usize::MAX);
        drop(dropped);
        std::mem::forget(awaited);
        let kernel = simulation.kernel.clone();
        assert_eq!((kernel.in_flight(), world.live_buffers()), (2, 2));
        let other = Simulation::new(0, 4, 8);
        std::mem::swap(&mut *simulation.lock(), &mut *other.lock());
        let Ok(other) = Arc::try_unwrap(other) else {
            panic!("nobody else has it");
        };
        let ring = other.ring.into_inner().unwrap();
        match leaks {
            true => assert_eq!(ring.leak(), 2),
            false => drop(ring),
        }
        assert_eq!(world.live_buffers(), 2);
        // It asks the world before each byte.
        kernel.set_mood(Mood::default());
        kernel.step();
        assert_eq!(kernel.in_flight(), 0);
        assert_eq!(world.live_buffers(), 2);
        world.check_canaries();
    }
}

/// A ring that is given up: what the kernel has not taken comes back unseen, what it has taken ends as
/// ever, and nothing new is taken.
#[test]
fn what_a_ring_that_is_given_up_has() {
    let simulation = stalled(4, 8);
    let world = simulation.kernel.world.clone();
    let (bell, late_bell) = (Arc::<Bell>::default(), Arc::<Bell>::default());
    let mut taken = read(&simulation);
    assert!(poll_with(&mut taken, &bell).is_pending());
    simulation.turn(usize::MAX);
    let mut untaken = read(&simulation);
    let mut orphan = read(&simulation);
    assert!(poll_with(&mut untaken, &late_bell).is_pending());
    assert!(poll_once(&mut orphan).is_pending());
    drop(orphan);
    let enters = simulation.kernel.enters();
    simulation.lock().give_up("a test", libc::EPERM);
    let is_left_undone = |answer: Poll<(std::io::Result<usize>, TrackedBuf)>| {
        let Poll::Ready((result, _buf)) = answer else {
            return false;
        };
        result.unwrap_err().raw_os_error() == Some(libc::EAGAIN)
    };
    assert!(is_left_undone(poll_once(&mut read(&simulation))));
    // Not before it is asked for.
    simulation.turn(usize::MAX);
    assert_eq!((late_bell.rung(), world.live_buffers()), (0, 3));
    let mut batch = Batch::default();
    simulation.lock().recall(&mut batch);
    batch.finish();
    assert_eq!((late_bell.rung(), world.live_buffers()), (1, 2));
    assert!(is_left_undone(poll_once(&mut untaken)));
    assert_eq!(simulation.lock().live_ops(), 1);
    simulation.kernel.complete_nth(0, 16, 0);
    simulation.turn(usize::MAX);
    assert_eq!(bell.rung(), 1);
    let Poll::Ready((result, _buf)) = poll_once(&mut taken) else {
        panic!("it has ended");
    };
    assert_eq!(result.unwrap(), 16);
    assert_eq!(simulation.kernel.enters(), enters, "it was entered again");
    assert_eq!(simulation.lock().live_ops(), 0);
}
