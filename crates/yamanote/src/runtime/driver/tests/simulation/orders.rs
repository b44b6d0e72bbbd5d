//! The orders that matter in one operation's life, one by one: what may race with a drop, how a
//! completion may be wrong.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::task::Poll;

use super::kernel::{Faults, WRITTEN};
use super::{Simulation, WakeCount, assert_nothing_left, poll_once, poll_with, read, stalled};
use crate::buf::IoBuf;
use crate::runtime::driver::batch::Batch;
use crate::runtime::driver::op::{CqeResult, Op};
use crate::runtime::driver::ops::write::Write;
use crate::runtime::driver::ring::completion::Key;
use crate::runtime::driver::ring::table::{Routed, Table};
use crate::sys::uring::abi::CQE_F_MORE;

/// O1.
#[test]
fn dropped_before_the_first_poll_it_never_was() {
    let simulation = stalled(4, 8);
    let enters = simulation.kernel.enters();
    drop(read(&simulation));
    assert_eq!(simulation.lock().counters().submitted, 0);
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
            simulation.kernel.complete_nth(0, 16);
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

/// O12: the operation's and the cancellation's completions in either order, with every outcome.
/// Only the operation's own frees the payload, exactly once.
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
                    simulation.kernel.complete_nth(index, res);
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

/// R16: the kernel breaks an operation off, though nobody asked, because its thread exits. It goes
/// to the kernel again, whether somebody waits for it, or it is an orphan that must happen, or
/// finds the queue full; a dropped read does not.
#[test]
fn what_was_broken_off_unasked_is_done_again() {
    for res in [-libc::ECANCELED, -libc::EINTR, -512] {
        let simulation = stalled(4, 8);
        let wakes = Arc::<WakeCount>::default();
        let mut op = read(&simulation);
        assert!(poll_with(&mut op, &wakes).is_pending());
        for _ in 0..5 {
            // Reaped in one, submitted in the next.
            simulation.turn(usize::MAX);
            simulation.turn(usize::MAX);
            assert_eq!(simulation.kernel.in_flight(), 1);
            simulation.kernel.complete_nth(0, res);
        }
        simulation.turn(usize::MAX);
        simulation.turn(usize::MAX);
        assert_eq!(wakes.get(), 0);
        simulation.kernel.complete_nth(0, 16);
        simulation.turn(usize::MAX);
        assert_eq!(wakes.get(), 1);
        let Poll::Ready((result, _)) = poll_once(&mut op) else {
            panic!("not ready after its completion");
        };
        assert_eq!(result.unwrap(), 16);

        let mut dropped = read(&simulation);
        assert!(poll_once(&mut dropped).is_pending());
        simulation.turn(usize::MAX);
        drop(dropped);
        simulation.turn(usize::MAX);
        simulation.kernel.complete_nth(0, res);
        simulation.settle();
        assert_nothing_left(&simulation);
    }
}

/// O20: each poll brings another waker; the last one is woken, once, the others are let go.
#[test]
fn the_last_waker_is_woken() {
    let simulation = stalled(4, 8);
    let mut op = read(&simulation);
    let counts: Vec<Arc<WakeCount>> = (0..5).map(|_| Arc::default()).collect();
    for wakes in &counts {
        assert!(poll_with(&mut op, wakes).is_pending());
    }
    for wakes in &counts[..4] {
        assert_eq!(Arc::strong_count(wakes), 1);
    }
    simulation.turn(usize::MAX);
    simulation.kernel.complete_nth(0, 1);
    simulation.turn(usize::MAX);
    let woken: Vec<usize> = counts.iter().map(|wakes| wakes.get()).collect();
    assert_eq!(woken, [0, 0, 0, 0, 1]);
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
    let user_data = |index, generation| Key { index, generation }.user_data();
    for (user_data, res, flags) in [
        (u64::MAX, i32::MIN, u32::MAX),
        (user_data(0, 9), 5, 0),
        (user_data(77, 0), 5, 8),
        (user_data(u32::MAX, 77 << 24), 5, CQE_F_MORE),
        // To the operation itself: more than it has asked for.
        (user_data(0, 0), 5, CQE_F_MORE),
    ] {
        simulation.kernel.post_stray(user_data, res, flags);
    }
    simulation.turn(usize::MAX);
    assert_eq!(simulation.lock().counters().unknown_completions, 5);
    assert_eq!(simulation.lock().live_ops(), 1);
    // Not through `complete_nth`, which would believe the number and fill the buffer.
    let mut batch = Batch::default();
    let key = Key::from_user_data(0);
    let routed = simulation
        .lock()
        .table()
        .complete(key, CqeResult::new(4096, 0));
    assert!(matches!(routed, Routed::Wake(_)));
    batch.finish();
    let Poll::Ready((result, buf)) = poll_once(&mut op) else {
        panic!("completed");
    };
    assert_eq!((result.unwrap(), buf.bytes_init()), (16, 16));
    drop(buf);
    world.check_canaries();
}

/// O7's half that is the operation's: a write is carried out although nobody waits, a read is not.
#[test]
fn a_dropped_write_is_not_cancelled() {
    for is_write in [true, false] {
        let simulation = stalled(4, 8);
        let world = &simulation.kernel.world;
        if is_write {
            let write = Write::new(world.descriptor(), world.buffer(16, WRITTEN), 0);
            let mut op = Op::new(simulation.clone(), write);
            assert!(poll_once(&mut op).is_pending());
        } else {
            assert!(poll_once(&mut read(&simulation)).is_pending());
        }
        simulation.lock().cancel_all();
        simulation.turn(usize::MAX);
        let cancellations = simulation.kernel.in_flight() - 1;
        assert_eq!(cancellations > 0, !is_write);
        simulation.kernel.set_faults(Faults::default());
        assert_nothing_left(&simulation);
    }
}

/// What is counted is what has happened: each operation, each system call, each future that was
/// dropped too early, and of these those that the kernel was asked to cancel.
#[test]
fn the_counters_count() {
    let simulation = stalled(8, 16);
    let enters_before = simulation.kernel.enters();
    let first = simulation.lock().counters();
    let counted = || {
        let now = simulation.lock().counters();
        let kernel = simulation.kernel.enters() - enters_before;
        assert_eq!(now.enters - first.enters, kernel, "the kernel counts too");
        (now.submitted - first.submitted, now.orphaned, now.cancelled)
    };
    let world = simulation.kernel.world.clone();
    let mut reads: Vec<_> = (0..3).map(|_| read(&simulation)).collect();
    for read in &mut reads {
        assert!(poll_once(read).is_pending());
    }
    let write = Write::new(world.descriptor(), world.buffer(16, WRITTEN), 0);
    let mut write = Op::new(simulation.clone(), write);
    assert!(poll_once(&mut write).is_pending());
    assert_eq!(simulation.kernel.enters(), enters_before, "pushed only");
    simulation.turn(usize::MAX);
    assert_eq!(
        simulation.kernel.enters(),
        enters_before + 1,
        "four by one call"
    );
    assert_eq!((counted(), simulation.lock().live_ops()), ((4, 0, 0), 4));
    // Over before it is dropped: no orphan.
    simulation.kernel.complete_nth(0, 16);
    simulation.turn(usize::MAX);
    drop(reads.remove(0));
    assert_eq!((counted(), simulation.lock().live_ops()), ((4, 0, 0), 3));
    // A read is cancelled, a write is not.
    drop(reads.remove(0));
    assert_eq!(counted(), (4, 1, 1));
    drop(write);
    assert_eq!(counted(), (4, 2, 1));
    simulation.turn(usize::MAX);
    assert_eq!(counted(), (4, 2, 1));
    drop(reads);
    assert_eq!(counted(), (4, 3, 2));
    simulation.kernel.set_faults(Faults::default());
    assert_nothing_left(&simulation);
}

/// O17: an entry whose generations are used up is never used again.
#[test]
fn a_used_up_entry_is_retired() {
    let simulation = stalled(4, 8);
    let mut ring = simulation.lock();
    let table: &mut Table = ring.table();
    table.age_first_entry(u32::MAX);
    drop(ring);
    let mut keys = Vec::new();
    for _ in 0..3 {
        let mut op = read(&simulation);
        assert!(poll_once(&mut op).is_pending());
        simulation.turn(usize::MAX);
        let last = simulation.kernel.last_user_data();
        let key = Key::from_user_data(last);
        keys.push((key.index, key.generation));
        simulation.kernel.complete_nth(0, 1);
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
