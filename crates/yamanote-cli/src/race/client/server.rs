//! What another process uses.
#![forbid(unsafe_code)]

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

pub struct Usage {
    at: Instant,
    cpu: Duration,
    switches: u64,
}

/// Between two readings.
pub struct Used {
    pub wall: Duration,
    pub cpu: Duration,
    pub switches: u64,
}

impl Usage {
    pub fn of(pid: i32) -> io::Result<Usage> {
        // User and system time of all threads, to the nanosecond.
        let cpu = clock_gettime(clock_getcpuclockid(Pid::from_raw(pid))?)?;
        Ok(Usage {
            at: Instant::now(),
            cpu: Duration::from(cpu),
            switches: switches(pid)?,
        })
    }

    pub fn since(&self, start: &Usage) -> Used {
        Used {
            wall: self.at - start.at,
            cpu: self.cpu.saturating_sub(start.cpu),
            switches: self.switches.saturating_sub(start.switches),
        }
    }
}

/// Of all threads that are there.
fn switches(pid: i32) -> io::Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // One that ends meanwhile is not counted.
        let status = fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
        for field in ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"] {
            sum += field_of(&status, field).unwrap_or(0);
        }
    }
    Ok(sum)
}

/// The exact number of resident bytes.
pub fn resident(pid: i32) -> io::Result<u64> {
    kib(&format!("/proc/{pid}/smaps_rollup"), "Rss:")
}

pub fn peak(pid: i32) -> io::Result<u64> {
    kib(&format!("/proc/{pid}/status"), "VmHWM:")
}

fn kib(file: &str, field: &str) -> io::Result<u64> {
    let text = fs::read_to_string(file)?;
    let kib = field_of(&text, field);
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other(format!("{file} has no {field}")))
}

fn field_of(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
