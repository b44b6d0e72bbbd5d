//! The thread of the process that notices stalls.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The name of the thread, which all runtimes share.
pub(crate) const WATCHDOG: &str = "yamanote-stalls";

/// The thread, as `/proc/self/task` shows it.
pub fn watchdog() -> Option<PathBuf> {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut threads = threads.map(|thread| thread.path());
    threads.find(|thread| {
        let name = fs::read_to_string(thread.join("comm"));
        name.is_ok_and(|name| name.trim_end() == WATCHDOG)
    })
}

/// How often a thread has gone to sleep. `None` if it has ended.
pub fn sleeps(thread: &Path) -> Option<u128> {
    let status = fs::read_to_string(thread.join("status")).ok()?;
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count?.trim().parse().ok()
}

/// Waits for up to half a minute.
///
/// # Panics
///
/// If that was not enough; `what` says for what.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
