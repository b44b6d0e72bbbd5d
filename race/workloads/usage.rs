//! What a piece of work used: CPU, wall time, context switches, memory.
#![forbid(unsafe_code)]

use super::job::Answer;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::time::Instant;

/// The readings at the start of a piece of work. All threads count, those that have ended too.
pub struct Usage {
    start: Instant,
    cpu_us: i64,
    switches: i64,
}

impl Usage {
    pub fn start() -> Usage {
        let (cpu_us, switches) = readings();
        Usage {
            start: Instant::now(),
            cpu_us,
            switches,
        }
    }

    /// Adds what was used since the start, as totals over `ops` operations.
    pub fn tell(self, answer: Answer, ops: u64) -> Answer {
        let wall = self.start.elapsed();
        let (cpu_us, switches) = readings();
        answer
            .number("ops", ops as f64)
            .number("wall_ns", wall.as_nanos() as f64)
            .number("cpu_ns", (cpu_us - self.cpu_us) as f64 * 1000.0)
            .number("switches", (switches - self.switches) as f64)
            .number("peak_rss_bytes", memory("VmHWM:") as f64)
    }
}

/// User and system time of the process, and its context switches of either kind.
fn readings() -> (i64, i64) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask about itself");
    let cpu = usage.user_time() + usage.system_time();
    (
        cpu.num_microseconds(),
        usage.voluntary_context_switches() + usage.involuntary_context_switches(),
    )
}

/// What the process has of the machine's memory now, in bytes.
pub fn resident() -> u64 {
    memory("VmRSS:")
}

/// A line of the kernel's. What `getrusage` calls the peak is that of the parent too, if it was
/// higher when this process began.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number of KiB")
        * 1024
}
