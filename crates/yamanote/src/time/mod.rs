//! Time: sleeping, intervals, timeouts, and a clock that tests can stop.
//!
//! - [`sleep`] waits for a duration, [`sleep_until`] for an instant.
//! - [`interval`] ticks with a fixed period; it counts the time in between, where a loop around
//!   `sleep` would add it.
//! - [`timeout`] puts a limit on another future, and cancels it at the limit.
//! - [`pause`], [`advance`] and [`resume`] stop and move the clock of a current-thread runtime.
//!
//! Everything here needs a runtime with its timers enabled
//! ([`Builder::enable_time`](crate::runtime::Builder::enable_time)) where the future is *made*.
//!
//! Timers are exact to the nanosecond and never early. How late they are is up to the machine: an
//! idle runtime is woken by the kernel's timer, commonly within 0.1 ms; a busy one looks at its
//! timers between tasks.
//!
//! # Examples
//!
//! ```
//! use yamanote::time::{self, Duration};
//!
//! # #[yamanote::main(flavor = "current_thread")]
//! # async fn main() {
//! time::sleep(Duration::from_millis(1)).await;
//!
//! let late = time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
//! assert!(late.is_err());
//! # }
//! ```
#![forbid(unsafe_code)]

mod instant;
mod interval;
mod pause;
mod send_timeout;
mod sleep;
mod timeout;
mod timer;

pub mod error;

#[doc(no_inline)]
pub use std::time::Duration;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use pause::{advance, pause, resume};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Timeout, timeout, timeout_at};
