//! `cargo xtask examples --measure`: a proxy of the registry before and after.
//!
//! The example with bore is built twice from the same source, in the workspace of the examples and
//! in a copy of it that lacks the patch. Client and service are threads of this process, on another
//! core if there is one.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::only_ours;
use super::tunnel::{Cost, Tunnel, Work};
use crate::conformance::suites::tokio_version;

const PACKAGE: &str = "bore-cli-example";

const PAIRS: usize = 5;

/// Bulk, and exchanges for so long.
const BULK: usize = 768 << 20;
const TIME: Duration = Duration::from_secs(1);

const WORKS: [(&str, Work); 4] = [
    ("a GiB one way", Work::Bulk(BULK)),
    ("64 KiB there and back", exchange(64 << 10)),
    ("4 KiB there and back", exchange(4 << 10)),
    ("64 B there and back", exchange(64)),
];

const fn exchange(bytes: usize) -> Work {
    Work::Exchange { bytes, time: TIME }
}

pub fn run(root: &Path) -> ExitCode {
    match measure(&root.join("examples")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask examples --measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(examples: &Path) -> Result<(), String> {
    let ours = build(examples, &["--locked"])?;
    let copy = examples.join("target/on-tokio");
    write_copy(examples, &copy)?;
    let theirs = build(&copy, &[])?;
    let lock = fs::read_to_string(copy.join("Cargo.lock")).map_err(|error| error.to_string())?;
    if only_ours(&lock).is_ok() || !lock.contains(tokio_version()) {
        return Err(format!("{} has another tokio", copy.display()));
    }
    println!("bore, both ends in one process; Tokio {}", tokio_version());
    println!("{PAIRS} pairs, Yamanote / Tokio: median (lowest-highest); noise: Tokio / Tokio\n");
    println!(
        "{:24} {:>12}  {:18} {:18} noise",
        "", "Tokio", "CPU", "wall"
    );
    for (name, work) in WORKS {
        let mut costs = Vec::new();
        for pair in 0..PAIRS {
            let mut order = [&theirs, &ours, &theirs];
            order.rotate_left(pair % 3);
            let mut three = order.map(|program| cost(program, work));
            three.rotate_right(pair % 3);
            costs.push(three);
        }
        let ratio = |over: fn(&[Cost; 3]) -> (f64, f64)| {
            let each = costs.iter().map(over).map(|(above, below)| above / below);
            in_words(each.collect())
        };
        let tokio = |of: fn(&Cost) -> f64| {
            let mut all: Vec<f64> = costs.iter().map(|it| of(&it[0])).collect();
            all.sort_by(f64::total_cmp);
            all[PAIRS / 2] * 1e6
        };
        println!(
            "{name:24} {:7.0} us {:18} {:11.0} us {:21} {}",
            tokio(|cost| cost.cpu),
            ratio(|it| (it[1].cpu, it[0].cpu)),
            tokio(|cost| cost.wall),
            ratio(|it| (it[1].wall, it[0].wall)),
            ratio(|it| (it[2].cpu, it[0].cpu)),
        );
    }
    Ok(())
}

/// Builds the proxy of a workspace; its path.
fn build(workspace: &Path, more: &[&str]) -> Result<PathBuf, String> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace)
        .args(["build", "--release", "--package", PACKAGE])
        .args(more)
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    match status.success() {
        true => Ok(workspace.join("target/release").join(PACKAGE)),
        false => Err(format!("{} does not build", workspace.display())),
    }
}

/// The proxy's package in a workspace without the patch, with the versions of the other one's lock
/// file.
fn write_copy(examples: &Path, copy: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", copy.display());
    let package = Path::new("bore-cli");
    fs::create_dir_all(copy.join(package).join("src")).map_err(failed)?;
    for file in ["Cargo.lock", "bore-cli/Cargo.toml", "bore-cli/src/main.rs"] {
        fs::copy(examples.join(file), copy.join(file)).map_err(failed)?;
    }
    let manifest = fs::read_to_string(examples.join("Cargo.toml")).map_err(failed)?;
    let mut manifest: toml::Table = manifest.parse().expect("Cargo reads it too");
    manifest.remove("patch");
    let workspace = manifest["workspace"].as_table_mut().expect("a workspace");
    workspace.insert("members".into(), vec!["bore-cli"].into());
    let dependencies = workspace["dependencies"].as_table_mut().expect("a table");
    dependencies.insert("tokio".into(), format!("={}", tokio_version()).into());
    fs::write(copy.join("Cargo.toml"), manifest.to_string()).map_err(failed)
}

/// Has a new process do `work`, on a core of its own if there are two.
fn cost(program: &Path, work: Work) -> Cost {
    // The choice of cores ends with the thread.
    let measured = thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            let all = sched_getaffinity(None).expect("a thread may ask about itself");
            let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&n| all.is_set(n)).collect();
            if let [first, second, ..] = cores[..] {
                run_on(first);
                let tunnel = Tunnel::start(program);
                run_on(second);
                tunnel.cost_of(work)
            } else {
                Tunnel::start(program).cost_of(work)
            }
        });
        measuring.join()
    });
    measured.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Has this thread and what it starts run on one core.
fn run_on(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("it may run there already");
}

fn in_words(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let digits = if ratios[0] < 0.1 { 3 } else { 2 };
    let words = |ratio: f64| format!("{ratio:.digits$}");
    let (low, high) = (words(ratios[0]), words(ratios[ratios.len() - 1]));
    format!("{} ({low}-{high})", words(ratios[ratios.len() / 2]))
}
