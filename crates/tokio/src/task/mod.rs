//! Tasks: spawning them, waiting for them, and values that belong to them.
#![forbid(unsafe_code)]

#[cfg(feature = "rt-multi-thread")]
pub use yamanote::task::block_in_place;

#[cfg(feature = "rt")]
pub use yamanote::task::{
    AbortHandle, Id, JoinError, JoinHandle, JoinSet, LocalEnterGuard, LocalKey, LocalSet, coop,
    futures, id, spawn, spawn_blocking, spawn_local, try_id,
};

#[cfg(feature = "rt")]
#[doc(hidden)]
pub use yamanote::task::{Unconstrained, consume_budget, unconstrained};

without_dumps! {
    #[cfg(feature = "rt")]
    pub use yamanote::task::yield_now;
}

unstable! {
    #[cfg(all(feature = "rt", feature = "taskdump"))]
    mod yield_now;

    #[cfg(all(feature = "rt", feature = "taskdump"))]
    pub use yield_now::yield_now;

    #[cfg(feature = "rt")]
    pub use yamanote::task::join_set;

    #[cfg(all(feature = "rt", feature = "tracing"))]
    pub use yamanote::task::Builder;
}
