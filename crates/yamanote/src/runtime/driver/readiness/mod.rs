//! The readiness set: edge-triggered epoll says which descriptors can be read or written now.
//!
//! A task polls a [`Registration`], which looks at one atomic word of its [`Source`]. If that is
//! not ready, the task leaves its waker there. The watcher calls [`Readiness::drain`], finds the
//! source of each kernel event through the [`Table`], marks it ready and collects the wakers, which
//! the driver wakes once no lock is held.
#![forbid(unsafe_code)]

mod alarm;
mod bells;
mod interest;
mod look_lock;
mod ready;
mod registration;
mod source;
mod table;
mod waiters;

pub(crate) use bells::{Answer, Bell};
pub(crate) use interest::Direction;
pub use interest::Interest;
pub use ready::Ready;
pub(crate) use registration::Registration;
use source::GENERATION_BITS;
pub(crate) use source::ReadyEvent;

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use self::alarm::{Alarm, WAKE};
use self::bells::Bells;
use self::look_lock::LookLock;
use self::table::Table;
use super::setback::{Setback, Verdict};
use crate::sys;
use crate::sys::fork::Origin;
use crate::util::counter::Counter;
use crate::util::poison::unpoisoned;
use crate::util::shutdown_text::shutting_down;
use crate::util::wake_list::WakeList;

/// One epoll set and its sources.
pub(crate) struct Readiness {
    selector: LookLock<Selector>,
    /// The last look took as many events as it was allowed to, perhaps not all. Written with the
    /// selector held. Relaxed: whoever left something looks again before it sleeps, so nobody waits
    /// for this.
    left_some: AtomicBool,
    bells: Bells,
    /// Looks at the set that the kernel has answered. Written with the selector held.
    looks: Counter,
    /// Events that found their sources. Written with the selector held.
    events: Counter,
    /// Calls that failed since the last that did not.
    setback: Mutex<Setback>,
    /// There are such calls, or the set has failed for good. Written with `setback` locked.
    /// Relaxed: read without the lock, as a hint that spares it.
    is_troubled: AtomicBool,
    epoll_fd: RawFd,
    shared: Arc<Shared>,
}

/// Used by one thread at a time.
struct Selector {
    poll: mio::Poll,
    events: mio::Events,
    /// Room for one look of a busy worker, if that is limited.
    busy_events: Option<mio::Events>,
}

/// The part that registrations keep alive, so that a socket may outlive its runtime.
pub(crate) struct Shared {
    registry: mio::Registry,
    alarm: Alarm,
    table: Table,
    /// Why the kernel tells of no more events.
    failure: OnceLock<String>,
    /// A forked child that took a socket out of the set would take it out of its parent's.
    origin: Origin,
}

impl Shared {
    /// The error of every wait, present and future, when there will be no more events.
    fn end(&self) -> io::Error {
        match self.failure.get() {
            Some(failure) => io::Error::other(failure.clone()),
            None => shutting_down(),
        }
    }
}

const INDEX_BITS: u32 = usize::BITS - GENERATION_BITS;

/// A source's number in the low bits, its generation above.
fn token(index: u32, generation: u32) -> mio::Token {
    mio::Token((generation as usize) << INDEX_BITS | index as usize)
}

fn index_and_generation(token: mio::Token) -> (u32, u32) {
    let index = token.0 & ((1 << INDEX_BITS) - 1);
    (index as u32, (token.0 >> INDEX_BITS) as u32)
}

