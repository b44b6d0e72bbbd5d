//! A page that shows a run: hosts as lanes, messages as arrows, faults as bands.
#![forbid(unsafe_code)]

use std::fmt::Write as _;

use super::outcome::Outcome;
use super::trace::{Events, json_string};

/// The page without what it shows. It needs nothing else.
const PAGE: &str = include_str!("timeline.html");

/// Events that are shown: a browser can draw more, but nobody reads them.
const MOST: usize = 50_000;

/// The page, complete in itself.
pub(super) fn page(title: &str, outcome: &Outcome, events: &Events) -> String {
    let mut data = String::from("{\"title\":");
    json_string(&mut data, title);
    data.push_str(",\"failure\":");
    json_string(&mut data, outcome.failure.as_deref().unwrap_or(""));
    data.push_str(",\"hosts\":{");
    for (index, (number, name)) in events.hosts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(data, "{comma}\"{number}\":");
        json_string(&mut data, name);
    }
    data.push_str("},\"events\":[");
    let left_out = events.lines.len().saturating_sub(MOST);
    for (index, line) in events.lines[left_out..].iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(
            data,
            "{comma}[{},{},{},",
            line.number, line.at_ns, line.host
        );
        json_string(&mut data, &line.code);
        data.push(',');
        json_string(&mut data, &line.what);
        data.push(']');
    }
    let _ = write!(data, "],\"leftOut\":{left_out}}}");
    PAGE.replacen("/*DATA*/null", &data, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_run_ends_the_script() {
        let text = "{\"n\":0,\"ns\":1,\"host\":0,\"code\":\"note\",\"what\":\"</script>\"}";
        let page = page("a <b>", &Outcome::default(), &Events::read(text));
        assert_eq!(page.matches("</script>").count(), 1);
        assert!(!page.contains("/*DATA*/"));
    }
}
