//! One ring: its queues, its table of operations, and the few submissions it makes for itself.
//!
//! A ring belongs to a worker's slot, not to a thread, and is reached under the slot's lock. Two
//! things happen without that lock: waiting (`sys::uring::wait` on [`Ring::raw_fd`]) and waking a
//! waiter ([`RingWaker`]).
//!
//! ```text
//! submit / orphan ─> SQ ── flush (enter) ──> kernel ──> CQ ── reap ─> Batch ─> (unlocked) finish
//!                    ^                                        |
//!                    └── deferred: what goes again, cancellations, polls of its own
//! ```
//!
//! The ring's own submissions carry [`Key::INTERNAL_INDEX`] and an [`Internal`] in place of a
//! generation: the message that wakes a waiter, the poll that watches the epoll descriptor, the
//! poll on the wake-up eventfd where there are no messages, cancellations. They own no memory.
//!
//! A ring that cannot be entered any more is given up: see `failure`.
//!
//! Leaving: [`Ring::cancel_all`], reap until [`Ring::live_ops`] is 0, drop. Closing a ring is no
//! barrier, so a ring dropped with operations in the kernel leaks their payloads (the table has no
//! destructor for them); [`Ring::leak`] does so on purpose and counts.

pub(crate) mod completion;
mod counters;
mod deferred;
mod failure;
mod given_up;
mod internal;
pub(crate) mod payload;
pub(super) mod setup;
pub(crate) mod table;
mod waker;
mod watch;

pub(crate) use counters::Counters;
pub(crate) use waker::{RingWaker, WakeBy};

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::Waker;

use completion::{CqeResult, Key, OnDrop};
use deferred::Deferred;
use given_up::GivenUp;
use internal::Internal;
use payload::Carried;
use table::{Orphaned, Routed, Table};
use waker::messages_work;

use super::batch::Batch;
use super::setback::Setback;
use crate::sys::fork::Origin;
use crate::sys::uring::abi;
use crate::sys::uring::queues::Queues;
use crate::sys::uring::sqe::Sqe;
use crate::sys::uring::{Kernel, RealKernel};
use crate::util::room::Room;

/// Why an operation was not pushed. The payload comes back, unseen by the kernel.
pub(crate) enum Refused {
    /// No room in the submission queue; the waker is woken when there is. It comes back if one of
    /// the same task waits already.
    Full(Box<dyn Carried>, Option<Waker>),
    /// The ring is shutting down, or given up.
    Closed(Box<dyn Carried>, Waker),
}

pub(crate) struct Ring {
    queues: Queues,
    kernel: Box<dyn Kernel>,
    fd: Arc<OwnedFd>,
    table: Table,
    deferred: Deferred,
    /// Wakers of futures that found the submission queue full.
    waiting_for_room: Vec<Waker>,
    /// See [`note_foreign_enter`](Ring::note_foreign_enter).
    foreign_enter: bool,
    waker: RingWaker,
    /// A wake-up was reaped.
    woken: bool,
    /// No new operations.
    closed: bool,
    /// Enters that failed since the last that did not.
    setback: Setback,
    /// It is given up, and why.
    given_up: Option<GivenUp>,
    /// The owner waits in it, without the lock.
    has_waiter: bool,
    /// The kernel can be told that a wait is not for a disk.
    has_no_iowait: bool,
    counters: Counters,
    lost_seen: u32,
    origin: Origin,
}

impl Ring {
    /// Makes a ring, maybe with fewer entries.
    pub(crate) fn new(entries: u32) -> io::Result<Self> {
        Ring::set_up(entries, |fd| {
            if messages_work(fd) {
                Ok(WakeBy::Message { ring: fd.clone() })
            } else {
                WakeBy::eventfd()
            }
        })
    }

    /// As on a kernel that has no other means of waking.
    #[cfg(test)]
    pub(super) fn new_woken_by(entries: u32, wake_by: WakeBy) -> io::Result<Self> {
        Ring::set_up(entries, |_| Ok(wake_by))
    }

