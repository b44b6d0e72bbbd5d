//! The report as Markdown: a table of costs with a column for each flavour, and one of latencies.
#![forbid(unsafe_code)]

use super::compare::{Comparison, Verdict};
use super::report::{Contestant, Measured, Metric, Report};
use super::text;

pub fn of(report: &Report) -> String {
    let machine = &report.machine;
    let mut out = format!(
        "Cost against Tokio 1.54.1 (Yamanote / Tokio, lower is better), medians of {} interleaved \
         pairs; {}, {} cores, Linux {}, {}; {}. `{}`\n",
        report.pairs,
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.file_system,
        report.date,
        report.command
    );
    let costs = [Metric::Cpu, Metric::Wall];
    let others = [Metric::Memory, Metric::Switches];
    let latencies = [Metric::P50, Metric::P99, Metric::P999];
    table(report, "CPU, wall", &costs, &mut out);
    table(report, "p50, p99, p99.9", &latencies, &mut out);
    table(report, "memory or switches", &others, &mut out);
    out += &format!("\n{}\n", text::summary(report));
    out += "A tilde marks what is within the noise of the same race: what Tokio differed from \
            itself by.\n";
    for skipped in &report.skipped {
        out += &format!("\n{}\n", text::skipped(skipped));
    }
    out
}

/// One line for each title, one column for each flavour and number of workers.
fn table(report: &Report, heading: &str, metrics: &[Metric], out: &mut String) {
    let with_metrics: Vec<&Measured> = report
        .rows
        .iter()
        .filter(|row| row.metrics.iter().any(|metric| metrics.contains(metric)))
        .collect();
    let mut variants: Vec<String> = Vec::new();
    let mut titles: Vec<&str> = Vec::new();
    for row in &with_metrics {
        if !variants.contains(&row.variant()) {
            variants.push(row.variant());
        }
        if !titles.contains(&&*row.title) {
            titles.push(&row.title);
        }
    }
    if titles.is_empty() {
        return;
    }
    let columns = variants.iter().map(|it| format!(" {it}: {heading} |"));
    let columns: String = columns.collect();
    *out += &format!(
        "\n| work |{columns} ours |\n|---|{}---|\n",
        "---|".repeat(variants.len())
    );
    for title in titles {
        let of_title: Vec<&&Measured> =
            with_metrics.iter().filter(|it| it.title == title).collect();
        *out += &format!("| {title} |");
        for variant in &variants {
            let row = of_title.iter().find(|row| row.variant() == *variant);
            let cell = row.map_or(String::new(), |row| {
                let ratios = comparisons(row, metrics).map(|found| ratio(&found));
                ratios.collect::<Vec<_>>().join(", ")
            });
            *out += &format!(" {cell} |");
        }
        let first = |row: &&&Measured| {
            let mut found = comparisons(row, metrics);
            found.next().map(|found| found.metric.show(found.ours))
        };
        let ours = of_title.iter().filter_map(first);
        *out += &format!(" {} |\n", ours.collect::<Vec<_>>().join(", "));
    }
}

fn comparisons<'a>(
    row: &'a Measured,
    metrics: &'a [Metric],
) -> impl Iterator<Item = Comparison> + 'a {
    let wanted = metrics.iter().filter(|metric| row.metrics.contains(metric));
    wanted.filter_map(|metric| row.comparison(Contestant::Yamanote, *metric))
}

fn ratio(found: &Comparison) -> String {
    match found.verdict {
        _ if !found.ratio.is_finite() => {
            format!(
                "{} to {}",
                found.metric.show(found.ours),
                found.metric.show(found.theirs)
            )
        }
        Verdict::WithinNoise => format!("~{:.2}", found.ratio),
        _ => format!("{:.2}", found.ratio),
    }
}
