//! Tasks whose scheduler is driven by one thread at a time: near that thread they need next to no
//! atomic operation.
//!
//! Nearly all that happens to such a task happens on the thread that drives its scheduler:
//! **near**. Elsewhere, and everywhere while no thread drives, is **far**. Beside the word of
//! [`super::state`] the task has a near word, which is plain memory:
//!
//! | near word    | says |
//! |--------------|------|
//! | `queued`     | a `Notified` stands in the local queue, or will when the poll under way is over |
//! | `run`        | whether the thread that drives polls or cancels the task; if not, whether somebody has seen it wait |
//! | `merged`     | the near word is not used any more; for ever |
//! | `references` | how many references were made near, less those that were given up near |
//!
//! The rules, beside those of the state:
//!
//! 7. The near word belongs to the thread that drives. What hands the scheduler from one thread to
//!    the next hands over the near words too. Whoever is far uses the state's word alone.
//! 8. The task has as many references as the state's count less `BIAS`, plus the near word's. While
//!    the task is not complete its owner's list has one of them, so nobody finds the last. The
//!    runner that completes it merges the two counts, and from then on there is no near.
//! 9. `RUNNING` is not used. `NOTIFIED` says that no poll has begun since a wake from far;
//!    `INJECTED` that a `Notified` stands in the injection queue. A poll answers the wakes from far
//!    that came before it, and its end those that came meanwhile, by a `Notified` in the local
//!    queue: so the one in the injection queue may turn out to be void. Instead of rule 2 there are
//!    at most two: that one, and the one that `queued` tells of.
//!
//! # Memory ordering
//!
//! As in the state. The wakes from far are taken with Acquire ([`claim`], [`finish_pending`],
//! [`admit`]); what was done near needs no order, because rule 7's handover has it.
//!
//! Verbs that give a reference away take a pointer: a `&Header` as an argument would promise that
//! the task is there until they return, and another thread may free it before.

use super::core::Header;
use super::near_word::{BIAS, Near, Run};
use super::state::{
    CANCELLED, COMPLETE, Claim, Completion, INJECTED, JOIN_HANDLE, JOIN_WAKER, NOTIFIED, Pending,
    REFERENCE, Snapshot, State, Wake, abort_if_leaked,
};
use crate::loom::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

#[cfg(not(all(test, loom)))]
thread_local! {
    /// The list whose scheduler this thread drives; 0 for none.
    static NEAR_TO: Cell<u64> = const { Cell::new(0) };
}

#[cfg(all(test, loom))]
loom::thread_local! {
    static NEAR_TO: Cell<u64> = Cell::new(0);
}

/// The list to whose tasks this thread is near; 0 for none.
pub(super) fn near_to() -> u64 {
    NEAR_TO.with(Cell::get)
}

/// Whether this thread drives a scheduler of biased tasks.
pub(crate) fn is_near_any() -> bool {
    near_to() != 0
}

/// The right to be near the tasks of a list: whoever drives their scheduler has it. There is one.
pub(crate) struct NearKey {
    list: u64,
}

impl NearKey {
    /// Called once for each list.
    pub(super) fn new(list: u64) -> NearKey {
        NearKey { list }
    }

    /// From now on this thread is near. These nest: the tasks of an outer one are far meanwhile.
    pub(crate) fn come_near(self) -> NearTo {
        NearTo {
            outer: NEAR_TO.with(|near_to| near_to.replace(self.list)),
            list: self.list,
            not_send: PhantomData,
        }
    }
}

/// Until it is dropped, this thread is near the tasks of a list.
pub(crate) struct NearTo {
    outer: u64,
    list: u64,
    not_send: PhantomData<*const ()>,
}

impl NearTo {
    /// Gives the key back; without this nobody comes near any more.
    pub(crate) fn leave(self) -> NearKey {
        NearKey { list: self.list }
    }
}

impl Drop for NearTo {
    fn drop(&mut self) {
        NEAR_TO.with(|near_to| near_to.set(self.outer));
    }
}

