//! Yamanote and Tokio on the same work, from the same source, in turn.
//!
//! Each row is measured in pairs: one run on Yamanote, one on Tokio, the first of a pair changing
//! each time, each run with a fresh runtime. A figure is the median of the runs; a ratio is the
//! median of the pairs' ratios, with the smallest and the largest. CPU is user and system time of
//! the whole process, the kernel's io_uring workers included.

// The same source for both runtimes is the point.
#![allow(clippy::duplicate_mod)]

mod measure;
mod table;

/// The work on Tokio.
#[path = "."]
mod on_tokio {
    use tokio as rt;
    #[path = "suite.rs"]
    mod suite;
    #[path = "suite_net.rs"]
    mod suite_net;
    #[path = "suite_tasks.rs"]
    mod suite_tasks;
    use suite::{run, runtime};
    pub use {suite::*, suite_net::*, suite_tasks::*};
}

/// The work on Yamanote.
#[path = "."]
mod on_yamanote {
    use yamanote as rt;
    #[path = "suite.rs"]
    mod suite;
    #[path = "suite_net.rs"]
    mod suite_net;
    #[path = "suite_tasks.rs"]
    mod suite_tasks;
    use suite::{run, runtime};
    pub use {suite::*, suite_net::*, suite_tasks::*};
}

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use measure::{Flavor, Row, Work};

/// Measure Yamanote against Tokio 1.54.1 and print a Markdown table of costs (Yamanote / Tokio,
/// lower is better).
#[derive(Parser)]
#[command(
    version,
    after_help = "Run it on an idle machine:\n  \
    cargo run --release --manifest-path benches/Cargo.toml\n  \
    cargo run --release --manifest-path benches/Cargo.toml -- --only echo --pairs 9\n  \
    cargo run --release --manifest-path benches/Cargo.toml --features paused -- --only paused"
)]
struct Args {
    /// Only rows whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Pairs of runs per row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=101))]
    pairs: u32,
    /// Run the work on one runtime only and print nothing, for a profiler
    #[arg(long, value_name = "RUNTIME")]
    profile: Option<Runtime>,
    /// Only this flavour
    #[arg(long, value_name = "FLAVOUR")]
    flavor: Option<Flavor>,
    /// Multiply the work of every run
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Runtime {
    Yamanote,
    Tokio,
}

fn main() {
    let args = Args::parse();
    let files = measure::Files::create();
    let rows: Vec<Row> = ROWS
        .iter()
        .flat_map(|work| Flavor::ALL.map(|flavor| Row { work, flavor }))
        .filter(|row| row.name().contains(&args.only))
        // Only there can a clock be paused.
        .filter(|row| row.flavor == Flavor::CurrentThread || !row.work.name.contains("paused"))
        .filter(|row| args.flavor.is_none_or(|flavor| flavor == row.flavor))
        .collect();
    if rows.is_empty() {
        eprintln!("no row's name contains {:?}", args.only);
        std::process::exit(2);
    }
    if let Some(runtime) = args.profile {
        for row in rows {
            let job = row.job(&files, args.scale);
            match runtime {
                Runtime::Yamanote => (row.work.on_yamanote)(&job),
                Runtime::Tokio => (row.work.on_tokio)(&job),
            }
        }
        return;
    }
    let bar = ProgressBar::new(rows.len() as u64 * u64::from(args.pairs)).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} ({eta} left)")
            .expect("the template is well-formed"),
    );
    let results: Vec<_> = rows
        .iter()
        .map(|row| {
            bar.set_message(row.name());
            row.measure(&files, args.pairs, args.scale, || bar.inc(1))
        })
        .collect();
    bar.finish_and_clear();
    table::print(&results);
}

macro_rules! rows {
    ($($(#[$attribute:meta])* $name:literal, $ops:literal, $work:ident;)*) => {
        const ROWS: &[Work] = &[$($(#[$attribute])* Work {
            name: $name,
            ops: $ops,
            on_yamanote: on_yamanote::$work,
            on_tokio: on_tokio::$work,
        }),*];
    };
}

rows! {
    "hot 4 KiB read", 20_000, hot_read;
    "fs::read of a 1 KiB file", 10_000, small_file;
    "fs::read of a 4 MiB file", 200, large_file;
    "metadata", 10_000, metadata;
    "open + drop", 10_000, open_drop;
    "create + drop", 4_000, create_drop;
    "rename", 4_000, rename;
    "fs::write of a 1 KiB file", 4_000, write_small;
    "64 writes of 4 KiB + flush", 100, write_many;
    "echo 64 B, 64 connections", 60_000, echo_64;
    "echo 64 B, 1,000 connections", 60_000, echo_1000;
    "empty block_on", 1_000_000, empty_block_on;
    "spawn + join", 1_000_000, spawn_join;
    "lone yield_now", 1_000_000, lone_yield;
    "sleep create + drop", 1_000_000, sleep_create_drop;
    "sleep register + drop", 1_000_000, sleep_register_drop;
    "duplex 64 B", 1_000_000, duplex_64;
    "duplex 64 KiB", 20_000, duplex_64k;
    "mpsc unbounded", 1_000_000, mpsc_unbounded;
    "mpsc of 64", 1_000_000, mpsc_bounded;
    "mpsc of 64, 8 senders", 1_000_000, mpsc_contended;
    "request + reply", 200_000, request_reply;
    "oneshot, sent before", 1_000_000, oneshot_ready;
    "Mutex alone", 2_000_000, mutex_alone;
    "Mutex, 8 tasks", 500_000, mutex_contended;
    "RwLock read alone", 2_000_000, rwlock_read;
    "Semaphore of 2, 8 tasks", 500_000, semaphore_contended;
    "Notify there and back", 200_000, notify_ping;
    "watch, 8 listeners", 200_000, watch_eight;
    "broadcast, 8 listeners", 400_000, broadcast_eight;
    "JoinSet of 100", 500_000, join_set;
    "200 tasks that yield", 1_000_000, yield_many;
    "16 tasks of 1 us at a time", 100_000, fan_out_short;
    "16 tasks of 20 us at a time", 10_000, fan_out_long;
    "spawn_local + join", 500_000, local_set;
    "UDP 64 B there and back", 50_000, udp_ping;
    "Unix 64 B there and back", 50_000, unix_ping;
    "child that ends at once", 300, child;
    #[cfg(feature = "paused")]
    "paused sleep of 1 ms", 50_000, paused_sleep;
    #[cfg(feature = "paused")]
    "paused sleep of 1 ms, with I/O", 50_000, paused_sleep_io;
}
