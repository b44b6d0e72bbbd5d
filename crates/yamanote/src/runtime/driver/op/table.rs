//! A ring's table of operations: where a completion finds the payload and the waker it belongs to.
//!
//! The states and rules are drawn in [`super`](super).

use std::any::Any;
use std::collections::VecDeque;
use std::task::Waker;

use super::{CqeResult, Key, OnDrop, Payload};
use crate::sys::uring::sqe::{Sqe, op};

/// The slot's side of an operation's life.
#[derive(Debug)]
pub(crate) enum Lifecycle {
    /// P, S: with the queue or the kernel; nobody has left a waker.
    Submitted,
    /// W.
    Waiting(Waker),
    /// Z: the result is known, the kernel still uses the payload.
    Notifying {
        result: CqeResult,
        waker: Option<Waker>,
    },
    /// C.
    Completed(CqeResult),
    /// A, or T once `terminated`: a multishot's results nobody has taken yet.
    Armed {
        results: VecDeque<CqeResult>,
        waker: Option<Waker>,
        terminated: bool,
        /// The kernel says it has lost completions, maybe of this one.
        lost: bool,
    },
    /// X: nobody waits; the payload stays until the last CQE. A zero-copy orphan remembers its
    /// result.
    Cancelled { result: Option<CqeResult> },
    /// The kernel says it has lost completions, maybe this one. A late CQE still counts.
    Lost,
}

/// Makes garbage of one result of a multishot whose owner is gone. Its presence in a slot is what
/// makes the operation a multishot.
pub(crate) type DiscardItem = fn(CqeResult) -> Box<dyn Any + Send>;

/// What is to become of an operation at its various ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) on_drop: OnDrop,
    pub(crate) multishot: Option<DiscardItem>,
    /// See [`Operation::NOT_DONE`](super::Operation::NOT_DONE). A multishot's resource arms it
    /// again itself.
    pub(crate) not_done: &'static [i32],
}

#[derive(Debug)]
struct Live {
    lifecycle: Lifecycle,
    payload: Payload,
    fate: Fate,
    /// As it was pushed, to be pushed again (rule 6).
    sqe: Sqe,
    /// Times it may be pushed again. Threads that exit are few; a file that answers like that for
    /// ever must not keep us busy for ever.
    tries: u16,
    /// The kernel was asked to stop it.
    cancelled: bool,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    live: Option<Live>,
}

/// What the reaper does after a completion was routed.
#[must_use]
#[derive(Debug)]
pub(crate) enum Routed {
    /// No such operation: count and ignore.
    Unknown,
    Nothing,
    Wake(Waker),
    /// An orphan's payload or result: drop it outside the lock.
    Garbage(Box<dyn Any + Send>),
    /// It was not done: push its SQE again. It counts as in the kernel.
    Again,
}

/// What a future finds in its slot.
#[must_use]
#[derive(Debug)]
pub(crate) enum Poll {
    Pending,
    /// Another waker is stored: call again with a clone of the present one.
    NeedsWaker,
    Ready(Payload, CqeResult),
    Lost,
}

/// What a multishot finds in its slot.
#[must_use]
#[derive(Debug)]
pub(crate) enum PollResults {
    Pending,
    /// Another waker is stored: call again with a clone of the present one.
    NeedsWaker,
    /// Results so far; the kernel goes on.
    Some(VecDeque<CqeResult>),
    /// The last results; the kernel is done.
    Last(Payload, VecDeque<CqeResult>),
    Lost,
}

/// What a dropped future leaves behind.
#[must_use]
#[derive(Debug)]
pub(crate) enum Drop {
    /// It was the slot's second or third visit; nothing to do.
    Gone,
    /// The last CQE had come: the payload goes back.
    Finished(Payload, CqeResult),
    /// A multishot had results nobody took; `payload` if the kernel is done with it.
    Disarmed {
        results: VecDeque<CqeResult>,
        waker: Option<Waker>,
        payload: Option<Payload>,
    },
    /// An orphan remains. `must_enter`: a cancellation was queued.
    Kept {
        waker: Option<Waker>,
        must_enter: bool,
    },
}

