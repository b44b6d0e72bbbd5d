//! Signals of the process, awaited.
//!
//! [`ctrl_c`] waits for the user's interrupt, [`unix::signal`] listens to any signal that can be
//! caught. All listeners hear every signal, whichever runtime they were made in, as long as some
//! runtime with `enable_io` is being driven.
//!
//! What a signal does by default (SIGINT and SIGTERM end the process) is switched off by the first
//! listener to it, for the rest of the process's life, also when all its listeners are dropped.
//! Handlers that were installed before, by whatever library, are still called.
//!
//! # Examples
//!
//! A server that ends in order when it is told to:
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
