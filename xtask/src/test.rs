//! `cargo xtask test`: the workspace's tests, counted.
//!
//! libtest counts a test that returned early because the machine lacks something as passed. Such
//! tests record the skip in a file; here the two are put together. A test that is only the child
//! half of another is marked `#[ignore = "started by ..."]`; it runs in that other's child process
//! and counts neither as run nor as skipped.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    let skips_file = root.join("target").join("skipped-tests.tsv");
    std::fs::create_dir_all(root.join("target")).expect("the target directory can be made");
    std::fs::write(&skips_file, "").expect("the target directory is writable");

    let mut child = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(args)
        .env("YAMANOTE_TEST_SKIPS", &skips_file)
        // A developer's override would make half of the matrix run on the wrong driver.
        .env_remove("YAMANOTE_DRIVER")
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo can be started");

    let mut totals = Totals::default();
    for line in BufReader::new(child.stdout.take().expect("piped above")).lines() {
        let line = line.expect("test output is text");
        println!("{line}");
        totals.add(&line);
    }
    let status = child.wait().expect("cargo can be waited for");

    let skips = std::fs::read_to_string(&skips_file).expect("written above");
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for line in skips.lines() {
        *reasons
            .entry(line.split_once('\t').map_or(line, |(_, why)| why))
            .or_default() += 1;
    }
    let skipped: usize = reasons.values().sum();
    let why: Vec<String> = reasons
        .iter()
        .map(|(why, count)| format!("{count} x {}", why.replace('\t', ": ")))
        .collect();
    println!(
        "\n{} ran, {} skipped: {}",
        totals.passed + totals.failed - skipped,
        skipped + totals.really_ignored(),
        match (why.is_empty(), totals.really_ignored()) {
            (true, 0) => "nothing was lacking".to_owned(),
            (false, 0) => why.join("; "),
            (_, ignored) => format!("{ignored} marked #[ignore]; {}", why.join("; ")),
        }
    );
    println!(
        "{} passed, {} failed, {} skipped",
        totals.passed - skipped,
        totals.failed,
        skipped + totals.really_ignored()
    );
    if !status.success() && totals.failed == 0 {
        println!("and a test binary did not compile, or ended before it could say how: see above");
    }
    match status.success() && totals.failed == 0 && totals.passed > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// What libtest says at the end of each binary, added up.
#[derive(Debug, Default)]
pub struct Totals {
    passed: usize,
    failed: usize,
    ignored: usize,
    /// Of the ignored, those that another test starts.
    halves: usize,
}

impl Totals {
    /// Adds a line like `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    pub fn add(&mut self, line: &str) {
        if line.contains("... ignored, started by ") {
            self.halves += 1;
        }
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let numbers = result.split_once(". ").map_or(result, |(_, rest)| rest);
        for part in numbers.split("; ") {
            let Some((count, what)) = part.split_once(' ') else {
                continue;
            };
            let Ok(count) = count.parse::<usize>() else {
                continue;
            };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }

    /// Ignored tests that are not the child half of another.
    fn really_ignored(&self) -> usize {
        self.ignored.saturating_sub(self.halves)
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.halves += other.halves;
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_added_up() {
        let mut totals = Totals::default();
        totals.add("running 3 tests");
        totals.add("test children::half ... ignored, started by `whole`");
        totals.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s");
        totals
            .add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!((totals.passed, totals.failed, totals.ignored), (4, 2, 1));
        assert_eq!(totals.really_ignored(), 0);
    }
}
