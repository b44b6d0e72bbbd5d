//! Spending budget by hand.
#![forbid(unsafe_code)]

use super::poll_proceed;
use std::future::poll_fn;
use std::task::{Poll, ready};

/// Spends one unit of the task's budget and yields if none is left.
///
/// For loops that compute for long without awaiting anything that would spend budget.
///
/// # Cancel safety
///
/// Cancel safe.
///
/// # Examples
///
/// ```
/// async fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
///     let mut sum = 0;
///     for number in numbers {
///         sum += number;
///         yamanote::task::coop::consume_budget().await;
///     }
///     sum
/// }
/// ```
pub async fn consume_budget() {
    poll_fn(|cx| {
        ready!(poll_proceed(cx)).made_progress();
        Poll::Ready(())
    })
    .await;
}
