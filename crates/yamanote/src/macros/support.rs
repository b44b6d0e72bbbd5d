//! What expanded macros name: paths under `$crate` that no user's import can shadow. Not part of
//! the public API.
#![forbid(unsafe_code)]
#![allow(missing_docs)]

pub use super::maybe_done::{MaybeDone, maybe_done};
pub use std::future::{Future, IntoFuture, poll_fn};
pub use std::option::Option;
pub use std::pin::{Pin, pin};
pub use std::primitive::{u8, u16, u32, u64};
pub use std::result::Result;
pub use std::task::{Context, Poll, ready};
pub use std::{panic, unreachable};
#[cfg(feature = "macros")]
pub use yamanote_macros::{join_internal, select_internal, try_join_internal};

use crate::util::{coop, defer, rng};

/// Where a task-local key keeps the value of the task that is being polled.
pub type TaskLocalCell<T> = std::cell::RefCell<Option<T>>;

/// The branch that `select!` polls first.
pub fn thread_rng_n(n: u32) -> u32 {
    rng::thread_below(n)
}

/// `Pending` if the task's budget is spent, after arranging that the task is woken later. Spends
/// none of it.
pub fn poll_budget_available(cx: &mut Context<'_>) -> Poll<()> {
    if coop::has_budget_remaining() {
        return Poll::Ready(());
    }
    defer::wake_later_spent(cx.waker());
    Poll::Pending
}
