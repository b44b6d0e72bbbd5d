//! What a ring meets, one by one: full queues, losses, enters that fail, its own end.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use super::kernel::Faults;
use super::world::TrackedBuf;
use super::{
    ReadOp, Simulation, WakeCount, assert_nothing_left, poll_once, poll_with, read, stalled,
};
use crate::runtime::driver::batch::Batch;

/// O2: the enters fail from the first to the 200th; nothing is lost and nothing reused early.
#[test]
fn failing_enters_leave_every_submission_owned() {
    for failing in 1..=if cfg!(miri) { 5 } else { 200 } {
        let simulation = Simulation::new(failing, 4, 8);
        simulation.kernel.set_faults(Faults {
            enter_fails: 1,
            ..Faults::default()
        });
        let wakes = Arc::<WakeCount>::default();
        let mut op = read(&simulation);
        let mut dropped = read(&simulation);
        assert!(poll_with(&mut op, &wakes).is_pending());
        assert!(poll_once(&mut dropped).is_pending());
        drop(dropped);
        for _ in 0..failing {
            simulation.turn(usize::MAX);
        }
        assert_eq!(simulation.kernel.world.live_buffers(), 2);
        assert!(simulation.lock().needs_enter());
        simulation.kernel.set_faults(Faults::default());
        simulation.settle();
        assert_eq!(wakes.get(), 1);
        let Poll::Ready((result, buf)) = poll_once(&mut op) else {
            panic!("not ready after its completion");
        };
        assert_eq!(result.unwrap(), 16);
        drop(buf);
        drop(op);
        assert_nothing_left(&simulation);
    }
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

/// R1: a thread that may not enter waits for room, and is told when there is some: once, however
/// often it has asked.
#[test]
fn without_the_right_to_enter_an_operation_waits_for_room() {
    let simulation = stalled(4, 8);
    simulation
        .may_enter
        .store(false, std::sync::atomic::Ordering::Relaxed);
    let wakes = Arc::<WakeCount>::default();
    let mut ops: Vec<ReadOp> = (0..6).map(|_| read(&simulation)).collect();
    for op in &mut ops {
        assert!(poll_with(op, &wakes).is_pending());
    }
    for _ in 0..100 {
        assert!(poll_with(&mut ops[5], &wakes).is_pending());
    }
    let started = ops.iter().filter(|op| op.is_started()).count();
    assert_eq!((started, wakes.get()), (4, 0));
    simulation.turn(usize::MAX);
    assert_eq!(wakes.get(), 1);
    for op in &mut ops {
        assert!(poll_with(op, &wakes).is_pending());
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
    let wakes = Arc::<WakeCount>::default();
    let mut op = read(&simulation);
    let mut dropped = read(&simulation);
    assert!(poll_with(&mut op, &wakes).is_pending());
    assert!(poll_once(&mut dropped).is_pending());
    simulation.turn(usize::MAX);
    simulation.kernel.set_faults(Faults {
        loses: 2,
        ..Faults::default()
    });
    simulation.kernel.step();
    simulation.turn(usize::MAX);
    assert_eq!(simulation.lock().counters().lost_completions, 2);
    assert_eq!(wakes.get(), 1);
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

/// Rule 1: a ring that goes with operations in the kernel, awaited, dropped or forgotten, takes
/// none of their memory along. The kernel writes to it later, and finds it.
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
        kernel.set_faults(Faults::default());
        kernel.step();
        assert_eq!(kernel.in_flight(), 0);
        assert_eq!(world.live_buffers(), 2);
        world.check_canaries();
    }
}

/// A ring that is given up: what the kernel has not taken comes back unseen, what it has taken ends
/// as ever, and nothing new is taken.
#[test]
fn what_a_ring_that_is_given_up_has() {
    let simulation = stalled(4, 8);
    let world = simulation.kernel.world.clone();
    let (wakes, late_wakes) = (Arc::<WakeCount>::default(), Arc::<WakeCount>::default());
    let mut taken = read(&simulation);
    assert!(poll_with(&mut taken, &wakes).is_pending());
    simulation.turn(usize::MAX);
    let mut untaken = read(&simulation);
    let mut orphan = read(&simulation);
    assert!(poll_with(&mut untaken, &late_wakes).is_pending());
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
    assert_eq!((late_wakes.get(), world.live_buffers()), (0, 3));
    let mut batch = Batch::default();
    simulation.lock().recall(&mut batch);
    batch.finish();
    assert_eq!((late_wakes.get(), world.live_buffers()), (1, 2));
    assert!(is_left_undone(poll_once(&mut untaken)));
    assert_eq!(simulation.lock().live_ops(), 1);
    simulation.kernel.complete_nth(0, 16);
    simulation.turn(usize::MAX);
    assert_eq!(wakes.get(), 1);
    let Poll::Ready((result, _buf)) = poll_once(&mut taken) else {
        panic!("it has ended");
    };
    assert_eq!(result.unwrap(), 16);
    assert_eq!(simulation.kernel.enters(), enters, "it was entered again");
    assert_eq!(simulation.lock().live_ops(), 0);
}
