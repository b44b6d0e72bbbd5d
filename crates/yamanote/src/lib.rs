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
//! Tokio documents about them holds. Files are read inline where the kernel promises not to wait, by
//! the ring where it is natively asynchronous, and by the blocking pool otherwise; see [`fs`].
//!
//! # What is there
//!
//! - [`task`]: spawned tasks, sets of them, tasks that stay on their thread, task-locals. [`runtime`]:
//!   what runs them, on one thread or on many.
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
//! # Beyond Tokio
//!
//! - [`fs::File::read_at`] and [`fs::File::write_at`]: positioned operations that own their buffer
//!   ([`buf`]), from `&self`, many at once.
//! - [`runtime::RuntimeMetrics`] counts what went through the rings, what is in them, and what a
//!   shutdown had to leak.
//!
//! # Not there yet
//!
//! Sockets with owned buffers (multishot and zero-copy operations), reports of tasks that stall their
//! worker, live metrics, and what is unstable in Tokio (`tokio_unstable`).
#![deny(missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "yamanote runs on Linux only; on other systems depend on tokio itself \
     (for example with [target.'cfg(target_os = \"linux\")'.dependencies])"
);

// L0
mod loom;
#[doc(hidden)]
pub mod macros;
mod util;
// L1
pub mod buf;
pub mod sync;
mod sys;
// L2-L4
pub mod runtime;
// L5
pub mod io;
pub mod task;
pub mod time;
// L6
pub mod fs;
pub mod net;
pub mod process;
pub mod signal;

pub use task::spawn;
pub use yamanote_macros::{main, test};
