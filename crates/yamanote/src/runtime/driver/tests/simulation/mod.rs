//! Operations against a kernel of our own, which permutes, delays, shortens, fails, refuses and
//! overflows under a seed, and knows what it may touch.
//!
//! [`kernel`] plays io_uring over ordinary memory; [`world`] is the memory and the descriptors that
//! operations own, watched for use after free; the tests below drive many operations through both.
//! [`real`](super::real) has their sisters on the kernel of this machine.
//!
//! What may go wrong in an operation's life, and where it is held:
//!
//! | | failure | held by |
//! |---|---|---|
//! | O1 | dropped before the first poll | `orders::dropped_before_the_first_poll_it_never_was` |
//! | O2 | dropped when pushed; enter fails | `orders::failing_enters_leave_every_submission_owned`, `enter::injected_errors_of_enter_lose_nothing` |
//! | O3 | dropped in the kernel's hands | `orders::dropped_in_any_state_..`, `dropped::a_dropped_reads_memory_..`, `dropped::dropped_receives_and_accepts_..` |
//! | O4 | dropped when completed | `orders::dropped_in_any_state_..` |
//! | O5 | a result that is a descriptor | `dropped::cancelled_opens_and_accepts_leave_no_descriptor` |
//! | O6 | a dropped write sends later contents | `storm`, `dropped::a_dropped_send_sends_the_original_or_nothing` |
//! | O7 | a dropped write lands late | here only: `orders::a_dropped_write_is_not_cancelled_unless_asked`; the order is the file's |
//! | O8 | zero-copy notifications | `orders::a_zero_copy_buffer_stays_until_the_notification`, `storm` |
//! | O9 | multishots | `multishot`, `dropped::a_multishot_accept_loses_nothing_while_it_lives` |
//! | O10 | links | none are made |
//! | O11 | a cancelled read takes bytes along | `dropped::bytes_taken_by_a_dropped_read_are_handed_on` |
//! | O12 | the race of cancellation and completion | `orders::only_the_targets_own_completion_frees_it` |
//! | O13 | no room for the cancellation | `orders::a_thousand_drops_through_a_full_queue` |
//! | O14 | dropped by another thread | `enter::many_threads_share_a_ring_whose_owner_sleeps` |
//! | O15 | the descriptor is given up | `each::cancelling_a_descriptor_ends_its_operations` |
//! | O16 | its number is another's | `each::a_descriptors_number_is_not_reused_before_the_kernel_is_done` |
//! | O17 | a slot's old completion | `orders::a_used_up_slot_is_retired`, `storm` |
//! | O18 | nonsense completions | `orders::a_result_beyond_the_buffer_is_cut`, `storm` |
//! | O19 | forgotten futures | `storm` |
//! | O20 | another waker each time | `orders::the_last_waker_is_woken`, `storm` |
//! | O21 | what cannot be cancelled | `orders::a_lost_completion_..` (leak), `enter::a_stuck_write_..` |
//! | O22 | polled after the end | `orders::polling_again_panics` |
//! | R1 | the submission queue is full | `orders::without_the_right_to_enter_..`, `enter::ten_thousand_operations_in_one_poll` |
//! | R2 | the completion queue overflows | `orders::an_overflowing_completion_queue_loses_nothing` |
//! | R3 | the kernel loses completions | `orders::a_lost_completion_fails_loudly_and_frees_nothing` |
//! | R9, R10, R13 | set-up fails | `enter::injected_errors_of_setup_are_survived_or_explained` |
//! | R15 | the ring's descriptor is closed | `enter::a_ring_closed_by_the_program_is_noticed` |
//! | R18, R19 | lost wake-ups | `enter::a_waiter_is_woken_whatever_the_door`, `enter::many_threads_..` |
//! | R20 | a flood of completions | `orders::a_reap_is_bounded` |
//! | R22 | fork | `enter::a_forked_child_cannot_touch_its_parents_ring` |

mod kernel;
mod multishot;
mod orders;
mod storm;
pub(super) mod world;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use kernel::SimulatedKernel;

use crate::runtime::driver::batch::Batch;
use crate::runtime::driver::op::Rings;
use crate::runtime::driver::ring::{Door, Ring};

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
            Door::eventfd().unwrap(),
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
pub(super) struct Bell(AtomicUsize);

impl Bell {
    pub(super) fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn poll_with<F: Future + Unpin>(future: &mut F, bell: &Arc<Bell>) -> Poll<F::Output> {
    let waker = Waker::from(bell.clone());
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

pub(super) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
