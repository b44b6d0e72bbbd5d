//! What the workers do.
#![forbid(unsafe_code)]

use super::super::figures::{UNKNOWN, duration, optional_count, percent};
use super::super::snapshot::{Polling, Worker};
use super::history::Earlier;
use super::printable::printable;
use std::time::Duration;

pub const WORKER_COLUMNS: [&str; 10] = [
    "worker", "state", "busy %", "polls/s", "p50", "p99", "queue", "stolen/s", "parks/s", "polling",
];

pub struct WorkerRow {
    pub cells: [String; WORKER_COLUMNS.len()],
    pub is_stalled: bool,
}

impl WorkerRow {
    pub fn new(earlier: Option<Earlier<'_>>, now: &Worker) -> WorkerRow {
        let before = earlier.and_then(|earlier| {
            let mut workers = earlier.runtime.workers.iter();
            Some((earlier, workers.find(|before| before.index == now.index)?))
        });
        let rate = |of: fn(&Worker) -> Option<u64>| {
            let (earlier, before) = before?;
            Some(earlier.rate(of(before)?, of(now)?))
        };
        // The program looks what a thread does if it has seen it in one poll for long.
        let stalled = now
            .polling
            .as_ref()
            .and_then(|polling| polling.activity.as_ref());
        let state = match (stalled, now.parked, &now.polling) {
            (Some(_), ..) => "stalled",
            (_, true, _) => "parked",
            (_, _, Some(_)) => "polls",
            (_, _, None) => "awake",
        };
        WorkerRow {
            cells: [
                now.index.to_string(),
                state.to_owned(),
                percent(before.map(|(earlier, before)| busy(earlier, before, now))),
                optional_count(rate(|worker| worker.polls)),
                poll_time(now.poll_times.p50_ns),
                poll_time(now.poll_times.p99_ns),
                optional_count(now.queued.map(|queued| queued as f64)),
                optional_count(rate(|worker| worker.steals)),
                optional_count(rate(|worker| Some(worker.parks))),
                now.polling.as_ref().map_or(String::new(), polling_cell),
            ],
            is_stalled: stalled.is_some(),
        }
    }
}

/// The share of the time for which a worker was awake. Its account stands still during a long poll.
fn busy(earlier: Earlier<'_>, before: &Worker, now: &Worker) -> f64 {
    let accounted = earlier.rate(before.busy_ns, now.busy_ns) / 1e9;
    let is_held = !before.parked && !now.parked && before.parks == now.parks;
    match is_held && now.busy_ns == before.busy_ns {
        true => 1.0,
        false => accounted.min(1.0),
    }
}

fn polling_cell(polling: &Polling) -> String {
    let mut text = match polling.task {
        Some(task) => format!("task {task}"),
        None => "block_on".to_owned(),
    };
    if let Some(name) = &polling.name {
        text += &format!(" {:?}", printable(name));
    }
    text += &format!(" {}", printable(&polling.spawned_at));
    if polling.seen_ns > 0 {
        text += &format!(" for {}", duration(Duration::from_nanos(polling.seen_ns)));
    }
    if let Some(activity) = &polling.activity {
        text += &format!(", {}", printable(activity));
    }
    text
}

fn poll_time(ns: Option<u64>) -> String {
    ns.map_or(UNKNOWN.to_owned(), |ns| duration(Duration::from_nanos(ns)))
}
