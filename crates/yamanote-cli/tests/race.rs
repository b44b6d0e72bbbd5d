//! `yamanote race`: its arguments, and what it makes of an earlier race. Racing itself takes a
//! build of the subjects, and is a step of `.ci/run`.
#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/race/report.json");

fn race(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yamanote"));
    command.arg("race").args(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn complaint(args: &[&str]) -> String {
    let output = race(args);
    assert!(!output.status.success(), "{args:?}");
    assert_eq!(stdout(&output), "", "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_built() {
    let error = complaint(&["--only", "no such row"]);
    assert_eq!(
        error,
        "yamanote race: no row's title contains \"no such row\"; --list names them\n"
    );
    assert!(complaint(&["--pairs", "0"]).contains("1..=101"));
    assert!(complaint(&["--scale=-1"]).contains("above 0"));
    assert!(complaint(&["--flavor", "many"]).contains("[possible values: current_thread,"));
    assert!(complaint(&["--profile", "tokyo"]).contains("'--profile <RUNTIME>'"));
    assert!(complaint(&["--json", "--markdown"]).contains("cannot be used with"));
    let error = complaint(&["--from", "/nowhere/race.json"]);
    assert!(
        error.contains("/nowhere/race.json: No such file"),
        "{error}"
    );
}

#[test]
fn what_is_no_report_is_refused() {
    let error = complaint(&["--from", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert!(error.contains("Cargo.toml: expected value"), "{error}");
}

#[test]
fn the_list_has_each_row_once() {
    let all = race(&["--list"]);
    let titles: Vec<&str> = stdout(&all).lines().collect();
    assert!(titles.contains(&"spawn + join"), "{titles:?}");
    assert!(!titles.iter().any(|title| title.contains("paused")));
    let mut unique = titles.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), titles.len());
    let few = race(&["--list", "--quick"]);
    assert!(stdout(&few).lines().all(|title| titles.contains(&title)));
    let paused = race(&["--list", "--paused"]);
    assert!(
        stdout(&paused)
            .lines()
            .all(|title| title.contains("paused"))
    );
    assert!(stdout(&paused).lines().count() > 0);
}

#[test]
fn a_loss_is_as_plain_as_a_win() {
    let output = race(&["--from", REPORT]);
    assert!(output.status.success());
    let text = stdout(&output);
    let line = |title: &str| text.lines().find(|line| line.starts_with(title)).unwrap();
    let (won, equal, lost) = (line("a win"), line("a tie"), line("a loss"));
    assert!(
        won.contains("0.50 (0.50-0.50)") && won.ends_with("ahead"),
        "{won}"
    );
    assert!(
        equal.contains("1.02 (1.02-1.02)") && equal.ends_with('='),
        "{equal}"
    );
    assert!(
        lost.contains("2.00 (2.00-2.00)") && lost.ends_with("BEHIND"),
        "{lost}"
    );
    let sentence = "Of 4 figures Yamanote is ahead in 2, within noise in 1, behind in 1.";
    assert!(text.contains(sentence), "{text}");
    assert!(
        text.contains("skipped: a row of many descriptors (multi_thread x1): 20100 descriptors")
    );
}

#[test]
fn the_report_says_which_tokio_is_in_which_program() {
    let output = race(&["--from", REPORT]);
    let text = stdout(&output);
    assert!(text.contains("Tokio: tokio 1.54.1 of the registry, linked as tokio::runtime"));
    assert!(
        text.contains(
            "Yamanote: Yamanote as tokio 1.54.99, /src/crates/tokio, linked as yamanote::"
        )
    );
}

#[test]
fn markdown_has_a_column_for_each_flavour() {
    let output = race(&["--from", REPORT, "--markdown"]);
    let text = stdout(&output);
    let table = "\
        | work | current_thread: CPU, wall | multi_thread x1: CPU, wall | ours |\n\
        |---|---|---|---|\n\
        | a win | 0.50 |  | 50 ns |\n\
        | a tie | ~1.02 |  | 102 ns |\n\
        | a loss |  | 2.00 | 200 ns |\n";
    assert!(text.contains(table), "{text}");
    assert!(text.contains("| a server | 0.25 | 1.00 ms |\n"), "{text}");
}

#[test]
fn json_is_the_report_itself() {
    let output = race(&["--from", REPORT, "--json"]);
    let again: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    let text = std::fs::read_to_string(REPORT).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(again, report);
}

#[test]
fn an_earlier_race_becomes_a_page() {
    let out = std::env::temp_dir().join(format!("yamanote-race-page-{}", std::process::id()));
    let output = race(&["--from", REPORT, "--out", out.to_str().unwrap()]);
    let page = std::fs::read_to_string(out.join("race.html")).unwrap();
    let again = std::fs::read_to_string(out.join("race.json")).unwrap();
    std::fs::remove_dir_all(&out).unwrap();
    assert!(stdout(&output).contains("race.html"));
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["rows"].as_array().unwrap().len(), 4);
}

/// Gives back what comes; a relay gives it to the port that is named in the first two bytes.
fn serve(listener: TcpListener, is_relay: bool) {
    for peer in listener.incoming() {
        let mut from = peer.unwrap();
        thread::spawn(move || {
            let mut to = if is_relay {
                let mut port = [0; 2];
                from.read_exact(&mut port).unwrap();
                TcpStream::connect(("127.0.0.1", u16::from_be_bytes(port))).unwrap()
            } else {
                from.try_clone().unwrap()
            };
            // The client resets its connections.
            let _ = io::copy(&mut from, &mut to);
        });
    }
}

/// On a machine with much to do a short time may pass before anything happens at all.
#[test]
fn the_client_measures_until_there_is_something_to_measure() {
    for script in ["echo", "bulk"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        thread::spawn(move || serve(listener, script == "bulk"));
        let output = Command::new(env!("CARGO_BIN_EXE_yamanote"))
            .args(["race-client", "--script", script, "--port", &port])
            .args(["--pid", &std::process::id().to_string()])
            .args(["--connections", "3", "--size", "16", "--file", "/dev/null"])
            .args(["--warm-up-ms", "0", "--measure-ms", "0"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{script}: {said}");
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(found["ops"].as_f64().unwrap() > 0.0, "{script}: {found}");
    }
}
