//! The readiness set: which descriptors can be read or written now, told by edge-triggered epoll.
//!
//! A task polls a [`Registration`], which looks at one atomic word of its [`Source`]. Not ready: the
//! task leaves its waker there. The thread that holds the driver's role calls [`Readiness::drain`],
//! finds the source of each kernel event through the [`Table`], marks it ready and collects the
//! wakers, which the driver wakes once no lock is held.
#![forbid(unsafe_code)]

mod interest;
mod ready;
mod registration;
mod source;
mod table;
mod waiters;

pub use interest::Interest;
pub use ready::Ready;
pub(crate) use registration::Registration;
use source::GENERATION_BITS;
pub(crate) use source::ReadyEvent;

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{
    AtomicBool, AtomicU8,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use mio::unix::SourceFd;

use self::table::Table;
use super::bells::Bell;
use crate::sys;
use crate::util::wake_list::WakeList;

/// One epoll set and its sources.
pub(crate) struct Readiness {
    selector: Mutex<Selector>,
    /// Somebody wanted to drain while another thread did, and may have been told of an event that
    /// came after that thread had asked the kernel. See `drain`.
    missed: AtomicBool,
    /// The last look took as much as it might, not all there was. Written with the selector held;
    /// whoever left something looks again before it sleeps, so nobody waits for this. Relaxed.
    left_some: AtomicBool,
    /// Bells that are in the set.
    bells: AtomicU8,
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

/// The part registrations keep alive, so that a socket may outlive its runtime.
pub(crate) struct Shared {
    registry: mio::Registry,
    waker: mio::Waker,
    table: Table,
    /// The process it was made in. A forked child that took a socket out of the set would take it out
    /// of its parent's.
    image: u64,
}

impl Shared {
    fn is_forked(&self) -> bool {
        self.image != sys::fork::process_image()
    }
}

/// The two halves of a source, each with a waker of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    pub(crate) const fn interest(self) -> Interest {
        match self {
            Direction::Read => Interest::READABLE,
            Direction::Write => Interest::WRITABLE,
        }
    }
}

