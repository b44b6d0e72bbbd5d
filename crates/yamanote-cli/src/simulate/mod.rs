//! `yamanote sim`: runs a project's simulated tests over many seeds.
//!
//! Everything is built from a copy of the project below its target folder, in which Yamanote stands
//! in for Tokio; so the project's manifest and lock file stay as they are.
#![forbid(unsafe_code)]

mod build;
mod runs;
mod shrink;
mod stand_in;

use crate::doctor::project::{self, Cargo};
use crate::output;
use crate::switch::Origin;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a project's simulated tests (#[yamanote::sim::test]) over many seeds.
///
/// The tests are built with Yamanote in the place of Tokio, from a copy of the project, in
/// target/yamanote-sim, under the cfg yamanote_sim. The project's manifest and lock file stay as
/// they are, and so does what is released: that goes on running on Tokio.
///
/// Of a seed that fails the trace is written: as text, as JSON lines, and as a page with a
/// timeline. Exit status 0 if all pass.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    yamanote sim                              the project in this directory\n  \
    yamanote sim --seeds 10000                many more runs than the tests ask for\n  \
    yamanote sim --only partition --seed 41   one run again, with its trace\n  \
    yamanote sim --only partition --shrink    the faults that a failure needs\n  \
    yamanote sim app -- --release -p server   what follows is for cargo test")]
pub struct Args {
    /// The project: a directory or its Cargo.toml
    #[arg(default_value = ".")]
    project: PathBuf,
    #[command(flatten)]
    origin: Origin,
    /// Only tests whose names contain this
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    only: String,
    /// How many seeds; without it, what each test says
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// This seed alone
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// Runs at a time; without it, one on each processor
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Run each seed twice, and say where the two part
    #[arg(long)]
    check: bool,
    /// Leave out the faults that a failure does not need
    #[arg(long)]
    shrink: bool,
    /// Stop at the first seed that fails
    #[arg(long)]
    fail_fast: bool,
    /// Let Cargo do without the network
    #[arg(long)]
    offline: bool,
    /// Arguments for `cargo test`, for the build
    #[arg(last = true)]
    cargo: Vec<String>,
}

pub fn run(args: &Args) -> ExitCode {
    match simulate(args) {
        Ok((text, status)) => output::print(&text, status),
        Err(why) => {
            output::complain(&format!("yamanote sim: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn simulate(args: &Args) -> Result<(String, ExitCode), String> {
    let dir = &project::directory(&args.project)?;
    let target = Cargo::new(dir, &[]).workspace()?.target;
    let place = target.join("yamanote-sim");
    let programs = build::build(args, dir, &place)?;
    let mut tests: Vec<runs::Test> = programs.iter().flat_map(runs::Test::all).collect();
    if tests.is_empty() {
        return Err(
            "there are no simulated tests here: a test says #[yamanote::sim::test], and \
                    depends on yamanote with the feature sim"
                .to_owned(),
        );
    }
    tests.retain(|test| test.name.contains(&args.only));
    if tests.is_empty() {
        return Err(format!("no simulated test's name contains {:?}", args.only));
    }
    let mut text = String::new();
    let mut has_failed = false;
    for test in &tests {
        let outcome = test.run(args, &place)?;
        has_failed |= !outcome.has_passed;
        text.push_str(&outcome.text);
        if args.shrink && !outcome.has_passed {
            match outcome.failed.first() {
                Some(seed) => text.push_str(&shrink::shrink(test, *seed, &place)?),
                None => text.push_str("it cannot be shrunk: no seed has failed\n"),
            }
        }
    }
    let failed = if has_failed {
        "not all pass"
    } else {
        "all pass"
    };
    writeln!(text, "{} simulated tests, {failed}", tests.len()).expect("a String grows");
    let status = match has_failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    };
    Ok((text, status))
}
