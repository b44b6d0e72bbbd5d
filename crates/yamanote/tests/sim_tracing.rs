//! What programs on simulated hosts tell a subscriber of `tracing`: when, and on which host.
#![cfg(all(feature = "sim", feature = "tracing"))]
#![forbid(unsafe_code)]

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::{Instrument, info, info_span, warn};
use yamanote::sim::{self, Sim};
use yamanote::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says something on the main future, in a task with a span of its own, and on the pool.
async fn talk() {
    sleep(5 * SECOND).await;
    info!(n = 1, "main");
    let task = async { warn!("task") }.instrument(info_span!("request", id = 7));
    yamanote::spawn(task).await.unwrap();
    yamanote::task::spawn_blocking(|| info!("job"))
        .await
        .unwrap();
}

#[sim::test(seeds = 20)]
async fn an_event_has_its_host_and_virtual_time(sim: Sim) {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();
    let a = sim.host("a").start(talk);
    a.await.unwrap();
    let b = sim.host("b").current_thread().start(talk);
    b.await.unwrap();
    info!("experiment");
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    let expected = [
        ("00:00:05", "INFO host{name=\"a\"}: sim_tracing: main n=1"),
        (
            "00:00:05",
            "WARN host{name=\"a\"}:request{id=7}: sim_tracing: task",
        ),
        ("00:00:05", "INFO host{name=\"a\"}: sim_tracing: job"),
        ("00:00:10", "INFO host{name=\"b\"}: sim_tracing: main n=1"),
        (
            "00:00:10",
            "WARN host{name=\"b\"}:request{id=7}: sim_tracing: task",
        ),
        ("00:00:10", "INFO host{name=\"b\"}: sim_tracing: job"),
        ("00:00:10", "INFO sim_tracing: experiment"),
    ];
    for (line, (time, rest)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("2026-01-01T{time}.")), "{line}");
        assert!(line.ends_with(rest), "{line:?} is not {rest:?}");
    }
}

#[sim::test(seeds = 5)]
#[ignore = "another test reads its trace"]
async fn noted(sim: Sim) {
    tracing_subscriber::fmt()
        .with_writer(sim::note_writer)
        .with_ansi(false)
        .without_time()
        .init();
    sim.host("a").start(talk).await.unwrap();
}

#[test]
fn a_log_stands_in_the_trace() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sim_tracing");
    let run = |variable: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["noted", "--exact", "--ignored", "--nocapture"]);
        command
            .env("YAMANOTE_SIM_DIR", &directory)
            .env(variable, "3");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    run("YAMANOTE_SIM_SEED");
    let text = std::fs::read_to_string(directory.join("noted-3.txt")).unwrap();
    let line = text.lines().find(|line| line.contains("request{id=7}"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    assert!(words[1].starts_with("5."), "{line}");
    assert_eq!(words[3..5], ["a", "note"], "{line}");
    run("YAMANOTE_SIM_CHECK");
}
