//! Operations against a kernel of our own, which permutes, delays, shortens, fails, refuses and
//! overflows under a seed, and knows what it may touch.
//!
//! [`kernel`] plays io_uring over ordinary memory; [`world`] is the memory and the descriptors that
//! operations own, watched for use after free; the tests below drive many operations through both.
//! [`real`](super::real) has their sisters on the kernel of this machine; docs/failures.md says
//! what may go wrong in an operation's life, and which of them holds it.

mod kernel;
mod orders;
mod ring;
mod storm;
pub(super) mod world;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use kernel::{Faults, SimulatedKernel};
use world::{TrackedBuf, TrackedFd};

use crate::runtime::driver::batch::Batch;
use crate::runtime::driver::op::{Op, Rings};
use crate::runtime::driver::ops::read::Read;
use crate::runtime::driver::ring::{Ring, WakeBy};

/// One ring over a simulated kernel.
pub(super) struct Simulation {
    ring: Mutex<Ring>,
    kernel: Arc<SimulatedKernel>,
    may_enter: AtomicBool,
}

impl Simulation {
    pub(super) fn new(seed: u64, sq_entries: u32, cq_entries: u32) -> Arc<Self> {
        let kernel = SimulatedKernel::new(seed, sq_entries, cq_entries);
        let (fd, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let ring = Ring::with_kernel(
            kernel.queues(),
            Box::new(kernel.clone()),
            Arc::new(fd.into()),
            WakeBy::eventfd().unwrap(),
        );
        Arc::new(Simulation {
            ring: Mutex::new(ring),
            kernel,
            may_enter: AtomicBool::new(true),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap()
    }

    /// Flushes and reaps like a driver's turn.
    pub(super) fn turn(&self, max: usize) -> usize {
        let mut batch = Batch::default();
        let mut ring = self.lock();
        ring.skip_rest();
        ring.flush();
        let reaped = ring.reap(&mut batch, max);
        drop(ring);
        batch.finish();
        reaped
    }

    /// Turns until neither side has anything left to do.
    pub(super) fn settle(&self) {
        for _ in 0..100_000 {
            self.turn(usize::MAX);
            self.kernel.step();
            let ring = self.lock();
            if self.kernel.is_idle() && !ring.has_completions() && !ring.needs_enter() {
                return;
            }
        }
        panic!("no rest after 100,000 turns: {:?}", self.lock());
    }
}

type ReadOp = Op<Read<TrackedFd, TrackedBuf>, Simulation>;

fn read(simulation: &Arc<Simulation>) -> ReadOp {
    let world = &simulation.kernel.world;
    let read = Read::new(world.descriptor(), world.buffer(16, 0), 0);
    Op::new(simulation.clone(), read)
}

/// Nothing completes unless the test says so, or is cancelled.
fn stalled(sq_entries: u32, cq_entries: u32) -> Arc<Simulation> {
    let simulation = Simulation::new(1, sq_entries, cq_entries);
    // The ring's own poll is taken first, so that the queue is all the test's.
    simulation.turn(usize::MAX);
    simulation.kernel.set_faults(Faults {
        stalls: true,
        ..Faults::default()
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

impl Rings for Simulation {
    type Guard<'a> = MutexGuard<'a, Ring>;

    fn submit_slot(&self) -> Option<usize> {
        Some(0)
    }

    fn ring(&self, _slot: usize) -> io::Result<MutexGuard<'_, Ring>> {
        Ok(self.lock())
    }

    fn after_push(&self, _slot: usize) {
        assert!(self.ring.try_lock().is_ok(), "called under the ring's lock");
    }

    fn may_enter(&self, _slot: usize) -> bool {
        self.may_enter.load(Ordering::Relaxed)
    }
}

/// Counts its wakes.
#[derive(Default)]
pub(super) struct WakeCount(AtomicUsize);

impl WakeCount {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn poll_with<F: Future + Unpin>(
    future: &mut F,
    wakes: &Arc<WakeCount>,
) -> Poll<F::Output> {
    let waker = Waker::from(wakes.clone());
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

pub(super) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
