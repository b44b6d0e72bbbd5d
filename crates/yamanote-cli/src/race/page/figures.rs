//! All figures, for those who want them: medians of each contestant.
#![forbid(unsafe_code)]

use super::escape;
use crate::race::compare::{Comparison, median, sorted};
use crate::race::report::{Contestant, Measured, Metric, Report};
use crate::race::text;

const CONTESTANTS: [Contestant; 4] = [
    Contestant::Yamanote,
    Contestant::Tokio,
    Contestant::Monoio,
    Contestant::Compio,
];
/// Told beside what is compared.
const MORE: [Metric; 2] = [Metric::Switches, Metric::Peak];

pub fn section(report: &Report) -> String {
    let has = |contestant: &Contestant| {
        report
            .rows
            .iter()
            .any(|it| it.runs.contains_key(contestant))
    };
    let here: Vec<Contestant> = CONTESTANTS.into_iter().filter(has).collect();
    let names: String = here
        .iter()
        .map(|it| format!("<th>{}</th>", it.name()))
        .collect();
    let lines: String = report.rows.iter().map(|row| lines_of(row, &here)).collect();
    format!(
        "<section>\n<details>\n<summary>All figures</summary>\n<div class=\"scroll\"><table>\n<thead>\
         <tr><th>work</th><th>flavour</th><th>per operation</th>{names}<th>cost (range)</th>\
         <th>noise</th><th></th></tr></thead>\n<tbody>\n{lines}</tbody>\n</table></div>\n</details>\n\
         </section>\n"
    )
}

fn lines_of(row: &Measured, contestants: &[Contestant]) -> String {
    let compared = row.metrics.iter().copied();
    let more = MORE
        .into_iter()
        .filter(|metric| !row.metrics.contains(metric));
    let mut out = String::new();
    for metric in compared.chain(more) {
        let medians: String = contestants
            .iter()
            .map(|contestant| {
                let values = row.values(*contestant, metric);
                match values.is_empty() {
                    true => "<td></td>".to_owned(),
                    false => {
                        let middle = median(&sorted(values.into_iter()));
                        format!("<td>{}</td>", metric.show(middle))
                    }
                }
            })
            .collect();
        let found = row.comparison(Contestant::Yamanote, metric);
        out += &format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td>{medians}{}</tr>\n",
            escape(&row.title),
            escape(&row.variant()),
            metric.name(),
            cells(found.filter(|_| row.metrics.contains(&metric)))
        );
    }
    out
}

fn cells(found: Option<Comparison>) -> String {
    let Some(found) = found else {
        return "<td></td><td></td><td></td>".to_owned();
    };
    format!(
        "<td>{}</td><td>±{:.0} %</td><td class=\"{}\">{}</td>",
        text::cost(&found),
        (found.noise - 1.0) * 100.0,
        super::costs::class(found.verdict),
        found.verdict.name().to_lowercase()
    )
}
