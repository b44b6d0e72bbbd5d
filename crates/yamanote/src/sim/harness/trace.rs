//! What has happened in a run: written as JSON lines while it happens, read for people.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;

use yamanote_sim::Event;

/// Writes each event at once: what comes next may be the end of the process.
pub(super) fn writer(mut file: File) -> impl FnMut(&Event) + Send {
    let mut line = String::new();
    move |event| {
        line.clear();
        let Event {
            number,
            at_ns,
            host,
            code,
            what,
        } = event;
        let host = host.0;
        let _ = write!(
            line,
            "{{\"n\":{number},\"ns\":{at_ns},\"host\":{host},\"code\":\"{code}\",\"what\":"
        );
        json_string(&mut line, what);
        line.push_str("}\n");
        let _ = file.write_all(line.as_bytes());
    }
}

/// Appends a string of JSON.
pub(super) fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // `<` so that it can stand in a page.
            char if char < ' ' || char == '<' => {
                let _ = write!(out, "\\u{:04x}", char as u32);
            }
            char => out.push(char),
        }
    }
    out.push('"');
}

/// A line of [`writer`], read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) at_ns: u64,
    pub(super) host: u32,
    pub(super) code: String,
    pub(super) what: String,
}

impl Line {
    fn read(text: &str) -> Option<Line> {
        let rest = text.strip_prefix("{\"n\":")?;
        let (number, rest) = rest.split_once(",\"ns\":")?;
        let (at_ns, rest) = rest.split_once(",\"host\":")?;
        let (host, rest) = rest.split_once(",\"code\":\"")?;
        let (code, rest) = rest.split_once("\",\"what\":\"")?;
        let what = rest.strip_suffix("\"}")?;
        Some(Line {
            number: number.parse().ok()?,
            at_ns: at_ns.parse().ok()?,
            host: host.parse().ok()?,
            code: code.to_owned(),
            what: from_json(what),
        })
    }

    /// The value of a field `key=value`.
    pub(super) fn field(&self, key: &str) -> Option<&str> {
        let mut fields = self.what.split(' ').filter_map(|it| it.split_once('='));
        fields.find_map(|(name, value)| (name == key).then_some(value))
    }
}

fn from_json(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).ok();
                    out.extend(code.and_then(char::from_u32));
                }
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// All events of a run.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) lines: Vec<Line>,
    /// By number.
    pub(super) hosts: BTreeMap<u32, String>,
}

impl Events {
    pub(super) fn read(text: &str) -> Events {
        let lines: Vec<Line> = text.lines().filter_map(Line::read).collect();
        let mut hosts = BTreeMap::from([(0, "experiment".to_owned())]);
        for line in lines.iter().filter(|line| line.code == "host") {
            let name = line.field("name").unwrap_or(&line.what);
            hosts.insert(line.host, name.to_owned());
        }
        Events { lines, hosts }
    }

    /// For people: the last so many, or all.
    pub(super) fn text(&self, last: usize) -> String {
        let mut out = String::new();
        let width = self.hosts.values().map(|name| name.chars().count()).max();
        let width = width.unwrap_or(0);
        for line in &self.lines[self.lines.len().saturating_sub(last)..] {
            let seconds = line.at_ns as f64 / 1e9;
            let name = self.hosts.get(&line.host).map_or("?", String::as_str);
            let (number, code, what) = (line.number, &line.code, &line.what);
            let _ = writeln!(
                out,
                "{number:>7} {seconds:>14.9} s  {name:<width$}  {code:<9} {what}"
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};
    use yamanote_sim::{HostId, processes::memory_file};

    #[test]
    fn what_is_written_is_read() {
        let mut file = memory_file().unwrap();
        let mut write = writer(file.try_clone().unwrap());
        write(&Event {
            number: 3,
            at_ns: 1_500_000_000,
            host: HostId(2),
            code: "note",
            what: "a=1 \"b\" \\ <c>\n\td".to_owned(),
        });
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let events = Events::read(&text);
        let line = &events.lines[0];
        assert_eq!((line.number, line.at_ns, line.host), (3, 1_500_000_000, 2));
        assert_eq!(line.code, "note");
        assert_eq!(line.what, "a=1 \"b\" \\ <c>\n\td");
        assert_eq!(line.field("a"), Some("1"));
        assert!(
            events.text(9).contains("1.500000000 s"),
            "{}",
            events.text(9)
        );
    }
}
