//! How a run has ended, as its process tells it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use yamanote_marks::Kind;

use crate::sim::marks::{Place, Sight};

/// How a run has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) seed: u64,
    /// Why it has failed.
    pub(super) failure: Option<String>,
    pub(super) hash: u64,
    pub(super) events: u64,
    pub(super) virtual_ns: u64,
    pub(super) marks: BTreeMap<Place, Sight>,
    /// The faults that were drawn.
    pub(super) faults: Vec<String>,
    /// The hash after each event, if asked for.
    pub(super) hashes: Vec<u64>,
}

/// A run that is over.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) outcome: Outcome,
    /// What it has printed.
    pub(super) output: String,
}

impl Outcome {
    /// A line for each part, with its fields separated by tabs.
    pub(super) fn write(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "run\t{}\t{}\t{}\t{}",
            self.seed, self.hash, self.events, self.virtual_ns
        );
        if let Some(failure) = &self.failure {
            let _ = writeln!(text, "failure\t{}", escaped(failure));
        }
        for ((kind, name, place), sight) in &self.marks {
            let kind = match kind {
                Kind::Always => "always",
                Kind::Sometimes => "sometimes",
            };
            let (name, place) = (escaped(name), escaped(place));
            let _ = writeln!(
                text,
                "mark\t{kind}\t{name}\t{place}\t{}\t{}",
                sight.held, sight.failed
            );
        }
        for fault in &self.faults {
            let _ = writeln!(text, "fault\t{}", escaped(fault));
        }
        for hash in &self.hashes {
            let _ = writeln!(text, "hash\t{hash}");
        }
        text.push_str("end\n");
        text
    }

    /// `None` if the text does not go to its end.
    pub(super) fn read(text: &str) -> Option<Outcome> {
        let mut outcome = Outcome::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
            let string = |index: usize| fields.get(index).map(|it| unescaped(it));
            match fields[0] {
                "end" => return Some(outcome),
                "run" => {
                    outcome.seed = number(1)?;
                    outcome.hash = number(2)?;
                    outcome.events = number(3)?;
                    outcome.virtual_ns = number(4)?;
                }
                "failure" => outcome.failure = string(1),
                "mark" => {
                    let kind = match *fields.get(1)? {
                        "always" => Kind::Always,
                        _ => Kind::Sometimes,
                    };
                    let sight = Sight {
                        held: number(4)?,
                        failed: number(5)?,
                    };
                    outcome.marks.insert((kind, string(2)?, string(3)?), sight);
                }
                "fault" => outcome.faults.push(string(1)?),
                "hash" => outcome.hashes.push(number(1)?),
                _ => return None,
            }
        }
        None
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\");
    text.replace('\t', "\\t").replace('\n', "\\n")
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('t') => out.push('\t'),
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let outcome = Outcome {
            seed: 7,
            failure: Some("a\tb\nc \\ d\\n".to_owned()),
            hash: u64::MAX,
            events: 3,
            virtual_ns: 4,
            marks: [(
                (Kind::Sometimes, "x".to_owned(), "a.rs:1".to_owned()),
                Sight { held: 1, failed: 2 },
            )]
            .into(),
            faults: vec!["crash n1".to_owned()],
            hashes: vec![1, 2],
        };
        let text = outcome.write();
        assert_eq!(Outcome::read(&text), Some(outcome));
        assert_eq!(Outcome::read(&text[..text.len() - 4]), None);
    }
}
