//! Waiting for signals of the process.
//!
//! [`ctrl_c`] waits for the user's interrupt, [`unix::signal`] listens to any signal that can be
//! caught. All listeners hear every signal, whichever runtime they were made in, as long as some
//! runtime with `enable_io` is being driven.
//!
//! The first listener to a signal switches off what the signal does by default (SIGINT and SIGTERM
//! end the process), for the rest of the process's life, even when all listeners are dropped.
//! Handlers that were installed before, by whatever library, are still called.
//!
//! # Examples
//!
//! A server that ends in an orderly way:
//!
//! ```no_run
//! use yamanote::signal::unix::{SignalKind, signal};
//!
//! # async fn serve() {}
//! # #[yamanote::main]
//! # async fn main() -> std::io::Result<()> {
//! let mut terminate = signal(SignalKind::terminate())?;
//! yamanote::select! {
//!     () = serve() => {}
//!     _ = terminate.recv() => println!("told to stop"),
//!     result = yamanote::signal::ctrl_c() => {
//!         result?;
//!         println!("interrupted");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod ctrl_c;
pub use ctrl_c::ctrl_c;

pub mod unix;
