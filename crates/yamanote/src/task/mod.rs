//! Tasks: what is spawned, joined and aborted.
//!
//! A task is a future that the runtime runs by itself: light, cheap to start (one allocation), and
//! scheduled cooperatively, which means that it runs until it waits. It may be thought of as a
//! thread that costs a hundred nanoseconds.
//!
//! # Starting and waiting
//!
//! [`spawn`] starts a task and returns its [`JoinHandle`], a future of the task's output. A task
//! that panics does not take anything with it: the handle resolves to a [`JoinError`] that holds
//! the panic.
//!
//! ```
//! # #[yamanote::main(flavor = "current_thread")]
//! # async fn main() {
//! let handle = yamanote::spawn(async {
//!     // ...
//!     "hello"
//! });
//! assert_eq!(handle.await.unwrap(), "hello");
//! # }
//! ```
//!
//! # Cancellation
//!
//! A task is cancelled by [`JoinHandle::abort`] or [`AbortHandle::abort`], and by the shutdown of
//! its runtime. It stops at the `.await` where it waits: its future is dropped there, with all that
//! it holds, and is not polled any more. A task that is being polled goes on to its next `.await`.
//! The handle of a cancelled task resolves to a [`JoinError`] that [says
//! so](JoinError::is_cancelled), when the future has been dropped; if the task was faster it
//! resolves to the output.
//!
//! # Work that blocks
//!
//! A task must not block its thread, since all other tasks of that worker wait meanwhile.
//! [`spawn_blocking`] runs blocking code on a thread made for it; [`block_in_place`] turns the
//! current worker into such a thread.
//!
//! # Tasks that are not `Send`
//!
//! [`spawn_local`] starts a task that stays on its thread, in a [`LocalSet`] or on a
//! [`LocalRuntime`](crate::runtime::LocalRuntime).
//!
//! # Many tasks
//!
//! A [`JoinSet`] holds any number of tasks, hands their outputs out as they end, and aborts those
//! left when it is dropped.
//!
//! # Fairness
//!
//! [`yield_now`] lets the other tasks run. [`coop`] sees to it that they run even when a task never
//! waits.
#![forbid(unsafe_code)]

mod spawn;

mod blocking;

mod yield_now;

mod local;

mod local_set;

mod spawn_local;

mod set;

mod named;

pub mod coop;

pub use crate::runtime::task::{AbortHandle, Id, JoinError, JoinHandle, id, try_id};
pub use blocking::{block_in_place, spawn_blocking};
pub use coop::{Unconstrained, consume_budget, unconstrained};
pub use local::LocalKey;
pub use local_set::{LocalEnterGuard, LocalSet};
pub use named::{Named, named};
pub use set::JoinSet;
pub use spawn::spawn;
pub use spawn_local::spawn_local;
pub use yield_now::yield_now;

/// Futures named in the signatures of this module.
pub mod futures {
    pub use super::local::TaskLocalFuture;
}

unstable! {
    #[cfg(feature = "tracing")]
    mod builder;

    #[cfg(feature = "tracing")]
    pub use builder::Builder;

    #[cfg(feature = "taskdump")]
    #[doc(hidden)]
    pub use yield_now::trace_yield;

    /// A set of tasks, and the builder of tasks for it.
    pub mod join_set {
        pub use super::set::JoinSet;

        #[cfg(feature = "tracing")]
        pub use super::set::Builder;
    }
}
