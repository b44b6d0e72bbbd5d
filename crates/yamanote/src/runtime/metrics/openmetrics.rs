//! A snapshot as OpenMetrics text.
//!
//! The [format](https://prometheus.io/docs/specs/om/open_metrics_spec/): a family has a type,
//! perhaps a unit, which its name ends with, a help text and samples, together; a counter's sample
//! ends with `_total`; the text ends with `# EOF`.
#![forbid(unsafe_code)]

use std::fmt::{Display, Write};
use std::time::Duration;

use super::snapshot::{Bucket, Histogram, Snapshot, Worker};
use crate::runtime::punts::PoolJobs;

/// A histogram with more buckets than this is shown by those that end at a power of four
/// nanoseconds, because each bucket is a time series to whoever collects.
const MOST_BUCKETS: usize = 32;

/// The text for `snapshot`. `identity` is what is always the same: labels of one sample. With a
/// `name` each sample has the label `runtime`.
pub(super) fn text(snapshot: &Snapshot, identity: &[(&str, &str)], name: Option<&str>) -> String {
    let mut page = Page {
        text: String::new(),
        common: name.map(|name| label("runtime", name)),
    };
    page.identity(identity);
    tasks(&mut page, snapshot);
    workers(&mut page, &snapshot.workers);
    waiting(&mut page, snapshot);
    ring_and_files(&mut page, snapshot);
    page.text.push_str("# EOF\n");
    page.text
}

fn tasks(page: &mut Page, snapshot: &Snapshot) {
    let tasks = &snapshot.tasks;
    page.gauge("tasks_alive", "Tasks spawned and not ended", tasks.alive);
    page.counter("tasks_spawned", "Tasks spawned", tasks.spawned);
    page.gauge(
        "injection_queue_depth",
        "Runnable tasks from outside of the workers that no worker has taken yet",
        tasks.injected,
    );
    page.counter(
        "remote_schedules",
        "Times a task was spawned or woken outside of the workers",
        tasks.remote_schedules,
    );
    page.counter(
        "budget_forced_yields",
        "Polls that used up their cooperative budget",
        tasks.forced_yields,
    );
}

/// A number of each worker: name, help and value.
type OfWorker = (&'static str, &'static str, fn(&Worker) -> u64);

const GAUGES: &[OfWorker] = &[
    (
        "worker_queue_depth",
        "Runnable tasks in line at the worker",
        |worker| worker.queued as u64,
    ),
    (
        "worker_parked",
        "1 while the worker sleeps for lack of tasks",
        |worker| worker.is_parked.into(),
    ),
];

const COUNTERS: &[OfWorker] = &[
    ("worker_polls", "Polls of tasks", |worker| worker.polls),
    (
        "worker_local_schedules",
        "Times a task was spawned or woken on the worker's thread",
        |worker| worker.local_schedules,
    ),
    ("worker_parks", "Times the worker was parked", |worker| {
        worker.parks
    }),
    (
        "worker_unparks",
        "Times the worker stopped being parked",
        |worker| worker.unparks,
    ),
    (
        "worker_noop_parks",
        "Times the worker went to sleep without having polled a task since the last time",
        |worker| worker.noop_parks,
    ),
    (
        "worker_steals",
        "Tasks taken from other workers",
        |worker| worker.steals,
    ),
    (
        "worker_steal_operations",
        "Times some tasks were taken from another worker",
        |worker| worker.steal_operations,
    ),
    (
        "worker_overflows",
        "Times the worker's line outgrew the part of it that needs no lock",
        |worker| worker.overflows,
    ),
];

fn workers(page: &mut Page, workers: &[Worker]) {
    page.gauge("workers", "Workers that run tasks", workers.len());
    for (name, help, value) in GAUGES {
        page.family(name, "gauge", None, help);
        for (index, worker) in workers.iter().enumerate() {
            page.sample(name, &[worker_label(index)], value(worker));
        }
    }
    for (name, help, value) in COUNTERS {
        page.family(name, "counter", None, help);
        let sample = format!("{name}_total");
        for (index, worker) in workers.iter().enumerate() {
            page.sample(&sample, &[worker_label(index)], value(worker));
        }
    }
    times(page, workers);
}

