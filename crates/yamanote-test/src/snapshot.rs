//! Open descriptors and threads of this process, compared exactly.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::watchdog::WATCHDOG;

/// What `/proc/self/fd` and `/proc/self/task` showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// By number, what each leads to. For a socket that names its inode, so a descriptor that was
    /// closed and replaced differs.
    descriptors: BTreeMap<i32, String>,
    /// Names by thread id, without the kernel's io_uring workers (`iou-*`), without the thread that
    /// watches for stalls, which the next runtime may use again, and without threads that are
    /// exiting: a thread that was joined may be listed for a moment longer.
    threads: BTreeMap<i32, String>,
}

impl Snapshot {
    /// The process as it is now.
    pub fn take() -> Snapshot {
        let mut descriptors = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/fd").expect("/proc is mounted") {
            let entry = entry.expect("an entry of /proc/self/fd");
            // The descriptor that reads this directory is gone when its link is read.
            if let Ok(target) = fs::read_link(entry.path()) {
                let number = entry.file_name().to_string_lossy().parse().unwrap_or(-1);
                let target = target.to_string_lossy().into_owned();
                // libc's allocator counts the processors when a new thread first allocates.
                let is_libcs = target.starts_with("/sys/devices/system/cpu");
                if !target.ends_with("/fd") && !is_libcs {
                    descriptors.insert(number, target);
                }
            }
        }
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/task").expect("/proc is mounted") {
            let entry = entry.expect("an entry of /proc/self/task");
            let stat = fs::read_to_string(entry.path().join("stat"));
            if let Some(name) = stat.ok().as_deref().and_then(name_of_living) {
                if !name.starts_with("iou-") && name != WATCHDOG {
                    let id = entry.file_name().to_string_lossy().parse().unwrap_or(-1);
                    threads.insert(id, name.to_owned());
                }
            }
        }
        Snapshot {
            descriptors,
            threads,
        }
    }

    /// How many descriptors are open.
    pub fn descriptor_count(&self) -> usize {
        self.descriptors.len()
    }

    /// How many threads live.
    pub fn thread_count(&self) -> usize {
        self.threads.len()
    }

    /// Waits, for at most five seconds, until the process is as it was again.
    ///
    /// # Panics
    ///
    /// If it is not, with both states.
    pub fn assert_restored(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let now = Snapshot::take();
            if now == *self {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the process is not as it was\nbefore: {self:#?}\nnow: {now:#?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The name of the thread that `/proc/self/task/N/stat` describes, unless it is exiting.
fn name_of_living(stat: &str) -> Option<&str> {
    /// PF_EXITING of the kernel, which it sets before the join of the thread returns.
    const EXITING: u64 = 4;
    // PID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS ...
    let (start, rest) = stat.rsplit_once(')')?;
    let flags: u64 = rest.split_whitespace().nth(6)?.parse().ok()?;
    let (_, name) = start.split_once('(')?;
    (flags & EXITING == 0).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel wakes the joining thread before it takes the joined one from its list.
    #[test]
    fn a_joined_thread_is_not_listed() {
        let test = "a_joined_thread_is_not_listed";
        crate::in_own_process(module_path!(), test, || {
            let before = Snapshot::take();
            for _ in 0..5_000 {
                std::thread::spawn(|| ()).join().unwrap();
                assert_eq!(Snapshot::take(), before);
            }
        });
    }

    #[test]
    fn names_may_hold_anything() {
        let stat = |flags| format!("7 (a) (b)) S 1 7 7 0 -1 {flags} 0 0");
        assert_eq!(name_of_living(&stat(0x40_0040)), Some("a) (b)"));
        assert_eq!(name_of_living(&stat(0x40_0044)), None);
    }
}
