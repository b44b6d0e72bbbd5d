//! `cargo xtask mutants`: bugs planted on purpose, each with the test that must find it.
//!
//! The bugs are the tables in `xtask/mutants/*.toml`. All of them are planted at once in a copy of
//! the tree, each behind a switch that an environment variable turns on, so that every test binary
//! is built once and not once for each bug. A test that passes beside its bug is a hole in the
//! proof, and the task fails.
#![forbid(unsafe_code)]

mod catalogue;

mod plant;

mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use catalogue::Mutant;
use trial::Outcome;

/// Names the bug to be switched on.
const SWITCH: &str = "YAMANOTE_MUTANT";

const HELP: &str = "\
Plants bugs in a copy of the tree, and runs the test that must find each.

Usage: cargo xtask mutants [OPTIONS]

Options:
  --only NAME   only this bug (may be repeated)
  --list        print the bugs and their tests, run nothing
  --help        print this

A bug is a table in xtask/mutants/*.toml:

  [name]
  bug = \"what it is\"
  file = \"sync/waiters.rs\"     # below crates/yamanote/src
  after = \"fn leave(\"         # if the old text is there often: the first one behind this
  old = \"..\"                   # an expression or a statement
  new = \"..\"                   # what stands there instead
  test = \"loom\"                # or \"lib\", or the name of an integration test
  run = \"loom_notify\"          # which tests of it
  hangs = true                 # if not ending is how it shows; default false
  seconds = 60                 # when it counts as hanging
";

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    let mut only = BTreeSet::new();
    let mut list = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.as_slice().first()) {
            ("--list", _) => list = true,
            ("--only", Some(name)) => {
                only.insert(name.clone());
                args.next();
            }
            ("--help" | "-h", _) => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            _ => {
                eprint!("{HELP}");
                return ExitCode::from(2);
            }
        }
    }
    match try_run(root, &only, list) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(root: &Path, only: &BTreeSet<String>, list: bool) -> Result<ExitCode, String> {
    let mut mutants = catalogue::read(root)?;
    if let Some(unknown) = only
        .iter()
        .find(|name| !mutants.iter().any(|m| m.name == **name))
    {
        return Err(format!("there is no bug {unknown} in xtask/mutants"));
    }
    mutants.retain(|mutant| only.is_empty() || only.contains(&mutant.name));
    if list {
        for mutant in &mutants {
            println!("{:32} {:24} {}", mutant.name, mutant.test, mutant.bug);
        }
        println!("{} bugs", mutants.len());
        return Ok(ExitCode::SUCCESS);
    }

    let begun = Instant::now();
    let tree = plant::plant(root, &mutants)?;
    let tests = trial::build(root, &tree, &mutants)?;
    let built = begun.elapsed();
    trial::check_without(&tests, &mutants)?;
    let outcomes = trial::run_all(&tests, &mutants);
    Ok(report(&mutants, &outcomes, built, begun.elapsed()))
}

fn report(mutants: &[Mutant], outcomes: &[Outcome], built: Duration, whole: Duration) -> ExitCode {
    let mut missed = Vec::new();
    let mut slowest = BTreeMap::new();
    for (mutant, outcome) in mutants.iter().zip(outcomes) {
        slowest.insert(outcome.took(), &mutant.name);
        let what = match outcome {
            Outcome::Failed(_) => continue,
            Outcome::Hung(_) if mutant.hangs => continue,
            Outcome::Hung(_) => "the test hangs, which was not said",
            Outcome::Survived(_) => "SURVIVED",
        };
        missed.push(format!(
            "{}: {what}\n    {}\n    {} {}",
            mutant.name, mutant.bug, mutant.test, mutant.run
        ));
    }
    if let Some((took, name)) = slowest.last_key_value() {
        println!("slowest: {name}, {:.1} s", took.as_secs_f32());
    }
    println!(
        "{} of {} bugs were found, {} s to build, {} s in all",
        mutants.len() - missed.len(),
        mutants.len(),
        built.as_secs(),
        whole.as_secs(),
    );
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\n{}", missed.join("\n"));
    ExitCode::FAILURE
}
