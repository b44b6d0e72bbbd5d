//! Synchronous code that calls asynchronous code, and the other way round.
//!
//! # A synchronous program with something asynchronous in it
//!
//! Keep a runtime, and enter it for each call. A current-thread runtime does nothing between two
//! calls: its tasks stand still, and so do their connections.
//!
//! ```
//! use yamanote::io::{AsyncReadExt, AsyncWriteExt};
//! use yamanote::net::TcpStream;
//! use yamanote::runtime::{Builder, Runtime};
//!
//! /// A client for code that knows nothing of futures.
//! struct Client {
//!     runtime: Runtime,
//!     stream: TcpStream,
//! }
//!
//! impl Client {
//!     fn connect(address: std::net::SocketAddr) -> std::io::Result<Client> {
//!         let runtime = Builder::new_current_thread().enable_all().build()?;
//!         let stream = runtime.block_on(TcpStream::connect(address))?;
//!         Ok(Client { runtime, stream })
//!     }
//!
//!     fn ask(&mut self, question: &[u8; 4]) -> std::io::Result<[u8; 4]> {
//!         self.runtime.block_on(async {
//!             self.stream.write_all(question).await?;
//!             let mut answer = [0; 4];
//!             self.stream.read_exact(&mut answer).await?;
//!             Ok(answer)
//!         })
//!     }
//! }
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let address = listener.local_addr()?;
//! # let server = std::thread::spawn(move || {
//! #     let (mut stream, _) = listener.accept()?;
//! #     std::io::copy(&mut stream.try_clone()?, &mut stream)
//! # });
//!
//! let mut client = Client::connect(address)?;
//! assert_eq!(client.ask(b"ping")?, *b"ping");
//! # drop(client);
//! # server.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! If things are to go on between the calls, take a multi-thread runtime with one worker and
//! [`Runtime::spawn`](crate::runtime::Runtime::spawn): tasks run whether or not anybody is in
//! `block_on`.
//!
//! # A thread that talks to tasks
//!
//! Channels have a blocking side, which needs no runtime:
//!
//! ```
//! use yamanote::sync::mpsc;
//!
//! # #[yamanote::main]
//! # async fn main() {
//! let (to_task, mut requests) = mpsc::channel::<u32>(16);
//! let (to_thread, mut answers) = mpsc::channel::<u32>(16);
//! let thread = std::thread::spawn(move || {
//!     to_task.blocking_send(20).unwrap();
//!     answers.blocking_recv().unwrap()
//! });
//! let request = requests.recv().await.unwrap();
//! to_thread.send(request + 1).await.unwrap();
//! assert_eq!(thread.join().unwrap(), 21);
//! # }
//! ```
//!
//! A thread may also hold a [`Handle`](crate::runtime::Handle): `spawn` gives a task to the
//! runtime, and `block_on` runs a future on the thread itself, with the runtime's sockets.
//!
//! # Blocking code that a task calls
//!
//! [`spawn_blocking`](crate::task::spawn_blocking) runs a closure on a thread of the pool and can
//! be awaited. Once it runs it cannot be cancelled, and the end of the runtime waits for it
//! ([`shutdown`](super::shutdown)). [`block_in_place`](crate::task::block_in_place) runs it on the
//! worker itself and hands the worker's tasks on; it exists for code that cannot be moved, and on
//! multi-thread runtimes only. A thread that is to run for as long as the program is better one of
//! `std::thread`.
//!
//! For long computations a pool with as many threads as cores (rayon's, for one) is better than 512
//! threads; let it answer by a `oneshot`:
//!
//! ```
//! # #[yamanote::main]
//! # async fn main() {
//! let (sender, receiver) = yamanote::sync::oneshot::channel();
//! // rayon::spawn(move || ...)
//! std::thread::spawn(move || {
//!     let _ = sender.send((1..=20_u64).product::<u64>());
//! });
//! assert_eq!(receiver.await.unwrap(), 2_432_902_008_176_640_000);
//! # }
//! ```
//!
//! # What panics, and what hangs
//!
//! - `block_on` within a task panics: the thread belongs to the runtime already. So does
//!   `blocking_recv`. In a `spawn_blocking` closure both are allowed.
//! - A lock of `std` that is held over an `.await` stops a worker as soon as another task of it
//!   wants the lock. Hold it for a few lines, or take [`sync::Mutex`](crate::sync::Mutex).
//! - Two jobs of the pool that wait for each other hang if the pool is full.
#![forbid(unsafe_code)]
