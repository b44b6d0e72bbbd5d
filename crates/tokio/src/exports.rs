//! The names, each under the feature that gates it in Tokio 1.54.1.
//!
//! A module that Tokio gates as a whole is Yamanote's own; one whose items have gates of their own
//! is spelled out.
#![forbid(unsafe_code)]

#[cfg(feature = "fs")]
pub use yamanote::fs;

#[cfg(feature = "process")]
pub use yamanote::process;

#[cfg(feature = "rt")]
pub use yamanote::runtime;

#[cfg(feature = "signal")]
pub use yamanote::signal;

#[cfg(feature = "sync")]
pub use yamanote::sync;

/// Asynchronous input and output: traits, adapters, standard streams, descriptors.
pub mod io {
    pub use yamanote::io::{
        AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, Error, ErrorKind, ReadBuf, Result, SeekFrom,
    };

    #[cfg(feature = "net")]
    pub use yamanote::io::{Interest, Ready, unix};

    #[cfg(feature = "io-std")]
    pub use yamanote::io::{Stderr, Stdin, Stdout, stderr, stdin, stdout};

    #[cfg(feature = "io-util")]
    pub use yamanote::io::{
        AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufStream,
        BufWriter, Chain, DuplexStream, Empty, Join, Lines, ReadHalf, Repeat, SimplexStream, Sink,
        Split, Take, WriteHalf, copy, copy_bidirectional, copy_bidirectional_with_sizes, copy_buf,
        duplex, empty, join, repeat, simplex, sink, split,
    };
}

/// TCP, UDP and Unix sockets, pipes, and names of hosts.
pub mod net {
    #[cfg(feature = "net")]
    pub use yamanote::net::*;
}

/// Empty, as in Tokio: streams are in the crate `tokio-stream`.
pub mod stream {}

/// Waiting for a time, repeatedly, or not longer than a time.
#[cfg(feature = "time")]
pub mod time {
    pub use yamanote::time::{
        Duration, Instant, Interval, MissedTickBehavior, Sleep, Timeout, error, interval,
        interval_at, sleep, sleep_until, timeout, timeout_at,
    };

    #[cfg(feature = "test-util")]
    pub use yamanote::time::{advance, pause, resume};
}

#[cfg(feature = "rt")]
pub use yamanote::spawn;

pub use yamanote::pin;

#[cfg(feature = "rt")]
pub use yamanote::task_local;

/// What expanded macros name. Not part of the public API, there as here; Tokio's own tests use it.
#[doc(hidden)]
pub mod macros {
    #[cfg(feature = "macros")]
    pub use yamanote::macros::support;
}

#[cfg(feature = "macros")]
pub use yamanote::{join, select, try_join};

/// Runs an `async fn` to its end on a runtime made for it; `yamanote::main` under this crate's
/// name.
///
/// The options are `flavor`, `worker_threads`, `start_paused`, `name`, and `crate = "..."` for a
/// crate that knows this one by another name.
#[cfg(all(feature = "macros", feature = "rt-multi-thread"))]
pub use yamanote_macros::tokio_main as main;

/// Makes an `async fn` a test that runs on a runtime of its own; `yamanote::test` under this
/// crate's name. Takes the options of `main`.
#[cfg(all(feature = "macros", feature = "rt-multi-thread"))]
pub use yamanote_macros::tokio_test as test;

// Without the multi-threaded scheduler the default flavor of `main` does not exist.
#[cfg(all(feature = "macros", feature = "rt", not(feature = "rt-multi-thread")))]
pub use yamanote_macros::{tokio_main_rt as main, tokio_test_rt as test};

#[cfg(all(feature = "macros", not(feature = "rt")))]
pub use yamanote_macros::{tokio_main_fail as main, tokio_test_fail as test};
