//! Cooperative scheduling: how a task whose resources are always ready lets others run.
//!
//! A task that is polled runs until it has to wait. If data comes in as fast as the task takes it,
//! it never has to, and the other tasks of its worker starve:
//!
//! ```
//! use yamanote::io::{AsyncRead, AsyncReadExt};
//!
//! async fn drop_all<I: AsyncRead + Unpin>(mut input: I) -> std::io::Result<()> {
//!     let mut buffer = [0; 1024];
//!     while input.read(&mut buffer).await? != 0 {}
//!     Ok(())
//! }
//! ```
//!
//! Therefore each poll of a task has a budget. The types of this crate that wait for something
//! spend it as they make progress; when it is spent they report `Pending` although they are ready,
//! and the task continues when the others have had their turn. `drop_all` above needs nothing more.
//!
//! The budget belongs to the task, not to the future: a `select!` or a join of several futures
//! spends one budget. The future given to `block_on` has a budget like a task; on threads outside a
//! runtime there is none, and nothing ever yields.
//!
//! - [`consume_budget`] spends a unit by hand, in a loop that computes without waiting.
//! - [`cooperative`] lets a future that knows nothing of this spend a unit when it is ready;
//!   [`poll_proceed`] does it for a hand-written `poll`.
//! - [`unconstrained`] polls a future without a budget.
#![forbid(unsafe_code)]

mod consume;

mod cooperative;

mod unconstrained;

pub use crate::util::coop::RestoreOnPending;
pub use consume::consume_budget;
pub use cooperative::{Coop, cooperative};
pub use unconstrained::{Unconstrained, unconstrained};

use crate::util::coop;
use std::task::{Context, Poll};

/// Spends one unit of the task's budget, or wakes the task and returns `Pending` if none is left.
///
/// The unit comes back when the returned value is dropped, unless
/// [`made_progress`](RestoreOnPending::made_progress) was called on it: a resource that turns out
/// not to be ready costs nothing. What was spent in between comes back with it.
///
/// # Examples
///
/// A stream of another crate that must not starve its neighbours:
///
/// ```
/// use futures::stream::{Stream, StreamExt};
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
/// use yamanote::task::coop;
///
/// struct Polite<S>(S);
///
/// impl<S: Stream + Unpin> Stream for Polite<S> {
///     type Item = S::Item;
///
///     fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
///         let unit = ready!(coop::poll_proceed(cx));
///         let item = ready!(self.0.poll_next_unpin(cx));
///         unit.made_progress();
///         Poll::Ready(item)
///     }
/// }
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    coop::poll_proceed(cx)
}

/// True if the task has budget left.
///
/// A combinator that must poll a second future whatever the first one did, such as a timeout,
/// learns from it whether the first one spent the budget, and can then poll the second one
/// [unconstrained].
///
/// # Examples
///
/// ```
/// use yamanote::task::coop;
///
/// // Outside a task nothing is ever spent.
/// assert!(coop::has_budget_remaining());
/// ```
#[inline]
pub fn has_budget_remaining() -> bool {
    coop::has_budget_remaining()
}
