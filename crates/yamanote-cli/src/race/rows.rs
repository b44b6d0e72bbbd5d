//! The rows: what is measured, and how much of it.
#![forbid(unsafe_code)]

use super::report::Metric;

/// A row of the table, on each flavour.
#[derive(Clone, Copy)]
pub struct Row {
    pub title: &'static str,
    pub group: &'static str,
    /// The name that the subjects know.
    pub work: &'static str,
    pub kind: Kind,
    pub size: u64,
    /// How many operations make one round, which are mostly under way at once.
    pub in_flight: u64,
    /// Whether its file must not be in the page cache.
    pub is_cold: bool,
    /// Part of `--quick`.
    pub is_quick: bool,
    /// Whether the runtimes that are a thread per core have it too.
    pub has_peers: bool,
    /// Needs a clock that can be stopped, which is another build of the subjects.
    pub is_paused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// So many operations at scale one, timed in the subject.
    Ops(u64),
    /// So many operations whose latency counts.
    Latency(u64),
    /// So many things at once whose memory counts.
    Memory(u64),
    /// A server, and a client in another process.
    Load(Script),
}

/// What the client does on each connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Script {
    /// Sends a message and expects it back.
    Echo,
    /// GET, keep-alive.
    Http,
    /// Sends one byte and expects a piece of a file.
    Fetch,
    /// Echo through a relay, at whose other end is the client itself.
    Relay,
    /// Sends through a relay as much as it takes.
    Bulk,
    /// One message, then nothing: what a connection needs to exist.
    Memory,
    /// One message, then nothing: what a server does meanwhile.
    Idle,
}

impl Script {
    /// As an argument.
    pub fn name(self) -> &'static str {
        match self {
            Script::Echo => "echo",
            Script::Http => "http",
            Script::Fetch => "fetch",
            Script::Relay => "relay",
            Script::Bulk => "bulk",
            Script::Memory => "memory",
            Script::Idle => "idle",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Flavor {
    CurrentThread,
    MultiThread,
}

impl Flavor {
    pub fn name(self) -> &'static str {
        match self {
            Flavor::CurrentThread => "current_thread",
            Flavor::MultiThread => "multi_thread",
        }
    }
}

/// A flavour and its number of workers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    pub flavor: Flavor,
    pub workers: usize,
}

const CURRENT: Variant = variant(Flavor::CurrentThread, 1);
const ONE: Variant = variant(Flavor::MultiThread, 1);
const TWO: Variant = variant(Flavor::MultiThread, 2);

const fn variant(flavor: Flavor, workers: usize) -> Variant {
    Variant { flavor, workers }
}

impl Row {
    pub fn variants(&self, is_quick: bool) -> &'static [Variant] {
        match self.kind {
            Kind::Load(_) if is_quick => &[ONE],
            // Only there can a clock be stopped.
            _ if self.is_paused => &[CURRENT],
            Kind::Load(_) => &[CURRENT, ONE, TWO],
            _ => &[CURRENT, TWO],
        }
    }

    /// What is compared.
    pub fn metrics(&self) -> &'static [Metric] {
        match self.kind {
            Kind::Ops(_) => &[Metric::Cpu, Metric::Wall],
            Kind::Latency(_) => &[Metric::P50, Metric::P99, Metric::P999, Metric::Cpu],
            Kind::Memory(_) | Kind::Load(Script::Memory) => &[Metric::Memory],
            Kind::Load(Script::Idle) => &[Metric::Cpu, Metric::Switches],
            Kind::Load(Script::Bulk) => &[Metric::Cpu, Metric::Wall],
            Kind::Load(_) => &[
                Metric::Cpu,
                Metric::Wall,
                Metric::P50,
                Metric::P99,
                Metric::P999,
            ],
        }
    }

    /// What one operation is, where the title does not say it.
    pub fn per(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Load(Script::Bulk) => Some("MiB"),
            Kind::Load(Script::Idle) => Some("second"),
            _ => None,
        }
    }

    pub fn ops(&self, scale: f64) -> u64 {
        match self.kind {
            // How many there are decides what one of them needs.
            Kind::Memory(ops) => ops,
            Kind::Ops(ops) | Kind::Latency(ops) => {
                // A whole number of rounds of all that are under way.
                let least = self.in_flight.max(ops.min(10));
                let ops = ((ops as f64 * scale) as u64).max(least);
                ops - ops % self.in_flight.max(1)
            }
            Kind::Load(_) => 0,
        }
    }

    /// Whether it needs the file of many pages.
    pub fn reads_pages(&self) -> bool {
        ["random_read", "direct_read", "fs_copy", "serve_file"].contains(&self.work)
    }

    const fn new(group: &'static str, title: &'static str, work: &'static str, kind: Kind) -> Row {
        Row {
            title,
            group,
            work,
            kind,
            size: 0,
            in_flight: 1,
            is_cold: false,
            is_quick: false,
            has_peers: false,
            is_paused: false,
        }
    }

    const fn quick(mut self) -> Row {
        self.is_quick = true;
        self
    }

    const fn peers(mut self) -> Row {
        self.has_peers = true;
        self
    }

    const fn paused(mut self) -> Row {
        self.is_paused = true;
        self
    }

    const fn in_flight(mut self, in_flight: u64) -> Row {
        self.in_flight = in_flight;
        self
    }

    const fn cold(mut self) -> Row {
        self.is_cold = true;
        self
    }
}

