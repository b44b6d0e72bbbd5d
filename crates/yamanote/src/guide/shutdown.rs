//! How a program ends in good order.
//!
//! Three steps: learn that it is to end, tell everybody, wait for those who have something to
//! finish, but not for ever.
//!
//! ```
//! use std::time::Duration;
//! use yamanote::io::AsyncWriteExt;
//! use yamanote::net::TcpListener;
//! use yamanote::signal::unix::{SignalKind, signal};
//! use yamanote::sync::watch;
//! use yamanote::task::JoinSet;
//! use yamanote::time::timeout;
//!
//! #[yamanote::main]
//! async fn main() -> std::io::Result<()> {
//!     let mut terminate = signal(SignalKind::terminate())?;
//!     let (stop, stopped) = watch::channel(false);
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let mut connections = JoinSet::new();
//! #   let mut client = yamanote::net::TcpStream::connect(listener.local_addr()?).await?;
//! #   let kill = format!("kill {}", std::process::id());
//! #   yamanote::spawn(async move {
//! #       use yamanote::io::AsyncReadExt;
//! #       client.read_u8().await.unwrap();
//! #       let mut shell = yamanote::process::Command::new("sh");
//! #       shell.arg("-c").arg(kill).status().await.unwrap();
//! #       client.read_to_end(&mut Vec::new()).await.unwrap();
//! #   });
//!
//!     // 1. Until it is told to end, it serves.
//!     loop {
//!         yamanote::select! {
//!             _ = terminate.recv() => break,
//!             accepted = listener.accept() => {
//!                 let (mut stream, _) = accepted?;
//!                 let mut stopped = stopped.clone();
//!                 connections.spawn(async move {
//!                     stream.write_u8(1).await?;
//!                     // Between two requests; a request that has begun is finished.
//!                     let _ = stopped.wait_for(|stopped| *stopped).await;
//!                     stream.shutdown().await
//!                 });
//!             }
//!             Some(_) = connections.join_next() => {}
//!         }
//!     }
//!     // 2. Nobody new, and those that are there learn of it.
//!     drop(listener);
//!     stop.send_replace(true);
//!     // 3. They get ten seconds; whoever is left then is cancelled at its next await.
//!     let all = async { while connections.join_next().await.is_some() {} };
//!     if timeout(Duration::from_secs(10), all).await.is_err() {
//!         connections.shutdown().await;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Learning of it
//!
//! [`signal::ctrl_c`](crate::signal::ctrl_c) is SIGINT; service managers and container engines send
//! SIGTERM ([`signal::unix`](crate::signal::unix)). From the first call on the signal no longer
//! ends the process by itself, for as long as it runs. A second signal should end it at once: wait
//! for one while you wait for the rest. In a container the program is process 1 and has no default
//! action for signals, so without this it is killed after the engine's patience.
//!
//! # Telling everybody
//!
//! A [`watch`](crate::sync::watch) channel reaches any number of tasks, those that look later too.
//! A dropped sender tells it as well: `recv` of an [`mpsc`](crate::sync::mpsc) ends with `None`
//! once all senders are gone, so a pipeline ends by itself from its source on. The crate
//! `tokio-util` has a `CancellationToken` and a `TaskTracker`, which work here unchanged.
//!
//! # Waiting
//!
//! A [`JoinSet`](crate::task::JoinSet) knows its tasks; dropping it aborts them. A `JoinHandle`
//! that is dropped lets its task run on. [`abort`](crate::task::JoinHandle::abort) takes effect at
//! the next `.await`, and never within a blocking job.
//!
//! # The end of the runtime
//!
//! When `main` returns, its runtime is dropped: every task is dropped where it waits, and blocking
//! jobs are waited for. A job that does not end, such as a read of standard input, would hold up
//! the end of the program. [`shutdown_timeout`] waits no longer than it is told,
//! [`shutdown_background`] not at all:
//!
//! ```
//! use std::time::Duration;
//!
//! let rt = yamanote::runtime::Runtime::new()?;
//! rt.block_on(async { /* the program */ });
//! rt.shutdown_timeout(Duration::from_millis(100));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What must not be lost (a last write, a rename) is awaited before that. A write to a
//! [`File`](crate::fs::File) that was accepted reaches the kernel whatever ends, and `flush` says
//! whether it did; only `sync_all` says that it is on the disk.
//!
//! [`shutdown_timeout`]: crate::runtime::Runtime::shutdown_timeout
//! [`shutdown_background`]: crate::runtime::Runtime::shutdown_background
#![forbid(unsafe_code)]