impl Readiness {
    /// An empty set that takes up to `max_events` events from the kernel at a time.
    pub(crate) fn new(max_events: usize) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let alarm = Alarm::new(&registry)?;
        Ok(Readiness {
            epoll_fd: poll.as_raw_fd(),
            left_some: AtomicBool::new(false),
            bells: Bells::default(),
            looks: Counter::new(),
            events: Counter::new(),
            setback: Mutex::default(),
            is_troubled: AtomicBool::new(false),
            selector: LookLock::new(Selector {
                poll,
                events: mio::Events::with_capacity(max_events),
                busy_events: None,
            }),
            shared: Arc::new(Shared {
                registry,
                alarm,
                table: Table::new(),
                failure: OnceLock::new(),
                origin: Origin::here(),
            }),
        })
    }

    /// Lets [`drain_some`](Self::drain_some) take at most `max_events`.
    pub(crate) fn limit_busy(self, max_events: usize) -> Self {
        self.selector.take().busy_events = Some(mio::Events::with_capacity(max_events));
        self
    }

    /// Whether a look left events behind, of which a ring's poll will not tell again.
    pub(crate) fn has_left_some(&self) -> bool {
        self.left_some.load(Relaxed)
    }

    /// What a worker with tasks to run does in passing: a [`drain`](Self::drain) without a wait,
    /// which may leave events for the next time.
    pub(crate) fn drain_some(&self, wakers: &mut WakeList) -> io::Result<usize> {
        if !self.may_look() {
            return Ok(self.answer_unrung(wakers));
        }
        let Some(mut selector) = self.selector.take_if_free() else {
            return Ok(0);
        };
        let Selector {
            poll,
            busy_events: Some(events),
            ..
        } = &mut *selector
        else {
            drop(selector);
            return self.drain(Some(Duration::ZERO), wakers);
        };
        self.selector.begin();
        poll.poll(events, Some(Duration::ZERO))?;
        self.note_success();
        let (taken, delivered) = self.deliver_all(events, wakers);
        self.left_some.store(taken == events.capacity(), Relaxed);
        drop(selector);
        Ok(delivered + self.drain_missed(wakers)?)
    }

    /// The epoll descriptor, for a ring to poll. Drain after arming such a poll.
    pub(crate) fn epoll_fd(&self) -> RawFd {
        self.epoll_fd
    }

    /// Waits up to `timeout` (`None`: for ever) for events and takes all of them: marks their
    /// sources ready and moves the wakers of those that waited to `wakers`, for the caller to wake.
    /// Returns the number of events; an interrupted wait and a [`wake`](Readiness::wake) count as
    /// none.
    ///
    /// A wait of more than a millisecond may end up to a millisecond early, because epoll counts in
    /// milliseconds; a shorter one is exact to the kernel's timer slack.
    ///
    /// One thread drains at a time. With a timeout of zero a second one returns at once, because
    /// the first does its work (and looks once more when it is done, because a ring's poll tells of
    /// an event only once). With any other timeout it waits until the first is done.
    pub(crate) fn drain(
        &self,
        timeout: Option<Duration>,
        wakers: &mut WakeList,
    ) -> io::Result<usize> {
        self.drain_while(timeout, wakers, || true)
    }

    /// As [`drain`](Readiness::drain), but does nothing unless `still` holds when this thread has
    /// the selector. A [`wake`](Readiness::wake) that is meant for a thread still waiting for the
    /// selector ends the drain of the thread that has it; the former must not then begin a wait
    /// that nobody will end.
    pub(crate) fn drain_while(
        &self,
        timeout: Option<Duration>,
        wakers: &mut WakeList,
        still: impl FnOnce() -> bool,
    ) -> io::Result<usize> {
        let selector = if timeout == Some(Duration::ZERO) {
            match self.selector.take_if_free() {
                Some(selector) => selector,
                None => return Ok(0),
            }
        } else {
            self.selector.take()
        };
        let delivered = if still() {
            let delivered = self.drain_locked(selector, timeout, wakers)?;
            self.note_success();
            delivered
        } else {
            drop(selector);
            0
        };
        Ok(delivered + self.drain_missed(wakers)?)
    }

    /// Looks for those that wanted to drain while this thread did.
    fn drain_missed(&self, wakers: &mut WakeList) -> io::Result<usize> {
        let mut delivered = 0;
        self.selector.serve_missed(|selector| {
            delivered += self.drain_locked(selector, Some(Duration::ZERO), wakers)?;
            io::Result::Ok(())
        })?;
        Ok(delivered)
    }

    /// Lets go of the selector when it is done.
    fn drain_locked(
        &self,
        mut selector: crate::loom::sync::MutexGuard<'_, Selector>,
        timeout: Option<Duration>,
        wakers: &mut WakeList,
    ) -> io::Result<usize> {
        self.selector.begin();
        let Selector { poll, events, .. } = &mut *selector;

        let mut timeout = match timeout {
            Some(short) if short < Duration::from_millis(1) && !short.is_zero() => {
                match sys::poll::wait_readable(self.epoll_fd, short) {
                    true => Some(Duration::ZERO),
                    // Rather late than in a wait without end.
                    false => Some(Duration::from_millis(1)),
                }
            }
            Some(long) => Some(Duration::from_millis(
                u64::try_from(long.as_millis()).unwrap_or(u64::MAX),
            )),
            None => None,
        };
        let mut delivered = 0;
        loop {
            match poll.poll(events, timeout) {
                Ok(()) => {}
                // A signal ends a wait. A look is interrupted only if something is wrong.
                Err(error)
                    if error.kind() == io::ErrorKind::Interrupted
                        && timeout != Some(Duration::ZERO) =>
                {
                    timeout = Some(Duration::ZERO);
                    continue;
                }
                Err(error) => return Err(error),
            }
            let (taken, woke) = self.deliver_all(events, wakers);
            delivered += woke;
            // A full batch may have left events behind. A ring's poll on the set would not tell of
            // them again, so they are taken now.
            if taken < events.capacity() {
                self.left_some.store(false, Relaxed);
                return Ok(delivered);
            }
            timeout = Some(Duration::ZERO);
        }
    }

    /// Returns how many events there were, and how many of them found their sources.
    fn deliver_all(&self, events: &mio::Events, wakers: &mut WakeList) -> (usize, usize) {
        self.looks.add(1);
        let mut taken = 0;
        let mut delivered = 0;
        for event in events.iter() {
            taken += 1;
            delivered += usize::from(self.deliver(event, wakers));
        }
        (taken, delivered)
    }

    fn deliver(&self, event: &mio::event::Event, wakers: &mut WakeList) -> bool {
        if event.token() == WAKE {
            return false;
        }
        if let Some(bell) = Bell::of(event.token()) {
            return self.bells.answer(bell, wakers);
        }
        let (index, generation) = index_and_generation(event.token());
        match self.shared.table.get(index) {
            Some(source) => {
                let delivered = source.deliver(generation, Ready::from_mio(event), wakers);
                self.events.add(u64::from(delivered));
                delivered
            }
            None => false,
        }
    }

    /// Ends the [`drain`](Readiness::drain) that waits, or else the next one that would.
    pub(crate) fn wake(&self) -> io::Result<()> {
        self.shared.alarm.ring(&self.shared.registry)
    }

    /// A drain has failed, and so has not waited. Returns how long to leave the set alone. After a
    /// second of failures every wait for readiness ends with an error, and there is no set any
    /// more.
    pub(crate) fn note_failure(&self, error: &io::Error, wakers: &mut WakeList) -> Duration {
        let mut setback = self.lock_setback();
        self.is_troubled.store(true, Relaxed);
        if setback.note() == Verdict::Again {
            return setback.rest();
        }
        drop(setback);
        let text = format!("the kernel does not tell of readiness any more: epoll_wait: {error}");
        if self.shared.failure.set(text).is_ok() {
            self.shutdown(wakers);
        }
        Duration::ZERO
    }

    /// A drain has succeeded.
    fn note_success(&self) {
        if self.is_troubled.load(Relaxed) && !self.has_failed() {
            let mut setback = self.lock_setback();
            setback.is_over();
            self.is_troubled.store(false, Relaxed);
        }
    }

    /// Whether a look is worth a call: not while the set is to be left alone or has failed for
    /// good.
    fn may_look(&self) -> bool {
        !self.is_troubled.load(Relaxed)
            || (!self.has_failed() && self.lock_setback().rest().is_zero())
    }

    /// Whether there will be no more events.
    pub(crate) fn has_failed(&self) -> bool {
        self.shared.failure.get().is_some()
    }

    /// How long to sleep at most before the next [`answer_unrung`](Self::answer_unrung), if there
    /// has to be one.
    pub(crate) fn listens_in(&self) -> Option<Duration> {
        const LISTENING: Duration = Duration::from_millis(64);
        (!self.bells.is_empty() && self.has_failed()).then_some(LISTENING)
    }

    /// In a set that has failed nobody hears a bell any more. But what a bell rings for can be
    /// neither refused nor left undone: a signal that is listened to does not end the program. So
    /// the answers are given unasked, again and again.
    pub(crate) fn answer_unrung(&self, wakers: &mut WakeList) -> usize {
        match self.has_failed() {
            true => self.bells.answer_all(wakers),
            false => 0,
        }
    }

    fn lock_setback(&self) -> MutexGuard<'_, Setback> {
        unpoisoned(self.setback.lock())
    }

    /// Has `answer` called for `bell`, whose descriptor is `fd`, from the next drain on.
    pub(super) fn hear(&self, bell: Bell, fd: RawFd, answer: Answer) -> io::Result<()> {
        self.bells.hear(&self.shared.registry, bell, fd, answer)
    }

    /// Refuses registrations from now on; every wait, present and future, ends with an error.
    pub(crate) fn shutdown(&self, wakers: &mut WakeList) {
        self.shared.table.shut_down(wakers);
    }

    /// Whether the kernel might have something to tell.
    pub(crate) fn is_watching(&self) -> bool {
        self.live() > 0 || !self.bells.is_empty()
    }

    /// Looks at the set that the kernel has answered, since the start.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.get()
    }

    /// Events that found their sources, since the start.
    pub(crate) fn events(&self) -> u64 {
        self.events.get()
    }

    /// Registrations that ever were.
    pub(crate) fn registered(&self) -> u64 {
        self.shared.table.registered()
    }

    /// Registrations alive.
    pub(crate) fn live(&self) -> usize {
        self.shared.table.live()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("epoll_fd", &self.epoll_fd)
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
