//! Tasks: what is spawned, joined and aborted.

mod yield_now;

pub use crate::runtime::task::{AbortHandle, Id, JoinError, JoinHandle, id, try_id};
pub use yield_now::yield_now;
