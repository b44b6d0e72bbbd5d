//! What a race found: what is written to the JSON file, and read from it again.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// When it began, as RFC 3339 in UTC.
    pub date: String,
    /// The command line that repeats it.
    pub command: String,
    pub machine: Machine,
    pub proofs: Vec<Proof>,
    pub pairs: u32,
    /// How the processes were placed, in a sentence or two.
    pub placement: String,
    pub rows: Vec<Measured>,
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    pub compiler: String,
    /// What the files of the rows were on.
    pub file_system: String,
    /// What the runtime waits with on this machine.
    pub driver: String,
    /// The state of the source tree, if it is a git checkout.
    pub commit: Option<String>,
}

/// Which Tokio is in a subject.
#[derive(Debug, Serialize, Deserialize)]
pub struct Proof {
    pub subject: Contestant,
    /// The runtime in words: `tokio 1.54.1 (registry)`.
    pub runtime: String,
    /// What Cargo said.
    pub tree: String,
    /// What the running program said: the compiler's path of a type of the runtime.
    pub linked: String,
}

/// Who takes part. Tokio does twice: what its two runs differ by is the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contestant {
    Yamanote,
    Tokio,
    TokioAgain,
    Monoio,
    Compio,
}

impl Contestant {
    /// Neither Tokio nor what stands in for it.
    pub fn is_peer(self) -> bool {
        matches!(self, Contestant::Monoio | Contestant::Compio)
    }

    pub fn name(self) -> &'static str {
        match self {
            Contestant::Yamanote => "Yamanote",
            Contestant::Tokio => "Tokio",
            Contestant::TokioAgain => "Tokio again",
            Contestant::Monoio => "monoio",
            Contestant::Compio => "compio",
        }
    }
}

/// One row on one flavour, with every run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    pub title: String,
    pub group: String,
    pub flavor: String,
    pub workers: usize,
    /// What one operation is, if it is not the obvious thing.
    pub per: Option<String>,
    /// What is compared, in the order of the table.
    pub metrics: Vec<Metric>,
    /// Whether the figures are too small to divide, so that they stand for themselves.
    pub is_absolute: bool,
    pub runs: BTreeMap<Contestant, Vec<Sample>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// User and system time of all threads, in nanoseconds per operation.
    Cpu,
    /// Nanoseconds per operation.
    Wall,
    /// Quantiles of the time from the question to the end of the answer, in nanoseconds.
    P50,
    P99,
    P999,
    /// Context switches per operation, voluntary and involuntary.
    Switches,
    /// Bytes per operation.
    Memory,
    /// The highest number of resident bytes.
    Peak,
}

impl Metric {
    pub fn name(self) -> &'static str {
        match self {
            Metric::Cpu => "CPU",
            Metric::Wall => "wall",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::P999 => "p99.9",
            Metric::Switches => "switches",
            Metric::Memory => "memory",
            Metric::Peak => "peak memory",
        }
    }

    /// A value in the unit that suits it.
    pub fn show(self, value: f64) -> String {
        match self {
            Metric::Switches => significant(value, ""),
            Metric::Memory | Metric::Peak => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB"]),
            _ => scaled(value, 1000.0, &["ns", "µs", "ms", "s"]),
        }
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    significant(value, &format!(" {}", units[unit]))
}

/// Three digits, and no decimals of whole nanoseconds or bytes.
fn significant(value: f64, unit: &str) -> String {
    match value {
        _ if unit == " ns" || unit == " B" || value >= 100.0 => format!("{value:.0}{unit}"),
        _ if value >= 10.0 => format!("{value:.1}{unit}"),
        _ => format!("{value:.2}{unit}"),
    }
}

/// What one run came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    pub values: BTreeMap<Metric, f64>,
    /// Quantiles and their latencies in nanoseconds, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<(f64, f64)>,
}

/// A row that was asked for and not measured, or not by all.
#[derive(Debug, Serialize, Deserialize)]
pub struct Skipped {
    pub title: String,
    pub flavor: String,
    pub why: String,
    /// Whether a process failed or answered wrongly, rather than that something is not to be had.
    pub is_failure: bool,
}

pub fn variant(flavor: &str, workers: usize) -> String {
    match flavor {
        "multi_thread" => format!("multi_thread x{workers}"),
        flavor => flavor.to_owned(),
    }
}

impl Measured {
    /// The flavour with its number of workers.
    pub fn variant(&self) -> String {
        variant(&self.flavor, self.workers)
    }

    /// The values of all runs of one contestant, in the order of the pairs.
    pub fn values(&self, contestant: Contestant, metric: Metric) -> Vec<f64> {
        let runs = self.runs.get(&contestant).map_or(&[][..], Vec::as_slice);
        runs.iter()
            .filter_map(|run| run.values.get(&metric).copied())
            .collect()
    }
}
