//! What a console answers: the state of all runtimes, as JSON.
//!
//! Read by the console's thread while everything else goes on, so each number is true for itself.
//! The format is described in `docs/console.md`, which a test holds to be complete.
#![forbid(unsafe_code)]

use crate::runtime::flavor::RuntimeFlavor;
use crate::runtime::metrics::RuntimeMetrics;
use crate::runtime::parts::Parts;
use crate::util::json::{self, Object};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Of the format. Members may be added under the same number.
pub(super) const SCHEMA: u64 = 1;

pub(super) fn of_process(runtimes: &[Arc<Parts>]) -> String {
    json::object(|all| {
        all.number("schema", SCHEMA);
        all.string("version", env!("CARGO_PKG_VERSION"));
        all.number("pid", u64::from(std::process::id()));
        all.string("program", &program());
        all.number("time_ns", monotonic_ns());
        all.number("unix_time_ns", unix_time_ns());
        all.objects("runtimes", runtimes, |object, parts| {
            write_runtime(object, parts);
        });
    })
}

fn write_runtime(object: &mut Object<'_>, parts: &Arc<Parts>) {
    let metrics = RuntimeMetrics::new(parts.clone());
    object.number("id", parts.id.number());
    object.optional_string("name", parts.name.as_deref());
    object.string("flavor", flavor(parts));
    object.string("driver", &metrics.driver().to_string());
    object.optional_string(
        "driver_fallback_reason",
        metrics.driver_fallback_reason().as_deref(),
    );
    object.object("tasks", |tasks| {
        tasks.number("alive", metrics.num_alive_tasks() as u64);
        tasks.number("injected", metrics.global_queue_depth() as u64);
    });
    object.objects("workers", 0..metrics.num_workers(), |worker, index| {
        write_worker(worker, &metrics, index);
    });
    object.object("ring", |ring| {
        ring.number("submitted", metrics.ops_submitted());
        ring.number("in_flight", metrics.live_ops() as u64);
        ring.number("leaked", metrics.leaked_ops() as u64);
    });
    object.object("files", |files| {
        files.number("inline_stalls", metrics.inline_file_stalls());
        files.number("kernel_copied_bytes", metrics.kernel_copied_bytes());
    });
}

fn write_worker(worker: &mut Object<'_>, metrics: &RuntimeMetrics, index: usize) {
    let parks_and_unparks = metrics.worker_park_unpark_count(index);
    worker.number("index", index as u64);
    worker.boolean("parked", parks_and_unparks % 2 == 1);
    worker.number("busy_ns", ns(metrics.worker_total_busy_duration(index)));
    worker.number("parks", metrics.worker_park_count(index));
    worker.number("unparks", parks_and_unparks / 2);
}

fn flavor(parts: &Parts) -> &'static str {
    match parts.flavor() {
        RuntimeFlavor::MultiThread => "multi_thread",
        RuntimeFlavor::CurrentThread if parts.is_local() => "local",
        RuntimeFlavor::CurrentThread => "current_thread",
    }
}

/// What the program was started as; its name where the system does not tell.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let path = path.map(|path| path.to_string_lossy().into_owned());
    path.or_else(|| std::env::args().next()).unwrap_or_default()
}

/// Since the first snapshot; the clock that all times of a snapshot are taken by.
fn monotonic_ns() -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    ns(ZERO.get_or_init(Instant::now).elapsed())
}

fn unix_time_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, ns)
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