/// The operations of one ring.
///
/// Dropping a table frees the payloads whose last CQE has come and leaks the others.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Operations whose last CQE is still to come.
    in_kernel: usize,
    /// Those of them that wait for a disk.
    transfers: usize,
    /// Slots that are used up.
    retired: usize,
}

/// This index names the ring's own submissions (wake-ups, readiness, cancellations).
pub(crate) const INTERNAL_INDEX: u32 = u32::MAX;

pub(crate) fn user_data(index: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(index)
}

pub(crate) fn split_user_data(user_data: u64) -> (u32, u32) {
    (user_data as u32, (user_data >> 32) as u32)
}

impl Table {
    /// Gives a payload a slot, and its SQE the slot's name. The `slot` (ring) of the key is the
    /// caller's to fill in.
    pub(crate) fn insert(
        &mut self,
        payload: Payload,
        waker: Option<Waker>,
        fate: Fate,
        sqe: &mut Sqe,
    ) -> Key {
        const TRIES: u16 = 10_000;
        self.in_kernel += 1;
        self.transfers += usize::from(is_transfer(sqe));
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 operations");
                assert!(index != INTERNAL_INDEX, "fewer than 2^32 - 1 operations");
                self.slots.push(Slot {
                    generation: 0,
                    live: None,
                });
                index
            }
        };
        let slot = &mut self.slots[index as usize];
        assert!(slot.live.is_none(), "a free slot is empty");
        sqe.user_data = user_data(index, slot.generation);
        slot.live = Some(Live {
            lifecycle: match waker {
                Some(waker) => Lifecycle::Waiting(waker),
                None => Lifecycle::Submitted,
            },
            payload,
            fate,
            sqe: *sqe,
            tries: TRIES,
            cancelled: false,
        });
        Key {
            slot: usize::MAX,
            index,
            generation: slot.generation,
        }
    }

    /// The SQE of an operation that goes to the kernel again.
    pub(crate) fn sqe(&mut self, user_data: u64) -> Option<Sqe> {
        let (index, generation) = split_user_data(user_data);
        self.live(index, generation).map(|live| live.sqe)
    }

    /// The kernel is asked to stop this operation.
    pub(crate) fn note_cancel(&mut self, user_data: u64) {
        let (index, generation) = split_user_data(user_data);
        if let Some(live) = self.live(index, generation) {
            live.cancelled = true;
        }
    }

    /// The kernel is asked to stop whatever uses this descriptor.
    pub(crate) fn note_cancel_fd(&mut self, fd: i32) {
        for live in self.slots.iter_mut().filter_map(|slot| slot.live.as_mut()) {
            live.cancelled |= live.sqe.fd == fd;
        }
    }

    fn live(&mut self, index: u32, generation: u32) -> Option<&mut Live> {
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        slot.live.as_mut()
    }

    /// Empties a slot and moves it to its next generation, or retires it (rule 3).
    fn free(&mut self, index: u32) -> Live {
        let slot = &mut self.slots[index as usize];
        let live = slot.live.take().expect("only an occupied slot is freed");
        match slot.generation.checked_add(1) {
            Some(next) => {
                slot.generation = next;
                self.free.push(index);
            }
            None => self.retired += 1,
        }
        live
    }

    /// Whether the kernel may still have this operation.
    pub(crate) fn is_in_kernel(&mut self, index: u32, generation: u32) -> bool {
        self.live(index, generation).is_some_and(|live| {
            !matches!(
                live.lifecycle,
                Lifecycle::Completed(_)
                    | Lifecycle::Armed {
                        terminated: true,
                        ..
                    }
            )
        })
    }

    /// A completion arrived.
    pub(crate) fn complete(&mut self, index: u32, generation: u32, cqe: CqeResult) -> Routed {
        let Some(live) = self.live(index, generation) else {
            return Routed::Unknown;
        };
        let last = !cqe.has_more();
        let multishot = live.fate.multishot;
        if last && live.is_to_go_again(&cqe) {
            live.tries -= 1;
            return Routed::Again;
        }
        // What the slot becomes, and who is told. `Lost` stands in while we look.
        let (next, routed) = match std::mem::replace(&mut live.lifecycle, Lifecycle::Lost) {
            // After its last CQE an operation has no more: a duplicate.
            done @ (Lifecycle::Completed(_)
            | Lifecycle::Armed {
                terminated: true, ..
            }) => {
                live.lifecycle = done;
                return Routed::Unknown;
            }
            Lifecycle::Cancelled { result } => {
                if last {
                    let live = self.free(index);
                    self.in_kernel -= 1;
                    self.transfers -= usize::from(is_transfer(&live.sqe));
                    // A notification carries no result of its own.
                    let cqe = result.unwrap_or(cqe);
                    // SAFETY: rule 4, this was the last CQE.
                    return Routed::Garbage(unsafe { live.payload.into_garbage(cqe) });
                }
                match multishot {
                    Some(discard) => (
                        Lifecycle::Cancelled { result },
                        Routed::Garbage(discard(cqe)),
                    ),
                    None => (
                        Lifecycle::Cancelled {
                            result: result.or(Some(cqe)),
                        },
                        Routed::Nothing,
                    ),
                }
            }
            Lifecycle::Armed {
                mut results,
                waker,
                lost,
                ..
            } => {
                results.push_back(cqe);
                (
                    Lifecycle::Armed {
                        results,
                        waker: None,
                        terminated: last,
                        lost: lost && !last,
                    },
                    waker.map_or(Routed::Nothing, Routed::Wake),
                )
            }
            waiting @ (Lifecycle::Submitted | Lifecycle::Waiting(_) | Lifecycle::Lost)
                if multishot.is_some() =>
            {
                (
                    Lifecycle::Armed {
                        results: VecDeque::from([cqe]),
                        waker: None,
                        terminated: last,
                        lost: false,
                    },
                    waiting.into_waker().map_or(Routed::Nothing, Routed::Wake),
                )
            }
            waiting @ (Lifecycle::Submitted | Lifecycle::Waiting(_) | Lifecycle::Lost) => {
                let waker = waiting.into_waker();
                if last {
                    (
                        Lifecycle::Completed(cqe),
                        waker.map_or(Routed::Nothing, Routed::Wake),
                    )
                } else {
                    // The waker stays: the payload comes back only with the notification.
                    (Lifecycle::Notifying { result: cqe, waker }, Routed::Nothing)
                }
            }
            Lifecycle::Notifying { result, waker } => {
                if last {
                    (
                        Lifecycle::Completed(result),
                        waker.map_or(Routed::Nothing, Routed::Wake),
                    )
                } else {
                    (Lifecycle::Notifying { result, waker }, Routed::Nothing)
                }
            }
        };
        live.lifecycle = next;
        if last {
            self.transfers -= usize::from(is_transfer(&live.sqe));
            self.in_kernel -= 1;
        }
        routed
    }

    /// The future looks. `spare` is a clone of `waker` if the future has made one; it comes back as
    /// the waker it replaced.
    pub(crate) fn poll(&mut self, key: Key, waker: &Waker, spare: &mut Option<Waker>) -> Poll {
        let live = self
            .live(key.index, key.generation)
            .expect("the slot of a living future is its own");
        let stored = match &mut live.lifecycle {
            Lifecycle::Completed(_) => {
                let live = self.free(key.index);
                let Lifecycle::Completed(cqe) = live.lifecycle else {
                    unreachable!("looked at above");
                };
                return Poll::Ready(live.payload, cqe);
            }
            Lifecycle::Lost => return Poll::Lost,
            Lifecycle::Cancelled { .. } => panic!("an orphan has no future"),
            Lifecycle::Armed { .. } => panic!("a multishot is polled for its items"),
            Lifecycle::Waiting(stored) if stored.will_wake(waker) => return Poll::Pending,
            Lifecycle::Waiting(stored) => {
                let Some(spare) = spare else {
                    return Poll::NeedsWaker;
                };
                std::mem::swap(stored, spare);
                return Poll::Pending;
            }
            Lifecycle::Notifying { waker: stored, .. } => stored,
            Lifecycle::Submitted => {
                let Some(spare) = spare.take() else {
                    return Poll::NeedsWaker;
                };
                live.lifecycle = Lifecycle::Waiting(spare);
                return Poll::Pending;
            }
        };
        if stored
            .as_ref()
            .is_some_and(|stored| stored.will_wake(waker))
        {
            return Poll::Pending;
        }
        if spare.is_none() {
            return Poll::NeedsWaker;
        }
        std::mem::swap(stored, spare);
        Poll::Pending
    }

    /// A multishot looks; `spare` as for [`poll`](Table::poll).
    pub(crate) fn poll_results(
        &mut self,
        key: Key,
        waker: &Waker,
        spare: &mut Option<Waker>,
    ) -> PollResults {
        let live = self
            .live(key.index, key.generation)
            .expect("the slot of a living future is its own");
        let stored = match &mut live.lifecycle {
            Lifecycle::Armed {
                terminated: true, ..
            } => {
                let live = self.free(key.index);
                let Lifecycle::Armed { results, .. } = live.lifecycle else {
                    unreachable!("looked at above");
                };
                return PollResults::Last(live.payload, results);
            }
            Lifecycle::Armed { results, .. } if !results.is_empty() => {
                return PollResults::Some(std::mem::take(results));
            }
            Lifecycle::Armed { lost: true, .. } | Lifecycle::Lost => return PollResults::Lost,
            Lifecycle::Armed { waker: stored, .. } => stored,
            Lifecycle::Submitted | Lifecycle::Waiting(_) => {
                return match self.poll(key, waker, spare) {
                    Poll::Pending => PollResults::Pending,
                    Poll::NeedsWaker => PollResults::NeedsWaker,
                    Poll::Ready(..) | Poll::Lost => unreachable!("looked at above"),
                };
            }
            other => unreachable!("a multishot does not get here: {other:?}"),
        };
        if stored
            .as_ref()
            .is_some_and(|stored| stored.will_wake(waker))
        {
            return PollResults::Pending;
        }
        if spare.is_none() {
            return PollResults::NeedsWaker;
        }
        std::mem::swap(stored, spare);
        PollResults::Pending
    }

    /// The future is dropped. The caller queues a cancellation if told to.
    pub(crate) fn orphan(&mut self, key: Key) -> Drop {
        let Some(live) = self.live(key.index, key.generation) else {
            return Drop::Gone;
        };
        let must_enter = live.fate.on_drop == OnDrop::Cancel;
        match std::mem::replace(&mut live.lifecycle, Lifecycle::Cancelled { result: None }) {
            Lifecycle::Completed(cqe) => {
                let live = self.free(key.index);
                Drop::Finished(live.payload, cqe)
            }
            Lifecycle::Submitted | Lifecycle::Lost => Drop::Kept {
                waker: None,
                must_enter,
            },
            Lifecycle::Waiting(waker) => Drop::Kept {
                waker: Some(waker),
                must_enter,
            },
            Lifecycle::Notifying { result, waker } => {
                live.lifecycle = Lifecycle::Cancelled {
                    result: Some(result),
                };
                // The send has happened; only its notification is out, and no cancel hastens it.
                Drop::Kept {
                    waker,
                    must_enter: false,
                }
            }
            Lifecycle::Armed {
                results,
                waker,
                terminated,
                ..
            } => {
                let payload = terminated.then(|| self.free(key.index).payload);
                Drop::Disarmed {
                    results,
                    waker,
                    payload,
                }
            }
            Lifecycle::Cancelled { .. } => panic!("a future is dropped once"),
        }
    }

    /// User data of the operations of one policy that the kernel may have.
    pub(crate) fn in_kernel_with(&self, on_drop: OnDrop) -> impl Iterator<Item = u64> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter_map(move |(index, slot)| {
                let live = slot.live.as_ref()?;
                let done = matches!(
                    live.lifecycle,
                    Lifecycle::Completed(_)
                        | Lifecycle::Armed {
                            terminated: true,
                            ..
                        }
                );
                (!done && live.fate.on_drop == on_drop)
                    .then(|| user_data(index as u32, slot.generation))
            })
    }

    /// The kernel has lost completions: everything it may have had becomes `Lost`.
    pub(crate) fn lose_all(&mut self, mut wake: impl FnMut(Waker)) {
        for live in self.slots.iter_mut().filter_map(|slot| slot.live.as_mut()) {
            if matches!(
                live.lifecycle,
                Lifecycle::Submitted | Lifecycle::Waiting(_) | Lifecycle::Notifying { .. }
            ) {
                let old = std::mem::replace(&mut live.lifecycle, Lifecycle::Lost);
                if let Some(waker) = old.into_waker() {
                    wake(waker);
                }
            }
            if let Lifecycle::Armed {
                waker,
                terminated: false,
                lost,
                ..
            } = &mut live.lifecycle
            {
                *lost = true;
                if let Some(waker) = waker.take() {
                    wake(waker);
                }
            }
        }
    }

    /// Operations whose last CQE is still to come.
    pub(crate) fn in_kernel(&self) -> usize {
        self.in_kernel
    }

    /// Operations in the kernel that wait for a disk.
    pub(crate) fn transfers(&self) -> usize {
        self.transfers
    }

    /// Ages an empty table's first slot, as 2^32 operations would.
    #[cfg(test)]
    pub(in crate::runtime::driver) fn age_first_slot(&mut self, generation: u32) {
        assert!(self.slots.is_empty());
        self.slots.push(Slot {
            generation,
            live: None,
        });
        self.free.push(0);
    }

    /// Occupied slots: those, and completed ones nobody has taken.
    pub(crate) fn occupied(&self) -> usize {
        self.slots.len() - self.free.len() - self.retired
    }
}

