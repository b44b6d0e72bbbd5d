//! What one process is to do, from its arguments, and how it tells what came out.
#![forbid(unsafe_code)]

use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    CurrentThread,
    MultiThread,
}

/// The arguments: a row, then `key=value` in any order.
#[derive(Debug, Clone)]
pub struct Job {
    pub row: String,
    pub flavor: Flavor,
    pub workers: usize,
    pub ops: u64,
    /// Of an answer, a file or a block, in bytes; how many are under way at once.
    pub size: usize,
    pub in_flight: usize,
    /// Where the files are that the rows read and write.
    pub dir: PathBuf,
}

impl Job {
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Job, String> {
        let mut job = Job {
            row: args.next().ok_or("the first argument is a row")?,
            flavor: Flavor::CurrentThread,
            workers: 1,
            ops: 1000,
            size: 0,
            in_flight: 1,
            dir: std::env::temp_dir(),
        };
        for arg in args {
            let (key, value) = arg
                .split_once('=')
                .ok_or(format!("{arg:?} is no key=value"))?;
            let number = || {
                let number = value.parse::<u64>();
                number.map_err(|error| format!("{arg:?}: {error}"))
            };
            match key {
                "flavor" => {
                    job.flavor = match value {
                        "current_thread" => Flavor::CurrentThread,
                        "multi_thread" => Flavor::MultiThread,
                        _ => return Err(format!("{value:?} is no flavour")),
                    }
                }
                "workers" => job.workers = number()? as usize,
                "ops" => job.ops = number()?,
                "size" => job.size = number()? as usize,
                "in_flight" => job.in_flight = number()? as usize,
                "dir" => job.dir = value.into(),
                _ => return Err(format!("{key:?} is no key")),
            }
        }
        Ok(job)
    }

    pub fn with_ops(&self, ops: u64) -> Job {
        Job {
            ops,
            ..self.clone()
        }
    }

    /// A tenth of the operations, in whole rounds of what is under way at once.
    pub fn warm_up(&self) -> u64 {
        let round = self.in_flight.max(1) as u64;
        (self.ops / 10).max(1).next_multiple_of(round)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// What a process prints: one JSON object on one line.
pub struct Answer(String);

impl Answer {
    /// `runtime` is the path of a type of the runtime, from the compiler: it names the crate that
    /// is linked.
    pub fn of(runtime: &str) -> Answer {
        Answer(format!("{{\"runtime\":\"{runtime}\""))
    }

    pub fn number(mut self, name: &str, value: impl Into<f64>) -> Answer {
        self.0 += &format!(",\"{name}\":{}", value.into());
        self
    }

    /// Quantiles of `values`, which are nanoseconds, as pairs of quantile and value.
    pub fn latencies(mut self, mut values: Vec<u64>) -> Answer {
        values.sort_unstable();
        let pairs: Vec<String> = QUANTILES
            .iter()
            .map(|quantile| {
                let rank = (quantile * values.len() as f64).ceil() as usize;
                let value = values[rank.clamp(1, values.len()) - 1];
                format!("[{quantile},{value}]")
            })
            .collect();
        self.0 += &format!(",\"latencies_ns\":[{}]", pairs.join(","));
        self
    }

    pub fn print(self) {
        println!("{}}}", self.0);
    }
}

const QUANTILES: [f64; 14] = [
    0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0,
];
