//! What a console answers, as docs/console.md describes it. What a program does not tell is unknown
//! (`None`), or nothing.
#![forbid(unsafe_code)]

use serde::Deserialize;

/// The format that this tool reads.
pub const SCHEMA: u64 = 1;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    pub schema: u64,
    pub error: Option<String>,
    pub version: String,
    pub pid: u32,
    pub program: String,
    pub time_ns: u64,
    pub runtimes: Vec<Runtime>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Runtime {
    pub id: u64,
    pub name: Option<String>,
    pub flavor: String,
    pub driver: String,
    pub driver_fallback_reason: Option<String>,
    pub tasks: Tasks,
    pub workers: Vec<Worker>,
    /// Living tasks by where they were spawned.
    pub locations: Option<Vec<Location>>,
    pub stalls: Option<Stalls>,
    pub blocking: Option<Blocking>,
    pub io: Option<Io>,
    pub timers: Option<Timers>,
    pub ring: Ring,
    pub files: Files,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Tasks {
    pub alive: u64,
    pub injected: u64,
    pub spawned: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Worker {
    pub index: u64,
    pub parked: bool,
    pub busy_ns: u64,
    pub parks: u64,
    pub queued: Option<u64>,
    pub polls: Option<u64>,
    pub poll_times: PollTimes,
    pub steals: Option<u64>,
    /// What it polls now.
    pub polling: Option<Polling>,
}

/// Of the polls that were timed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PollTimes {
    pub p50_ns: Option<u64>,
    pub p99_ns: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Polling {
    /// Differs from one poll to the next.
    pub poll: u64,
    /// `None` for the future of `block_on`.
    pub task: Option<u64>,
    pub name: Option<String>,
    pub spawned_at: String,
    /// For how long it was seen.
    pub seen_ns: u64,
    /// Of a long poll: what its thread does.
    pub activity: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Location {
    pub spawned_at: String,
    pub name: Option<String>,
    pub count: u64,
    pub running: u64,
    pub runnable: u64,
    pub waiting: u64,
    pub oldest_task: Option<u64>,
    pub longest_wait_ns: Option<u64>,
    pub busy_ns: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Stalls {
    pub count: u64,
    pub longest_ns: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Blocking {
    pub threads: u64,
    pub idle: u64,
    pub queued: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Io {
    pub watched: u64,
    pub registered: u64,
    pub events: u64,
    pub drains: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Timers {
    pub waiting: u64,
    pub fired: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Ring {
    pub submitted: u64,
    pub in_flight: u64,
    pub leaked: u64,
    pub enters: Option<u64>,
    pub cancelled: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Files {
    pub inline_stalls: u64,
    pub kernel_copied_bytes: u64,
}
