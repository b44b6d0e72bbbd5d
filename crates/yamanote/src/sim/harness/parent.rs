//! The test that a test program runs: it executes the program again, for itself alone.
#![forbid(unsafe_code)]

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::Test;
use super::environment::ZYGOTE;
use super::zygote::{BEGIN, FAILED, PASSED};

/// # Panics
///
/// If the test fails.
pub(super) fn run(test: &Test) {
    let name = test.full_name();
    let program = env::current_exe().expect("a test program knows where it is");
    let mut zygote = Command::new(program);
    zygote.args([&name, "--exact", "--nocapture", "--include-ignored"]);
    zygote.arg("--test-threads=1").env(ZYGOTE, &name);
    zygote.stdin(Stdio::null()).stdout(Stdio::piped());
    zygote.stderr(Stdio::piped());
    let mut zygote = zygote.spawn().expect("the test program can be executed");
    let errors = zygote.stderr.take().expect("it is piped");
    let errors = std::thread::spawn(move || {
        let lines = BufReader::new(errors).lines().map_while(Result::ok);
        lines.collect::<Vec<_>>().join("\n")
    });
    let output = BufReader::new(zygote.stdout.take().expect("it is piped"));
    let mut text = String::new();
    let mut is_report = false;
    let mut has_passed = None;
    for line in output.lines().map_while(Result::ok) {
        match &*line {
            BEGIN => {
                text.clear();
                is_report = true;
            }
            PASSED | FAILED => {
                has_passed = Some(line == PASSED);
                is_report = false;
            }
            _ if is_report => println!("{line}"),
            // Kept for a zygote that does not come to its report.
            _ if has_passed.is_none() => text.extend([&*line, "\n"]),
            _ => {}
        }
    }
    let status = zygote.wait();
    let errors = errors.join().unwrap_or_default();
    match has_passed {
        Some(true) => {}
        Some(false) => panic!("{name} fails in simulation; see above"),
        None => panic!("the process for {name} ended early: {status:?}\n{text}{errors}"),
    }
}
