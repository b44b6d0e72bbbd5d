//! One registered source: what it is ready for, and which tasks wait for that.
//!
//! ```text
//!                deliver(ready): version + 1, bits set, waiters of those bits woken
//!               ┌───────────────────────────────┐
//!               │                               ▼
//!          not ready ◄──────────────────────  ready
//!               ▲     clear(event), if no       │
//!               │     event came meanwhile      │
//!               │                               │
//!               └────── release: generation + 1 ┘      shut_down: SHUTDOWN is set for good
//! ```
//!
//! 1. A waiter stores its waker under the lock and looks at the word again before it waits.
//!    `deliver` changes the word first and takes the wakers under the lock afterwards. Whoever
//!    comes second to the lock sees what the other did, so no wake-up is lost.
//! 2. Every event bumps the version. `clear` acts only if the version is still the one its caller
//!    saw before the operation that found nothing, so an event that arrived during the operation
//!    survives. Two threads may deliver to one source at the same time.
//! 3. A source is used again for another descriptor after `release`. An event carries the
//!    generation of its registration and does nothing to a later one.
//! 4. The closed bits are cleared by `clear_with_closed` only: the closed half of a connection
//!    stays closed, even if an operation finds nothing.
//! 5. Wakers are cloned before the lock is taken, and woken or dropped after it is released.
//!
//! # Memory ordering
//!
//! The word protects no memory: what it announces lives in the kernel, which does its own ordering
//! between the sender's system call and ours. Rule 1 gets its order from the lock. The `Release` in
//! each change of the word pairs with the `Acquire` in `look` only so that a task which acts on an
//! event without having been woken sees what the draining thread did before that event.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::interest::{Direction, Interest};
use super::ready::Ready;
use super::waiters::{Place, Waiters};
use crate::loom::sync::atomic::{AtomicU64, Ordering};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::poison::unpoisoned;
use crate::util::trace::trace_leaf;
use crate::util::wake_list::WakeList;

/// What a caller saw of a source, with which it may later clear that readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadyEvent {
    version: u32,
    pub(crate) ready: Ready,
    pub(crate) is_shutdown: bool,
}

impl ReadyEvent {
    pub(crate) fn with_ready(self, ready: Ready) -> Self {
        ReadyEvent { ready, ..self }
    }
}

/// See the module's documentation. Padded so that two busy sources share no cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Source {
    word: AtomicU64,
    waiters: Mutex<Waiters>,
}

/// The word taken apart: generation (at most 24 bits), version (24 bits), flags (8), readiness (8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word(u64);

const SHUTDOWN: u64 = 1 << 8;
const VERSION_SHIFT: u32 = 16;
const GENERATION_SHIFT: u32 = 40;
/// Versions count modulo this. A clear would have to be late by 16 million events of its source to
/// be taken for a current one.
const VERSION_MASK: u64 = (1 << 24) - 1;
/// As many as a token has room for beside the number of a source. An event would have to be late by
/// 16 million reuses to be taken for a current one, by 4,096 where a pointer has 32 bits.
pub(super) const GENERATION_BITS: u32 = if usize::BITS >= 64 { 24 } else { 12 };
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

impl Word {
    fn ready(self) -> Ready {
        Ready::from_bits(self.0 as u8)
    }

    fn is_shutdown(self) -> bool {
        self.0 & SHUTDOWN != 0
    }

    fn version(self) -> u32 {
        ((self.0 >> VERSION_SHIFT) & VERSION_MASK) as u32
    }

    fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    fn with_ready(self, ready: Ready) -> Word {
        Word(self.0 & !0xff | u64::from(ready.bits()))
    }

    fn with_next_version(self) -> Word {
        let next = (u64::from(self.version()) + 1) & VERSION_MASK;
        Word(self.0 & !(VERSION_MASK << VERSION_SHIFT) | next << VERSION_SHIFT)
    }

    fn with_next_generation(self) -> Word {
        let next = (u64::from(self.generation()) + 1) & GENERATION_MASK;
        Word(self.0 & !(GENERATION_MASK << GENERATION_SHIFT) | next << GENERATION_SHIFT)
    }
}

impl Source {
    pub(super) fn new() -> Self {
        Source {
            word: AtomicU64::new(0),
            waiters: Mutex::new(Waiters::new()),
        }
    }

    /// The generation of the present registration.
    pub(super) fn generation(&self) -> u32 {
        // Relaxed: only the owner of the registration asks, and only that owner's release changes
        // it.
        Word(self.word.load(Ordering::Relaxed)).generation()
    }

