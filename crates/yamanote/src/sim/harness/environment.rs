//! What the environment says about the runs of a test.
#![forbid(unsafe_code)]

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use super::Test;
use crate::simulation;

/// Names the test that the process is the zygote of.
pub(super) const ZYGOTE: &str = "YAMANOTE_SIM_ZYGOTE";

/// What a run leaves out of its [`Chaos`](crate::sim::Chaos).
pub(in crate::sim) const WITHOUT: &str = "YAMANOTE_SIM_WITHOUT";

/// How a test is run.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) first: u64,
    pub(super) seeds: u64,
    /// This one alone.
    pub(super) only: Option<u64>,
    /// That one, in the process of the test itself.
    pub(super) stays_here: bool,
    pub(super) checks: bool,
    pub(super) prints: bool,
    pub(super) keeps_going: bool,
    pub(super) jobs: usize,
    /// Those that the process may run on.
    pub(super) processors: Vec<usize>,
    pub(super) directory: PathBuf,
    /// Where a line is written now and then.
    pub(super) progress: Option<PathBuf>,
    /// Where the outcome goes, for programs.
    pub(super) record: Option<PathBuf>,
}

impl Settings {
    pub(super) fn read(test: &Test) -> Settings {
        let processors = processors();
        Settings {
            first: number("YAMANOTE_SIM_FIRST").unwrap_or(0),
            seeds: number("YAMANOTE_SIM_SEEDS").unwrap_or(test.seeds),
            only: number("YAMANOTE_SIM_SEED"),
            stays_here: is_on("YAMANOTE_SIM_HERE"),
            checks: is_on("YAMANOTE_SIM_CHECK"),
            prints: is_on("YAMANOTE_SIM_TRACE"),
            keeps_going: is_on("YAMANOTE_SIM_KEEP_GOING"),
            jobs: number("YAMANOTE_SIM_JOBS")
                .unwrap_or(processors.len())
                .max(1),
            processors,
            directory: env::var_os("YAMANOTE_SIM_DIR").map_or_else(directory, PathBuf::from),
            progress: env::var_os("YAMANOTE_SIM_PROGRESS").map(PathBuf::from),
            record: env::var_os("YAMANOTE_SIM_RECORD").map(PathBuf::from),
        }
    }
}

pub(super) fn is_zygote(test: &Test) -> bool {
    env::var(ZYGOTE).is_ok_and(|name| name == test.full_name())
}

/// Which faults are left out.
pub(in crate::sim) fn without() -> Vec<usize> {
    let text = env::var(WITHOUT).unwrap_or_default();
    let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    let number = |part| simulation::parsed(WITHOUT, part).unwrap_or_else(|error| panic!("{error}"));
    parts.map(number).collect()
}

/// As `/proc` has them: `0-3,7`.
fn processors() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let list = lines.find_map(|it| it.strip_prefix("Cpus_allowed_list:"));
    let parts = list.unwrap_or_default().trim().split(',');
    let ranges = parts.filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<usize>().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// `target/sim`, of the target folder that the test program is in.
fn directory() -> PathBuf {
    let program = env::current_exe().unwrap_or_default();
    let deps = program.ancestors().find(|it| it.ends_with("deps"));
    let target = deps.and_then(|deps| deps.parent()?.parent());
    target.map_or_else(env::temp_dir, PathBuf::from).join("sim")
}

fn number<T: FromStr<Err: Display>>(variable: &str) -> Option<T> {
    simulation::number(variable).unwrap_or_else(|error| panic!("{error}"))
}

fn is_on(variable: &str) -> bool {
    env::var(variable).is_ok_and(|it| !it.is_empty() && it != "0")
}
