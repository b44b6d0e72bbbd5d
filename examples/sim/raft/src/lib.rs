//! A key-value store on several nodes, replicated by openraft.
//!
//! A node keeps its log, its vote and its snapshots in a folder, and talks to the others and to
//! clients over TCP. What was answered is not lost while a majority of the folders is there.
#![forbid(unsafe_code)]

mod client;
mod files;
mod log;
mod machine;
mod network;
mod server;

use openraft::{BasicNode, Config, Raft, SnapshotPolicy, TokioRuntime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

pub use client::{Client, digest};

/// Mistakes that people make, one of which can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Entries are said to be on the disk when they are written.
    LogNotSynced,
    /// A vote is answered when it is written: after a crash the node may vote again, for another.
    VoteNotSynced,
    /// The log is read without looking at its checksums.
    TornWrite,
    /// A node that is started again after a failed sync trusts what it reads: the kernel has it in
    /// memory, says at the next sync that all is well, and does not have it on the disk.
    TrustsTheCache,
    /// A leader reads without asking the others whether it is one still.
    LocalRead,
    /// A call that is made again is done again.
    AppliedTwice,
}

/// A call of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Call {
    Get {
        key: String,
    },
    Set {
        key: String,
        value: String,
    },
    /// Sets `new` if the value is `old`.
    Exchange {
        key: String,
        old: String,
        new: String,
    },
}

/// A call with what makes it the only one of its kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Command {
    pub session: u64,
    pub serial: u64,
    pub call: Call,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    Value(Option<String>),
    Set,
    Exchanged(bool),
    /// A later call of the session has been answered already.
    Late,
}

openraft::declare_raft_types!(
    pub Types:
        D = Command,
        R = Answer,
        SnapshotData = Vec<u8>,
        AsyncRuntime = TokioRuntime,
);

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Node {
    pub id: u64,
    /// Where it keeps what it must not forget. Exists.
    pub folder: PathBuf,
    /// The `host:port` of all nodes.
    pub members: BTreeMap<u64, String>,
    pub bug: Option<Bug>,
}

/// Runs a node until it fails.
///
/// # Errors
///
/// If the folder cannot be read or written.
pub async fn serve(listener: TcpListener, node: Node) -> io::Result<()> {
    // Timeouts and heartbeats are openraft's own.
    let config = Config {
        snapshot_policy: SnapshotPolicy::LogsSinceLast(200),
        max_in_snapshot_log_to_keep: 50,
        ..Config::default()
    };
    let config = Arc::new(config.validate().map_err(io::Error::other)?);
    let log = log::Log::open(&node.folder, node.bug).await?;
    let machine = machine::Machine::open(&node.folder, node.bug).await?;
    let store = machine.store();
    let known_from = log.end();
    let raft = Raft::<Types>::new(node.id, config, network::Network, log, machine)
        .await
        .map_err(io::Error::other)?;
    if !raft.is_initialized().await.map_err(io::Error::other)? {
        let members = node.members.into_iter();
        let members: BTreeMap<_, _> = members
            .map(|(id, address)| (id, BasicNode::new(address)))
            .collect();
        // Every node begins so. One that has heard of the others by now need not.
        let _ = raft.initialize(members).await;
    }
    let mut metrics = raft.metrics();
    let failed = async move {
        loop {
            metrics.borrow_and_update().running_state.clone()?;
            if metrics.changed().await.is_err() {
                return Ok::<(), openraft::error::Fatal<u64>>(());
            }
        }
    };
    tokio::select! {
        failed = failed => failed.map_err(io::Error::other),
        served = server::serve(listener, raft, store, known_from, node.bug) => served,
    }
}
