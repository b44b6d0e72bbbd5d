//! The runtime: schedulers, drivers, and the values that configure and reach them.
//!
//! A runtime runs tasks ([`Runtime::spawn`]), wakes them when their sockets, files and timers are
//! ready (the driver), and keeps threads for work that blocks ([`Runtime::spawn_blocking`]). There
//! are two flavours. [`Builder::new_multi_thread`] has worker threads of its own, which share the
//! tasks. [`Builder::new_current_thread`] runs tasks on the thread that calls
//! [`Runtime::block_on`], while it is there. [`LocalRuntime`] is of that kind and bound to one
//! thread, so that its tasks need not be `Send`.
//!
//! ```
//! use yamanote::runtime::Runtime;
//!
//! let rt = Runtime::new().unwrap();
//! let answer = rt.block_on(async {
//!     let parts = (yamanote::task::spawn(async { 40 }), yamanote::task::spawn(async { 2 }));
//!     parts.0.await.unwrap() + parts.1.await.unwrap()
//! });
//! assert_eq!(answer, 42);
//! ```
//!
//! # The context
//!
//! A function that makes a socket, a timer, a task or a child process asks the thread which runtime
//! it is in, and panics if there is none. A thread is in a runtime while it runs its tasks or its
//! blocking jobs, while it is in [`Runtime::block_on`] or [`Handle::block_on`], and while it holds
//! the guard of [`Runtime::enter`] or [`Handle::enter`]. [`Handle::current`] is the runtime it is
//! in.
//!
//! # Fairness
//!
//! As long as every poll returns and the number of tasks is bounded, a runnable task waits for a
//! bounded number of polls of others, and so for a bounded time. That is Tokio's promise. On a
//! current-thread runtime tasks are also polled in Tokio's order. On a multi-thread runtime the
//! bounds are these:
//!
//! - Each worker has its runnable tasks in line, and a task that becomes runnable goes to its end,
//!   however long the line is. So a task waits for those that were runnable before it on that
//!   worker. With each of them up to seven later ones may be polled: three that were woken or
//!   spawned last and run while their data is warm, and four from outside. As a rule there are
//!   fewer.
//! - What is spawned or woken outside of the workers (by the future in [`Runtime::block_on`], a
//!   blocking job, another runtime) stands in a line of its own. At every 2nd to 127th poll
//!   ([`Builder::global_queue_interval`]) a busy worker takes a share of it, the oldest first: one
//!   task, which it polls next, and an equal part of the others, but no more than 256, which go to
//!   the end of its line.
//! - A worker that has nothing to do takes the older half of another's line, so no task gets more
//!   before it than it had. If a worker is held up by a poll that does not return, its siblings
//!   take its tasks to the end of their own lines.
//!
//! So a thousand busy connections are served in turn. A task that is always ready yields to the
//! others by its budget ([`task::coop`](crate::task::coop)). Where it blocks instead, its worker's
//! siblings can help; a lone worker has none.
//!
//! # The end
//!
//! A runtime ends when its [`Runtime`] is dropped: every task is dropped at the `.await` where it
//! waits, and blocking jobs are waited for, also those still queued. [`Runtime::shutdown_timeout`]
//! waits no longer than it is asked to, [`Runtime::shutdown_background`] not at all; [`Runtime`]
//! says more. A socket that outlives its runtime answers with an error, and a timer panics;
//! channels and locks of [`sync`](crate::sync) know no runtime and go on.
//!
//! # Drivers
//!
//! [`Builder::driver`] says how the runtime waits, a [`DriverChoice`]; [`Handle::driver`] says what
//! it got, and [`RuntimeMetrics::driver_fallback_reason`] why it is not what it could be. A runtime
//! that has chosen io_uring goes on without it, with the same results, if the kernel denies it
//! later.

mod builder;
mod config;
mod console;
mod flavor;
mod handle;
mod id;
pub(crate) mod inventory;
pub(crate) mod large_futures;
mod local_runtime;
pub(crate) mod local_sets;
mod mark;
mod metrics;
pub(crate) mod parts;
pub(crate) mod punts;
#[allow(clippy::module_inception)]
mod runtime;
mod shutdown_error;
pub(crate) mod stalls;
mod try_current_error;
mod worker_index;
unstable! {
    #[cfg(feature = "taskdump")]
    pub mod dump;
    mod rng_seed;
    mod unhandled_panic;
}

pub(crate) mod blocking;
pub(crate) mod context;
pub(crate) mod driver;
pub(crate) mod scheduler;
pub(crate) mod stall;
pub(crate) mod task;

pub use self::builder::Builder;
#[doc(hidden)]
pub use self::driver::probe;
pub use self::driver::probe::io_uring_refusal;
pub use self::driver::{DriverChoice, DriverKind};
pub use self::flavor::RuntimeFlavor;
pub use self::handle::{EnterGuard, Handle};
pub use self::id::Id;
pub(crate) use self::large_futures::box_if_large;
pub use self::local_runtime::{LocalOptions, LocalRuntime};
#[doc(hidden)]
pub use self::mark::MARK;
pub use self::metrics::RuntimeMetrics;
pub(crate) use self::metrics::snapshot;
unstable! {
    pub use self::metrics::configuration::{
        HistogramConfiguration, HistogramScale, InvalidHistogramConfiguration, LogHistogram,
        LogHistogramBuilder,
    };
}
pub use self::runtime::Runtime;
pub use self::shutdown_error::is_rt_shutdown_err;
pub use self::try_current_error::TryCurrentError;
pub use self::worker_index::worker_index;
unstable! {
    #[cfg(feature = "taskdump")]
    pub use self::dump::Dump;
    pub use self::rng_seed::RngSeed;
    pub use self::task::TaskMeta;
    pub use self::unhandled_panic::UnhandledPanic;
}
