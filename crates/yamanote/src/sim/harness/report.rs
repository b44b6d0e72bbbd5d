//! What a test tells of its runs, and leaves behind.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use yamanote_marks::Kind;

use super::Test;
use super::environment::Settings;
use super::outcome::{Finished, Outcome};
use super::timeline;
use super::trace::{Events, json_string};
use crate::sim::marks::{Place, Sight};

/// Events that are printed of a failing run.
const LAST: usize = 40;

/// What all runs came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) runs: u64,
    pub(super) failed: Vec<u64>,
    virtual_ns: u128,
    events: u64,
    /// Of the last run.
    faults: usize,
    marks: BTreeMap<Place, Sight>,
}

impl Tally {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.virtual_ns += u128::from(outcome.virtual_ns);
        self.events += outcome.events;
        self.faults = outcome.faults.len();
        if outcome.failure.is_some() {
            self.failed.push(outcome.seed);
            self.failed.sort_unstable();
        }
        for (place, sight) in &outcome.marks {
            let all = self.marks.entry(place.clone()).or_default();
            all.held += sight.held;
            all.failed += sight.failed;
        }
    }
}

pub(super) struct Report<'a> {
    test: &'a Test,
    settings: &'a Settings,
    tally: &'a Tally,
    took: Duration,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        test: &'a Test,
        settings: &'a Settings,
        tally: &'a Tally,
        took: Duration,
    ) -> Self {
        Report {
            test,
            settings,
            tally,
            took,
        }
    }

    pub(super) fn print_passed(&self) {
        println!("{}", self.summary());
        self.print_unseen();
    }

    pub(super) fn print_only(&self, finished: &Finished, events: &str) {
        print!("{}", finished.output);
        println!("{}", self.summary());
        self.print_outcome(&finished.outcome);
        self.print_files(&finished.outcome, &Events::read(events), events);
    }

    /// Of a run that has failed, and was run again.
    pub(super) fn print_failed(&self, failed: &Finished, again: &Finished, events: &str) {
        let parsed = Events::read(events);
        let seed = failed.outcome.seed;
        println!("--- seed {seed}: printed");
        print!("{}", again.output);
        println!("--- seed {seed}: the last events");
        print!("{}", parsed.text(LAST));
        println!("---");
        println!("{}", self.summary());
        self.print_outcome(&failed.outcome);
        let is_same = (again.outcome.hash, &again.outcome.failure)
            == (failed.outcome.hash, &failed.outcome.failure);
        if !is_same && !self.settings.checks {
            println!(
                "not the same when it was run again: {}; YAMANOTE_SIM_CHECK=1 says where they part",
                again.outcome.failure.as_deref().unwrap_or("passed")
            );
        }
        self.print_files(&failed.outcome, &parsed, events);
        println!("again: {}", self.command(seed));
        self.print_unseen();
    }

    fn summary(&self) -> String {
        let Tally {
            runs,
            failed,
            virtual_ns,
            events,
            ..
        } = self.tally;
        let name = self.test.full_name();
        let seconds = *virtual_ns as f64 / 1e9;
        let took = self.took.as_secs_f64();
        let mut text = format!(
            "{name}: {runs} runs, {events} events, {seconds:.1} s of virtual time in {took:.1} s"
        );
        match &failed[..] {
            [] => text.push_str(", all passed"),
            failed => {
                let seeds = failed.iter().take(20).map(u64::to_string);
                let seeds = seeds.collect::<Vec<_>>().join(", ");
                let _ = write!(text, ", {} failed: seeds {seeds}", failed.len());
            }
        }
        text
    }

    fn print_outcome(&self, outcome: &Outcome) {
        let Outcome {
            seed,
            hash,
            events,
            virtual_ns,
            ..
        } = outcome;
        let seconds = *virtual_ns as f64 / 1e9;
        match &outcome.failure {
            Some(failure) => println!("seed {seed} fails: {failure}"),
            None => println!("seed {seed} passes"),
        }
        if *events > 0 {
            println!("after {seconds:.6} s of virtual time, {events} events, trace {hash:016x}");
        }
        for (index, fault) in outcome.faults.iter().enumerate() {
            println!("fault {index}: {fault}");
        }
    }

    /// What should have held in some run and did not.
    fn print_unseen(&self) {
        for ((kind, name, place), sight) in &self.tally.marks {
            if *kind == Kind::Sometimes && sight.held == 0 {
                let times = sight.failed;
                println!("never seen: {name:?} ({place}, reached {times} times)");
            }
        }
    }

    /// The command that repeats a run.
    fn command(&self, seed: u64) -> String {
        let program = std::env::current_exe().unwrap_or_default();
        let here = std::env::current_dir().unwrap_or_default();
        let program = program.strip_prefix(&here).unwrap_or(&program);
        let without = std::env::var(super::environment::WITHOUT).ok();
        let without = without.filter(|it| !it.is_empty());
        let without = without.map(|it| format!("{}={it} ", super::environment::WITHOUT));
        format!(
            "YAMANOTE_SIM_SEED={seed} {}{} {} --exact --nocapture",
            without.unwrap_or_default(),
            program.display(),
            self.test.full_name()
        )
    }

    fn print_files(&self, outcome: &Outcome, events: &Events, lines: &str) {
        match self.write_files(outcome, events, lines) {
            Ok(path) => println!("trace: {}.{{txt,jsonl,html}}", path.display()),
            Err(error) => println!("the trace cannot be written: {error}"),
        }
    }

    /// Returns their path, without the ends of their names.
    fn write_files(
        &self,
        outcome: &Outcome,
        events: &Events,
        lines: &str,
    ) -> std::io::Result<PathBuf> {
        let directory = &self.settings.directory;
        fs::create_dir_all(directory)?;
        let name = self.test.full_name().replace("::", "-");
        let path = directory.join(format!("{name}-{}", outcome.seed));
        let with = |end: &str| PathBuf::from(format!("{}.{end}", path.display()));
        let title = format!("{}, seed {}", self.test.full_name(), outcome.seed);
        fs::write(with("jsonl"), lines)?;
        fs::write(with("txt"), events.text(usize::MAX))?;
        fs::write(with("html"), timeline::page(&title, outcome, events))?;
        let here = std::env::current_dir()?;
        Ok(path.strip_prefix(here).map_or(path.clone(), Path::to_owned))
    }

    /// A line for programs, where one is asked for.
    pub(super) fn record(&self) {
        let Some(path) = &self.settings.record else {
            return;
        };
        let mut line = String::from("{\"test\":");
        json_string(&mut line, &self.test.full_name());
        let _ = write!(line, ",\"runs\":{},\"failed\":[", self.tally.runs);
        let seeds = self.tally.failed.iter().map(u64::to_string);
        line.push_str(&seeds.collect::<Vec<_>>().join(","));
        let _ = write!(line, "],\"virtual_ns\":{}", self.tally.virtual_ns);
        let _ = writeln!(line, ",\"faults\":{}}}", self.tally.faults);
        let file = fs::File::options().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}
