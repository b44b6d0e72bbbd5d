//! The latencies of servers: a curve for each runtime, from the median to the last.
#![forbid(unsafe_code)]

use super::escape;
use super::scale::Scale;
use crate::race::compare::{median, sorted};
use crate::race::report::{Contestant, Measured, Metric, Report};
use crate::race::text;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// What has a name on the axis of quantiles.
const NAMES: [(f64, &str); 5] = [
    (0.5, "p50"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
];
const DRAWN: [(Contestant, &str); 4] = [
    (Contestant::Tokio, "tokio"),
    (Contestant::Yamanote, "yamanote"),
    (Contestant::Monoio, "monoio"),
    (Contestant::Compio, "compio"),
];

pub fn section(report: &Report) -> String {
    let cards: String = report.rows.iter().map(card).collect();
    if cards.is_empty() {
        return String::new();
    }
    let legend: String = DRAWN
        .iter()
        .filter(|(contestant, _)| {
            report
                .rows
                .iter()
                .any(|row| row.runs.contains_key(contestant))
        })
        .map(|(contestant, class)| format!("<span class=\"{class}\">{}</span>", contestant.name()))
        .collect();
    format!(
        "<section>\n<h2>Latencies</h2>\n<p>From question to answer, by how many are answered as \
         fast: the median to the left, the slowest of ten thousand to the right. Both axes are \
         logarithmic; a curve is the median of the runs, the band behind it their range.</p>\n<p \
         class=\"legend\">{legend}</p>\n<div class=\"cards\">\n{cards}</div>\n</section>\n"
    )
}

/// A quantile and what the runs came to: lowest, median, highest.
struct Point {
    quantile: f64,
    low: f64,
    middle: f64,
    high: f64,
}

fn card(row: &Measured) -> String {
    let curves: Vec<(&str, Vec<Point>)> = DRAWN
        .iter()
        .map(|(contestant, class)| (*class, points(row, *contestant)))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let lowest = all().map(|point| point.low).fold(f64::MAX, f64::min);
    let highest = all().map(|point| point.high).fold(0.0, f64::max);
    if curves.is_empty() || lowest <= 0.0 {
        return String::new();
    }
    // A range of latencies that is no range needs room all the same.
    let y = Scale::new(lowest * 0.8, highest * 1.25, HEIGHT - BOTTOM, TOP);
    let x = Scale::new(1.0, 5000.0, LEFT, WIDTH - RIGHT);
    let mut drawing = grid(&x, &y, lowest, highest);
    for (class, points) in &curves {
        drawing += &curve(class, points, &x, &y);
    }
    format!(
        "<figure class=\"card\">\n<figcaption><b>{}</b> {}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} \
         {HEIGHT}\" role=\"img\" aria-label=\"latencies\">{drawing}</svg>\n<p class=\"costs\">{}</p>\n\
         </figure>\n",
        escape(&row.title),
        escape(&row.variant()),
        quantiles(row)
    )
}

/// From the median on, each with at least one run.
fn points(row: &Measured, contestant: Contestant) -> Vec<Point> {
    // The two runs of Tokio in a pair are of one program.
    let again = match contestant {
        Contestant::Tokio => row.runs.get(&Contestant::TokioAgain),
        _ => None,
    };
    let runs = row.runs.get(&contestant);
    let runs = || runs.into_iter().chain(again).flatten();
    let Some(first) = runs().next() else {
        return Vec::new();
    };
    let quantiles = first.latencies.iter().map(|(quantile, _)| *quantile);
    quantiles
        .filter(|quantile| (0.5..1.0).contains(quantile))
        .map(|quantile| {
            let values = runs()
                .flat_map(|run| &run.latencies)
                .filter(|(at, _)| *at == quantile)
                .map(|(_, value)| *value);
            let values = sorted(values);
            Point {
                quantile,
                low: values[0],
                middle: median(&values),
                high: values[values.len() - 1],
            }
        })
        .collect()
}

/// How rare it is to be slower, with the median at 1.
fn rarity(quantile: f64) -> f64 {
    0.5 / (1.0 - quantile)
}

fn grid(x: &Scale, y: &Scale, lowest: f64, highest: f64) -> String {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut out = String::new();
    for (quantile, name) in NAMES {
        let x = x.place(rarity(quantile));
        out += &format!(
            "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text \
             class=\"below\" x=\"{x:.1}\" y=\"{:.1}\">{name}</text>",
            bottom + 18.0
        );
    }
    let is_narrow = highest / lowest < 8.0;
    let mut power = 10.0_f64.powf(lowest.log10().floor());
    while power <= highest * 1.25 {
        let steps: &[f64] = if is_narrow {
            &[1.0, 2.0, 3.0, 5.0, 7.0]
        } else {
            &[1.0, 3.0]
        };
        for value in steps.iter().map(|step| step * power) {
            if value < lowest * 0.8 || value > highest * 1.25 {
                continue;
            }
            let y = y.place(value);
            out += &format!(
                "<line class=\"tick\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"before\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                short(value)
            );
        }
        power *= 10.0;
    }
    out
}

/// `30 ms`: a round number of nanoseconds.
fn short(nanoseconds: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (0.0, "ns")];
    let (unit, name) = units
        .into_iter()
        .find(|(unit, _)| nanoseconds >= *unit * 0.999)
        .expect("the last one is zero");
    format!("{:.0} {name}", nanoseconds / f64::max(unit, 1.0))
}

fn curve(class: &str, points: &[Point], x: &Scale, y: &Scale) -> String {
    let at = |point: &Point, value: f64| {
        format!(
            "{:.1} {:.1}",
            x.place(rarity(point.quantile)),
            y.place(value)
        )
    };
    let middle: Vec<String> = points.iter().map(|point| at(point, point.middle)).collect();
    let upper = points.iter().map(|point| at(point, point.high));
    let lower = points.iter().rev().map(|point| at(point, point.low));
    let band: Vec<String> = upper.chain(lower).collect();
    format!(
        "<path class=\"band {class}\" d=\"M{}z\"/><path class=\"curve {class}\" d=\"M{}\"/>",
        band.join("L"),
        middle.join("L")
    )
}

/// What the curves say, in numbers.
fn quantiles(row: &Measured) -> String {
    let all = [Metric::P50, Metric::P99, Metric::P999];
    let found = all
        .iter()
        .filter_map(|metric| row.comparison(Contestant::Yamanote, *metric));
    let parts = found.map(|found| {
        format!(
            "<span class=\"{}\">{} {} <small>noise ±{:.0} %</small></span>",
            super::costs::class(found.verdict),
            found.metric.name(),
            text::cost(&found),
            (found.noise - 1.0) * 100.0
        )
    });
    parts.collect::<Vec<_>>().join(" ")
}