const fn tasks(title: &'static str, ops: u64, work: &'static str) -> Row {
    Row::new("tasks", title, work, Kind::Ops(ops))
}

const fn channels(title: &'static str, ops: u64, work: &'static str) -> Row {
    Row::new("channels and locks", title, work, Kind::Ops(ops))
}

const fn timers(title: &'static str, ops: u64, work: &'static str) -> Row {
    Row::new("timers", title, work, Kind::Ops(ops))
}

const fn files(title: &'static str, ops: u64, work: &'static str) -> Row {
    Row::new("files", title, work, Kind::Ops(ops))
}

const fn local(title: &'static str, ops: u64, work: &'static str) -> Row {
    Row::new("both ends in one runtime", title, work, Kind::Ops(ops))
}

const fn served(title: &'static str, work: &'static str, script: Script, connections: u64) -> Row {
    Row::new("servers", title, work, Kind::Load(script)).in_flight(connections)
}

const fn moved(title: &'static str, work: &'static str, script: Script, size: u64) -> Row {
    let mut row = Row::new("servers", title, work, Kind::Load(script));
    row.size = size;
    row
}

const fn echo(title: &'static str, connections: u64) -> Row {
    let mut row = served(title, "serve_echo", Script::Echo, connections).peers();
    row.size = 64;
    row
}

const fn kept(title: &'static str, script: Script, connections: u64) -> Row {
    let mut row = echo(title, connections);
    row.kind = Kind::Load(script);
    row.group = "what it takes to wait";
    row
}

