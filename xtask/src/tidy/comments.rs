//! Comments fit the width; files that they name exist, and so does what they name beside an atomic
//! ordering.
#![forbid(unsafe_code)]

use super::words::{is_word, quoted};
use crate::source::Source;
use std::collections::HashSet;
use std::path::Path;

/// The width that rustfmt keeps for code.
const WIDTH: usize = 100;

pub fn check(map: &str, sources: &[Source], complaints: &mut Vec<String>) {
    let exists = |name: &str| sources.iter().any(|source| source.path.ends_with(name));
    for (index, line) in map.lines().enumerate() {
        for name in quoted_files(line).filter(|name| !exists(name)) {
            complaints.push(format!("ARCHITECTURE.md:{}: there is no {name}", index + 1));
        }
    }
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            // A row of a table is one line.
            let is_row = line.trim_start().starts_with("//! |");
            let is_comment = line.trim_start().starts_with("//");
            if is_comment && !is_row && line.chars().count() > WIDTH {
                complaints.push(format!(
                    "{}:{}: a comment of more than {WIDTH} columns",
                    source.path.display(),
                    index + 1
                ));
            }
            let files = is_comment.then(|| quoted_files(line));
            for name in files.into_iter().flatten().filter(|name| !exists(name)) {
                complaints.push(format!(
                    "{}:{}: there is no {name}",
                    source.path.display(),
                    index + 1
                ));
            }
        }
    }
    check_partners(sources, complaints);
}

/// `driver/park.rs`; not `x/mod.rs`, which stands for any.
fn quoted_files(line: &str) -> impl Iterator<Item = &str> {
    quoted(line).filter(|name| {
        let is_path = name.chars().all(|c| is_word(c) || c == '/' || c == '.');
        is_path && name.ends_with(".rs") && *name != ".rs" && !name.starts_with("x/")
    })
}

/// To name the function with the other ordering is worth nothing once that is called otherwise. A
/// name is looked for in the folder of its file and in those below; one with a path or a type
/// before it, anywhere in the crate.
fn check_partners(sources: &[Source], complaints: &mut Vec<String>) {
    let words: Vec<HashSet<&str>> = sources.iter().map(|source| words(&source.text)).collect();
    for source in sources {
        let folder = source.path.parent().expect("a file lies in a folder");
        let home = source
            .path
            .ancestors()
            .find(|folder| folder.ends_with("src"))
            .unwrap_or(folder);
        let is_known = |name: &str, below: &Path| {
            let mut all = sources.iter().zip(&words);
            all.any(|(other, words)| other.path.starts_with(below) && words.contains(name))
        };
        for (number, block) in comment_blocks(&source.text) {
            let is_head = block.starts_with("//!");
            let prose = block.split("```").next().unwrap_or_default();
            if is_head || !speaks_of_order(prose) {
                continue;
            }
            for (name, is_qualified) in quoted_names(prose) {
                let below = if is_qualified { home } else { folder };
                if !is_known(name, below) {
                    complaints.push(format!(
                        "{}:{number}: `{name}` stands beside an ordering and is not to be found in {}",
                        source.path.display(),
                        below.display()
                    ));
                }
            }
        }
    }
}

/// Every word of the code.
fn words(text: &str) -> HashSet<&str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split(|c| !is_word(c)))
        .collect()
}

/// Lines of comment that stand together, with the number of the first.
fn comment_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut is_inside = false;
    for (index, line) in text.lines().enumerate() {
        let comment = line.trim_start();
        if comment.starts_with("//") {
            match blocks.last_mut() {
                Some((_, block)) if is_inside => {
                    block.push('\n');
                    block.push_str(comment);
                }
                _ => blocks.push((index + 1, comment.to_owned())),
            }
        }
        is_inside = comment.starts_with("//");
    }
    blocks
}

fn speaks_of_order(comment: &str) -> bool {
    ["Acquire", "Release", "AcqRel", "SeqCst", "Relaxed"]
        .iter()
        .any(|order| comment.contains(order))
}

/// What stands in backticks and may be the name of a function: the `b` of `a::b`, `a.b` and `b()`;
/// and whether something stands before it.
fn quoted_names(comment: &str) -> Vec<(&str, bool)> {
    quoted(comment)
        .filter_map(|quoted| {
            let path = quoted.trim_end_matches("()");
            let name = path.rsplit(['.', ':']).next()?;
            let is_name = !name.is_empty()
                && name.chars().all(is_word)
                && !name.starts_with(|c: char| c.is_ascii_digit());
            // `park.rs`
            let is_file = quoted.contains('/') || name == "rs";
            (is_name && !is_file).then_some((name, name.len() < path.len()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partner_that_was_renamed_is_found() {
        let source = Source {
            path: "crates/x/src/lib.rs".into(),
            text: "// Acquire: the partner is `hear`.\nfn stage() {}\n// Release: the partner \
                   is `stage`, `Waker::wake()` or `fork(2)`.\nfn wake() {}\n"
                .to_owned(),
        };
        let mut complaints = Vec::new();
        check("", &[source], &mut complaints);
        assert_eq!(
            complaints,
            [
                "crates/x/src/lib.rs:1: `hear` stands beside an ordering and is not to be found in \
              crates/x/src"
            ]
        );
    }
}
