//! docs/conformance.md: the results, and why they differ where they do.
//!
//! The reasons are written by hand in docs/conformance.toml, by the name of the test or file; a
//! difference without a reason is shown as one.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::baseline::Circumstances;
use super::build::FileId;
use super::options::Options;
use super::report::{markdown_table, name, shares};
use super::suites::{versions, write};
use super::verdict::{Column, Unsteady, Verdict};

pub fn update(
    root: &Path,
    columns: &[Column],
    verdict: &Verdict,
    options: &Options,
    circumstances: &Circumstances,
) -> Result<(), String> {
    let reasons = Reasons::read(root, options)?;
    let Circumstances {
        date,
        rustc,
        kernel,
        cpus,
        is_unstable,
    } = circumstances;
    let (under, option, page) = match is_unstable {
        true => (
            " under `--cfg tokio_unstable`",
            "--unstable ",
            "conformance-unstable.md",
        ),
        false => ("", "", "conformance.md"),
    };
    let mut text = format!(
        "# Conformance with Tokio's own tests{under}\n\n\
         The released tests of {}, unmodified, run with the shim on both drivers and with the real \
         Tokio, on the same machine in the same hour. Each test ran {} in a process of its own \
         with {} seconds of time. What counts is what the real Tokio passed; nothing was retried, \
         no failure is excused.\n\n\
         Repeat it: `cargo xtask conformance {option}--runs {} --table`, which writes this page. The \
         reasons below are kept in conformance.toml beside it.\n\n\
         {date}; {rustc}; {kernel}; {cpus} CPUs.\n\n",
        versions(),
        times(options.runs),
        options.timeout.as_secs(),
        options.runs,
    );
    let _ = writeln!(text, "## Differences\n");
    if verdict.differences.is_empty() {
        let _ = writeln!(text, "None.\n");
    }
    for (id, test) in verdict.differing() {
        let key = name(id, test);
        let _ = writeln!(text, "- `{key}`: {}", reasons.of_difference(&key));
        for one in &verdict.differences {
            if one.file == *id && one.test.as_deref() == test {
                let _ = writeln!(text, "  - {}: {}", one.column, one.what);
            }
        }
    }
    let there = [
        ("Fails for Tokio too", &verdict.fails_there_too),
        ("Flaky for Tokio itself", &verdict.flaky_there),
    ];
    for (head, list) in there {
        let _ = writeln!(text, "\n## {head}\n");
        if list.is_empty() {
            let _ = writeln!(text, "None.");
        }
        for one in list {
            let key = name(&one.file, one.test.as_deref());
            let _ = writeln!(
                text,
                "- `{key}` ({}): {}",
                shares(one),
                reasons.of_tokio(&key, one)
            );
        }
    }
    let _ = writeln!(
        text,
        "\n## File by file\n\nTests passed; files without a test for this system are left out. A \
         test counts by its worst run.\n"
    );
    text.push_str(&markdown_table(columns));
    write(&root.join("docs").join(page), &text)?;

    let differing = verdict.differing().into_iter();
    let here: BTreeSet<String> = differing.map(|(id, test)| name(id, test)).collect();
    let there: BTreeSet<String> = there
        .iter()
        .flat_map(|(_, list)| list.iter().map(|one| name(&one.file, one.test.as_deref())))
        .collect();
    for (table, known) in [(&reasons.differs, here), (&reasons.fails_for_tokio, there)] {
        for key in table.keys().filter(|key| !known.contains(*key)) {
            println!("docs/conformance.toml explains {key}, which it need not this time");
        }
    }
    Ok(())
}

/// The reasons, by the names [`name`] gives. A reason for Tokio's own failure does not explain a
/// failure here where Tokio passes.
struct Reasons {
    differs: BTreeMap<String, String>,
    fails_for_tokio: BTreeMap<String, String>,
}

impl Reasons {
    fn read(root: &Path, options: &Options) -> Result<Reasons, String> {
        let path = root.join("docs").join("conformance.toml");
        fs::read_to_string(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| Reasons::parse(&text, options.is_unstable, options.is_simulated()))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str, is_unstable: bool, is_simulated: bool) -> Result<Reasons, String> {
        let mut tables: BTreeMap<String, BTreeMap<String, String>> =
            toml::from_str(text).map_err(|error| error.to_string())?;
        let unstable = tables.remove("differs-unstable").unwrap_or_default();
        let simulated = tables.remove("differs-simulated").unwrap_or_default();
        let mut reasons = Reasons {
            differs: tables.remove("differs").unwrap_or_default(),
            fails_for_tokio: tables.remove("fails-for-tokio").unwrap_or_default(),
        };
        if is_unstable {
            reasons.differs.extend(unstable);
        }
        if is_simulated {
            reasons.differs.extend(simulated);
        }
        match tables.keys().next() {
            Some(unknown) => Err(format!(
                "[{unknown}] is none of [differs], [differs-unstable], [differs-simulated], \
                 [fails-for-tokio]"
            )),
            None => Ok(reasons),
        }
    }

    fn of_difference<'a>(&'a self, key: &str) -> &'a str {
        self.differs
            .get(key)
            .map_or("**not explained**", String::as_str)
    }

    /// Tokio's own message is reason enough if none was written.
    fn of_tokio(&self, key: &str, one: &Unsteady) -> String {
        if let Some(reason) = self.fails_for_tokio.get(key) {
            return reason.clone();
        }
        let said = one.said.lines().find(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with("running") && !line.starts_with("thread '")
        });
        format!("`{}`", said.unwrap_or("no output").trim().replace('`', "'"))
    }
}

/// The tests and files that differ and have no reason.
pub fn unexplained<'a>(
    root: &Path,
    verdict: &'a Verdict,
    options: &Options,
) -> Result<BTreeSet<(&'a FileId, Option<&'a str>)>, String> {
    let reasons = Reasons::read(root, options)?;
    let mut differing = verdict.differing();
    differing.retain(|(id, test)| !reasons.differs.contains_key(&name(id, *test)));
    Ok(differing)
}

fn times(runs: usize) -> String {
    match runs {
        1 => "once".to_owned(),
        runs => format!("{runs} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_tokio_excuses_nothing_here() {
        let reasons =
            Reasons::parse("[fails-for-tokio]\n\"a::b::c\" = \"root\"", false, false).unwrap();
        assert!(reasons.fails_for_tokio.contains_key("a::b::c"));
        assert_eq!(reasons.of_difference("a::b::c"), "**not explained**");
    }

    #[test]
    fn a_reason_that_counts_for_nothing_is_an_error() {
        assert!(Reasons::parse("[difers]\n\"a\" = \"b\"", false, false).is_err());
        assert!(Reasons::parse("\"a\" = \"b\"", false, false).is_err());
    }
}
