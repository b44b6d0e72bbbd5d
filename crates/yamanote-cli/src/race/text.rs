//! The report as a table for a terminal.
#![forbid(unsafe_code)]

use super::compare::{Comparison, Verdict};
use super::report::{Contestant, Measured, Report, Skipped};

pub fn of(report: &Report) -> String {
    let mut lines = Vec::new();
    let machine = &report.machine;
    lines.push(format!(
        "{} · {} cores · Linux {} · {} · {} · driver {}",
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.file_system,
        machine.compiler,
        machine.driver
    ));
    for proof in &report.proofs {
        let name = proof.subject.name();
        lines.push(format!(
            "{name}: {}, linked as {}",
            proof.runtime, proof.linked
        ));
    }
    lines.push(report.placement.clone());
    lines.push(format!(
        "Cost is Yamanote / Tokio, lower is better: median of {} (lowest-highest); noise is \
         what Tokio differed from itself by, and = is within it. x2: two workers.",
        pairs(report)
    ));
    let mut group = "";
    for row in &report.rows {
        if row.group != group {
            group = &row.group;
            lines.push(String::new());
            lines.push(heading(group));
        }
        rows_of(row, &mut lines);
    }
    if !report.skipped.is_empty() {
        lines.push(String::new());
        lines.extend(report.skipped.iter().map(skipped));
    }
    lines.push(String::new());
    lines.push(summary(report));
    lines.join("\n") + "\n"
}

/// A row that was not measured, in a line.
pub fn skipped(skipped: &Skipped) -> String {
    let what = if skipped.is_failure {
        "FAILED"
    } else {
        "skipped"
    };
    format!(
        "{what}: {} ({}): {}",
        skipped.title, skipped.flavor, skipped.why
    )
}

fn heading(group: &str) -> String {
    let mut line = columns(
        [
            &group.to_uppercase(),
            "",
            "",
            "Yamanote",
            "Tokio",
            "cost",
            "noise",
            "",
        ]
        .map(str::to_owned),
    );
    line.truncate(line.trim_end().len());
    line
}

fn rows_of(row: &Measured, lines: &mut Vec<String>) {
    let title = match &row.per {
        Some(per) => format!("{}, per {per}", row.title),
        None => row.title.clone(),
    };
    let mut names = [title, row.variant()];
    for found in row.comparisons(Contestant::Yamanote) {
        let [title, variant] = std::mem::take(&mut names);
        lines.push(line(title, variant, &found));
    }
    for peer in [Contestant::Monoio, Contestant::Compio] {
        for found in row.comparisons(peer) {
            let name = format!("  {} instead, one thread", peer.name());
            lines.push(line(name, String::new(), &found));
        }
    }
}

fn line(title: String, variant: String, found: &Comparison) -> String {
    let verdict = match found.verdict {
        Verdict::WithinNoise => "=",
        verdict => verdict.name(),
    };
    let line = columns([
        title,
        variant,
        found.metric.name().to_owned(),
        found.metric.show(found.ours),
        found.metric.show(found.theirs),
        cost(found),
        format!("±{:.0} %", (found.noise - 1.0) * 100.0),
        verdict.to_owned(),
    ]);
    line.trim_end().to_owned()
}

/// `0.52 (0.50-0.55)`
pub fn cost(found: &Comparison) -> String {
    match found.ratio.is_finite() {
        true => format!("{:.2} ({:.2}-{:.2})", found.ratio, found.low, found.high),
        false => "-".to_owned(),
    }
}

/// Pads each to its column: the first three and the last to the left, figures to the right.
fn columns(cells: [String; 8]) -> String {
    const WIDTHS: [usize; 8] = [42, 15, 8, 9, 9, 17, 7, 6];
    let mut line = String::new();
    for (index, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        match index {
            0..=2 | 7 => line += &format!("{cell:<width$}"),
            _ => line += &format!("{cell:>width$}"),
        }
        line += if index == 6 { "  " } else { " " };
    }
    line
}

/// `5 pairs`
pub fn pairs(report: &Report) -> String {
    match report.pairs {
        1 => "1 pair".to_owned(),
        pairs => format!("{pairs} pairs"),
    }
}

/// How many figures are ahead, equal and behind.
pub fn summary(report: &Report) -> String {
    let (ahead, equal, behind) = counts(report);
    format!(
        "Of {} figures Yamanote is ahead in {ahead}, within noise in {equal}, behind in {behind}.",
        ahead + equal + behind
    )
}

pub fn counts(report: &Report) -> (usize, usize, usize) {
    let all = report.rows.iter();
    let verdicts: Vec<Verdict> = all
        .flat_map(|row| row.comparisons(Contestant::Yamanote))
        .map(|found| found.verdict)
        .collect();
    let count = |wanted| verdicts.iter().filter(|it| **it == wanted).count();
    (
        count(Verdict::Ahead),
        count(Verdict::WithinNoise),
        count(Verdict::Behind),
    )
}
