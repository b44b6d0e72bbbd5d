//! Signals by name and number.
#![forbid(unsafe_code)]

use std::os::raw::c_int;

/// Which signal to listen to.
///
/// # Examples
///
/// ```
/// use yamanote::signal::unix::SignalKind;
///
/// assert_eq!(SignalKind::from(2), SignalKind::interrupt());
/// assert_eq!(SignalKind::terminate().as_raw_value(), 15);
/// ```
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq)]
pub struct SignalKind(c_int);

impl SignalKind {
    /// The signal with this number, whether it exists or not. For signals without a constructor
    /// here, such as the real-time signals.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::signal::unix::SignalKind;
    ///
    /// let first_real_time = SignalKind::from_raw(libc::SIGRTMIN());
    /// assert_eq!(first_real_time.as_raw_value(), 34);
    /// ```
    pub const fn from_raw(signum: c_int) -> Self {
        SignalKind(signum)
    }

    /// Its number.
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    /// SIGALRM: a timer set by `alarm` or `setitimer` is over. Ends the process by default.
    pub const fn alarm() -> Self {
        SignalKind(libc::SIGALRM)
    }

    /// SIGCHLD: a child process exited, stopped or went on. Ignored by default.
    pub const fn child() -> Self {
        SignalKind(libc::SIGCHLD)
    }

    /// SIGHUP: the terminal is gone; asks a daemon by custom to read its configuration again. Ends
    /// the process by default.
    pub const fn hangup() -> Self {
        SignalKind(libc::SIGHUP)
    }

    /// SIGINT: interrupted from the terminal. Ends the process by default.
    pub const fn interrupt() -> Self {
        SignalKind(libc::SIGINT)
    }

    /// SIGIO: a descriptor that asked for it can be read or written. Ends the process by default.
    pub const fn io() -> Self {
        SignalKind(libc::SIGIO)
    }

    /// SIGPIPE: something was written to a pipe or socket that nobody reads. Rust programs ignore
    /// it from their start and get [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) instead.
    pub const fn pipe() -> Self {
        SignalKind(libc::SIGPIPE)
    }

    /// SIGQUIT: quit from the terminal. Ends the process with a core dump by default.
    pub const fn quit() -> Self {
        SignalKind(libc::SIGQUIT)
    }

    /// SIGTERM: the polite request to end. Ends the process by default.
    pub const fn terminate() -> Self {
        SignalKind(libc::SIGTERM)
    }

    /// SIGUSR1: free for the program's use. Ends the process by default.
    pub const fn user_defined1() -> Self {
        SignalKind(libc::SIGUSR1)
    }

    /// SIGUSR2: free for the program's use. Ends the process by default.
    pub const fn user_defined2() -> Self {
        SignalKind(libc::SIGUSR2)
    }

    /// SIGWINCH: the terminal's window has another size. Ignored by default.
    pub const fn window_change() -> Self {
        SignalKind(libc::SIGWINCH)
    }
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> Self {
        SignalKind::from_raw(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> Self {
        kind.as_raw_value()
    }
}
