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
mod flavor;
mod handle;
mod id;
pub(crate) mod large_futures;
mod local_runtime;
mod metrics;
pub(crate) mod parts;
#[allow(clippy::module_inception)]
mod runtime;
mod shutdown_error;
mod try_current_error;
mod worker_index;

pub(crate) mod blocking;
pub(crate) mod context;
pub(crate) mod driver;
pub(crate) mod scheduler;
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
pub use self::metrics::RuntimeMetrics;
pub use self::runtime::Runtime;
pub use self::shutdown_error::is_rt_shutdown_err;
pub use self::try_current_error::TryCurrentError;
pub use self::worker_index::worker_index;