/// The event of [`Readiness::wake`]; no source has this number.
const WAKE: mio::Token = mio::Token(usize::MAX);

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
        let waker = mio::Waker::new(&registry, WAKE)?;
        Ok(Readiness {
            epoll_fd: poll.as_raw_fd(),
            missed: AtomicBool::new(false),
            left_some: AtomicBool::new(false),
            bells: AtomicU8::new(0),
            selector: Mutex::new(Selector {
                poll,
                events: mio::Events::with_capacity(max_events),
                busy_events: None,
            }),
            shared: Arc::new(Shared {
                registry,
                waker,
                table: Table::new(),
                image: sys::fork::process_image(),
            }),
        })
    }

    /// Lets [`drain_some`](Self::drain_some) take at most `max_events`.
    pub(crate) fn limit_busy(mut self, max_events: usize) -> Self {
        let selector = self
            .selector
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        selector.busy_events = Some(mio::Events::with_capacity(max_events));
        self
    }

    /// Whether a look left events where they are that a ring's poll will not tell of again.
    pub(crate) fn has_left_some(&self) -> bool {
        self.left_some.load(Relaxed)
    }

    /// What a worker does in passing, with tasks to run: like [`drain`](Self::drain) without
    /// waiting, but it may leave events for the next time.
    pub(crate) fn drain_some(&self, wakers: &mut WakeList) -> io::Result<usize> {
        let Some(mut selector) = self.selector_if_free() else {
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
        self.missed.store(false, Relaxed);
        match poll.poll(events, Some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let (taken, delivered) = self.deliver_all(events, wakers);
        self.left_some.store(taken == events.capacity(), Relaxed);
        drop(selector);
        Ok(delivered + self.drain_missed(wakers)?)
    }

    /// The epoll descriptor, for a ring to poll. Drain after arming such a poll.
    pub(crate) fn epoll_fd(&self) -> RawFd {
        self.epoll_fd
    }

    /// Waits up to `timeout` (`None`: forever) for events and takes all there are: marks their
    /// sources ready and moves the wakers of those who waited to `wakers`, to be woken by the
    /// caller. Returns the number of events; an interrupted wait and a [`wake`](Readiness::wake)
    /// are none.
    ///
    /// A wait of more than a millisecond may end up to a millisecond early, because that is epoll's
    /// unit; a shorter one is exact to the kernel's timer slack.
    ///
    /// One thread drains at a time. With a zero timeout a second one returns at once, as the first
    /// does its work (and looks once more when it is done, because a ring's poll tells of an event only
    /// once); with another timeout it waits for its turn.
    pub(crate) fn drain(
        &self,
        timeout: Option<Duration>,
        wakers: &mut WakeList,
    ) -> io::Result<usize> {
        self.drain_while(timeout, wakers, || true)
    }

    /// As [`drain`](Readiness::drain), but does nothing unless `still` says so when it is this
    /// thread's turn. A [`wake`](Readiness::wake) meant for a thread that waits for its turn ends the
    /// drain of the thread that has it: the first must not then begin a wait that nobody will end.
    pub(crate) fn drain_while(
        &self,
        timeout: Option<Duration>,
        wakers: &mut WakeList,
        still: impl FnOnce() -> bool,
    ) -> io::Result<usize> {
        let selector = if timeout == Some(Duration::ZERO) {
            match self.selector_if_free() {
                Some(selector) => selector,
                None => return Ok(0),
            }
        } else {
            self.selector.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let delivered = if still() {
            self.drain_locked(selector, timeout, wakers)?
        } else {
            drop(selector);
            0
        };
        Ok(delivered + self.drain_missed(wakers)?)
    }

    /// What those could not do who wanted to drain while this thread did.
    fn drain_missed(&self, wakers: &mut WakeList) -> io::Result<usize> {
        let mut delivered = 0;
        loop {
            // Pairs with the fence in `selector_if_free`: its caller left `missed` and found the
            // selector taken, or we find `missed`, or it finds the selector free.
            fence(SeqCst);
            if !self.missed.load(Relaxed) {
                return Ok(delivered);
            }
            let Some(selector) = self.selector_if_free() else {
                return Ok(delivered);
            };
            delivered += self.drain_locked(selector, Some(Duration::ZERO), wakers)?;
        }
    }

    /// `None`: another thread has it, and will drain again after it has let go.
    fn selector_if_free(&self) -> Option<MutexGuard<'_, Selector>> {
        for _ in 0..2 {
            match self.selector.try_lock() {
                Ok(selector) => return Some(selector),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {
                    self.missed.store(true, Relaxed);
                    // Pairs with the fence in `drain_missed`.
                    fence(SeqCst);
                }
            }
        }
        None
    }

    /// Lets the selector go when it is done.
    fn drain_locked(
        &self,
        mut selector: MutexGuard<'_, Selector>,
        timeout: Option<Duration>,
        wakers: &mut WakeList,
    ) -> io::Result<usize> {
        // Whoever misses from here on is served by the caller.
        self.missed.store(false, Relaxed);
        let Selector { poll, events, .. } = &mut *selector;

        let mut timeout = match timeout {
            Some(short) if short < Duration::from_millis(1) && !short.is_zero() => {
                sys::poll::wait_readable(self.epoll_fd, short);
                Some(Duration::ZERO)
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
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(delivered),
                Err(error) => return Err(error),
            }
            let (taken, woke) = self.deliver_all(events, wakers);
            delivered += woke;
            // A full batch may have left some behind. A ring's poll on the set would not tell of
            // those again, so they are taken now.
            if taken < events.capacity() {
                self.left_some.store(false, Relaxed);
                return Ok(delivered);
            }
            timeout = Some(Duration::ZERO);
        }
    }

    /// How many events there were, and how many of them were news to their sources.
    fn deliver_all(&self, events: &mio::Events, wakers: &mut WakeList) -> (usize, usize) {
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
            return bell.answer(wakers);
        }
        let (index, generation) = index_and_generation(event.token());
        match self.shared.table.get(index) {
            Some(source) => source.deliver(generation, Ready::from_mio(event), wakers),
            None => false,
        }
    }

    /// Makes a [`drain`](Readiness::drain) that waits, or the next one that would, return.
    pub(crate) fn wake(&self) -> io::Result<()> {
        self.shared.waker.wake()
    }

    /// Answers `bell`, whose descriptor is `fd`, from the next drain on.
    pub(super) fn hear(&self, bell: Bell, fd: RawFd) -> io::Result<()> {
        // Relaxed: set after the kernel has taken the bell, it only spares a second question.
        if self.bells.load(Relaxed) & bell.bit() != 0 {
            return Ok(());
        }
        let registry = &self.shared.registry;
        match registry.register(&mut SourceFd(&fd), bell.token(), mio::Interest::READABLE) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.bells.fetch_or(bell.bit(), Relaxed);
        Ok(())
    }

    /// Refuses registrations from now on; every wait, present and future, ends with an error.
    pub(crate) fn shutdown(&self, wakers: &mut WakeList) {
        self.shared.table.shut_down(wakers);
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
