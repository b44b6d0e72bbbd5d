//! The report as one HTML page: no script, nothing from the network, light and dark.
#![forbid(unsafe_code)]

mod costs;
mod figures;
mod latencies;
mod scale;

use super::report::Report;
use super::text;

const STYLE: &str = include_str!("style.css");

pub fn of(report: &Report) -> String {
    let mut body = head(report);
    body += &costs::section(report);
    body += &latencies::section(report);
    body += &skipped(report);
    body += &proofs(report);
    body += &reading(report);
    body += &figures::section(report);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Yamanote against \
         Tokio</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n\
         </html>\n"
    )
}

/// Text between tags and in attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let (ahead, equal, behind) = text::counts(report);
    let gib = machine.memory_bytes as f64 / f64::from(1 << 30);
    let commit = machine.commit.as_deref().unwrap_or("unknown");
    format!(
        "<header>\n<h1>Yamanote against Tokio</h1>\n<p class=\"lead\">One source, built with each \
         runtime and run in turn on one machine. Tokio runs twice in every pair: what it differs \
         from itself by is noise, and what differs by less is called equal.</p>\n<div \
         class=\"tiles\">\n<div class=\"tile ahead\"><b>{ahead}</b> ahead</div>\n<div class=\"tile \
         equal\"><b>{equal}</b> within noise</div>\n<div class=\"tile \
         behind\"><b>{behind}</b> behind</div>\n</div>\n<p class=\"facts\">{} · {} cores · {gib:.0} \
         GiB · Linux {} · {} · driver {} · {} · commit {} · {} · {}</p>\n</header>\n",
        escape(&machine.processor),
        machine.cores,
        escape(&machine.kernel),
        escape(&machine.file_system),
        escape(&machine.driver),
        escape(&machine.compiler),
        escape(commit),
        escape(&report.date),
        text::pairs(report)
    )
}

fn skipped(report: &Report) -> String {
    if report.skipped.is_empty() {
        return String::new();
    }
    let lines = report
        .skipped
        .iter()
        .map(|skipped| format!("<li>{}</li>\n", escape(&text::skipped(skipped))));
    format!(
        "<section>\n<h2>Not measured</h2>\n<ul>\n{}</ul>\n</section>\n",
        lines.collect::<String>()
    )
}

fn proofs(report: &Report) -> String {
    let mut out = "<section>\n<h2>What is in which program</h2>\n<p>What Cargo resolved, and what \
                   each running program says of itself: the compiler's name of its type of a \
                   runtime.</p>\n<div class=\"cards\">\n"
        .to_owned();
    for proof in &report.proofs {
        out += &format!(
            "<figure class=\"card\">\n<figcaption><b>{}</b> {}</figcaption>\n<p>It says: \
             <code>{}</code></p>\n<pre>{}</pre>\n</figure>\n",
            proof.subject.name(),
            escape(&proof.runtime),
            escape(&proof.linked),
            escape(&proof.tree)
        );
    }
    out + "</div>\n</section>\n"
}

fn reading(report: &Report) -> String {
    let has_peers = report
        .rows
        .iter()
        .any(|row| row.runs.keys().any(|contestant| contestant.is_peer()));
    let peers = match has_peers {
        true => {
            " A runtime that is a thread per core needs no atomic operations and no tasks that move, \
             and cannot run what Tokio's programs are made of; it stands beside current_thread for \
             orientation."
        }
        false => "",
    };
    format!(
        "<section>\n<h2>How to read it, and how to repeat it</h2>\n<p>A cost is Yamanote / Tokio, \
         lower is better: the median of the pairs. CPU is user and system time of the whole process, \
         wall is time by the clock, both per operation. {} The client of a server is a process with \
         one thread and no runtime; it keeps one question under way on each connection and checks \
         every byte of every answer.{peers}</p>\n<pre>{}</pre>\n</section>\n",
        escape(&report.placement),
        escape(&report.command)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let report = include_str!("../../../tests/race/report.json");
        of(&serde_json::from_str(report).unwrap())
    }

    #[test]
    fn it_stands_alone() {
        let page = page();
        for foreign in ["<script", "http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
    }

    #[test]
    fn what_it_quotes_is_no_markup() {
        let page = page();
        assert!(page.contains("A &lt;Processor&gt; &amp; Sons"));
        assert!(!page.contains("<Processor>"));
    }

    #[test]
    fn every_row_is_there_and_has_its_verdict() {
        let page = page();
        for (title, class) in [("a win", "ahead"), ("a tie", "equal"), ("a loss", "behind")] {
            let row = page.split("<tr").find(|row| row.contains(title)).unwrap();
            assert!(row.contains(&format!("class=\"{class}\"")), "{row}");
        }
        assert!(page.contains("20100 descriptors are needed"));
        assert!(page.contains("yamanote::runtime::runtime::Runtime"));
    }

    #[test]
    fn a_row_with_latencies_has_a_curve() {
        assert_eq!(page().matches("class=\"curve yamanote\"").count(), 1);
        assert!(!page().contains("NaN") && !page().contains("inf"));
    }

    #[test]
    fn tags_are_closed() {
        let page = page();
        for tag in [
            "section", "table", "tr", "td", "svg", "figure", "div", "details", "g",
        ] {
            let opened = page.matches(&format!("<{tag} ")).count()
                + page.matches(&format!("<{tag}>")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
