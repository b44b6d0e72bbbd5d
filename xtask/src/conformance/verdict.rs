//! The outcome of a test, a file and a column of results, and when two columns differ.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use super::build::FileId;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Passed,
    /// How it ended and the end of its output.
    Failed(String),
    TimedOut(String),
}

/// The results of one subject on one driver.
pub struct Column {
    /// `tokio`, or the shim's driver.
    pub name: &'static str,
    pub files: BTreeMap<FileId, File>,
}

#[derive(Default)]
pub struct File {
    /// The compiler's messages, if it refused.
    pub refused: Option<String>,
    /// Outcomes of every run, of every test the binary lists.
    pub tests: BTreeMap<String, Vec<Outcome>>,
}

/// How many tests ended which way; a test counts by its worst run.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub timed_out: usize,
}

impl Counts {
    pub fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
    }
}

impl File {
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for runs in self.tests.values() {
            let has_timed_out = || runs.iter().any(|run| matches!(run, Outcome::TimedOut(_)));
            *match passes(runs) {
                all if all == runs.len() => &mut counts.passed,
                _ if has_timed_out() => &mut counts.timed_out,
                _ => &mut counts.failed,
            } += 1;
        }
        counts
    }
}

pub fn passes(runs: &[Outcome]) -> usize {
    runs.iter().filter(|run| **run == Outcome::Passed).count()
}

/// The end of the output of a run that did not pass.
pub fn said(runs: &[Outcome]) -> Option<&str> {
    runs.iter().find_map(|run| match run {
        Outcome::Passed => None,
        Outcome::Failed(text) | Outcome::TimedOut(text) => Some(text.as_str()),
    })
}

/// Something the shim does worse than the real Tokio.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub file: FileId,
    /// `None`: the file does not compile.
    pub test: Option<String>,
    pub column: &'static str,
    /// In words: "timed out, passed 0 of 3".
    pub what: String,
    /// The end of its output, or the compiler's errors.
    pub said: String,
}

/// What Tokio itself does not always pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsteady {
    pub file: FileId,
    pub test: Option<String>,
    pub tokio: (usize, usize),
    /// For every column of the shim, passes and runs.
    pub shim: Vec<(&'static str, usize, usize)>,
    pub said: String,
}

/// The comparison of the shim's columns with the real Tokio's.
#[derive(Default)]
pub struct Verdict {
    pub differences: Vec<Difference>,
    /// Failed with Tokio in every run.
    pub fails_there_too: Vec<Unsteady>,
    /// Failed with Tokio in some runs.
    pub flaky_there: Vec<Unsteady>,
}

impl Verdict {
    pub fn of(tokio: &Column, shim: &[Column]) -> Self {
        let mut verdict = Verdict::default();
        for (id, expected) in &tokio.files {
            match &expected.refused {
                Some(said) => verdict.fails_there_too.push(Unsteady {
                    file: id.clone(),
                    test: None,
                    tokio: (0, 1),
                    shim: Vec::new(),
                    said: said.clone(),
                }),
                None => verdict.compare(id, expected, shim),
            }
        }
        verdict
    }

    fn compare(&mut self, id: &FileId, expected: &File, shim: &[Column]) {
        for column in shim {
            let refused = column.files.get(id).and_then(|file| file.refused.as_ref());
            if let Some(said) = refused {
                self.differences.push(Difference {
                    file: id.clone(),
                    test: None,
                    column: column.name,
                    what: "does not compile".to_owned(),
                    said: said.clone(),
                });
            }
        }
        for (test, there) in &expected.tests {
            let passed_there = passes(there);
            let mut shim_passes = Vec::new();
            for column in shim {
                let Some(file) = column.files.get(id).filter(|file| file.refused.is_none()) else {
                    continue;
                };
                let Some(here) = file.tests.get(test) else {
                    self.differences.push(Difference {
                        file: id.clone(),
                        test: Some(test.clone()),
                        column: column.name,
                        what: "missing from the binary".to_owned(),
                        said: String::new(),
                    });
                    continue;
                };
                let passed = passes(here);
                shim_passes.push((column.name, passed, here.len()));
                // Compared as shares: a baseline may hold more runs.
                if passed * there.len() < passed_there * here.len() {
                    self.differences.push(Difference {
                        file: id.clone(),
                        test: Some(test.clone()),
                        column: column.name,
                        what: format!(
                            "passed {passed} of {}, with Tokio {passed_there} of {}",
                            here.len(),
                            there.len()
                        ),
                        said: said(here).unwrap_or_default().to_owned(),
                    });
                }
            }
            if passed_there < there.len() {
                let unsteady = Unsteady {
                    file: id.clone(),
                    test: Some(test.clone()),
                    tokio: (passed_there, there.len()),
                    shim: shim_passes,
                    said: said(there).unwrap_or_default().to_owned(),
                };
                match passed_there {
                    0 => self.fails_there_too.push(unsteady),
                    _ => self.flaky_there.push(unsteady),
                }
            }
        }
    }

