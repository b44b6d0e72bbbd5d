//! What the tests of children share: shells, runtimes, and the process table.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use yamanote::process::Command;
use yamanote::runtime::Runtime;
use yamanote::time::sleep;
use yamanote_test::{Setup, builder, deny_syscall};

/// The eventfd that a handler of signals rings, from the first spawn to the end of the process.
pub const BELL: usize = 1;

pub fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

pub fn runtime(setup: Setup) -> Runtime {
    builder!(setup).build().unwrap()
}

/// A runtime whose threads have all slept: libc opens a file when a new thread first allocates.
pub fn settled(setup: Setup) -> Runtime {
    let rt = runtime(setup);
    let metrics = rt.metrics();
    let has_slept =
        || (0..metrics.num_workers()).all(|worker| metrics.worker_park_count(worker) > 0);
    loop {
        rt.block_on(async { sleep(Duration::from_millis(1)).await });
        if has_slept() {
            return rt;
        }
    }
}

/// From here on exits are noticed by SIGCHLD.
pub fn deny_pidfds() {
    deny_syscall(libc::SYS_pidfd_open, libc::ENOSYS);
}

/// Our children by process id, with their states; 'Z' is a zombie.
pub fn children() -> BTreeMap<u32, char> {
    let mut children = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // PID (NAME) STATE PARENT ...
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let state = fields.next().unwrap().chars().next().unwrap();
        if fields.next() == Some(&std::process::id().to_string()) {
            children.insert(pid, state);
        }
    }
    children
}

/// While the runtime is driven, nothing of ours stays in the process table.
pub async fn assert_all_reaped() {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !children().is_empty() {
        assert!(Instant::now() < deadline, "left: {:?}", children());
        sleep(Duration::from_millis(5)).await;
    }
}