fn times(page: &mut Page, workers: &[Worker]) {
    let unit = Some("seconds");
    let help = "Time for which the worker was awake";
    page.family("worker_busy_seconds", "counter", unit, help);
    for (index, worker) in workers.iter().enumerate() {
        let busy = seconds(worker.busy);
        page.sample("worker_busy_seconds_total", &[worker_label(index)], busy);
    }
    if workers
        .iter()
        .all(|worker| worker.poll_times.buckets.is_empty())
    {
        return;
    }
    let help = "Time of polls that were timed, by default one in sixteen";
    page.family("worker_poll_seconds", "histogram", unit, help);
    for (index, worker) in workers.iter().enumerate() {
        let label = worker_label(index);
        page.histogram("worker_poll_seconds", &label, &worker.poll_times);
    }
}

fn waiting(page: &mut Page, snapshot: &Snapshot) {
    let (blocking, io, timers) = (&snapshot.blocking, &snapshot.io, &snapshot.timers);
    page.gauge(
        "blocking_threads",
        "Threads of the pool for work that blocks",
        blocking.threads,
    );
    page.gauge(
        "blocking_idle_threads",
        "Of these, threads that wait for a job",
        blocking.idle,
    );
    page.gauge(
        "blocking_queue_depth",
        "Jobs that wait for a thread",
        blocking.queued,
    );
    page.gauge("io_watched", "Descriptors in the readiness set", io.watched);
    page.counter(
        "io_registered",
        "Descriptors put into the readiness set",
        io.registered,
    );
    page.counter(
        "io_events",
        "Readiness events that told a descriptor's owner something",
        io.events,
    );
    page.counter(
        "io_drains",
        "System calls that asked the readiness set or waited in it",
        io.drains,
    );
    page.gauge("timers_waiting", "Timers that wait", timers.waiting);
    page.counter("timers_fired", "Timers that have fired", timers.fired);
}

fn ring_and_files(page: &mut Page, snapshot: &Snapshot) {
    let (ring, files) = (&snapshot.ring, &snapshot.files);
    page.counter(
        "ring_ops_submitted",
        "Operations handed to io_uring",
        ring.submitted,
    );
    page.counter(
        "ring_enters",
        "System calls that entered a ring",
        ring.enters,
    );
    page.gauge(
        "ring_ops_in_flight",
        "Operations in the kernel's hands",
        ring.in_flight,
    );
    page.counter(
        "ring_ops_orphaned",
        "Operations whose future was dropped before they were over",
        ring.orphaned,
    );
    page.counter(
        "ring_ops_cancelled",
        "Of these, operations that the kernel was asked to cancel",
        ring.cancelled,
    );
    page.counter(
        "ring_ops_leaked",
        "Operations that outlived the runtime, whose buffers are never freed",
        ring.leaked,
    );
    page.counter(
        "file_pool_jobs",
        "Jobs that files gave to the blocking pool",
        files.pool_jobs,
    );
    pool_jobs(page, &files.pool_jobs_by);
    page.counter(
        "file_inline_stalls",
        "File calls done inline that made their thread wait",
        files.inline_stalls,
    );
    page.family(
        "kernel_copied_bytes",
        "counter",
        Some("bytes"),
        "Bytes that copies moved from end to end within the kernel",
    );
    page.sample("kernel_copied_bytes_total", &[], files.kernel_copied_bytes);
}

