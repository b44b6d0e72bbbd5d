//! What a console answers: the state of all runtimes, as JSON.
//!
//! Read by the console's thread while everything else goes on, so each number is true for itself.
//! The format is described in `docs/console.md`, which a test holds to be complete.
#![forbid(unsafe_code)]

use super::observer::{Observer, Poll};
use crate::runtime::metrics::RuntimeMetrics;
use crate::runtime::parts::Parts;
use crate::runtime::snapshot::{Snapshot, Worker};
use crate::runtime::stall::activity_of;
use crate::runtime::task::{Census, name_of};
use crate::util::json::{self, Object};
use crate::util::nanos::as_ns;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Of the format. Members may be added under the same number.
pub(super) const SCHEMA: u64 = 1;

/// For the thread that drives a current-thread runtime, to count its tasks. One that is stuck keeps
/// the answer waiting for so long.
const PATIENCE: Duration = Duration::from_millis(50);

/// A poll that was seen for so long holds its worker up.
const LONG: Duration = Duration::from_millis(200);

pub(super) fn of_process(runtimes: &[Arc<Parts>], observer: &mut Observer) -> String {
    observer.look(runtimes);
    json::object(|all| {
        all.number("schema", SCHEMA);
        all.string("version", env!("CARGO_PKG_VERSION"));
        all.number("pid", u64::from(std::process::id()));
        all.string("program", &program());
        all.number("time_ns", monotonic_ns());
        all.number("unix_time_ns", unix_time_ns());
        all.objects("runtimes", runtimes, |object, parts| {
            write_runtime(object, parts, observer);
        });
    })
}

fn write_runtime(object: &mut Object<'_>, parts: &Arc<Parts>, observer: &Observer) {
    let metrics = RuntimeMetrics::new(parts.clone());
    let insight = metrics.insight();
    object.number("id", parts.id.number());
    object.optional_string("name", parts.name.as_deref());
    object.string("flavor", flavor(parts));
    object.string("driver", &metrics.driver().to_string());
    object.optional_string(
        "driver_fallback_reason",
        metrics.driver_fallback_reason().as_deref(),
    );
    object.object("tasks", |tasks| {
        tasks.number("alive", insight.tasks.alive as u64);
        tasks.number("spawned", insight.tasks.spawned);
        tasks.number("injected", insight.tasks.injected as u64);
        tasks.number("remote_schedules", insight.tasks.remote_schedules);
        tasks.number("forced_yields", insight.tasks.forced_yields);
    });
    let id = parts.id.number();
    object.objects(
        "workers",
        insight.workers.iter().enumerate(),
        |object, (index, worker)| {
            write_worker(object, index, worker);
            if let Some(poll) = observer.poll(id, index) {
                object.object("polling", |object| write_poll(object, poll));
            }
        },
    );
    object.object("stalls", |object| {
        object.number("count", metrics.stalls());
        object.number("longest_ns", as_ns(metrics.longest_stall()));
    });
    if let Some(census) = parts.scheduler.census(PATIENCE) {
        write_census(object, id, census, observer);
    }
    write_parts(object, &insight);
}

fn write_poll(object: &mut Object<'_>, poll: &Poll) {
    object.number("poll", poll.number as u64);
    if let Some(task) = poll.polled.id {
        object.number("task", task.number());
        if let Some(name) = name_of(task) {
            object.string("name", &name);
        }
    }
    object.string("spawned_at", &poll.polled.spawned_at.to_string());
    if let Some(thread) = poll.thread {
        object.number("thread", u64::from(thread.unsigned_abs()));
    }
    let seen = poll.since.elapsed();
    object.number("seen_ns", as_ns(seen));
    // Before that it is not worth the system calls, nor anybody's attention.
    if let Some(thread) = poll.thread.filter(|_| seen >= LONG) {
        object.string("activity", &activity_of(thread).to_string());
    }
}

fn write_worker(object: &mut Object<'_>, index: usize, worker: &Worker) {
    object.number("index", index as u64);
    object.boolean("parked", worker.is_parked);
    object.number("queued", worker.queued as u64);
    object.number("busy_ns", as_ns(worker.busy));
    object.number("polls", worker.polls);
    object.number("local_schedules", worker.local_schedules);
    object.number("parks", worker.parks);
    object.number("unparks", worker.unparks);
    object.number("noop_parks", worker.noop_parks);
    object.number("steals", worker.steals);
    object.number("steal_operations", worker.steal_operations);
    object.number("overflows", worker.overflows);
    let times = &worker.poll_times;
    object.object("poll_times", |object| {
        object.number("count", times.count());
        object.number("sum_ns", as_ns(times.sum));
        for (name, share) in [("p50_ns", 0.5), ("p99_ns", 0.99), ("p999_ns", 0.999)] {
            if let Some(quantile) = times.quantile(share) {
                object.number(name, as_ns(quantile));
            }
        }
    });
}

/// What is not of one worker.
fn write_parts(object: &mut Object<'_>, insight: &Snapshot) {
    let Snapshot {
        blocking,
        io,
        timers,
        ring,
        files,
        ..
    } = insight;
    object.object("blocking", |object| {
        object.number("threads", blocking.threads as u64);
        object.number("idle", blocking.idle as u64);
        object.number("queued", blocking.queued as u64);
    });
    object.object("io", |object| {
        object.number("watched", io.watched as u64);
        object.number("registered", io.registered);
        object.number("events", io.events);
        object.number("drains", io.drains);
    });
    object.object("timers", |object| {
        object.number("waiting", timers.waiting as u64);
        object.number("fired", timers.fired);
    });
    object.object("ring", |object| {
        object.number("submitted", ring.submitted);
        object.number("enters", ring.enters);
        object.number("in_flight", ring.in_flight as u64);
        object.number("orphaned", ring.orphaned);
        object.number("cancelled", ring.cancelled);
        object.number("leaked", ring.leaked as u64);
    });
    object.object("files", |object| {
        object.number("pool_jobs", files.pool_jobs);
        object.objects("pool_jobs_by", &files.pool_jobs_by, |object, jobs| {
            object.string("mount", &jobs.mount);
            object.string("operation", jobs.operation.name());
            object.string("reason", jobs.reason.name());
            object.number("count", jobs.count);
        });
        object.number("inline_stalls", files.inline_stalls);
        object.number("kernel_copied_bytes", files.kernel_copied_bytes);
    });
}

fn write_census(object: &mut Object<'_>, runtime: u64, census: Census, observer: &Observer) {
    object.boolean("locations_complete", census.is_complete());
    object.objects("locations", census.into_counts(), |object, count| {
        let all = count.running + count.runnable + count.waiting;
        object.string("spawned_at", &count.spawned_at.to_string());
        object.optional_string("name", count.name.as_deref());
        object.number("count", all as u64);
        object.number("running", count.running as u64);
        object.number("runnable", count.runnable as u64);
        object.number("waiting", count.waiting as u64);
        object.number("oldest_task", count.oldest.number());
        if let Some(since) = count.waits_since {
            object.number("longest_wait_ns", as_ns(since.elapsed()));
        }
        let busy = observer.busy(runtime, count.spawned_at);
        object.number("busy_ns", as_ns(busy));
    });
}

fn flavor(parts: &Parts) -> &'static str {
    match parts.is_local() {
        true => "local",
        false => parts.flavor().name(),
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
    as_ns(ZERO.get_or_init(Instant::now).elapsed())
}

fn unix_time_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, as_ns)
}
