//! What all connections of a server share.
#![forbid(unsafe_code)]

use super::connections::Connections;
use super::log::Log;
use super::root::Root;
use std::sync::Arc;
use std::time::Duration;
use yamanote::sync::Semaphore;

pub struct Shared {
    pub root: Arc<Root>,
    pub log: Log,
    pub connections: Arc<Connections>,
    /// The right to have a file open.
    pub files: Arc<Semaphore>,
    /// The right to list a directory.
    pub listings: Semaphore,
    /// How long a client may send nothing, or take nothing.
    pub timeout: Duration,
}