/// Whether this waits for a disk, in the sense of the machine's figures.
fn is_transfer(sqe: &Sqe) -> bool {
    matches!(sqe.opcode, op::READ | op::WRITE)
}

impl std::ops::Drop for Table {
    fn drop(&mut self) {
        for live in self.slots.drain(..).filter_map(|slot| slot.live) {
            match live.lifecycle {
                Lifecycle::Completed(cqe) => {
                    // SAFETY: rule 4, its last CQE has been seen.
                    drop(unsafe { live.payload.into_garbage(cqe) });
                }
                Lifecycle::Armed {
                    mut results,
                    terminated,
                    ..
                } => {
                    let last = if terminated { results.pop_back() } else { None };
                    if let Some(discard) = live.fate.multishot {
                        results.into_iter().for_each(|cqe| drop(discard(cqe)));
                    }
                    if let Some(cqe) = last {
                        // SAFETY: as above.
                        drop(unsafe { live.payload.into_garbage(cqe) });
                    }
                }
                // Rule 1: leaked. The kernel may still use it.
                _ => {}
            }
        }
    }
}

impl Live {
    /// Rule 6. A zero-copy send that has had its result is over.
    fn is_to_go_again(&self, cqe: &CqeResult) -> bool {
        let Err(error) = &cqe.result else {
            return false;
        };
        !self.cancelled
            && self.fate.multishot.is_none()
            && self.tries > 0
            && error
                .raw_os_error()
                .is_some_and(|errno| self.fate.not_done.contains(&errno))
            && matches!(
                self.lifecycle,
                Lifecycle::Submitted
                    | Lifecycle::Waiting(_)
                    | Lifecycle::Cancelled { result: None }
            )
    }
}

impl Lifecycle {
    fn into_waker(self) -> Option<Waker> {
        match self {
            Lifecycle::Waiting(waker) => Some(waker),
            Lifecycle::Notifying { waker, .. } | Lifecycle::Armed { waker, .. } => waker,
            Lifecycle::Submitted
            | Lifecycle::Completed(_)
            | Lifecycle::Cancelled { .. }
            | Lifecycle::Lost => None,
        }
    }
}
