//! An asynchronous runtime for Linux, made for io_uring, with Tokio's public API.
//!
//! Names, signatures and behaviour are Tokio's, so `tokio::net::TcpStream` becomes
//! `yamanote::net::TcpStream` and the rest of the program stays as it is.
//!
//! ```
//! use yamanote::io::{AsyncReadExt, AsyncWriteExt};
//! use yamanote::net::{TcpListener, TcpStream};
//!
//! #[yamanote::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let server = yamanote::spawn(async move {
//!         let (mut stream, _peer) = listener.accept().await?;
//!         stream.write_all(b"hello").await
//!     });
//!     let mut text = String::new();
//!     TcpStream::connect(address).await?.read_to_string(&mut text).await?;
//!     server.await.expect("the server does not panic")?;
//!     assert_eq!(text, "hello");
//!     Ok(())
//! }
//! ```
//!
//! # Drivers
//!
//! A runtime runs on io_uring where the kernel (Linux 5.19 or later) and the process's privileges
//! allow it, and on epoll and a thread pool elsewhere, with the same results.
//! [`runtime::Handle::driver`] says which it is, [`runtime::Builder::driver`] chooses, and the
//! environment variable `YAMANOTE_DRIVER` (`auto`, `uring`, `epoll`) overrides the program.
//!
//! Sockets wait for readiness on either driver and are read and written directly, so everything
//! Tokio documents about them holds. Files are read inline where that takes microseconds, by the
//! ring where it is natively asynchronous, and by the blocking pool otherwise; see [`fs`]. Inline
//! calls can be turned off by [`runtime::Builder::inline_files`] or `YAMANOTE_INLINE_FILES=off`.
//!
//! # What is there
//!
//! - [`task`]: spawned tasks, sets of them, tasks that stay on their thread, task-locals.
//!   [`runtime`]: what runs them, on one thread or on many.
//! - [`net`]: TCP, UDP, Unix sockets and pipes. [`fs`]: files and directories. [`process`] and
//!   [`signal`]: children, and what the process is told. [`time`]: sleeping, intervals, timeouts.
//! - [`sync`]: channels, locks and signals between tasks. [`io`]: the traits of streams, their
//!   utilities, pipes in memory, and [`AsyncFd`](io::unix::AsyncFd) for any other descriptor.
//! - Macros: [`main`] and [`test`](macro@test) for entry points; [`select!`], [`join!`] and
//!   [`try_join!`] to wait for several futures in one task; [`task_local!`]; [`pin!`].
//!
//! Each function says what its errors are, when it panics, and what is lost when its future is
//! dropped before it is ready (*cancel safety*), as [`select!`] does to all futures but one.
//!
//! The pages of [`guide`] say how to do what a service needs: choose a runtime, call it from code
//! that is not asynchronous, end in good order, test with a paused clock, find where time goes.
//!
//! # Features
//!
//! They are Tokio's, and all of them are on by default (`full`). With `default-features = false`
//! one takes what one needs: `sync`, `io-util` and `macros` need no runtime and nothing of the
//! system; `fs`, `io-std`, `net`, `process`, `signal` and `time` bring the runtime, `rt`, with
//! them. `rt-multi-thread` and `test-util` are names that Tokio has; what they stand for is there
//! with `rt` and `time`. `tracing`, which is not part of `full`, tells a subscriber of the crate
//! `tracing`, tokio-console for one, of tasks and of what they wait for.
//!
//! # Beyond Tokio
//!
//! - [`fs::File::read_at`] and [`fs::File::write_at`]: positioned operations that own their buffer
//!   ([`buf`]), from `&self`, many at once.
//! - [`insight`]: the numbers of a runtime, always there: its workers, queues, pool, descriptors,
//!   timers, and what went through the rings.
//! - [`runtime::Builder::console`]: a socket at which a running program tells what it does, for
//!   `yamanote top`.
//! - A watchdog names the task that holds its worker up, with the line where it was spawned and
//!   what its thread does: [`runtime::Builder::on_stall`].
//! - [`insight::dump`] lists all tasks, and what each waits for.
//!
//! # Not there yet
//!
//! Sockets with owned buffers (multishot and zero-copy operations).
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What parts share stands below them, and without some of the parts not all of it is used.
#![cfg_attr(not(feature = "full"), allow(dead_code, unused_imports, unused_macros))]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "yamanote runs on Linux only; on other systems depend on tokio itself \
     (for example with [target.'cfg(target_os = \"linux\")'.dependencies])"
);

#[cfg(not(target_has_atomic = "64"))]
compile_error!(
    "yamanote needs atomics of 64 bits, which this machine has not; depend on tokio itself for it"
);

// Its macro is known from here on.
#[macro_use]
mod unstable;
// L0
mod loom;
#[doc(hidden)]
pub mod macros;
mod simulation;
mod util;
// L1
#[cfg(feature = "rt")]
pub mod buf;
#[cfg(feature = "sync")]
pub mod sync;
#[cfg(feature = "rt")]
mod sys;
// L2-L4
#[cfg(feature = "rt")]
pub mod runtime;
// L5
#[cfg(feature = "rt")]
pub mod insight;
pub mod io;
#[cfg(feature = "rt")]
pub mod task;
#[cfg(feature = "time")]
pub mod time;
// L6
#[cfg(feature = "fs")]
pub mod fs;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "signal")]
pub mod signal;

// L7
#[cfg(all(doc, feature = "full"))]
pub mod guide;
#[cfg(feature = "sim")]
pub mod sim;

#[cfg(feature = "rt")]
pub use task::spawn;
#[cfg(all(feature = "macros", feature = "rt"))]
pub use yamanote_macros::{main, test};