/// In the order of the table.
pub const ROWS: &[Row] = &[
    echo("echo 64 B, 64 connections", 64).quick(),
    echo("echo 64 B, 1,000 connections", 1000).quick(),
    echo("echo 64 B, 10,000 connections", 10_000),
    served("axum, 64 connections", "serve_http", Script::Http, 64).quick(),
    served("axum, 512 connections", "serve_http", Script::Http, 512),
    moved("relay, bulk", "serve_relay", Script::Bulk, 64 << 10).quick(),
    moved(
        "relay, 64 B there and back",
        "serve_relay",
        Script::Relay,
        64,
    )
    .in_flight(16),
    moved(
        "relay, 4 KiB there and back",
        "serve_relay",
        Script::Relay,
        4 << 10,
    )
    .in_flight(16),
    moved(
        "relay, 64 KiB there and back",
        "serve_relay",
        Script::Relay,
        64 << 10,
    )
    .in_flight(16),
    moved(
        "64 KiB of a hot file to TCP",
        "serve_file",
        Script::Fetch,
        64 << 10,
    )
    .in_flight(16)
    .quick(),
    moved(
        "1 MiB of a hot file to TCP",
        "serve_file",
        Script::Fetch,
        1 << 20,
    )
    .in_flight(16),
    local("echo 64 B, 64 connections, client in it", 60_000, "echo_64").in_flight(64),
    local(
        "echo 64 B, 1,000 connections, client in it",
        60_000,
        "echo_1000",
    )
    .in_flight(1000),
    local("UDP 64 B there and back", 50_000, "udp_ping"),
    local("Unix 64 B there and back", 50_000, "unix_ping"),
    local("duplex 64 B", 1_000_000, "duplex_64"),
    local("duplex 64 KiB", 20_000, "duplex_64k"),
    files("hot 4 KiB read", 20_000, "hot_read").quick().peers(),
    files("fs::read of a 1 KiB file", 10_000, "small_file").quick(),
    files("fs::read of a 4 MiB file", 200, "large_file"),
    files("metadata", 10_000, "metadata"),
    files("open + drop", 10_000, "open_drop"),
    files("create + drop", 4_000, "create_drop"),
    files("rename", 4_000, "rename").in_flight(2),
    files("fs::write of a 1 KiB file", 4_000, "write_small"),
    files("64 writes of 4 KiB + flush", 100, "write_many").quick(),
    files("append 4 KiB, one sync at the end", 10_000, "append"),
    files("append 4 KiB + sync", 200, "append_synced"),
    files("io::copy of a 4 MiB file", 40, "copy_file"),
    files("fs::copy of a 64 MiB file", 4, "fs_copy"),
    files("read 1 KiB files, 64 at once", 10_000, "small_read").in_flight(64),
    files("write 1 KiB files, 64 at once", 6_400, "small_write").in_flight(64),
    files("copy a 1 KiB file", 4_000, "small_copy"),
    files("copy 1 KiB files, 64 at once", 6_400, "small_copy").in_flight(64),
    files("hot random 4 KiB reads", 10_000, "random_read"),
    files("hot random 4 KiB reads, 32 at once", 16_000, "random_read").in_flight(32),
    files("hot random 4 KiB reads, 256 at once", 16_000, "random_read").in_flight(256),
    files("cold random 4 KiB reads", 2_000, "random_read").cold(),
    files("cold random 4 KiB reads, 32 at once", 8_000, "random_read")
        .in_flight(32)
        .cold(),
    files("cold random 4 KiB reads, 256 at once", 8_000, "random_read")
        .in_flight(256)
        .cold(),
    files("O_DIRECT 4 KiB reads by the pool", 2_000, "direct_read"),
    files(
        "O_DIRECT 4 KiB reads by the pool, 32 at once",
        8_000,
        "direct_read",
    )
    .in_flight(32),
    files(
        "O_DIRECT 4 KiB reads by the pool, 256 at once",
        8_000,
        "direct_read",
    )
    .in_flight(256),
    tasks("spawn + join", 1_000_000, "spawn_join")
        .quick()
        .peers(),
    tasks("JoinSet of 100", 500_000, "join_set").in_flight(100),
    tasks("spawn_local + join", 500_000, "local_set"),
    tasks("lone yield_now", 1_000_000, "lone_yield")
        .quick()
        .peers(),
    tasks("200 tasks that yield", 1_000_000, "yield_many").in_flight(200),
    tasks("16 tasks of 1 us at a time", 100_000, "fan_out_short").in_flight(16),
    tasks("16 tasks of 20 us at a time", 10_000, "fan_out_long").in_flight(16),
    tasks("child that ends at once", 300, "child"),
    tasks("empty block_on", 1_000_000, "empty_block_on"),
    tasks("start-up and shut-down", 1_000, "start_stop"),
    timers("sleep create + drop", 1_000_000, "sleep_create_drop"),
    timers("sleep register + drop", 1_000_000, "sleep_register_drop").peers(),
    timers("timeout that does not fire", 1_000_000, "timeout").quick(),
    Row::new(
        "timers",
        "lateness of a 1 ms sleep",
        "lateness",
        Kind::Latency(300),
    )
    .peers(),
    timers("paused sleep of 1 ms", 50_000, "paused_sleep").paused(),
    timers("paused sleep of 1 ms, with I/O", 50_000, "paused_sleep_io").paused(),
    channels("mpsc unbounded", 1_000_000, "mpsc_unbounded"),
    channels("mpsc of 64", 1_000_000, "mpsc_bounded").quick(),
    channels("mpsc of 64, 8 senders", 1_000_000, "mpsc_contended").in_flight(8),
    channels("request + reply", 200_000, "request_reply").quick(),
    channels("oneshot, sent before", 1_000_000, "oneshot_ready"),
    channels("Mutex alone", 2_000_000, "mutex_alone"),
    channels("Mutex, 8 tasks", 500_000, "mutex_contended").in_flight(8),
    channels("RwLock read alone", 2_000_000, "rwlock_read"),
    channels("Semaphore of 2, 8 tasks", 500_000, "semaphore_contended").in_flight(8),
    channels("Notify there and back", 200_000, "notify_ping").quick(),
    channels("watch, 8 listeners", 200_000, "watch_eight"),
    channels("broadcast, 8 listeners", 400_000, "broadcast_eight").in_flight(4096),
    Row::new(
        "what it takes to wait",
        "memory of a task that waits",
        "task_memory",
        Kind::Memory(100_000),
    )
    .quick(),
    kept(
        "memory of an idle connection, of 1,000",
        Script::Memory,
        1000,
    ),
    kept("an idle server with 64 connections", Script::Idle, 64).quick(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn titles_are_unique() {
        let titles: HashSet<_> = ROWS.iter().map(|row| row.title).collect();
        assert_eq!(titles.len(), ROWS.len());
    }

    #[test]
    fn what_is_under_way_at_once_divides_the_operations() {
        for row in ROWS.iter().filter(|row| row.ops(1.0) > 0) {
            for scale in [0.0, 0.013, 1.0] {
                let ops = row.ops(scale);
                assert!(ops >= row.in_flight, "{}: {ops}", row.title);
                assert_eq!(ops % row.in_flight, 0, "{}", row.title);
            }
        }
    }
}
