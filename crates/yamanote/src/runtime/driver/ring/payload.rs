//! What an operation owns, while the kernel may use it.

use std::any::Any;
use std::mem::ManuallyDrop;

use super::completion::CqeResult;
use crate::sys::uring::sqe::Sqe;

/// What can be given to the kernel.
///
/// # Safety
///
/// - Everything the SQE points to is owned by `self`, on the heap behind it, or static, and stays
///   valid and in place while nobody touches `self`. `prepare` is called in the box in which `self`
///   stays from then on; the box may move.
/// - The descriptor in the SQE is kept open by `self`, or is one that is never closed.
/// - What the kernel writes through those pointers cannot break `self`, whatever it writes and
///   however often, until the last completion.
pub(crate) unsafe trait Prepare {
    /// Fills the submission.
    fn prepare(&mut self) -> Sqe;
}

/// All that the ring knows of an operation: how to give it back.
pub(crate) trait Carried: Send {
    /// For its future.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;

    /// As a value whose drop hands the orphan its last completion.
    fn into_garbage(self: Box<Self>, cqe: CqeResult) -> Box<dyn Any + Send>;
}

/// An operation in the kernel's hands. Losing a payload leaks it, which is always sound (rule 1 of
/// `op.rs`).
pub(super) struct Payload(ManuallyDrop<Box<dyn Carried>>);

impl Payload {
    pub(super) fn new(carried: Box<dyn Carried>) -> Self {
        Payload(ManuallyDrop::new(carried))
    }

    /// # Safety
    ///
    /// The kernel will not touch what the operation owns any more: its last CQE has been seen.
    pub(super) unsafe fn release(self) -> Box<dyn Carried> {
        ManuallyDrop::into_inner(self.0)
    }
}
