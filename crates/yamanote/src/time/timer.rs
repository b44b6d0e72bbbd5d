//! A deadline in the driver of one runtime: what `Sleep` and `Interval` are made of.
//!
//! ```text
//!              poll, not due            fired (seen by poll)
//!      IDLE -----------------> WAITING ----------------------> ELAPSED
//!        \                        ^ \  reset (keeps the waker)     /
//!         \ poll, due             |_/                             / reset
//!          +---------------------------------------------------> +----> IDLE
//! ```
//!
//! Until it is polled a timer is a deadline and the number of its driver: if it is made and dropped
//! without ever waiting, as most timeouts are, it touches neither wheel nor reference count.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::Instant;
use crate::runtime::context;
use crate::runtime::driver::time::clock::any_clock_was_frozen;
use crate::runtime::driver::{Driver, DriverId, TimerKey};
use crate::util::coop;
use crate::util::shutdown_text::SHUTTING_DOWN;

#[cold]
fn panic_shut_down() -> ! {
    // Not `panic!`, which would make a `String` of the constant.
    std::panic::panic_any(SHUTTING_DOWN)
}

/// See the [module](self). Movable; the wheel knows it by its key.
pub(super) struct Timer {
    deadline: Instant,
    /// The driver of the runtime it was made in.
    driver_id: DriverId,
    /// That driver, from the first poll on.
    driver: Option<Arc<Driver>>,
    state: State,
}

enum State {
    Idle,
    Waiting(TimerKey),
    /// On a paused clock with the waker of the poll that saw it, which is woken again if the timer
    /// is moved, as in Tokio.
    Elapsed(Option<Waker>),
}

impl Timer {
    /// # Panics
    ///
    /// Outside of a runtime, or in one without timers.
    #[track_caller]
    pub(super) fn new(deadline: Instant) -> Self {
        let (driver_id, time_enabled) = match context::with_current(|handle| {
            let driver = handle.driver_handle();
            (driver.id(), driver.time_enabled())
        }) {
            Ok(facts) => facts,
            Err(error) => panic!("{error}"),
        };
        assert!(
            time_enabled,
            "A Tokio 1.x context was found, but timers are disabled. \
             Call `enable_time` on the runtime builder to enable timers."
        );
        Timer {
            deadline,
            driver_id,
            driver: None,
            state: State::Idle,
        }
    }

    /// Of a timer that was polled.
    fn driver(&self) -> &Driver {
        self.driver
            .as_ref()
            .expect("the first poll finds the driver")
    }

    /// `None` if the driver is gone, with its runtime.
    fn look_for_driver(&self) -> Option<Arc<Driver>> {
        let of_current = context::with_current(|handle| {
            let driver = handle.driver_handle();
            (driver.id() == self.driver_id).then(|| driver.clone())
        });
        of_current.ok().flatten().or_else(|| self.driver_id.find())
    }

    /// # Panics
    ///
    /// If the driver is gone, with its runtime.
    fn find_driver(&self) -> Arc<Driver> {
        match self.look_for_driver() {
            Some(driver) => driver,
            None => panic_shut_down(),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Not polled since it was made or restarted.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether the deadline was reached, as far as the driver or a poll has seen.
    pub(super) fn is_elapsed(&self) -> bool {
        match &self.state {
            State::Idle => false,
            State::Waiting(key) => self.driver().timer_has_fired(key),
            State::Elapsed(_) => true,
        }
    }

    /// Gives it another deadline. A task that waits already is woken then without another poll.
    pub(super) fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if let State::Waiting(key) = &self.state {
            if self.driver().timer_reset(key, deadline.into_std()) {
                return;
            }
        }
        let waker = match self.forget() {
            State::Elapsed(waker) => waker,
            _ => None,
        };
        if any_clock_was_frozen() {
            self.register_if_paused(waker);
        }
    }

    /// On a paused clock it takes its place among the timers of its tick now, and the clock stops
    /// there, although nobody waits yet.
    fn register_if_paused(&mut self, waker: Option<Waker>) {
        let driver = self.driver.take().or_else(|| self.look_for_driver());
        let is_paused = |driver: &Arc<Driver>| driver.clock().is_paused() && !driver.is_shutdown();
        let registers = driver.as_ref().is_some_and(is_paused);
        self.driver = driver;
        if !registers {
            return;
        }
        self.register(waker.as_ref().unwrap_or(Waker::noop()));
        if let (State::Elapsed(_), Some(waker)) = (&self.state, waker) {
            waker.wake();
        }
    }

    /// As [`reset`](Self::reset), for a timer that has elapsed. It waits from the next poll on.
    pub(super) fn restart(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.forget();
    }

    /// Waits from now on, unless the deadline has passed.
    fn register(&mut self, waker: &Waker) {
        self.state = match self.driver().timer_add(self.deadline.into_std(), waker) {
            Some(key) => State::Waiting(key),
            None => State::Elapsed(None),
        };
    }

    /// Back to idle. Returns the state before, unless it was waiting.
    fn forget(&mut self) -> State {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Waiting(key) => {
                self.driver().timer_remove(key);
                State::Idle
            }
            before => before,
        }
    }

    fn poll_driver(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.state {
            State::Elapsed(_) => return Poll::Ready(()),
            State::Waiting(key) => ready!(self.driver().timer_poll(key, cx.waker())),
            State::Idle => {
                self.register(cx.waker());
                if matches!(self.state, State::Waiting(_)) {
                    // Shutdown marks the driver before it empties the wheels; nobody would fire a
                    // timer that comes after that.
                    return match self.has_ended() {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    };
                }
            }
        }
        let is_paused = any_clock_was_frozen() && self.driver().clock().is_paused();
        self.state = State::Elapsed(is_paused.then(|| cx.waker().clone()));
        Poll::Ready(())
    }

    /// Whether the runtime is gone and the timer is to be ready for it.
    ///
    /// # Panics
    ///
    /// If the runtime is gone and the timer is not.
    fn has_ended(&self) -> bool {
        let driver = self.driver();
        let has_ended = driver.is_shutdown();
        if has_ended && !driver.timers_end_ready() {
            panic_shut_down();
        }
        has_ended
    }
}

/// Ready at the deadline, and from then on.
///
/// # Panics
///
/// After the runtime's shutdown.
impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        if self.driver.is_none() {
            self.driver = Some(self.find_driver());
        }
        if !self.has_ended() {
            ready!(self.poll_driver(cx));
        }
        unit.made_progress();
        Poll::Ready(())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.forget();
    }
}
