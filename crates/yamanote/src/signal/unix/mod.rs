//! Listening to any signal: [`signal`], [`Signal`] and [`SignalKind`].
//!
//! [`signal`](super) says what is true of all listeners, and what listening does to the process.
#![forbid(unsafe_code)]

mod kind;
pub use kind::SignalKind;

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use crate::runtime::context;
use crate::runtime::driver::process_wide::signals::{self, Listener};

/// Hears one kind of signal, from the moment it was made by [`signal`].
///
/// Signals that arrive between two calls count as one, as the kernel's own pending signals do: each
/// answer stands for *at least one* signal, and the next signal after an answer brings another one.
///
/// A listener is not bound to the runtime it was made in. It hears, and may be awaited anywhere,
/// while any runtime with `enable_io` is being driven.
///
/// # Caveats
///
/// The first listener to a signal replaces what the signal does by default, **for the whole process
/// and the rest of its life**. Dropping the listener does not bring it back: a program that has
/// listened to SIGINT once is not ended by Ctrl-C any more. A signal that the parent had ignored,
/// as scripts do with SIGINT for what they start in the background, is heard, too. One that every
/// thread blocks, which may also be inherited, waits in the kernel until a thread unblocks it.
///
/// # Examples
///
/// ```no_run
/// use yamanote::signal::unix::{SignalKind, signal};
///
/// # #[yamanote::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut hangups = signal(SignalKind::hangup())?;
/// loop {
///     hangups.recv().await;
///     println!("reading the configuration again");
/// }
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
#[derive(Debug)]
pub struct Signal {
    listener: Listener,
}

/// Listens to a kind of signal.
///
/// Any number of listeners may listen to the same kind; each hears every signal.
///
/// # Errors
///
/// If the kind cannot be listened to (SIGKILL, SIGSTOP, SIGILL, SIGFPE, SIGSEGV, numbers that are
/// no signals, those that the C library keeps for itself), the handler cannot be installed, or the
/// runtime is shut down.
///
/// # Panics
///
/// Outside a runtime, and in one that was built without `enable_io`.
///
/// # Examples
///
/// ```
/// use yamanote::signal::unix::{SignalKind, signal};
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut resized = signal(SignalKind::window_change())?;
/// # yamanote::spawn(async {
/// #     let process = std::process::id().to_string();
/// #     std::process::Command::new("kill").arg("-WINCH").arg(process).status()
/// # });
/// resized.recv().await;
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let listener = context::with_io(|driver, _| signals::listen(kind.as_raw_value(), driver))?;
    Ok(Signal { listener })
}

impl Signal {
    /// Waits for the next signal. Never answers `None`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a signal that arrives while nobody waits is the next call's.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use yamanote::signal::unix::{SignalKind, signal};
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut children = signal(SignalKind::child())?;
    /// children.recv().await;
    /// println!("some child changed its state");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next signal. Never answers `None`.
    ///
    /// While nothing has arrived, the task of the last call is the one to be woken.
    ///
    /// # Examples
    ///
    /// As a stream of a library:
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll};
    /// use yamanote::signal::unix::Signal;
    ///
    /// struct Signals(Signal);
    ///
    /// impl futures::Stream for Signals {
    ///     type Item = ();
    ///
    ///     fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
    ///         self.0.poll_recv(cx)
    ///     }
    /// }
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.listener.poll_recv(cx).map(Some)
    }
}
