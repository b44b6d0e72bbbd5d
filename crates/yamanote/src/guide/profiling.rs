//! Where the time goes.
//!
//! # Is it the CPU, or waiting?
//!
//! If the process uses all of its cores, profile the CPU. If it does not and is still slow, tasks
//! wait: for the other side, for a lock, or for a worker that is held up by another task.
//!
//! # The CPU
//!
//! `perf` works on a release build with `debug = "line-tables-only"` in its profile:
//!
//! ```console
//! $ perf record --call-graph dwarf -p $(pidof app) -- sleep 10
//! $ perf report --no-children
//! ```
//!
//! Below a worker's loop each task's `poll` is a frame of its own, so sort by the futures' names.
//! The threads of workers and of the pool share a name; [`thread_name_fn`] tells them apart. For
//! small differences instructions are steadier than time: `valgrind --tool=callgrind`, with a
//! current-thread runtime.
//!
//! # Waiting
//!
//! [`RuntimeMetrics`] counts without a profiler. If
//! [`global_queue_depth`](crate::runtime::RuntimeMetrics::global_queue_depth) stays high, the
//! workers are too busy; if a worker's
//! [`worker_total_busy_duration`](crate::runtime::RuntimeMetrics::worker_total_busy_duration) grows
//! as fast as the clock while others idle, one task holds it:
//!
//! ```
//! use std::time::Duration;
//!
//! # #[yamanote::main]
//! # async fn main() {
//! let metrics = yamanote::runtime::Handle::current().metrics();
//! let before: Vec<Duration> =
//!     (0..metrics.num_workers()).map(|it| metrics.worker_total_busy_duration(it)).collect();
//! yamanote::time::sleep(Duration::from_millis(20)).await;
//! for (worker, before) in before.into_iter().enumerate() {
//!     let busy = metrics.worker_total_busy_duration(worker) - before;
//!     println!("worker {worker}: {busy:?} of 20 ms");
//! }
//! println!("{} tasks, {} in line", metrics.num_alive_tasks(), metrics.global_queue_depth());
//! # }
//! ```
//!
//! A poll that holds a worker for longer than [`stall_after`] is noticed while it lasts: its task,
//! where that was spawned, and what the thread does meanwhile are given to [`on_stall`].
//! `YAMANOTE_STALL_MS=50 app` sets the limit without a change to the program.
//!
//! A program that was started with `YAMANOTE_CONSOLE=1`, or whose builder says [`console`], can be
//! looked at while it runs: `yamanote top` shows its workers, tasks and rings.
//!
//! # System calls
//!
//! `strace -f -c -p PID` counts them; `perf trace -s -p PID` does so at less cost. Many
//! `epoll_wait` with few events each are a program that waits well. Many `futex` calls are threads
//! that wake each other: batch, or take fewer workers. Files show as `preadv2` (inline), as
//! `io_uring_enter` (the ring), or as `pread64` on another thread (the pool); `yamanote doctor`
//! says which of these to expect on a file system.
//!
//! # Memory
//!
//! A task is one allocation of the size of its future. A future that holds a large array over an
//! `.await` is that large from the beginning: `std::mem::size_of_val(&future)` tells. Heap
//! profilers (heaptrack, dhat, jemalloc's) work as in any program.
//!
//! # Against Tokio
//!
//! `yamanote race` measures both from one source on your machine, in pairs and with the noise
//! beside each figure; `yamanote try` does so with the tests of a project.
//!
//! [`console`]: crate::runtime::Builder::console
//! [`on_stall`]: crate::runtime::Builder::on_stall
//! [`stall_after`]: crate::runtime::Builder::stall_after
//! [`RuntimeMetrics`]: crate::runtime::RuntimeMetrics
//! [`thread_name_fn`]: crate::runtime::Builder::thread_name_fn
#![forbid(unsafe_code)]
