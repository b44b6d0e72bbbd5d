//! Which runtime, which settings, and what runs where.
//!
//! # One thread or several
//!
//! | | [`new_current_thread`] | [`new_multi_thread`] |
//! |---|---|---|
//! | tasks run | on the thread in `block_on`, while it is there | on threads of the runtime, always |
//! | for | tests, command-line tools, one runtime per core, code that is not `Send` | servers |
//! | a task that computes for long | holds up all others | holds up its worker |
//! | waking a task from another one | a few nanoseconds, no atomic operation | an atomic operation or two, perhaps a thread |
//! | order of polls | always the same, Tokio's | any |
//!
//! `#[main]` makes the second kind, `#[test]` the first. A [`LocalRuntime`] is a current-thread
//! runtime whose tasks need not be `Send`; a [`LocalSet`] brings such tasks to any runtime.
//!
//! ```
//! use yamanote::runtime::Builder;
//!
//! let rt = Builder::new_multi_thread()
//!     .worker_threads(2)
//!     .thread_name("app-worker")
//!     .enable_all()
//!     .build()?;
//! let answer = rt.block_on(async { yamanote::spawn(async { 42 }).await })?;
//! assert_eq!(answer, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Settings and their defaults
//!
//! | setting | default | change it when |
//! |---|---|---|
//! | [`worker_threads`] | `TOKIO_WORKER_THREADS`, or what the CPU mask and the control group's quota leave | the program shares its cores |
//! | [`max_blocking_threads`] | 512, not counting workers | threads are limited, or jobs are heavy |
//! | [`thread_keep_alive`] | 10 s | bursts of blocking jobs come further apart |
//! | [`thread_name`] | `tokio-rt-worker` | several runtimes are to be told apart |
//! | [`thread_stack_size`] | 2 MiB, or `RUST_MIN_STACK` | futures are deeply nested |
//! | [`enable_io`], [`enable_time`] | off; [`enable_all`] is what `#[main]` says | never, as a rule: use `enable_all` |
//! | [`event_interval`] | 61 polls between two looks at sockets and timers | latency counts more than throughput: lower |
//! | [`global_queue_interval`] | multi-thread: 2 to 127 polls, by how long they take; current-thread: 31 | much is spawned from other threads |
//! | [`max_io_events_per_tick`] | 1024 | never, as a rule |
//! | [`driver`] | `YAMANOTE_DRIVER`, or io_uring where it can be had | results are to be compared |
//! | [`inline_files`] | `YAMANOTE_INLINE_FILES`, or on | the program answers fanotify's permission events |
//! | [`kernel_copies`] | `YAMANOTE_KERNEL_COPIES`, or on | a seccomp filter has no splice(2) |
//! | [`stall_after`] | `YAMANOTE_STALL_MS`, or 200 ms in one poll | polls are meant to be long, or shorter ones matter |
//! | [`console`] | `YAMANOTE_CONSOLE`, or off | `yamanote top` is to see the program |
//! | [`start_paused`] | off | in [tests](super::clock) |
//!
//! # Fairness, and long computations
//!
//! A runnable task waits for a bounded number of polls of others ([the
//! bounds](crate::runtime#fairness)), so it waits as long as those polls take. A poll should be
//! done in well under a millisecond. What computes for longer goes elsewhere, or makes pauses:
//!
//! ```
//! # #[yamanote::main]
//! # async fn main() {
//! // Elsewhere: a thread of the pool.
//! let sum = yamanote::task::spawn_blocking(|| (0..1_000_000_u64).sum::<u64>()).await.unwrap();
//!
//! // With pauses, in which others get their turn.
//! let mut sum_here = 0;
//! for (n, value) in (0..1_000_000_u64).enumerate() {
//!     sum_here += value;
//!     if n % 100_000 == 0 {
//!         yamanote::task::yield_now().await;
//!     }
//! }
//! assert_eq!(sum, sum_here);
//! # }
//! ```
//!
//! A task that is always ready, such as one that reads from a socket that never runs dry, is made
//! to yield by its budget ([`task::coop`](crate::task::coop)).
//!
//! # What runs inline, what by the ring, what by the pool
//!
//! | work | where |
//! |---|---|
//! | sockets, pipes, signals, children, timers, channels | the thread that polls, woken by readiness |
//! | a file's data in the page cache, names in the kernel's cache, small files in memory | the thread that polls, at once |
//! | positioned reads and writes past the cache ([`File::read_at`], `O_DIRECT`) | the ring, or else the pool |
//! | other file operations, syncs, overlay and network file systems | the pool |
//! | looking up a host, [`spawn_blocking`], standard input and output | the pool |
//!
//! The pool starts a thread when there is a job and no idle thread. So many slow files at once mean
//! many threads, up to the limit; then jobs wait in line.
//!
//! # Fork
//!
//! A runtime does not survive `fork()`: the child has none of its threads, and its rings are not
//! inherited. Using it there panics, dropping it is fine. Fork before the runtime is built, or
//! build another one in the child. [`process::Command`](crate::process::Command) is not concerned,
//! because the child runs another program at once.
//!
//! # Tuning, in this order
//!
//! 1. Take long computations and blocking calls out of the tasks.
//! 2. Batch: `recv_many`, [`BufWriter`](crate::io::BufWriter), vectored writes. A system call costs
//!    more than anything the runtime does.
//! 3. Put files that are read often on a local disk or tmpfs, not on a container's overlay.
//! 4. Fewer workers. Two that share a cache are quicker than eight that do not when tasks talk to
//!    each other all the time.
//! 5. Only then the intervals of the table above, one at a time, and [measured](super::profiling).
//!
//! [`new_current_thread`]: crate::runtime::Builder::new_current_thread
//! [`new_multi_thread`]: crate::runtime::Builder::new_multi_thread
//! [`LocalRuntime`]: crate::runtime::LocalRuntime
//! [`LocalSet`]: crate::task::LocalSet
//! [`worker_threads`]: crate::runtime::Builder::worker_threads
//! [`max_blocking_threads`]: crate::runtime::Builder::max_blocking_threads
//! [`thread_keep_alive`]: crate::runtime::Builder::thread_keep_alive
//! [`thread_name`]: crate::runtime::Builder::thread_name
//! [`thread_stack_size`]: crate::runtime::Builder::thread_stack_size
//! [`enable_io`]: crate::runtime::Builder::enable_io
//! [`enable_time`]: crate::runtime::Builder::enable_time
//! [`enable_all`]: crate::runtime::Builder::enable_all
//! [`event_interval`]: crate::runtime::Builder::event_interval
//! [`global_queue_interval`]: crate::runtime::Builder::global_queue_interval
//! [`max_io_events_per_tick`]: crate::runtime::Builder::max_io_events_per_tick
//! [`driver`]: crate::runtime::Builder::driver
//! [`inline_files`]: crate::runtime::Builder::inline_files
//! [`kernel_copies`]: crate::runtime::Builder::kernel_copies
//! [`stall_after`]: crate::runtime::Builder::stall_after
//! [`console`]: crate::runtime::Builder::console
//! [`start_paused`]: crate::runtime::Builder::start_paused
//! [`File::read_at`]: crate::fs::File::read_at
//! [`spawn_blocking`]: crate::task::spawn_blocking
#![forbid(unsafe_code)]
