//! What is printed: file by file, in total, and every difference.
#![forbid(unsafe_code)]

use std::fmt::Write;

use super::build::FileId;
use super::suites::SUITES;
use super::verdict::{Column, Counts, Difference, Unsteady, Verdict};

/// How many lines of a failure's output are shown, from the end.
const LINES: usize = 14;

/// One cell: the results of a column for one file, or for many.
#[derive(Default, Clone, Copy)]
struct Cell {
    refused: usize,
    counts: Counts,
}

impl Cell {
    fn of(column: &Column, file: &FileId) -> Self {
        match column.files.get(file) {
            Some(file) => Cell {
                refused: usize::from(file.refused.is_some()),
                counts: file.counts(),
            },
            None => Cell::default(),
        }
    }

    fn add(&mut self, other: Cell) {
        self.refused += other.refused;
        self.counts.add(other.counts);
    }

    /// For one file: `31`, `30 +1 failed`, `does not compile`.
    fn text(self) -> String {
        let Counts {
            passed,
            failed,
            timed_out,
        } = self.counts;
        let mut text = passed.to_string();
        for (count, what) in [(failed, "failed"), (timed_out, "timed out")] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        match (self.refused, passed + failed + timed_out) {
            (0, _) => text,
            (_, 0) => "does not compile".to_owned(),
            (files, _) => format!("{text}, {files} files do not compile"),
        }
    }
}

/// The rows of the table: suite, file (empty for the suite's sum) and a cell per column.
fn rows(columns: &[Column]) -> Vec<(&'static str, String, Vec<String>)> {
    let mut rows = Vec::new();
    for suite in &SUITES {
        let mut sums = vec![Cell::default(); columns.len()];
        let mut files: Vec<&FileId> = columns.iter().flat_map(|one| one.files.keys()).collect();
        files.retain(|(of, _)| *of == suite.package);
        files.sort();
        files.dedup();
        for id in &files {
            let cells: Vec<Cell> = columns.iter().map(|column| Cell::of(column, id)).collect();
            sums.iter_mut()
                .zip(&cells)
                .for_each(|(sum, cell)| sum.add(*cell));
            // Files for other systems and unstable features hold no test here.
            let has_tests = columns.iter().any(|column| {
                column
                    .files
                    .get(*id)
                    .is_some_and(|file| file.refused.is_some() || !file.tests.is_empty())
            });
            if has_tests {
                let cells = cells.into_iter().map(Cell::text).collect();
                rows.push((suite.package, id.1.clone(), cells));
            }
        }
        if !files.is_empty() {
            rows.push((
                suite.package,
                String::new(),
                sums.into_iter().map(Cell::text).collect(),
            ));
        }
    }
    rows
}

pub fn print_table(columns: &[Column]) {
    let heads: Vec<&str> = columns.iter().map(|column| column.name).collect();
    println!(
        "\n{:<44}{}",
        "passed",
        heads
            .iter()
            .map(|head| format!("{head:<28}"))
            .collect::<String>()
    );
    for (suite, file, cells) in rows(columns) {
        let name = match file.is_empty() {
            true => format!("= {suite}"),
            false => format!("  {suite}::{file}"),
        };
        let cells: String = cells.iter().map(|cell| format!("{cell:<28}")).collect();
        println!("{name:<44}{}", cells.trim_end());
    }
}

pub fn print_verdict(verdict: &Verdict) {
    for (unsteady, what) in [
        (&verdict.fails_there_too, "fails for Tokio too"),
        (&verdict.flaky_there, "flaky for Tokio itself"),
    ] {
        for one in unsteady {
            println!(
                "\n--- {what}: {} ({})",
                name(&one.file, one.test.as_deref()),
                shares(one)
            );
            print!("{}", end_of(&one.said));
        }
    }
    for (index, one) in verdict.differences.iter().enumerate() {
        let earlier = verdict.differences[..index].iter().find(|earlier| {
            one.test.is_none() && earlier.test.is_none() && earlier.said == one.said
        });
        print_difference(one, earlier);
    }
    let differing = verdict.differing().len();
    println!(
        "\n{differing} tests or files differ, {} fail for Tokio too, {} are flaky for Tokio itself",
        verdict.fails_there_too.len(),
        verdict.flaky_there.len()
    );
}

/// The compiler's messages are the same for every driver, and for every file if they are about a
/// library: they are printed once.
fn print_difference(one: &Difference, earlier: Option<&Difference>) {
    let name = name(&one.file, one.test.as_deref());
    println!("\n--- DIFFERENCE: {name} [{}]: {}", one.column, one.what);
    match (earlier, &one.test) {
        (Some(earlier), _) => println!("    as {}", self::name(&earlier.file, None)),
        (None, Some(_)) => print!("{}", end_of(&one.said)),
        (None, None) => print!("{}", beginning_of(&one.said)),
    }
}

/// What did not pass, where there is nothing to compare it with.
pub fn print_failures(columns: &[Column]) -> usize {
    let mut failures = 0;
    for column in columns {
        for (id, file) in &column.files {
            if let Some(said) = &file.refused {
                failures += 1;
                println!(
                    "\n--- {} [{}] does not compile",
                    name(id, None),
                    column.name
                );
                print!("{}", beginning_of(said));
            }
            for (test, runs) in &file.tests {
                let bad = super::verdict::said(runs);
                if let Some(said) = bad {
                    failures += 1;
                    println!(
                        "\n--- {} [{}] did not pass",
                        name(id, Some(test)),
                        column.name
                    );
                    print!("{}", end_of(said));
                }
            }
        }
    }
    failures
}

pub fn name((suite, file): &FileId, test: Option<&str>) -> String {
    match test {
        Some(test) => format!("{suite}::{file}::{test}"),
        None => format!("{suite}::{file}"),
    }
}

/// `tokio 0/3, uring 0/3`.
pub fn shares(one: &Unsteady) -> String {
    let (passed, runs) = one.tokio;
    let shim = one
        .shim
        .iter()
        .map(|(name, passed, runs)| format!(", {name} {passed}/{runs}"));
    format!("passed: tokio {passed}/{runs}{}", shim.collect::<String>())
}

/// The compiler's first messages, indented.
fn beginning_of(said: &str) -> String {
    let errors = said
        .lines()
        .filter(|line| line.contains("error[") || line.starts_with("error"));
    let lines = said
        .lines()
        .take(2 * LINES)
        .map(|line| format!("    {line}\n"));
    let mut text: String = lines.collect();
    let _ = writeln!(text, "    ({} errors in all)", errors.count());
    text
}

/// The last lines, indented.
pub fn end_of(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let first = lines.len().saturating_sub(LINES);
    lines[first..]
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect()
}

/// The table for the documentation.
pub fn markdown_table(columns: &[Column]) -> String {
    let mut text = String::new();
    let heads: String = columns
        .iter()
        .map(|column| format!(" {} |", column.name))
        .collect();
    let _ = writeln!(
        text,
        "| file |{heads}\n|---|{}",
        "---|".repeat(columns.len())
    );
    for (suite, file, cells) in rows(columns) {
        let cells = cells.join(" | ");
        let _ = match file.is_empty() {
            true => writeln!(text, "| **{suite}** | {cells} |"),
            false => writeln!(text, "| {suite}::{file} | {cells} |"),
        };
    }
    text
}
