//! How many seeds it takes to find each mistake: the median of several tries, each with seeds of
//! its own. Prints the table of `README.md`. Run in this workspace's folder:
//!
//! ```console
//! $ cargo run --release -p check --bin table [tries]
//! ```
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

const PACKAGES: [(&str, &str); 6] = [
    ("raft", "kv"),
    ("axum", "bank"),
    ("board", "board"),
    ("tonic", "line"),
    ("redis", "lease"),
    ("util", "jobs"),
];

/// What a try may take.
const MOST: u64 = 5_000;

fn main() {
    let tries = std::env::args()
        .nth(1)
        .map_or(20, |it| it.parse().expect("a number"));
    println!("| application | mistake | seeds until found: median | most | seconds |");
    println!("|---|---|---|---|---|");
    for (folder, package) in PACKAGES {
        let test = build(package);
        for name in names(&test) {
            let start = Instant::now();
            let mut seeds: Vec<u64> = (0..tries)
                .map(|number| find(&test, &name, number))
                .collect();
            seeds.sort_unstable();
            let (median, most) = (seeds[seeds.len() / 2], seeds[seeds.len() - 1]);
            let mistake = name.trim_start_matches("finds_").replace('_', " ");
            let seconds = start.elapsed().as_secs_f64() / tries as f64;
            println!("| {folder} | {mistake} | {median} | {most} | {seconds:.1} |");
        }
    }
}

/// The test program of a package.
fn build(package: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    let cargo = cargo.args([
        "test",
        "--release",
        "--no-run",
        "--test",
        "sim",
        "-p",
        package,
    ]);
    let output = cargo.output().expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let path = text.lines().rev().find_map(|line| {
        let path = line.trim().strip_prefix("Executable")?.split_once('(')?.1;
        path.strip_suffix(')')
    });
    PathBuf::from(path.unwrap_or_else(|| panic!("{package} is not built:\n{text}")))
}

fn names(test: &PathBuf) -> Vec<String> {
    let output = Command::new(test).arg("--list").output().expect("it lists");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    names
        .filter(|name| name.starts_with("finds_"))
        .map(str::to_owned)
        .collect()
}

/// How many seeds were needed, the one that found it among them.
fn find(test: &PathBuf, name: &str, number: u64) -> u64 {
    let first = number * MOST;
    let output = Command::new(test)
        .args([name, "--exact", "--nocapture"])
        .env("YAMANOTE_SIM_FIRST", first.to_string())
        .env("YAMANOTE_SIM_SEEDS", MOST.to_string())
        .stderr(Stdio::inherit())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().find_map(|line| {
        let seeds = line.split_once(" failed: seeds ")?.1;
        seeds
            .split(", ")
            .filter_map(|seed| seed.parse::<u64>().ok())
            .min()
    });
    found.map_or(MOST, |seed| seed - first + 1)
}
