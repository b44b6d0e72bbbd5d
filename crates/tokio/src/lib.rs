//! Yamanote under Tokio's name.
//!
//! This package stands in for the crate `tokio` from the registry. A program that is written for
//! Tokio 1.54 takes it with two lines in its `Cargo.toml`, and so does every crate it depends on:
//!
//! ```toml
//! [patch.crates-io]
//! tokio = { path = ".../yamanote/crates/tokio" }
//! ```
//!
//! followed by `cargo update -p tokio`, without which an existing `Cargo.lock` keeps the Tokio that
//! it names and Cargo leaves the patch unused. `cargo tree -i tokio` then shows one `tokio`, of
//! version 1.54.99; `yamanote doctor --project .` looks at it and at the rest. The page "Switching
//! from Tokio" in `docs/` tells all of it, and how to go back.
//!
//! # What is in here
//!
//! Nothing but names. Every item is one of [`yamanote`], where its documentation and its code are;
//! a `tokio::net::TcpStream` and a `yamanote::net::TcpStream` are one type, and a crate may use
//! both names side by side. (With `taskdump` there is one function, so that dumps show its name.)
//! So what Yamanote has beyond Tokio, such as `fs::File::read_at` or `runtime::Builder::driver`,
//! can be called here as well. Code that does so no longer builds with Tokio; nothing else on this
//! page stands in the way back.
//!
//! Items are there under the same features as in Tokio. What a feature gates inside of a type, such
//! as `Builder::enable_io`, is always there; and the bound `net::ToSocketAddrs` comes with `net`.
//!
//! # What is not
//!
//! Linux is the only system Yamanote runs on: elsewhere this package does not compile and says what
//! to do. What is unstable in Tokio is there under `--cfg tokio_unstable` only, as in Tokio.
//!
//! | Tokio's features | here |
//! |---|---|
//! | `fs`, `io-std`, `io-util`, `macros`, `net`, `process`, `rt`, `rt-multi-thread`, `signal`, `sync`, `test-util`, `time`, `full` | gate the same items |
//! | `io-uring`, `schedule-latency`, `taskdump`, `tracing` | gate the same unstable items, under `--cfg tokio_unstable`; `tracing` tells a subscriber of tasks without it, too |
//! | `bytes`, `libc`, `mio`, `parking_lot`, `signal-hook-registry`, `socket2`, `tokio-macros`, `windows-sys` | exist because an optional dependency has that name; do nothing |
//!
//! # Example
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! #[tokio::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (mut server, _) = listener.accept().await?;
//!
//!     client.write_all(b"mind the gap").await?;
//!     let mut buffer = [0; 12];
//!     server.read_exact(&mut buffer).await?;
//!     assert_eq!(&buffer, b"mind the gap");
//!     Ok(())
//! }
//! ```
#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "this `tokio` is Yamanote, which runs on Linux only. Leave the patch out on other systems: keep \
     `[patch.crates-io]` in a configuration file of the Linux machines rather than in Cargo.toml, or \
     pass it with --config; see \"Switching from Tokio\" in Yamanote's docs"
);

// Before what uses its macro.
#[cfg(target_os = "linux")]
#[macro_use]
mod unstable;

#[cfg(target_os = "linux")]
mod exports;

#[cfg(target_os = "linux")]
pub mod task;

#[cfg(target_os = "linux")]
pub use exports::*;
