//! Every test that docs/failures.md names is there.
#![forbid(unsafe_code)]

use super::words::{is_word, quoted};
use crate::source::Source;
use std::collections::HashSet;

pub fn check(list: &str, sources: &[Source], complaints: &mut Vec<String>) {
    let functions: HashSet<&str> = sources
        .iter()
        .flat_map(|source| source.text.split("fn ").skip(1))
        .filter_map(|rest| rest.split(|c| !is_word(c)).next())
        .collect();
    for (index, line) in list
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with('|'))
    {
        for name in tests(line).filter(|name| !functions.contains(name)) {
            complaints.push(format!(
                "docs/failures.md:{}: there is no test {name}",
                index + 1
            ));
        }
    }
}

/// The `test` of `file::test`, `::test` and `part:test`; a whole file, `file::*`, names none.
fn tests(row: &str) -> impl Iterator<Item = &str> {
    quoted(row).filter_map(|quoted| {
        let name = quoted.rsplit(':').next()?;
        let is_test = name.len() < quoted.len() && name.contains('_');
        (is_test && name.chars().all(is_word)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn tests_are_told_from_files_and_functions() {
        let row = "| X1 | `poll_read` of `a_b.rs` | `udp::keeps_all`, `::loses_none`, `op:storm`, \
                   `hog::*`, `op:orders::polls_again` | both |";
        let found: Vec<&str> = super::tests(row).collect();
        assert_eq!(found, ["keeps_all", "loses_none", "polls_again"]);
    }
}
