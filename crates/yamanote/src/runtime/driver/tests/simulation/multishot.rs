//! Multishots: results queued, ended by the kernel, armed again, dropped with results in the slot.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sys::uring::sqe::Sqe;

use super::kernel::Mood;
use super::world::TrackedFd;
use super::{Bell, Simulation};
use crate::runtime::driver::op::CqeResult;
use crate::runtime::driver::op::multi::{MultiOp, Multishot};
use crate::sys::uring::abi::CQE_F_MORE;

thread_local! {
    static TOKENS: Cell<i32> = const { Cell::new(0) };
}

/// What an item carries: counted while it lives.
#[derive(Debug, PartialEq)]
struct Token(u32);

impl Drop for Token {
    fn drop(&mut self) {
        TOKENS.set(TOKENS.get() - 1);
    }
}

struct Tokens(TrackedFd);

// SAFETY: the SQE has no pointers; `self` keeps the descriptor.
unsafe impl Multishot for Tokens {
    type Item = Result<Token, i32>;

    fn prepare(&mut self) -> Sqe {
        Sqe::accept_multi(self.0.number(), 0)
    }

    fn item(cqe: CqeResult) -> Self::Item {
        match cqe.result {
            Ok(number) => {
                TOKENS.set(TOKENS.get() + 1);
                Ok(Token(number))
            }
            Err(error) => Err(error.raw_os_error().unwrap_or(0)),
        }
    }
}

struct Bed {
    simulation: Arc<Simulation>,
    op: MultiOp<Tokens, Simulation>,
    bell: Arc<Bell>,
}

impl Bed {
    fn new() -> Self {
        let simulation = Simulation::new(1, 4, 8);
        simulation.turn(usize::MAX);
        simulation.kernel.set_mood(Mood {
            stalls: true,
            ..Mood::default()
        });
        let tokens = Tokens(simulation.kernel.world.descriptor());
        Bed {
            op: MultiOp::new(simulation.clone(), tokens),
            simulation,
            bell: Arc::default(),
        }
    }

    /// The number on the token, which is dropped.
    fn poll(&mut self) -> Poll<Result<u32, i32>> {
        let waker = Waker::from(self.bell.clone());
        let item = self.op.poll_next(&mut Context::from_waker(&waker));
        item.map_ok(|token| token.0)
    }

    fn post(&self, res: i32, flags: u32) {
        self.simulation.turn(usize::MAX);
        self.simulation.kernel.complete_nth(0, res, flags);
        self.simulation.turn(usize::MAX);
    }

    fn end(self) {
        drop(self.op);
        self.simulation.settle();
        assert_eq!(self.simulation.lock().live_ops(), 0);
        assert!(self.simulation.lock().is_vacant());
        assert_eq!(self.simulation.kernel.world.open_descriptors(), 0);
        assert_eq!(TOKENS.get(), 0);
    }
}

#[test]
fn results_come_in_order_and_each_batch_wakes_once() {
    let mut bed = Bed::new();
    assert!(bed.poll().is_pending());
    bed.post(1, CQE_F_MORE);
    bed.post(2, CQE_F_MORE);
    assert_eq!(bed.bell.rung(), 1);
    assert_eq!(bed.poll(), Poll::Ready(Ok(1)));
    bed.post(3, CQE_F_MORE);
    assert_eq!(bed.poll(), Poll::Ready(Ok(2)));
    assert_eq!(bed.poll(), Poll::Ready(Ok(3)));
    assert!(bed.poll().is_pending());
    bed.post(4, CQE_F_MORE);
    assert_eq!(bed.bell.rung(), 2);
    assert_eq!(bed.simulation.lock().submitted_total(), 1);
    bed.end();
}

#[test]
fn ended_by_the_kernel_it_is_armed_again_once() {
    for last in [7, -libc::EMFILE, -libc::ECANCELED] {
        let mut bed = Bed::new();
        assert!(bed.poll().is_pending());
        bed.post(1, CQE_F_MORE);
        bed.post(last, 0);
        assert_eq!(bed.poll(), Poll::Ready(Ok(1)));
        match last {
            7 => assert_eq!(bed.poll(), Poll::Ready(Ok(7))),
            _ if last == -libc::EMFILE => assert_eq!(bed.poll(), Poll::Ready(Err(libc::EMFILE))),
            // Nobody asked for it, so nobody hears of it.
            _ => {}
        }
        assert_eq!(bed.simulation.lock().submitted_total(), 1);
        assert!(bed.poll().is_pending());
        assert!(bed.poll().is_pending());
        assert_eq!(bed.simulation.lock().submitted_total(), 2);
        let stale = bed.simulation.kernel.any_finished().unwrap();
        bed.simulation.kernel.post_stray(stale, 9, CQE_F_MORE);
        bed.post(8, CQE_F_MORE);
        assert_eq!(bed.poll(), Poll::Ready(Ok(8)));
        assert_eq!(bed.simulation.lock().counters().unknown_completions, 1);
        bed.end();
    }
}

#[test]
fn dropped_with_results_in_its_slot_and_more_to_come() {
    // How many results before the drop, how many after, and whether the last comes before it.
    for (before, after, ended) in [(0, 0, false), (0, 2, false), (3, 2, false), (3, 0, true)] {
        let mut bed = Bed::new();
        assert!(bed.poll().is_pending());
        for _ in 0..before {
            bed.post(5, CQE_F_MORE);
        }
        if ended {
            bed.post(5, 0);
        }
        let Bed { simulation, op, .. } = bed;
        drop(op);
        assert_eq!(TOKENS.get(), 0);
        for _ in 0..after {
            simulation.turn(usize::MAX);
            simulation.kernel.complete_nth(0, 5, CQE_F_MORE);
        }
        simulation.settle();
        assert_eq!(simulation.lock().live_ops(), 0);
        assert!(simulation.lock().is_vacant());
        assert_eq!(simulation.kernel.world.open_descriptors(), 0);
        assert_eq!(TOKENS.get(), 0);
    }
}

#[test]
fn never_polled_it_never_was() {
    let bed = Bed::new();
    assert_eq!(bed.simulation.lock().submitted_total(), 0);
    bed.end();
}
