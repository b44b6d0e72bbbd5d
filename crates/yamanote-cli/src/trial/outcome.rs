//! What each test came to, from what `cargo test` printed.
#![forbid(unsafe_code)]

use super::runner::{BEGIN, Record};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A test: its program and its name.
pub type Test = (String, String);

/// What the tests of one side came to, in all of its runs.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// A test that is not steady has several results.
    tests: BTreeMap<Test, BTreeSet<&'static str>>,
    /// Of each run.
    pub costs: Vec<Cost>,
}

/// What all test programs of a run have cost together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub wall_ms: u64,
    pub cpu_ms: u64,
    /// The highest of any of them.
    pub memory_kib: u64,
}

/// In the place of a name, for a program that does not list its tests, or that ended early.
const WHOLE: &str = "(the program as a whole)";

impl Outcomes {
    /// Adds a run: what was printed, and what was noted of each program.
    pub fn add(&mut self, printed: &str, records: &[Record]) {
        let mut program = String::new();
        let mut seen = BTreeSet::new();
        for line in printed.lines() {
            if let Some(name) = line.strip_prefix(BEGIN) {
                program = name.to_owned();
            } else if let Some(name) = line.trim_start().strip_prefix("Doc-tests ") {
                program = format!("{name} examples");
            } else if line.starts_with("running ") && line.contains(" test") {
                // Of the standard harness, though it may have no test.
                seen.insert(program.clone());
            } else if let Some((test, result)) = result(line) {
                seen.insert(program.clone());
                self.insert(&program, test, result);
            }
        }
        let mut cost = Cost::default();
        for record in records {
            cost.wall_ms += record.wall_ms;
            cost.cpu_ms += record.cpu_ms;
            cost.memory_kib = cost.memory_kib.max(record.memory_kib);
            match &record.failure {
                // The tests that failed are listed by then.
                Some(failure) if failure != "exit status: 101" || !seen.contains(&record.name) => {
                    self.insert(&record.name, WHOLE, FAILED);
                }
                None if !seen.contains(&record.name) => self.insert(&record.name, WHOLE, OK),
                _ => {}
            }
        }
        self.costs.push(cost);
    }

    fn insert(&mut self, program: &str, test: &str, result: &'static str) {
        let test = (program.to_owned(), test.to_owned());
        self.tests.entry(test).or_default().insert(result);
    }

    pub fn tests(&self) -> impl Iterator<Item = &Test> {
        self.tests.keys()
    }

    /// Such as `ok`, or `FAILED or ok`.
    pub fn of(&self, test: &Test) -> String {
        match self.tests.get(test) {
            Some(results) => results.iter().copied().collect::<Vec<_>>().join(" or "),
            None => "not run".to_owned(),
        }
    }

    pub fn count(&self, wanted: &str) -> usize {
        self.tests.keys().filter(|it| self.of(it) == wanted).count()
    }

    /// The middle one of all runs, each figure by itself.
    pub fn cost(&self) -> Cost {
        let median = |of: fn(&Cost) -> u64| {
            let mut all: Vec<u64> = self.costs.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied().unwrap_or(0)
        };
        Cost {
            wall_ms: median(|it| it.wall_ms),
            cpu_ms: median(|it| it.cpu_ms),
            memory_kib: median(|it| it.memory_kib),
        }
    }

    pub fn as_json(&self) -> Value {
        let cost = self.cost();
        json!({
            "ok": self.count(OK),
            "failed": self.count(FAILED),
            "ignored": self.count(IGNORED),
            "runs": self.costs.len(),
            "wall_ms": cost.wall_ms,
            "cpu_ms": cost.cpu_ms,
            "memory_kib": cost.memory_kib,
        })
    }
}

pub const OK: &str = "ok";
pub const FAILED: &str = "FAILED";
pub const IGNORED: &str = "ignored";

/// A line of the standard test harness.
fn result(line: &str) -> Option<(&str, &'static str)> {
    let (test, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let known = [OK, FAILED, IGNORED];
    // A reason may follow after `ignored`, and a time after all of them.
    let result = known.into_iter().find(|it| result.starts_with(it))?;
    Some((test.trim_end_matches(" - should panic"), result))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, failure: Option<&str>) -> Record {
        Record {
            name: name.to_owned(),
            path: "/app".into(),
            wall_ms: 10,
            cpu_ms: 3,
            memory_kib: 1000,
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn tests_are_found_in_what_cargo_prints() {
        let printed = "\n\
            Running unittests src/lib.rs\n\
            yamanote try begins app app\n\
            running 3 tests\n\
            test a::one ... ok\n\
            test two - should panic ... FAILED\n\
            test three ... ignored, slow\n\
            yamanote try begins app empty\n\
            running 0 tests\n\
            yamanote try begins app own\n\
            my own harness: all is well\n\
            yamanote try begins app crashed\n\
            test four ... ok\n   \
            Doc-tests app\n\
            test src/lib.rs - (line 3) ... ok\n";
        let records = [
            record("app app", Some("exit status: 101")),
            record("app empty", None),
            record("app own", None),
            record("app crashed", Some("signal: 6 (SIGABRT)")),
        ];
        let mut outcomes = Outcomes::default();
        outcomes.add(printed, &records);
        let all: Vec<String> = outcomes
            .tests()
            .map(|it| format!("{} {}: {}", it.0, it.1, outcomes.of(it)))
            .collect();
        assert_eq!(
            all,
            [
                "app app a::one: ok",
                "app app three: ignored",
                "app app two: FAILED",
                "app crashed (the program as a whole): FAILED",
                "app crashed four: ok",
                "app examples src/lib.rs - (line 3): ok",
                "app own (the program as a whole): ok",
            ]
        );
        assert_eq!(outcomes.cost().cpu_ms, 12);
        assert_eq!(outcomes.cost().memory_kib, 1000);

        outcomes.add(
            &printed.replace("two - should panic ... FAILED", "two ... ok"),
            &[],
        );
        let two = ("app app".to_owned(), "two".to_owned());
        assert_eq!(outcomes.of(&two), "FAILED or ok");
        assert_eq!(outcomes.of(&("app".into(), "x".into())), "not run");
    }
}
