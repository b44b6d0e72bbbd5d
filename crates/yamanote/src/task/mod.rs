//! Tasks: what is spawned, joined and aborted.

mod blocking;
mod local;
mod spawn;
mod yield_now;

pub mod coop;

pub use crate::runtime::task::{AbortHandle, Id, JoinError, JoinHandle, id, try_id};
pub use blocking::{block_in_place, spawn_blocking};
pub use local::LocalKey;
pub use spawn::spawn;
pub use yield_now::yield_now;

/// Futures named in the signatures of this module.
pub mod futures {
    pub use super::local::TaskLocalFuture;
}
