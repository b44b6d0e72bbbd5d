//! Stopping and moving the clock, for tests.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::runtime::parts::Parts;
use crate::runtime::{RuntimeFlavor, context};
use crate::util::defer;

const OUTSIDE: &str = "time cannot be frozen from outside the Tokio runtime";

/// Stops the clock of the current runtime.
///
/// [`Instant::now`](super::Instant::now) shows the same time from now on, until it is moved by
/// [`advance`] or by the runtime, or started again by [`resume`]. `std`'s instants are not
/// affected. Only current-thread runtimes can stop their clock; that is what
/// [`#[yamanote::test]`](macro@crate::test) makes. A runtime can begin with its clock stopped: see
/// [`Builder::start_paused`](crate::runtime::Builder::start_paused) and
/// `#[yamanote::test(start_paused = true)]`.
///
/// # The clock moves by itself
///
/// When the runtime has nothing else to do, it moves a stopped clock to the next deadline of a
/// timer. It moves by whole milliseconds: by the deadline, rounded up, minus the time it shows,
/// rounded down, both since the runtime was made. Timers of one such millisecond fire together, in
/// the order in which their first waits began. So a test that sleeps for a day takes no time, and
/// everything else happens in order. It does not do so while a job of
/// [`spawn_blocking`](crate::task::spawn_blocking) is queued or runs, nor while an operation is
/// with the kernel.
///
/// # Panics
///
/// If the clock is stopped already, outside of a runtime, and in one that is not current-thread.
///
/// # Examples
///
/// ```
/// use yamanote::time::{self, Duration, Instant};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// time::pause();
/// let start = Instant::now();
/// time::sleep(Duration::from_secs(86_400)).await;
/// assert!(start.elapsed() >= Duration::from_secs(86_400));
/// # }
/// ```
#[track_caller]
pub fn pause() {
    let paused = with_runtime(|runtime| match runtime.flavor() {
        RuntimeFlavor::CurrentThread => runtime.driver_handle().pause_clock(),
        _ => Err(
            "`time::pause()` requires the `current_thread` Tokio runtime. \
                  This is the default Runtime used by `#[tokio::test].",
        ),
    });
    if let Err(text) = paused {
        panic!("{text}");
    }
}

/// Starts a stopped clock again, from where it stands.
///
/// # Panics
///
/// If the clock is not stopped, and outside of a runtime.
#[track_caller]
pub fn resume() {
    if let Err(text) = with_runtime(|runtime| runtime.driver_handle().resume_clock()) {
        panic!("{text}");
    }
}

/// Moves a stopped clock forward, in one jump.
///
/// All timers up to the new time fire at the next turn of the driver, earlier ones first; this does
/// not wait for their tasks. To let time pass in order, [`sleep`](super::sleep()) and leave it to
/// the runtime to move the clock.
///
/// # Panics
///
/// If the clock is not stopped, outside of a runtime, and if the new time cannot be represented.
///
/// # Cancel safety
///
/// Once polled, the clock has been moved.
///
/// # Examples
///
/// ```
/// use yamanote::time::{self, Duration, Instant};
///
/// # #[yamanote::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let start = Instant::now();
/// time::advance(Duration::from_secs(5)).await;
/// assert_eq!(start.elapsed(), Duration::from_secs(5));
/// # }
/// ```
pub async fn advance(duration: Duration) {
    let advanced = with_runtime(|runtime| {
        let driver = runtime.driver_handle();
        driver.clock().advance(duration)?;
        // Another thread may run the runtime, and be asleep until a deadline that has passed now.
        if driver.local_slot().is_none() {
            driver.unpark(0);
        }
        Ok(())
    });
    if let Err(text) = advanced {
        panic!("{text}");
    }
    // The next turn of the driver fires what is due, and this task goes on after it.
    defer::yield_once().await;
}

/// Calls `f` with the current runtime. The error is the text to panic with.
fn with_runtime<R>(f: impl FnOnce(&Parts) -> Result<R, &'static str>) -> Result<R, &'static str> {
    context::with_current(|parts| f(parts)).unwrap_or(Err(OUTSIDE))
}
