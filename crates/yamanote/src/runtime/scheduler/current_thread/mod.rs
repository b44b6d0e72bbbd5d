//! The scheduler of one thread at a time.
//!
//! The tasks' queue belongs to the **core**, and the core lies on the **seat** while nobody runs
//! the scheduler. A thread that enters `block_on` and finds it there takes the core, moves its
//! queue into a thread-local cell and **drives**: it polls its own future, runs tasks, and looks
//! after the driver (slot 0). Other threads in `block_on` **wait** meanwhile: they poll their own
//! futures when these are woken, and take the core when it is back on the seat.
//!
//! ```text
//!             take                        give back
//!   seat ──────────────► driving thread ─────────────► seat, and one waiting thread is told
//! ```
//!
//! 1. Only the driving thread touches the local queue; it does so through its thread-local cell
//!    (`local`), without a lock.
//! 2. Everybody else pushes to the injection queue and unparks the driver's slot, which keeps the
//!    token while nobody drives.
//! 3. The core goes back to the seat on every way out of `block_on`, panics included.
#![forbid(unsafe_code)]

mod main_future;

mod seat;

mod census_board;

mod shared;

mod local;

mod tally;

mod schedule;

mod drive;

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use self::drive::{Driving, poll_main};
use self::main_future::Waiter;
use self::seat::Place;
pub(crate) use self::shared::Shared;
use super::Config;
use crate::runtime::driver::Driver;
use crate::runtime::stall::Polling;
use crate::runtime::task::is_near_any;

/// The scheduler as its runtime owns it.
pub(crate) struct CurrentThread {
    shared: Arc<Shared>,
    /// The waker of the main future of the thread that drives: `shared`.
    main_waker: Waker,
}

impl CurrentThread {
    pub(crate) fn new(config: Config, driver: Arc<Driver>) -> Self {
        let shared = Arc::new(Shared::new(config, driver));
        CurrentThread {
            main_waker: Waker::from(shared.clone()),
            shared,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs `future`, and the scheduler if no other thread does, until the future is ready.
    pub(crate) fn block_on<F: Future>(
        &self,
        future: F,
        called_at: &'static Location<'static>,
    ) -> F::Output {
        let mut future = pin!(future);
        if let Some(core) = self.shared.seat.take() {
            let driving = Driving::start(&self.shared, core);
            return driving.block_on(future, &self.main_waker, called_at);
        }
        let waiter = Arc::new(Waiter::new());
        let waker = Waker::from(waiter.clone());
        let mut cx = Context::from_waker(&waker);
        let mut place = Place::new(&self.shared.seat, &waiter);
        loop {
            if let Some(core) = place.take_or_wait() {
                let driving = Driving::start(&self.shared, core);
                return driving.block_on(future, &self.main_waker, called_at);
            }
            if waiter.take_woken() {
                let polled = poll_main(future.as_mut(), &mut cx);
                self.shared.outside().note_polls();
                if let Poll::Ready(output) = polled {
                    return output;
                }
            } else {
                waiter.park();
            }
        }
    }

    /// Drops all tasks on this thread, then calls `stop_driver`, while there is still a place for
    /// what that wakes. To be called once, when no thread is in `block_on` any more.
    pub(crate) fn shutdown(&self, stop_driver: impl FnOnce(&Arc<Driver>)) {
        match self.shared.seat.take() {
            Some(core) => Driving::start(&self.shared, core).shutdown(stop_driver),
            // A panic unwinds through the owner of the runtime while a thread has the core: what
            // the core holds is freed with it.
            None => assert!(
                std::thread::panicking(),
                "the scheduler's core is not on its seat at shutdown"
            ),
        }
    }
}

/// What this thread polls, if it drives a current-thread scheduler.
pub(super) fn polling() -> Option<Arc<Polling>> {
    local::polling()
}

/// Whether this thread drives a current-thread scheduler.
pub(crate) fn is_driving() -> bool {
    is_near_any()
}

#[cfg(all(test, loom))]
mod loom_tests;