    /// What is ready of `interest`, possibly nothing.
    pub(crate) fn look(&self, interest: Interest) -> ReadyEvent {
        let word = Word(self.word.load(Ordering::Acquire));
        ReadyEvent {
            version: word.version(),
            ready: word.ready().intersection(interest),
            is_shutdown: word.is_shutdown(),
        }
    }

    /// What ends a wait for `interest`, if there is anything.
    fn look_for_end(&self, interest: Interest) -> Option<ReadyEvent> {
        let event = self.look(interest);
        (event.is_shutdown || !event.ready.is_empty()).then_some(event)
    }

    /// Waits for readiness in one direction. Each direction remembers one waker, that of the last
    /// call.
    #[inline]
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<ReadyEvent> {
        match self.look_for_end(direction.interest()) {
            Some(event) => Poll::Ready(event),
            None => self.wait_in(cx.waker().clone(), direction),
        }
    }

    fn wait_in(&self, waker: Waker, direction: Direction) -> Poll<ReadyEvent> {
        let mut waiters = self.lock();
        let unused = waiters.set(direction, waker);
        let end = self.look_for_end(direction.interest());
        let withdrawn = end.and_then(|_| waiters.take(direction));
        drop(waiters);
        drop((unused, withdrawn));
        end.map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits for `interest`, beside any number of other waits.
    pub(crate) fn wait(&self, interest: Interest) -> Wait<'_> {
        Wait {
            source: self,
            interest,
            place: None,
        }
    }

    /// Takes back the readiness in `event`, unless another event came since it was seen.
    pub(crate) fn clear(&self, event: ReadyEvent) {
        let closed = Ready::READ_CLOSED | Ready::WRITE_CLOSED;
        self.clear_with_closed(event.with_ready(event.ready - closed));
    }

    /// Like [`clear`](Source::clear), for a source whose closed halves may open again.
    pub(crate) fn clear_with_closed(&self, event: ReadyEvent) {
        let gone = event.ready;
        self.change(|word| {
            (word.version() == event.version).then(|| word.with_ready(word.ready() - gone))
        });
    }

    /// Assumes `ready` without an event, for a source that is most likely ready. If it is not, the
    /// operation that finds out clears it as usual.
    pub(crate) fn assume(&self, ready: Ready) {
        self.change(|word| Some(word.with_ready(word.ready() | ready)));
    }

    /// An event for the registration of `generation`: marks the source ready and collects the
    /// wakers of those that waited for it. False if that registration is gone.
    pub(super) fn deliver(&self, generation: u32, ready: Ready, wakers: &mut WakeList) -> bool {
        let is_current = self.change(|word| {
            (word.generation() == generation)
                .then(|| word.with_ready(word.ready() | ready).with_next_version())
        });
        if is_current {
            self.lock().collect(ready, wakers);
        }
        is_current
    }

    /// No event will ever come again: every wait, present and future, ends.
    pub(super) fn shut_down(&self, wakers: &mut WakeList) {
        // Release: pairs with the Acquire in `look`.
        self.word.fetch_or(SHUTDOWN, Ordering::Release);
        self.lock().collect(Ready::ALL, wakers);
    }

    /// The registration is over; the source can serve another descriptor.
    pub(super) fn release(&self) {
        self.change(|word| Some(word.with_ready(Ready::EMPTY).with_next_generation()));
        // A leaked future may have left its waker here.
        let left = std::mem::replace(&mut *self.lock(), Waiters::new());
        drop(left);
    }

    /// Replaces the word by what `next` makes of it. False if that is `None`.
    fn change(&self, next: impl Fn(Word) -> Option<Word>) -> bool {
        // Release: pairs with the Acquire in `look`.
        self.word
            .fetch_update(Ordering::Release, Ordering::Relaxed, |word| {
                next(Word(word)).map(|word| word.0)
            })
            .is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        unpoisoned(self.waiters.lock())
    }
}

/// The future of [`Source::wait`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Wait<'a> {
    source: &'a Source,
    interest: Interest,
    /// Our place among the waiters, from the first poll that finds nothing.
    place: Option<Place>,
}

impl Future for Wait<'_> {
    type Output = ReadyEvent;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReadyEvent> {
        ready!(trace_leaf(cx));
        let this = &mut *self;
        if let Some(event) = this.source.look_for_end(this.interest) {
            return Poll::Ready(event);
        }
        let waker = cx.waker().clone();
        let mut waiters = this.source.lock();
        let unused = match this.place {
            None => {
                this.place = Some(waiters.join(this.interest, waker));
                None
            }
            Some(place) => waiters.renew(place, waker),
        };
        let end = this.source.look_for_end(this.interest);
        drop(waiters);
        drop(unused);
        end.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.source.lock().leave(place);
            drop(waker);
        }
    }
}
