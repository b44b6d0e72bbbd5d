//! What was found, for people and for programs.
#![forbid(unsafe_code)]

use super::outcome::{FAILED, IGNORED, OK, Test};
use super::side::{Plan, Side};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// The tests whose results are not the same with all.
pub fn differing(sides: &[Side]) -> Vec<Test> {
    let all: BTreeSet<&Test> = sides.iter().flat_map(|it| it.outcomes.tests()).collect();
    let first = &sides[0].outcomes;
    let differs = |test: &&&Test| {
        let of_first = first.of(test);
        sides.iter().any(|it| it.outcomes.of(test) != of_first)
    };
    all.iter()
        .filter(differs)
        .map(|test| (*test).clone())
        .collect()
}

pub fn as_text(dir: &Path, sides: &[Side], differing: &[Test], plan: &Plan) -> String {
    let mut out = format!("{}\n\n", dir.display());
    out.push_str(&table(sides));
    out.push_str("\nwall, CPU and memory (the highest) are those of the test programs alone");
    match sides[0].outcomes.costs.len() {
        1 => {
            out.push_str(", of one run:\nsmall differences mean nothing, --runs 5 takes medians.\n")
        }
        runs => writeln!(out, ",\nmedians of {runs} runs.").expect("a String grows"),
    }
    if let Some(why) = &plan.no_ring {
        writeln!(out, "Not with io_uring: {why}").expect("a String grows");
    }
    for it in sides {
        writeln!(
            out,
            "{}: its test programs say: {}",
            it.name,
            it.found.sentence()
        )
        .expect("a String grows");
    }
    let failing: Vec<&Test> = sides[0]
        .outcomes
        .tests()
        .filter(|test| sides[0].outcomes.of(test) == FAILED && !differing.contains(test))
        .collect();
    if !failing.is_empty() {
        out.push_str("\nwhat fails with all\n");
        for test in failing {
            writeln!(out, "  {}: {}", test.0, test.1).expect("a String grows");
        }
    }
    let total = sides[0].outcomes.tests().count();
    if differing.is_empty() {
        writeln!(
            out,
            "\nNothing differs: {total} tests have the same result with all."
        )
        .expect("a String grows");
        return out;
    }
    writeln!(out, "\nwhat differs").expect("a String grows");
    for test in differing {
        writeln!(out, "  {}: {}", test.0, test.1).expect("a String grows");
        for it in sides {
            writeln!(out, "    {:19}{}", it.name, it.outcomes.of(test)).expect("a String grows");
        }
    }
    out.push_str("What the tests printed is kept with --keep DIR.\n");
    out
}

/// What each side came to, in numbers.
fn table(sides: &[Side]) -> String {
    let mut out = String::new();
    let head = [
        "", "build", "ok", "failed", "ignored", "wall", "CPU", "memory",
    ];
    let mut table = vec![head.map(str::to_owned)];
    for it in sides {
        let cost = it.outcomes.cost();
        table.push([
            it.name.to_owned(),
            format!("{:.1} s", it.build.as_secs_f64()),
            it.outcomes.count(OK).to_string(),
            it.outcomes.count(FAILED).to_string(),
            it.outcomes.count(IGNORED).to_string(),
            seconds(cost.wall_ms),
            seconds(cost.cpu_ms),
            format!("{:.1} MiB", cost.memory_kib as f64 / 1024.0),
        ]);
    }
    for row in &table {
        write!(out, "{:19}", row[0]).expect("a String grows");
        for cell in &row[1..] {
            write!(out, "{cell:>10}").expect("a String grows");
        }
        out.push('\n');
    }
    out
}

fn seconds(ms: u64) -> String {
    format!("{:.2} s", ms as f64 / 1000.0)
}

pub fn as_json(dir: &Path, sides: &[Side], differing: &[Test]) -> String {
    let all: Value = sides
        .iter()
        .map(|it| {
            let mut json = it.outcomes.as_json();
            json["name"] = it.name.into();
            json["build_ms"] = json!(it.build.as_millis() as u64);
            json["found"] = it.found.as_json();
            json
        })
        .collect();
    let differing: Value = differing
        .iter()
        .map(|test| {
            let results = sides.iter().map(|it| (it.name, it.outcomes.of(test)));
            let results: serde_json::Map<String, Value> = results
                .map(|(name, result)| (name.to_owned(), result.into()))
                .collect();
            json!({ "program": test.0, "test": test.1, "results": results })
        })
        .collect();
    let project = dir.to_string_lossy();
    let json = json!({ "project": project, "sides": all, "differing": differing });
    format!("{json:#}\n")
}
