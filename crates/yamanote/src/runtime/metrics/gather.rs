//! How a snapshot is taken.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::snapshot::{
    Blocking, Bucket, Files, Histogram, Io, Ring, Snapshot, Tasks, Timers, Worker,
};
use crate::runtime::parts::Parts;
use crate::runtime::scheduler::histogram as recorded;

pub(super) fn snapshot(parts: &Parts) -> Snapshot {
    let scheduler = &parts.scheduler;
    Snapshot {
        tasks: Tasks {
            alive: scheduler.num_alive_tasks(),
            spawned: scheduler.num_spawned_tasks(),
            injected: scheduler.injection_depth(),
            remote_schedules: scheduler.injected(),
            forced_yields: scheduler.forced_yields(),
        },
        workers: (0..scheduler.num_workers())
            .map(|index| worker(parts, index))
            .collect(),
        timed_polls: scheduler.poll_times(),
        blocking: blocking(parts),
        io: io(parts),
        timers: Timers {
            waiting: parts.driver_handle().timers_alive(),
            fired: parts.driver_handle().timers_fired(),
        },
        ring: ring(parts),
        files: Files {
            pool_jobs: parts.file_jobs.get(),
            pool_jobs_by: parts.punts.all(),
            inline_stalls: parts.inline_file_stalls.get(),
            kernel_copied_bytes: parts.kernel_copied_bytes.get(),
        },
    }
}

fn worker(parts: &Parts, index: usize) -> Worker {
    let scheduler = &parts.scheduler;
    let (load, meter) = (scheduler.load(index), scheduler.meter(index));
    // The number of which both follow, so that they agree.
    let parks_and_unparks = load.parks_and_unparks();
    Worker {
        queued: scheduler.local_queue_depth(index),
        thread: meter.thread(),
        is_parked: parks_and_unparks % 2 == 1,
        busy: load.busy(),
        polls: meter.polls.get(),
        mean_poll: Some(Duration::from_nanos(meter.mean_poll_ns.get())).filter(|it| !it.is_zero()),
        poll_times: meter.poll_times.as_ref().map(histogram).unwrap_or_default(),
        local_schedules: meter.local_schedules.get(),
        parks: parks_and_unparks.div_ceil(2),
        unparks: parks_and_unparks / 2,
        noop_parks: load.noop_parks(),
        steals: meter.steals.get(),
        steal_operations: meter.steal_operations.get(),
        overflows: scheduler.overflows(index),
    }
}

fn histogram(of: &recorded::Histogram) -> Histogram {
    let bucket = |index| Bucket {
        end: Duration::from_nanos(of.range(index).end),
        count: of.count(index),
    };
    Histogram {
        buckets: (0..of.buckets()).map(bucket).collect(),
        sum: of.sum(),
    }
}

fn blocking(parts: &Parts) -> Blocking {
    let counts = parts.blocking.counts();
    Blocking {
        threads: counts.threads,
        idle: counts.idle,
        queued: counts.queued,
    }
}

fn io(parts: &Parts) -> Io {
    match parts.driver_handle().io() {
        Some(set) => Io {
            watched: set.live(),
            registered: set.registered(),
            events: set.events(),
            drains: set.looks(),
        },
        None => Io {
            watched: 0,
            registered: 0,
            events: 0,
            drains: 0,
        },
    }
}

fn ring(parts: &Parts) -> Ring {
    let driver = parts.driver_handle();
    let counts = driver.ring_counters();
    Ring {
        submitted: counts.submitted,
        enters: counts.enters,
        in_flight: driver.live_ops(),
        orphaned: counts.orphaned,
        cancelled: counts.cancelled,
        leaked: driver.leaked_ops(),
    }
}
