//! [`ctrl_c`].
#![forbid(unsafe_code)]

use std::io;

use super::unix::{SignalKind, signal};

/// Waits for the next interrupt from the terminal (Ctrl-C, SIGINT).
///
/// Listening begins with the first poll of the future; interrupts before it are not seen.
///
/// # Caveats
///
/// From that poll on SIGINT no longer ends the process, **for the rest of its life**, even after
/// the future has completed or was dropped. A program that wants to be stoppable keeps listening.
///
/// # Errors
///
/// If the handler cannot be installed or the runtime is shut down.
///
/// # Panics
///
/// When polled outside a runtime, or in one that was built without `enable_io`.
///
/// # Cancel safety
///
/// Dropping the future loses an interrupt that arrived meanwhile, for this caller; a
/// [`Signal`](super::unix::Signal) that is kept loses none.
///
/// # Examples
///
/// ```no_run
/// # #[yamanote::main]
/// # async fn main() -> std::io::Result<()> {
/// println!("press Ctrl-C to go on");
/// yamanote::signal::ctrl_c().await?;
/// println!("going on");
/// # Ok(())
/// # }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    signal(SignalKind::interrupt())?.recv().await;
    Ok(())
}
