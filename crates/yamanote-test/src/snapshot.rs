//! Open descriptors and threads of this process, compared exactly.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// What `/proc/self/fd` and `/proc/self/task` showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Number to target. A socket's target names its inode, so a descriptor that was closed and
    /// replaced differs.
    descriptors: BTreeMap<i32, String>,
    /// Thread id to name, without the kernel's io_uring workers (`iou-*`).
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
                if !target.to_string_lossy().ends_with("/fd") {
                    descriptors.insert(number, target.to_string_lossy().into_owned());
                }
            }
        }
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/task").expect("/proc is mounted") {
            let entry = entry.expect("an entry of /proc/self/task");
            if let Ok(name) = fs::read_to_string(entry.path().join("comm")) {
                if !name.starts_with("iou-") {
                    let id = entry.file_name().to_string_lossy().parse().unwrap_or(-1);
                    threads.insert(id, name.trim_end().to_owned());
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

    /// Waits at most five seconds until the process is again as it was here.
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
