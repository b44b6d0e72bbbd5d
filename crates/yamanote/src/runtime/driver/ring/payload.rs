//! What an operation owns, while the kernel may use it.

use std::any::Any;
use std::mem::ManuallyDrop;

use super::completion::CqeResult;

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
