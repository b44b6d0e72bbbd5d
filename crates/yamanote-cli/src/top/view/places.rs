//! Where the tasks were spawned, and what those of each place do.
#![forbid(unsafe_code)]

use super::super::figures::{UNKNOWN, count, duration, percent};
use super::super::snapshot::Location;
use super::history::Earlier;
use super::printable::printable;
use std::time::Duration;

/// What tasks are sorted by; the greatest first, places by the alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sort {
    /// How many there are
    Count,
    /// How many are runnable or running
    Runnable,
    /// For how long the one was seen to wait that waits for longest
    Wait,
    /// The age of the oldest
    Oldest,
    /// Time in polls
    Busy,
    /// Where they were spawned
    Place,
}

impl Sort {
    pub fn next(self) -> Sort {
        match self {
            Sort::Count => Sort::Runnable,
            Sort::Runnable => Sort::Wait,
            Sort::Wait => Sort::Oldest,
            Sort::Oldest => Sort::Busy,
            Sort::Busy => Sort::Place,
            Sort::Place => Sort::Count,
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Sort::Count => "count",
            Sort::Runnable => "runnable",
            Sort::Wait => "longest wait",
            Sort::Oldest => "oldest",
            Sort::Busy => "busy %",
            Sort::Place => "spawned at",
        }
    }
}

/// What the user wants to see of the tasks, and in which order.
#[derive(Debug, Clone)]
pub struct Arrangement {
    pub sort: Sort,
    pub is_reversed: bool,
    pub filter: String,
}

pub const PLACE_COLUMNS: [&str; 8] = [
    "count",
    "running",
    "runnable",
    "waiting",
    "longest wait",
    "oldest",
    "busy %",
    "spawned at",
];

pub struct PlaceRow {
    pub cells: [String; PLACE_COLUMNS.len()],
}

pub fn rows(
    earlier: Option<Earlier<'_>>,
    all: &[Location],
    arrangement: &Arrangement,
) -> Vec<PlaceRow> {
    let is_wanted = |it: &&Location| {
        let name = it.name.as_deref().unwrap_or_default();
        it.spawned_at.contains(&arrangement.filter) || name.contains(&arrangement.filter)
    };
    let mut wanted: Vec<_> = all
        .iter()
        .filter(is_wanted)
        .map(|it| Place::new(earlier, it))
        .collect();
    wanted.sort_by(|a, b| {
        let order = match arrangement.sort {
            Sort::Count => b.now.count.cmp(&a.now.count),
            Sort::Runnable => b.is_ready().cmp(&a.is_ready()),
            Sort::Wait => b.now.longest_wait_ns.cmp(&a.now.longest_wait_ns),
            Sort::Oldest => b.age.cmp(&a.age),
            Sort::Busy => b.busy.unwrap_or(-1.0).total_cmp(&a.busy.unwrap_or(-1.0)),
            Sort::Place => std::cmp::Ordering::Equal,
        };
        let order = order.then_with(|| a.now.spawned_at.cmp(&b.now.spawned_at));
        match arrangement.is_reversed {
            true => order.reverse(),
            false => order,
        }
    });
    wanted.iter().map(Place::row).collect()
}

/// A place where tasks were spawned, with its rates.
struct Place<'a> {
    now: &'a Location,
    /// At least, of the oldest.
    age: Option<Duration>,
    busy: Option<f64>,
}

impl Place<'_> {
    fn new<'a>(earlier: Option<Earlier<'_>>, now: &'a Location) -> Place<'a> {
        let before = earlier.and_then(|earlier| {
            let mut all = earlier.runtime.locations.iter().flatten();
            let is_same = |it: &&Location| it.spawned_at == now.spawned_at && it.name == now.name;
            Some((earlier, all.find(is_same)?))
        });
        let busy = before
            .and_then(|(earlier, before)| Some(earlier.rate(before.busy_ns?, now.busy_ns?) / 1e9));
        let age = earlier
            .zip(now.oldest_task)
            .and_then(|(earlier, task)| earlier.age(task));
        Place { now, age, busy }
    }

    fn is_ready(&self) -> u64 {
        self.now.runnable + self.now.running
    }

    fn row(&self) -> PlaceRow {
        let now = self.now;
        let mut place = printable(&now.spawned_at);
        if let Some(name) = &now.name {
            place += &format!(" {:?}", printable(name));
        }
        PlaceRow {
            cells: [
                count(now.count as f64),
                count(now.running as f64),
                count(now.runnable as f64),
                count(now.waiting as f64),
                now.longest_wait_ns.map_or(UNKNOWN.to_owned(), |ns| {
                    format!(">{}", duration(Duration::from_nanos(ns)))
                }),
                self.age
                    .map_or(UNKNOWN.to_owned(), |age| format!(">{}", duration(age))),
                percent(self.busy),
                place,
            ],
        }
    }
}
