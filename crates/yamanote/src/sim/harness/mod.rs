//! What `#[yamanote::sim::test]` expands to: a test that runs an experiment under many seeds.
//!
//! ```text
//! the test      executes the test program again, for this test alone, addresses fixed    parent.rs
//!   zygote      forks a child for each seed, and reports                                 zygote.rs
//!     child     runs the experiment in a world of its own                                one.rs
//! ```
//!
//! So each run finds a process in which nothing has run before, and the threads of the test program
//! are in none of it. A seed that is run alone runs in the zygote itself, for a debugger.
#![forbid(unsafe_code)]

mod environment;
mod one;
mod outcome;
mod parent;
mod report;
mod timeline;
mod trace;
mod zygote;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

pub(super) use environment::without;

use super::Sim;
use yamanote_sim::{Listener, Order, Record, Threads};

/// A test, as its attribute describes it.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// Its name behind the name of the crate, between marks by which a tool finds it in the
    /// program: see [`mark!`](crate::sim::harness::mark).
    pub mark: &'static str,
    /// How many seeds it is run with.
    pub seeds: u64,
    /// How long a run may take, in virtual seconds.
    pub limit_s: u64,
    /// How long a run may take, in real seconds.
    pub real_limit_s: u32,
    /// `None`: the seed chooses.
    pub order: Option<Order>,
}

impl Test {
    /// What the attribute does not say.
    pub const fn new(mark: &'static str) -> Test {
        Test {
            mark,
            seeds: 100,
            limit_s: 24 * 3600,
            real_limit_s: 120,
            order: None,
        }
    }

    /// Its name, as the test program knows it.
    fn full_name(&self) -> String {
        let inside = self.mark.trim_matches('\u{1}');
        let name = inside.split_once("::").map(|(_krate, name)| name);
        name.unwrap_or(inside).to_owned()
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.limit_s)
    }
}

/// The mark of a test of this name, in the module where it is used.
#[doc(hidden)]
#[macro_export]
macro_rules! __sim_test_mark {
    ($name:literal) => {
        ::core::concat!(
            "\u{1}yamanote-sim-test:",
            ::core::module_path!(),
            "::",
            $name,
            "\u{1}"
        )
    };
}
#[doc(hidden)]
pub use crate::__sim_test_mark as mark;

/// What an experiment may return.
pub trait Verdict {
    /// Why it has failed.
    fn failure(self) -> Option<String>;
}

impl Verdict for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<T, E: Debug> Verdict for Result<T, E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| format!("{error:?}"))
    }
}

/// Runs a test.
///
/// # Panics
///
/// If it fails.
pub fn run<P, F>(test: &Test, experiment: P)
where
    P: Fn(Sim) -> F + Clone + Send + 'static,
    F: Future,
    F::Output: Verdict,
{
    let settings = environment::Settings::read(test);
    if let (Some(seed), true) = (settings.only, settings.stays_here) {
        return here(test, seed, experiment);
    }
    if environment::is_zygote(test) {
        zygote::run(test, &settings, experiment)
    } else {
        parent::run(test)
    }
}

/// Runs one seed in this process, for a debugger. What happens is printed.
fn here<P, F>(test: &Test, seed: u64, experiment: P)
where
    P: Fn(Sim) -> F + Clone + Send + 'static,
    F: Future,
    F::Output: Verdict,
{
    let record = Record::Tell(Listener(Box::new(|event| eprintln!("{event}"))));
    let place = one::Place {
        processor: None,
        threads: Threads::Own,
    };
    let (outcome, _) = one::run(test, seed, place, record, experiment);
    if let Some(failure) = outcome.failure {
        panic!("seed {seed} fails: {failure}");
    }
}
