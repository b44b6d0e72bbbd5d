//! `io_uring_enter` and `io_uring_setup` with errors injected from outside.
#![forbid(unsafe_code)]

use std::fs::File;
use std::process::Command;
use std::sync::Arc;

use yamanote_test::{Capability, require};

use super::{Rig, pipe, poll_once};
use crate::runtime::driver::ops::read::Read;
use crate::runtime::driver::ops::write::Write;
use crate::runtime::driver::ring::Ring;

/// Runs an ignored test of this file alone, with `strace` injecting errors into one call.
fn run_traced(test: &str, inject: &str, expect: &str) {
    let path = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let call = inject.split(':').next().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .args(["-e", &format!("inject={inject}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &path, "--ignored", "--test-threads=1"])
        .env("YAMANOTE_TEST_EXPECT", expect)
        // LeakSanitizer, if we are built with it, cannot look at a process that is traced.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{inject}: {stdout}\n{}",
        String::from_utf8_lossy(&output.stderr),
    );
}

/// O2 on the real kernel: any one enter, or several, fails with any passing error.
#[test]
fn injected_errors_of_enter_lose_nothing() {
    if !require(Capability::IoUring) || !require(Capability::Strace) {
        return;
    }
    for errno in ["EAGAIN", "EINTR", "EBUSY", "ENOMEM"] {
        for when in ["1", "2", "3", "5", "8", "1+2", "2+3", "7..20"] {
            let inject = format!("io_uring_enter:error={errno}:when={when}");
            run_traced("enter_is_traced", &inject, "");
        }
    }
}

/// R9, R10: what `io_uring_setup` may say, and what is made of it.
#[test]
fn injected_errors_of_setup_are_survived_or_explained() {
    if !require(Capability::IoUring) || !require(Capability::Strace) {
        return;
    }
    for (inject, expect) in [
        ("ENOMEM:when=1..2", "16"),
        ("EINVAL:when=1", "64"),
        ("EINVAL:when=1..2", "64"),
        ("ENOMEM", "ulimit -l"),
        ("EINVAL", "5.19"),
        ("ENOSYS", "CONFIG_IO_URING"),
        ("EMFILE", "ulimit -n"),
    ] {
        let inject = format!("io_uring_setup:error={inject}");
        run_traced("setup_is_traced", &inject, expect);
    }
    // R13, L7: a filter that knows only one of the calls.
    run_traced(
        "others_are_traced",
        "io_uring_register:error=EINVAL",
        "io_uring_register",
    );
    run_traced(
        "others_are_traced",
        "io_uring_enter:error=EPERM",
        "io_uring_enter",
    );
}

/// What runs under `strace` above: a ring of as many entries as expected, or the expected words.
#[test]
#[ignore = "started by injected_errors_of_setup_are_survived_or_explained"]
fn setup_is_traced() {
    use crate::runtime::driver::probe;
    let expect = std::env::var("YAMANOTE_TEST_EXPECT").unwrap();
    match (Ring::new(64), expect.parse::<u32>()) {
        (Ok(ring), Ok(entries)) => assert_eq!(ring.entries(), entries),
        (Err(_), Err(_)) => {
            let refusal = probe::usable().unwrap_err().to_string();
            assert!(refusal.contains(&expect), "{refusal}");
            assert!(probe::report().refusal.unwrap().contains(&expect));
        }
        (answer, _) => panic!("{answer:?} instead of {expect}"),
    }
}

/// What runs under `strace` above.
#[test]
#[ignore = "started by injected_errors_of_enter_lose_nothing"]
fn enter_is_traced() {
    let rig = Rig::new(8).unwrap();
    let (reader, writer) = pipe();
    let (reader, writer) = (Arc::new(reader), Arc::new(writer));
    for round in 0..20u8 {
        // One that waits, one that is dropped, one that writes, then more than the queue holds.
        let mut waiting = rig.op(Read::new(reader.clone(), vec![0; 1], 0));
        assert!(poll_once(&mut waiting).is_pending());
        let (idle, _keep) = pipe();
        let mut dropped = rig.op(Read::new(idle, vec![0; 1], 0));
        assert!(poll_once(&mut dropped).is_pending());
        drop(dropped);
        let (n, _) = rig.run(Write::new(writer.clone(), vec![round], 0));
        assert_eq!(n.unwrap(), 1);
        let (n, buf) = rig.finish(waiting);
        assert_eq!((n.unwrap(), buf), (1, vec![round]));
        let zero = Arc::new(File::open("/dev/zero").unwrap());
        let mut ops: Vec<_> = (0..20)
            .map(|_| rig.op(Read::new(zero.clone(), vec![1; 8], 0)))
            .collect();
        for op in &mut ops {
            assert!(poll_once(op).is_pending());
        }
        for op in ops {
            assert_eq!(rig.finish(op).0.unwrap(), 8);
        }
    }
    rig.drain();
}

/// What runs under `strace` above.
#[test]
#[ignore = "started by injected_errors_of_setup_are_survived_or_explained"]
fn others_are_traced() {
    let expect = std::env::var("YAMANOTE_TEST_EXPECT").unwrap();
    let refusal = crate::runtime::driver::probe::usable().unwrap_err();
    assert!(refusal.cause.contains(&expect), "{refusal}");
}
