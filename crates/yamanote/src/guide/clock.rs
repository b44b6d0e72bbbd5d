//! Tests in which an hour takes no time.
//!
//! With a paused clock, time stands still while any task can run. When all of them wait, the clock
//! jumps to the next timer. So a test of a timeout of an hour is done at once, and is exact:
//!
//! ```
//! use std::time::Duration;
//! use yamanote::time::{Instant, sleep, timeout};
//!
//! # struct Error;
//! /// Tries again after 1, 2, 4 ... seconds.
//! async fn persist<T>(mut attempt: impl AsyncFnMut() -> Result<T, Error>) -> T {
//!     let mut pause = Duration::from_secs(1);
//!     loop {
//!         match attempt().await {
//!             Ok(value) => return value,
//!             Err(_) => sleep(pause).await,
//!         }
//!         pause *= 2;
//!     }
//! }
//!
//! #[yamanote::main(flavor = "current_thread", start_paused = true)]
//! async fn main() {
//!     // In a test: #[tokio::test(start_paused = true)]
//!     let start = Instant::now();
//!     let mut left = 3;
//!     let value = persist(async || {
//!         left -= 1;
//!         if left > 0 { Err(Error) } else { Ok("there") }
//!     });
//!     assert_eq!(timeout(Duration::from_secs(3600), value).await, Ok("there"));
//!     assert_eq!(start.elapsed(), Duration::from_secs(3));
//! }
//! ```
//!
//! # By hand
//!
//! [`pause`](crate::time::pause) stops the clock of a current-thread runtime in the middle of a
//! test, [`advance`](crate::time::advance) moves it, [`resume`](crate::time::resume) lets it run.
//! `advance` wakes the timers that it passes; the tasks they wake run when the test waits next. To
//! see what happens before the next timer, yield instead of sleeping:
//!
//! ```
//! use std::time::Duration;
//! use yamanote::sync::mpsc;
//! use yamanote::time::{advance, interval};
//!
//! #[yamanote::main(flavor = "current_thread", start_paused = true)]
//! async fn main() {
//!     let (sender, mut ticks) = mpsc::unbounded_channel();
//!     yamanote::spawn(async move {
//!         let mut interval = interval(Duration::from_secs(60));
//!         loop {
//!             interval.tick().await;
//!             sender.send(()).unwrap();
//!         }
//!     });
//!     // The first tick is at once.
//!     ticks.recv().await.unwrap();
//!     advance(Duration::from_secs(59)).await;
//!     yamanote::task::yield_now().await;
//!     assert!(ticks.try_recv().is_err());
//!     advance(Duration::from_secs(1)).await;
//!     ticks.recv().await.unwrap();
//! }
//! ```
//!
//! # What is not paused
//!
//! - [`std::time::Instant`], and the time of day. Take [`time::Instant`](crate::time::Instant).
//! - Sockets, files and children. While a blocking job runs, the clock does not jump, but a socket
//!   is not waited for: the runtime cannot know whether somebody will write, so a timeout around a
//!   read from a real peer expires at once. Let such tests talk through
//!   [`duplex`](crate::io::duplex), which is memory.
//! - Other threads and runtimes: a clock belongs to one current-thread runtime.
//!
//! The clock moves in whole milliseconds, as Tokio's does, and things happen in Tokio's order, so
//! the same test passes with both.
#![forbid(unsafe_code)]
