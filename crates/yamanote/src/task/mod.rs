//! Tasks: what is spawned, joined and aborted.

mod local;
mod yield_now;

pub mod coop;

pub use crate::runtime::task::{AbortHandle, Id, JoinError, JoinHandle, id, try_id};
pub use local::LocalKey;
pub use yield_now::yield_now;

/// Futures named in the signatures of this module.
pub mod futures {
    pub use super::local::TaskLocalFuture;
}