    fn set_up(
        entries: u32,
        wake_by: impl FnOnce(&Arc<OwnedFd>) -> io::Result<WakeBy>,
    ) -> io::Result<Self> {
        let (fd, params) = setup::set_up(entries)?;
        let missing = (abi::FEAT_NODROP | abi::FEAT_EXT_ARG) & !params.features;
        if missing != 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        }
        let queues = Queues::map(&fd, &params)?;
        let fd = Arc::new(fd);
        let kernel = RealKernel {
            ring_fd: fd.clone(),
        };
        let wake_by = wake_by(&fd)?;
        let mut ring = Ring::with_kernel(queues, Box::new(kernel), fd, wake_by);
        ring.has_no_iowait = params.features & abi::FEAT_NO_IOWAIT != 0;
        Ok(ring)
    }

    /// A ring over any memory and any kernel. `fd` is what waiters wait on.
    pub(super) fn with_kernel(
        queues: Queues,
        kernel: Box<dyn Kernel>,
        fd: Arc<OwnedFd>,
        wake_by: WakeBy,
    ) -> Self {
        let waker = RingWaker::new(wake_by);
        let mut ring = Ring {
            lost_seen: queues.completions_lost(),
            queues,
            kernel,
            fd,
            table: Table::default(),
            deferred: Deferred::new(waker.poll_fd()),
            waiting_for_room: Vec::new(),
            foreign_enter: false,
            waker,
            woken: false,
            closed: false,
            setback: Setback::default(),
            given_up: None,
            has_waiter: false,
            has_no_iowait: false,
            counters: Counters::default(),
            origin: Origin::here(),
        };
        ring.push_deferred();
        ring
    }

    /// What to wait on; valid as long as the ring, or a waker of it, lives.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Submission queue entries it got, maybe fewer than it was asked for.
    #[cfg(test)]
    pub(super) fn entries(&self) -> u32 {
        self.queues.sq_entries()
    }

    /// Wakes a thread that waits on this ring. Outlives the ring harmlessly.
    pub(crate) fn waker(&self) -> RingWaker {
        self.waker.clone()
    }

    /// Entries pushed and not yet taken by the kernel: what to tell `wait` to submit.
    pub(crate) fn unsubmitted(&self) -> u32 {
        self.check_process();
        self.queues.unsubmitted()
    }

    /// Whether a flush has something to do: submissions, task work, overflowed completions.
    pub(crate) fn needs_enter(&self) -> bool {
        self.check_process();
        if self.given_up.is_some() {
            return false;
        }
        self.queues.unsubmitted() > 0
            || self.queues.sq_flags() & (abi::SQ_TASKRUN | abi::SQ_CQ_OVERFLOW) != 0
            || !self.deferred.is_empty()
    }

    #[cfg(test)]
    pub(super) fn has_completions(&self) -> bool {
        self.check_process();
        self.queues.has_completions()
    }

    /// Whether no operation has an entry: none in the kernel, and none completed whose future has
    /// yet to look. Until then the ring is needed.
    pub(crate) fn is_vacant(&self) -> bool {
        self.table.occupied() == 0
    }

    /// Operations whose last completion has not been seen: the kernel may still use their payloads.
    pub(crate) fn live_ops(&self) -> usize {
        self.table.in_kernel()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// The operations, for their futures.
    pub(crate) fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// Pushes one operation; its entry owns the payload from here on. With `may_enter` the calling
    /// thread makes room itself.
    pub(crate) fn submit(
        &mut self,
        mut sqe: Sqe,
        carried: Box<dyn Carried>,
        waker: Waker,
        on_drop: OnDrop,
        may_enter: bool,
    ) -> Result<Key, Refused> {
        if !self.has_room() && may_enter {
            self.flush();
        }
        if self.closed || self.given_up.is_some() {
            return Err(Refused::Closed(carried, waker));
        }
        if !self.has_room() {
            // Once for each task, however often it asks.
            let is_known = self.waiting_for_room.iter().any(|w| w.will_wake(&waker));
            let spare = match is_known {
                true => Some(waker),
                false => {
                    self.waiting_for_room.push(waker);
                    None
                }
            };
            return Err(Refused::Full(carried, spare));
        }
        let key = self.table.insert(carried, waker, on_drop, &mut sqe);
        self.queues.push(&sqe).expect("there is room");
        self.counters.submitted += 1;
        self.waker.note_ops(true);
        Ok(key)
    }

    /// The future of `key` is gone: keeps or returns what it leaves, and queues its cancellation.
    pub(crate) fn orphan(&mut self, key: Key) -> Orphaned {
        let answer = self.table.orphan(key);
        self.counters.orphaned += u64::from(matches!(answer, Orphaned::Kept { .. }));
        if let Orphaned::Kept {
            must_enter: true, ..
        } = answer
        {
            self.counters.cancelled += 1;
            self.check_process();
            self.deferred.cancel([key]);
            self.push_deferred();
        }
        answer
    }

    /// Gives the kernel what was pushed and lets it post what it holds back. Does not wait.
    ///
    /// When the kernel cannot take more for now (EAGAIN, EBUSY, ENOMEM) the rest stays queued and
    /// owned. When it cannot for long, or at all, the ring is given up.
    pub(crate) fn flush(&mut self) {
        self.check_process();
        // A storm of signals must not keep us here for ever.
        const TRIES: u32 = 16;
        for _ in 0..TRIES {
            if self.given_up.is_some() || !self.setback.rest().is_zero() {
                return;
            }
            self.push_deferred();
            let to_submit = self.queues.unsubmitted();
            let get_events = self.queues.sq_flags() & (abi::SQ_TASKRUN | abi::SQ_CQ_OVERFLOW) != 0;
            if to_submit == 0 && !get_events {
                return;
            }
            self.counters.enters += 1;
            match self.kernel.enter(to_submit, get_events) {
                Ok(taken) => {
                    self.setback.is_over();
                    if taken < to_submit || self.deferred.is_empty() {
                        return;
                    }
                }
                Err(error) => {
                    self.note_failure(&error);
                    if error.kind() != io::ErrorKind::Interrupted {
                        return;
                    }
                }
            }
        }
    }

    /// Routes up to `max` completions into the batch and returns how many there were.
    pub(crate) fn reap(&mut self, batch: &mut Batch, max: usize) -> usize {
        self.check_process();
        let mut reaped = 0;
        while reaped < max {
            let Some(cqe) = self.queues.pop() else {
                if self.queues.sq_flags() & abi::SQ_CQ_OVERFLOW == 0 {
                    break;
                }
                self.counters.overflows += 1;
                // The kernel moves its backlog into the room we have made.
                if self.given_up.is_some()
                    || self.kernel.enter(0, true).is_err()
                    || !self.queues.has_completions()
                {
                    break;
                }
                continue;
            };
            reaped += 1;
            self.route(cqe, batch);
        }
        self.notice_losses(batch);
        self.push_deferred();
        if self.given_up.is_some() {
            self.reaped_given_up(reaped, batch);
        }
        if !self.waiting_for_room.is_empty() && (self.has_room() || self.given_up.is_some()) {
            for waker in self.waiting_for_room.drain(..) {
                batch.wakers.push(waker);
            }
            self.waiting_for_room.free_excess();
        }
        self.waker.note_ops(self.live_ops() > 0);
        reaped
    }

    fn route(&mut self, cqe: abi::Cqe, batch: &mut Batch) {
        let key = Key::from_user_data(cqe.user_data);
        let result = CqeResult::new(cqe.res, cqe.flags);
        if key.is_internal() {
            match Internal::decode(key) {
                Some(Internal::Wake) => self.note_woken(),
                // Whatever it says, the target's own completion decides.
                Some(Internal::Cancel) => {}
                Some(Internal::Readiness(count)) => {
                    self.deferred.complete_readiness(count, &result)
                }
                Some(Internal::WakePoll(count)) => {
                    self.deferred.complete_wake_poll(count, &result);
                    self.note_woken();
                }
                None => self.counters.unknown_completions += 1,
            }
            return;
        }
        let routed = self.table.complete(key, result);
        self.hand_over(routed, key, batch);
    }

    fn hand_over(&mut self, routed: Routed, key: Key, batch: &mut Batch) {
        match routed {
            Routed::Unknown => self.counters.unknown_completions += 1,
            Routed::Nothing => {}
            Routed::Wake(waker) => batch.wakers.push(waker),
            Routed::Garbage(value) => batch.garbage.push(value),
            Routed::Again => self.deferred.submit_again(key),
        }
    }

    fn note_woken(&mut self) {
        self.waker.note_delivered();
        self.woken = true;
    }

    /// Whether a wake-up was reaped since the last call. A sibling that reaps for the slot's owner
    /// asks, and wakes once more if so: it may have taken the wake-up from an owner about to wait.
    pub(crate) fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken)
    }

    /// Watches an epoll descriptor: from the next flush (or wait) on,
    /// [`take_readiness_event`](Ring::take_readiness_event) says that it became ready. The watch is
    /// renewed when the kernel ends it. It belongs to the thread that enters: drain the descriptor
    /// once after arming.
    pub(crate) fn arm_readiness(&mut self, epoll_fd: RawFd) {
        self.check_process();
        let foreign = std::mem::take(&mut self.foreign_enter);
        if self.deferred.watch_readiness(epoll_fd, foreign) {
            self.push_deferred();
        }
    }

    /// A thread other than the owner has entered, maybe with the watch: the owner's next
    /// [`arm_readiness`](Ring::arm_readiness) arms one of its own.
    pub(crate) fn note_foreign_enter(&mut self) {
        self.foreign_enter = true;
    }

    pub(crate) fn disarm_readiness(&mut self) {
        self.check_process();
        if self.deferred.stop_readiness() {
            self.push_deferred();
        }
    }

    /// Whether the watched descriptor became ready since the last call.
    pub(crate) fn take_readiness_event(&mut self) -> bool {
        self.deferred.take_readiness_event()
    }

    /// Closes the ring for new operations and asks the kernel to cancel everything but what must
    /// happen ([`OnDrop::LetFinish`]: accepted writes). It frees nothing: reap until
    /// [`live_ops`](Ring::live_ops) is 0.
    pub(crate) fn cancel_all(&mut self) {
        self.closed = true;
        self.disarm_readiness();
        self.deferred
            .cancel(self.table.in_kernel_with(OnDrop::Cancel));
        self.push_deferred();
    }

    /// After [`cancel_all`](Ring::cancel_all), when time is up: cancels also what must happen.
    pub(crate) fn cancel_rest(&mut self) {
        self.check_process();
        self.deferred
            .cancel(self.table.in_kernel_with(OnDrop::LetFinish));
        self.push_deferred();
    }

    /// Leaves the ring to the kernel with whatever that still has, and returns how many operations
    /// these are. Ring and payloads stay allocated for the rest of the process.
    pub(crate) fn leak(self) -> usize {
        let leaked = self.table.in_kernel();
        std::mem::forget(self);
        leaked
    }

    fn has_room(&self) -> bool {
        self.queues.unsubmitted() < self.queues.sq_entries()
    }

    fn push_deferred(&mut self) {
        if self.given_up.is_none() {
            // What finds no room waits for the next time.
            let _ = self.deferred.push(&mut self.queues, &mut self.table);
        }
    }

    /// In a forked child the ring is the parent's and its memory is not even there.
    fn check_process(&self) {
        assert!(
            self.origin.is_here(),
            "an io_uring ring was used in a forked child of the process that made it; \
             a runtime does not survive fork()"
        );
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.fd)
            .field("live_ops", &self.live_ops())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