    /// Tests and files that differ, each once, whatever the number of drivers.
    pub fn differing(&self) -> BTreeSet<(&FileId, Option<&str>)> {
        self.differences
            .iter()
            .map(|one| (&one.file, one.test.as_deref()))
            .collect()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What a runtime did with tests of one file.
    pub fn column(name: &'static str, tests: &[(&str, &[bool])]) -> Column {
        let outcome = |&passed: &bool| match passed {
            true => Outcome::Passed,
            false => Outcome::Failed("said".to_owned()),
        };
        let tests = tests
            .iter()
            .map(|(name, runs)| ((*name).to_owned(), runs.iter().map(outcome).collect()))
            .collect();
        let file = File {
            refused: None,
            tests,
        };
        Column {
            name,
            files: BTreeMap::from([(("tokio", "fs".to_owned()), file)]),
        }
    }

    #[test]
    fn only_what_tokio_passes_is_expected() {
        let tokio = column("tokio", &[("good", &[true; 2]), ("bad", &[false; 2])]);
        let same = column("uring", &[("good", &[true; 2]), ("bad", &[false; 2])]);
        let better = column("epoll", &[("good", &[true; 2]), ("bad", &[true; 2])]);
        let verdict = Verdict::of(&tokio, &[same, better]);
        assert_eq!(verdict.differences, []);
        assert_eq!(verdict.fails_there_too.len(), 1);
        assert_eq!(
            verdict.fails_there_too[0].shim,
            [("uring", 0, 2), ("epoll", 2, 2)]
        );
    }

    #[test]
    fn one_failed_run_and_a_missing_test_are_differences() {
        let tokio = column("tokio", &[("often", &[true; 3]), ("gone", &[true; 3])]);
        let shim = column("uring", &[("often", &[true, false, true])]);
        let verdict = Verdict::of(&tokio, &[shim]);
        let what: Vec<&str> = verdict
            .differences
            .iter()
            .map(|one| one.what.as_str())
            .collect();
        assert_eq!(
            what,
            [
                "missing from the binary",
                "passed 2 of 3, with Tokio 3 of 3"
            ]
        );
    }

    #[test]
    fn what_is_flaky_there_may_be_as_flaky_here() {
        let tokio = column("tokio", &[("moody", &[true, false])]);
        let as_flaky = column("uring", &[("moody", &[false, true])]);
        let worse = column("epoll", &[("moody", &[false, false])]);
        let verdict = Verdict::of(&tokio, &[as_flaky, worse]);
        assert_eq!(verdict.flaky_there.len(), 1);
        assert_eq!(verdict.differences.len(), 1);
        assert_eq!(verdict.differences[0].column, "epoll");
    }

    #[test]
    fn a_file_that_only_tokio_compiles_is_one_difference() {
        let tokio = column("tokio", &[("a", &[true]), ("b", &[true])]);
        let mut shim = column("uring", &[]);
        let file = shim.files.values_mut().next().unwrap();
        file.refused = Some("error[E0432]".to_owned());
        let verdict = Verdict::of(&tokio, &[shim]);
        assert_eq!(verdict.differences.len(), 1);
        assert_eq!(verdict.differences[0].what, "does not compile");
    }
}
