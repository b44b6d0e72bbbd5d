//! Child processes, started and awaited.
//!
//! [`Command`] is built like [`std::process::Command`]; what it starts is a [`Child`], whose exit
//! can be awaited and whose standard streams, where they are [`piped`](std::process::Stdio::piped),
//! are read and written asynchronously.
//!
//! # Examples
//!
//! ```
//! use std::process::Stdio;
//! use yamanote::io::{AsyncReadExt, AsyncWriteExt};
//! use yamanote::process::Command;
//!
//! # #[yamanote::main]
//! # async fn main() -> std::io::Result<()> {
//! let mut child = Command::new("tr")
//!     .args(["a-z", "A-Z"])
//!     .stdin(Stdio::piped())
//!     .stdout(Stdio::piped())
//!     .spawn()?;
//! let mut stdin = child.stdin.take().expect("piped");
//! stdin.write_all(b"loud").await?;
//! drop(stdin); // end of file for the child
//!
//! let output = child.wait_with_output().await?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"LOUD");
//! # Ok(())
//! # }
//! ```
//!
//! # Dropping a child
//!
//! A dropped [`Child`] goes on running, unless [`Command::kill_on_drop`] was set. When it exits,
//! any runtime of this process with `enable_io` reaps it, so that no zombie stays; it takes a
//! moment, and nothing happens while no runtime is driven. A program that needs certainty awaits
//! [`Child::wait`] or [`Child::kill`].
//!
//! # How the exit is noticed
//!
//! By a pidfd per child where the kernel has them (Linux 5.3) and descriptors are left, by SIGCHLD
//! otherwise. The first spawn makes the one descriptor by which the process learns of signals, so
//! that later children need no other. With SIGCHLD a handler is installed for the rest of the
//! process's life; a program that replaces it with its own, and does not call it, hides the exit of
//! its children.

mod child;
mod command;
mod pre_exec;
mod running;
mod stdio;

pub use child::Child;
pub use command::Command;
pub use stdio::{ChildStderr, ChildStdin, ChildStdout};