/// The first value of a biased task's word; `queued` as for [`NearWord::new`].
pub(super) fn new_state(queued: bool) -> State {
    let entry = if queued { 0 } else { NOTIFIED | INJECTED };
    State::new(BIAS | JOIN_HANDLE | entry)
}

/// Whether a `Notified` of the task stands in the local queue.
///
/// # Safety
///
/// This thread is near.
pub(super) unsafe fn is_queued(header: &Header) -> bool {
    // SAFETY: passed on.
    unsafe { with_near(header, |near| near.queued) }
}

/// Calls `f` with the near word.
///
/// # Safety
///
/// This thread is near, or nobody else knows the task yet. `f` calls nothing that may come here.
pub(super) unsafe fn with_near<R>(header: &Header, f: impl FnOnce(&mut Near) -> R) -> R {
    // SAFETY: rule 7, and the caller's promise.
    header.near.0.with_mut(|near| f(unsafe { &mut *near }))
}

/// As [`with_near`] if this thread is near and the word is still used.
///
/// # Safety
///
/// `f` calls nothing that may come here.
unsafe fn if_near<R>(header: &Header, f: impl FnOnce(&mut Near) -> R) -> Option<R> {
    if header.owner != near_to() {
        return None;
    }
    // SAFETY: it is near; the rest is passed on.
    unsafe { with_near(header, |near| (!near.merged).then(|| f(near))) }
}

/// A reference is made of another one, which the caller has.
pub(super) fn add_reference(header: &Header) {
    // SAFETY: nothing is called that comes here.
    let near = unsafe { if_near(header, |near| near.count(&header.state, 1)) };
    if near.is_none() {
        header.state.add_reference();
    }
}

/// A reference is given up; true if it was the last: the caller frees the task.
///
/// # Safety
///
/// The caller has the reference.
#[must_use]
pub(super) unsafe fn drop_reference(task: NonNull<Header>) -> bool {
    // SAFETY: the reference, until the verb.
    let header = unsafe { task.as_ref() };
    // SAFETY: nothing is called that comes here.
    let near = unsafe { if_near(header, |near| near.count(&header.state, -1)) };
    near.is_none() && header.state.drop_reference()
}

/// Whether the `Notified` of a [`Wake::Schedule`] is for the local queue.
pub(super) enum Where {
    Near(Wake),
    Far(Wake),
}

/// A waker is woken and keeps its reference.
pub(super) fn wake_by_ref(header: &Header) -> Where {
    let state = &header.state;
    let wake = |near: &mut Near| {
        let wake = near.wake(state);
        if wake == Wake::Schedule {
            near.count(state, 1);
        }
        wake
    };
    // SAFETY: nothing is called that comes here.
    match unsafe { if_near(header, wake) } {
        Some(wake) => Where::Near(wake),
        None => Where::Far(state.wake_by_ref_from_far()),
    }
}

/// A waker is woken and gives its reference up: near, to the `Notified` for [`Wake::Schedule`]; far
/// as [`State::wake_by_value`] says.
///
/// # Safety
///
/// The caller has the reference.
pub(super) unsafe fn wake_by_value(task: NonNull<Header>) -> Where {
    // SAFETY: the reference, until the verb.
    let header = unsafe { task.as_ref() };
    let state = &header.state;
    let wake = |near: &mut Near| {
        let wake = near.wake(state);
        if wake != Wake::Schedule {
            near.count(state, -1);
        }
        wake
    };
    // SAFETY: nothing is called that comes here.
    match unsafe { if_near(header, wake) } {
        Some(wake) => Where::Near(wake),
        None => Where::Far(state.wake_by_value_from_far()),
    }
}

/// The task is to be cancelled at its next turn.
pub(super) fn abort(header: &Header) -> Where {
    let state = &header.state;
    let abort = |near: &mut Near| {
        // A runner looks at CANCELLED when the poll is over.
        if !state.cancel() || near.run == Run::Polled {
            return Wake::Noted;
        }
        let wake = near.wake(state);
        if wake == Wake::Schedule {
            near.count(state, 1);
        }
        wake
    };
    // SAFETY: nothing is called that comes here.
    match unsafe { if_near(header, abort) } {
        Some(wake) => Where::Near(wake),
        None => Where::Far(state.abort_from_far()),
    }
}

