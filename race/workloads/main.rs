//! What `yamanote race` measures: one process is one run of one row.
//!
//! The same source is built twice, with the Tokio of the registry and with Yamanote in its place;
//! the manifests in `race/subjects` are the only difference. It is run as `race-tokio ROW
//! key=value...` and prints one line of JSON: totals over all operations, or the port of a server.
#![forbid(unsafe_code)]

mod channels;
mod files;
mod job;
mod many_files;
mod network;
mod run;
mod runtime;
mod serve;
mod tasks;
mod timers;
mod usage;

use run::Work::{self, Findings, Ops, Serve};
use std::process::ExitCode;

const ROWS: &[(&str, Work)] = &[
    ("hot_read", Ops(files::hot_read)),
    ("small_file", Ops(files::small_file)),
    ("large_file", Ops(files::large_file)),
    ("metadata", Ops(files::metadata)),
    ("open_drop", Ops(files::open_drop)),
    ("create_drop", Ops(files::create_drop)),
    ("rename", Ops(files::rename)),
    ("write_small", Ops(files::write_small)),
    ("write_many", Ops(files::write_many)),
    ("append", Ops(files::append)),
    ("append_synced", Ops(files::append_synced)),
    ("copy_file", Ops(files::copy_file)),
    ("fs_copy", Ops(files::fs_copy)),
    ("random_read", Ops(many_files::random_read)),
    ("direct_read", Ops(many_files::direct_read)),
    ("small_read", Ops(many_files::small_read)),
    ("small_write", Ops(many_files::small_write)),
    ("small_copy", Ops(many_files::small_copy)),
    ("echo_64", Ops(network::echo_64)),
    ("echo_1000", Ops(network::echo_1000)),
    ("udp_ping", Ops(network::udp_ping)),
    ("unix_ping", Ops(network::unix_ping)),
    ("duplex_64", Ops(network::duplex_64)),
    ("duplex_64k", Ops(network::duplex_64k)),
    ("empty_block_on", Ops(tasks::empty_block_on)),
    ("start_stop", Ops(tasks::start_stop)),
    ("spawn_join", Ops(tasks::spawn_join)),
    ("lone_yield", Ops(tasks::lone_yield)),
    ("yield_many", Ops(tasks::yield_many)),
    ("join_set", Ops(tasks::join_set)),
    ("fan_out_short", Ops(tasks::fan_out_short)),
    ("fan_out_long", Ops(tasks::fan_out_long)),
    ("local_set", Ops(tasks::local_set)),
    ("child", Ops(tasks::child)),
    ("task_memory", Findings(tasks::task_memory)),
    ("sleep_create_drop", Ops(timers::sleep_create_drop)),
    ("sleep_register_drop", Ops(timers::sleep_register_drop)),
    ("timeout", Ops(timers::timeout)),
    ("lateness", Findings(timers::lateness)),
    ("mpsc_unbounded", Ops(channels::mpsc_unbounded)),
    ("mpsc_bounded", Ops(channels::mpsc_bounded)),
    ("mpsc_contended", Ops(channels::mpsc_contended)),
    ("request_reply", Ops(channels::request_reply)),
    ("oneshot_ready", Ops(channels::oneshot_ready)),
    ("mutex_alone", Ops(channels::mutex_alone)),
    ("mutex_contended", Ops(channels::mutex_contended)),
    ("rwlock_read", Ops(channels::rwlock_read)),
    ("semaphore_contended", Ops(channels::semaphore_contended)),
    ("notify_ping", Ops(channels::notify_ping)),
    ("watch_eight", Ops(channels::watch_eight)),
    ("broadcast_eight", Ops(channels::broadcast_eight)),
    ("serve_echo", Serve(serve::echo)),
    ("serve_http", Serve(serve::http)),
    ("serve_relay", Serve(serve::relay)),
    ("serve_file", Serve(serve::send_file)),
    #[cfg(feature = "paused")]
    ("paused_sleep", Ops(timers::paused_sleep)),
    #[cfg(feature = "paused")]
    ("paused_sleep_io", Ops(timers::paused_sleep_io)),
];

fn main() -> ExitCode {
    // The compiler's word for what is linked: it begins with the crate that defines the type.
    run::main(std::any::type_name::<tokio::runtime::Runtime>(), ROWS)
}
