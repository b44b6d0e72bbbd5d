//! The costs: a table in which each line has its place on one common axis.
#![forbid(unsafe_code)]

use super::escape;
use super::scale::Scale;
use crate::race::compare::{Comparison, Verdict};
use crate::race::report::{Contestant, Measured, Metric, Report};
use crate::race::text;

/// Of the drawing in a line.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 26.0;
/// What has lines on the axis, as far as it reaches.
const TICKS: [f64; 9] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
/// What is drawn of a row here; latencies have curves of their own.
const DRAWN: [Metric; 4] = [Metric::Cpu, Metric::Wall, Metric::Memory, Metric::Switches];

pub fn section(report: &Report) -> String {
    let axis = Axis::of(report);
    let mut out = "<section>\n<h2>Costs</h2>\n<p>The upper mark is CPU, the lower one wall time; the \
                   line is the range of the pairs, the grey band what Tokio differed from itself by. \
                   Left of the line is cheaper.</p>\n"
        .to_owned();
    let mut groups: Vec<&str> = Vec::new();
    for row in &report.rows {
        if !groups.contains(&&*row.group) {
            groups.push(&row.group);
        }
    }
    for group in groups {
        let rows: Vec<&Measured> = report.rows.iter().filter(|it| it.group == group).collect();
        let mut lines = String::new();
        let mut last = "";
        for row in &rows {
            lines += &lines_of(row, row.title == last, &axis);
            last = &row.title;
        }
        if lines.is_empty() {
            continue;
        }
        let is_time = rows.iter().all(|row| row.metrics.contains(&Metric::Wall));
        let headings = match is_time {
            true => "<th>CPU</th><th>wall</th>",
            false => "<th>cost</th><th></th>",
        };
        out += &format!(
            "<h3>{}</h3>\n<div class=\"scroll\"><table class=\"costs\">\n<thead><tr><th>work</th>\
             <th>flavour</th><th class=\"plot\">{}</th>{headings}<th>Yamanote</th><th>Tokio</th></tr>\
             </thead>\n<tbody>\n{lines}</tbody>\n</table></div>\n",
            escape(group),
            axis.labels()
        );
    }
    out + "</section>\n"
}

struct Axis {
    scale: Scale,
    ticks: Vec<f64>,
}

impl Axis {
    /// As far as what is to be seen, and as 2 and a half at least.
    fn of(report: &Report) -> Axis {
        let (mut from, mut to) = (0.5_f64, 2.0_f64);
        for row in &report.rows {
            for found in drawn(row, Contestant::Yamanote) {
                from = from.min(found.low);
                to = to.max(found.high);
            }
        }
        let (from, to) = (from.max(0.01) * 0.9, to.min(5.0) * 1.1);
        let ticks = TICKS.into_iter().filter(|tick| (from..to).contains(tick));
        Axis {
            ticks: ticks.collect(),
            scale: Scale::new(from, to, 8.0, WIDTH - 8.0),
        }
    }

    fn labels(&self) -> String {
        let mut out =
            format!("<svg class=\"axis\" viewBox=\"0 0 {WIDTH} 16\" role=\"presentation\">");
        for tick in &self.ticks {
            let x = self.scale.place(*tick);
            out += &format!("<text x=\"{x:.1}\" y=\"12\">{tick}</text>");
        }
        out + "</svg>"
    }

    fn lines(&self) -> String {
        let mut out = String::new();
        for tick in &self.ticks {
            let x = self.scale.place(*tick);
            let class = if *tick == 1.0 { "one" } else { "tick" };
            out += &format!(
                "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{HEIGHT}\"/>"
            );
        }
        out
    }

    /// What is called equal, the range of the pairs, and the median.
    fn mark(&self, found: &Comparison, y: f64) -> String {
        let place = |value| self.scale.place(value);
        let (left, right) = (place(1.0 / found.noise), place(found.noise));
        let (low, high, at) = (place(found.low), place(found.high), place(found.ratio));
        let class = class(found.verdict);
        let shape = match found.verdict {
            // Whoever sees no colours sees shapes.
            Verdict::Behind => format!("<path d=\"M{:.1} {:.1}l5 5l-5 5l-5 -5z\"/>", at, y - 5.0),
            _ => format!("<circle cx=\"{at:.1}\" cy=\"{y}\" r=\"4\"/>"),
        };
        format!(
            "<rect class=\"noise\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"10\"/>\
             <g class=\"{class}\"><title>{}</title><line x1=\"{low:.1}\" x2=\"{high:.1}\" \
             y1=\"{y}\" y2=\"{y}\"/>{shape}</g>",
            y - 5.0,
            right - left,
            escape(&in_words(found))
        )
    }
}

pub fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ahead => "ahead",
        Verdict::WithinNoise => "equal",
        Verdict::Behind => "behind",
    }
}

fn in_words(found: &Comparison) -> String {
    format!(
        "{}: {}; noise ±{:.0} %; {} to {}",
        found.metric.name(),
        text::cost(found),
        (found.noise - 1.0) * 100.0,
        found.metric.show(found.ours),
        found.metric.show(found.theirs)
    )
}

fn drawn(row: &Measured, contestant: Contestant) -> Vec<Comparison> {
    let mut all = row.comparisons(contestant);
    all.retain(|found| DRAWN.contains(&found.metric) && found.ratio.is_finite());
    all
}

fn lines_of(row: &Measured, is_more_of_it: bool, axis: &Axis) -> String {
    let title = match &row.per {
        _ if is_more_of_it => String::new(),
        Some(per) => format!("{}, per {per}", row.title),
        None => row.title.clone(),
    };
    let mut out = line(
        &title,
        &row.variant(),
        &drawn(row, Contestant::Yamanote),
        axis,
    );
    for peer in [Contestant::Monoio, Contestant::Compio] {
        let name = format!("{} instead", peer.name());
        out += &line(&name, "a thread per core", &drawn(row, peer), axis);
    }
    out
}

fn line(title: &str, variant: &str, found: &[Comparison], axis: &Axis) -> String {
    let Some(first) = found.first() else {
        return String::new();
    };
    let places: &[f64] = if found.len() == 1 {
        &[13.0]
    } else {
        &[7.0, 19.0]
    };
    let marks = found.iter().zip(places);
    let marks: String = marks.map(|(found, y)| axis.mark(found, *y)).collect();
    let cell = |found: Option<&Comparison>| match found {
        Some(found) => format!(
            "<td class=\"{}\" title=\"{}\">{:.2}</td>",
            class(found.verdict),
            escape(&in_words(found)),
            found.ratio
        ),
        None => "<td></td>".to_owned(),
    };
    format!(
        "<tr><td>{}</td><td>{}</td><td class=\"plot\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\" aria-label=\"{}\">{}{marks}</svg></td>{}{}<td>{}</td><td>{}</td></tr>\n",
        escape(title),
        escape(variant),
        escape(&in_words(first)),
        axis.lines(),
        cell(Some(first)),
        cell(found.get(1)),
        first.metric.show(first.ours),
        first.metric.show(first.theirs)
    )
}