/// Takes a `Notified` from the injection queue: `true` if it is now one of the local queue's.
/// Otherwise it is void and its reference is still the caller's.
///
/// # Safety
///
/// This thread is near.
pub(super) unsafe fn admit(header: &Header) -> bool {
    // SAFETY: passed on, and nothing is called that comes here.
    unsafe {
        with_near(header, |near| {
            if near.merged {
                return false;
            }
            let is_due = header.state.take_entry() && !near.queued;
            near.queued |= is_due;
            is_due
        })
    }
}

/// The holder of the local queue's `Notified` wants to run the task; as [`State::claim`].
///
/// # Safety
///
/// This thread is near, and has the `Notified`'s reference.
pub(super) unsafe fn claim(task: NonNull<Header>) -> Claim {
    // SAFETY: the reference, until the verb.
    let header = unsafe { task.as_ref() };
    let begin = |near: &mut Near| {
        if near.merged {
            return None;
        }
        assert!(
            near.queued && near.run != Run::Polled,
            "a Notified that was not due"
        );
        near.queued = false;
        near.run = Run::Polled;
        Some(match header.state.answer_far().has(CANCELLED) {
            true => Claim::Cancel,
            false => Claim::Poll,
        })
    };
    // SAFETY: passed on, and nothing is called that comes here.
    let begun = unsafe { with_near(header, begin) };
    begun.unwrap_or_else(|| match header.state.drop_reference() {
        true => Claim::Free,
        false => Claim::Lost,
    })
}

/// As [`State::claim_for_shutdown`].
///
/// # Safety
///
/// This thread is near, or nobody else knows the task yet.
#[must_use]
pub(super) unsafe fn claim_for_shutdown(header: &Header) -> bool {
    // SAFETY: passed on, and nothing is called that comes here.
    unsafe {
        with_near(header, |near| {
            if near.merged {
                return false;
            }
            let is_idle = near.run != Run::Polled;
            near.run = Run::Polled;
            // A runner looks at CANCELLED when the poll is over.
            if !is_idle {
                header.state.cancel();
            }
            is_idle
        })
    }
}

/// The poll returned `Pending`. Of [`Pending::Again`] the caller has one reference, which becomes
/// the `Notified`'s; there is no [`Pending::Free`].
///
/// # Safety
///
/// This thread is near.
pub(super) unsafe fn finish_pending(header: &Header) -> Pending {
    // SAFETY: passed on, and nothing is called that comes here.
    unsafe {
        with_near(header, |near| {
            let far = header.state.answer_far();
            if far.has(CANCELLED) {
                return Pending::Cancel;
            }
            near.run = Run::Idle;
            near.queued |= far.has(NOTIFIED);
            if near.queued {
                return Pending::Again;
            }
            near.count(&header.state, -1);
            Pending::Idle
        })
    }
}

/// As [`State::complete`].
///
/// # Safety
///
/// This thread is near, or nobody else knows the task yet. It has the references.
pub(super) unsafe fn complete(
    task: NonNull<Header>,
    references: usize,
    output_dropped: bool,
) -> Completion {
    // SAFETY: the references, until the verb.
    let header = unsafe { task.as_ref() };
    // SAFETY: passed on, and nothing is called that comes here.
    let near_references = unsafe {
        with_near(header, |near| {
            near.merged = true;
            near.references
        })
    };
    let completion = header
        .state
        .merge(near_references, references, output_dropped);
    if completion == Completion::DropOutput {
        // Not complete yet.
        // SAFETY: as above.
        unsafe { with_near(header, |near| near.merged = false) };
    }
    completion
}