/// A family with samples, or none.
fn pool_jobs(page: &mut Page, all: &[PoolJobs]) {
    if all.is_empty() {
        return;
    }
    page.family(
        "file_pool_jobs_by_mount",
        "counter",
        None,
        "The same by mount and operation, and why they were not done inline",
    );
    for jobs in all {
        let labels = [
            label("mount", &jobs.mount),
            label("operation", jobs.operation.name()),
            label("reason", jobs.reason.name()),
        ];
        page.sample("file_pool_jobs_by_mount_total", &labels, jobs.count);
    }
}

struct Page {
    text: String,
    /// A label of every sample.
    common: Option<String>,
}

impl Page {
    fn identity(&mut self, labels: &[(&str, &str)]) {
        self.family("runtime", "info", None, "The runtime and its driver");
        let labels = Vec::from_iter(labels.iter().map(|(name, value)| label(name, value)));
        self.sample("runtime_info", &labels, 1);
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.family(name, "gauge", None, help);
        self.sample(name, &[], value);
    }

    fn counter<N: Display>(&mut self, name: &str, help: &str, value: N) {
        self.family(name, "counter", None, help);
        self.sample(&format!("{name}_total"), &[], value);
    }

    fn family(&mut self, name: &str, kind: &str, unit: Option<&str>, help: &str) {
        self.line(format_args!("# TYPE yamanote_{name} {kind}"));
        if let Some(unit) = unit {
            self.line(format_args!("# UNIT yamanote_{name} {unit}"));
        }
        self.line(format_args!("# HELP yamanote_{name} {help}."));
    }

    fn sample<N: Display>(&mut self, name: &str, labels: &[String], value: N) {
        let labels = Vec::from_iter(self.common.iter().chain(labels).map(String::as_str));
        match labels.is_empty() {
            true => self.line(format_args!("yamanote_{name} {value}")),
            false => self.line(format_args!(
                "yamanote_{name}{{{}}} {value}",
                labels.join(",")
            )),
        }
    }

    fn histogram(&mut self, name: &str, of: &str, histogram: &Histogram) {
        let is_long = histogram.buckets.len() > MOST_BUCKETS;
        let mut count = 0;
        for bucket in &histogram.buckets {
            count += bucket.count;
            let is_last = bucket.end == Bucket::NO_END;
            let le = match is_last {
                true => "+Inf".to_owned(),
                false => seconds(bucket.end),
            };
            if is_last || !is_long || is_power_of_four(bucket.end.as_nanos()) {
                self.sample(
                    &format!("{name}_bucket"),
                    &[of.to_owned(), label("le", &le)],
                    count,
                );
            }
        }
        let of = &[of.to_owned()];
        self.sample(&format!("{name}_count"), of, count);
        self.sample(&format!("{name}_sum"), of, seconds(histogram.sum));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let written = writeln!(self.text, "{line}");
        written.expect("a String takes everything");
    }
}

fn is_power_of_four(ns: u128) -> bool {
    ns.is_power_of_two() && ns.trailing_zeros() % 2 == 0
}

fn worker_label(index: usize) -> String {
    label("worker", &index.to_string())
}

fn label(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

/// As the format writes numbers: short, and in powers of ten below a ten-thousandth.
fn seconds(duration: Duration) -> String {
    let seconds = duration.as_nanos() as f64 / 1e9;
    if seconds == 0.0 || seconds >= 1e-4 {
        return format!("{seconds:?}");
    }
    let text = format!("{seconds:e}");
    match text.split_once("e-") {
        Some((digits, power)) => format!("{digits}e-{power:0>2}"),
        None => text,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_one_way() {
        let of = |ns| seconds(Duration::from_nanos(ns));
        assert_eq!(of(0), "0.0");
        assert_eq!(of(256), "2.56e-07");
        assert_eq!(of(65_536), "6.5536e-05");
        assert_eq!(of(100_000), "0.0001");
        assert_eq!(of(262_144), "0.000262144");
        assert_eq!(of(1_000_000_000), "1.0");
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(label("runtime", "a\"b\\c\nd"), r#"runtime="a\"b\\c\nd""#);
    }
}