impl State {
    /// As [`State::wake_by_ref`], from far.
    fn wake_by_ref_from_far(&self) -> Wake {
        self.update(Release, |now| {
            if now.has(COMPLETE) {
                return (Wake::Noted, None);
            }
            let next = now.with(NOTIFIED | INJECTED);
            match now.has(INJECTED) {
                true => (Wake::Noted, Some(next)),
                false => (Wake::Schedule, Some(next.plus_reference())),
            }
        })
    }

    /// As [`State::wake_by_value`], from far.
    fn wake_by_value_from_far(&self) -> Wake {
        self.update(AcqRel, |now| {
            if now.has(COMPLETE) {
                let next = now.minus_references(1);
                let is_last = next.is_last();
                return (if is_last { Wake::Free } else { Wake::Noted }, Some(next));
            }
            let next = now.with(NOTIFIED | INJECTED);
            match now.has(INJECTED) {
                // Not the last (rule 8).
                true => (Wake::Noted, Some(next.minus_references(1))),
                false => (Wake::Schedule, Some(next.plus_reference())),
            }
        })
    }

    /// As [`State::abort`], from far. The abort of a running task is seen when its poll is over; as
    /// that may be so already, the task is to be run in any case.
    fn abort_from_far(&self) -> Wake {
        self.update(Release, |now| {
            if now.has(CANCELLED | COMPLETE) {
                return (Wake::Noted, None);
            }
            let next = now.with(CANCELLED | NOTIFIED | INJECTED);
            match now.has(INJECTED) {
                true => (Wake::Noted, Some(next)),
                false => (Wake::Schedule, Some(next.plus_reference())),
            }
        })
    }

    /// Near: sets CANCELLED, unless it is set or too late.
    fn cancel(&self) -> bool {
        // Release: an abort from far that comes after it changes nothing, as in `abort`.
        self.update(Release, |now| {
            let is_new = !now.has(CANCELLED | COMPLETE);
            (is_new, is_new.then(|| now.with(CANCELLED)))
        })
    }

    /// Near: a poll begins or has ended, and answers what came from far. The word as it was before.
    fn answer_far(&self) -> Snapshot {
        let now = self.load();
        match now.has(NOTIFIED) {
            // Acquire for promise A.
            true => Snapshot(self.fetch_and(!NOTIFIED, Acquire)),
            false => now,
        }
    }

    /// Near: the `Notified` is out of the injection queue. True unless a poll has answered it.
    fn take_entry(&self) -> bool {
        // For promise A; so is the load of `answer_far`, when the poll that follows begins.
        let before = Snapshot(self.fetch_and(!(NOTIFIED | INJECTED), Acquire));
        assert!(before.has(INJECTED), "a Notified without INJECTED");
        before.has(NOTIFIED)
    }

    /// As [`State::complete`], with the near count.
    fn merge(&self, near: i32, references: usize, output_dropped: bool) -> Completion {
        self.update(AcqRel, |now| {
            assert!(!now.has(COMPLETE), "complete twice");
            if !now.has(JOIN_HANDLE) && !output_dropped {
                return (Completion::DropOutput, None);
            }
            let complete = now.with(COMPLETE).merged(near, BIAS);
            if now.has(JOIN_WAKER) {
                // The references are kept until the waker is out of its cell.
                return (Completion::WakeJoiner, Some(complete));
            }
            let next = complete.minus_references(references);
            let is_last = next.is_last();
            let verdict = if is_last {
                Completion::Free
            } else {
                Completion::Done
            };
            (verdict, Some(next))
        })
    }

    /// Changes the count of a task that has other references.
    pub(super) fn count(&self, change: i32) {
        let change = change as isize as usize;
        // AcqRel: promise C.
        let before = self.fetch_add(change.wrapping_mul(REFERENCE), AcqRel);
        abort_if_leaked(before);
    }
}

impl Snapshot {
    fn plus_reference(self) -> Snapshot {
        Snapshot(self.0 + REFERENCE)
    }

    /// With the near count instead of the bias.
    fn merged(self, near: i32, bias: usize) -> Snapshot {
        let change = (near as isize as usize).wrapping_mul(REFERENCE);
        Snapshot(self.0.wrapping_add(change).wrapping_sub(bias))
    }
}
