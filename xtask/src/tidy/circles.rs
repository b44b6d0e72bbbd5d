//! No files name each other in a circle, but for those that the map lists with a reason.
#![forbid(unsafe_code)]

use super::map::block;
use super::modules::Modules;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who names whom, and one name as an example.
type Arrows<'a> = BTreeMap<&'a Path, BTreeMap<&'a Path, &'a str>>;

/// A line of the map: `src/a.rs src/b.rs | why`.
struct Listed {
    files: BTreeSet<PathBuf>,
    line: String,
}

pub fn check(map: &str, crates: &[Modules], complaints: &mut Vec<String>) {
    let mut listed: Vec<(Listed, bool)> = block(map, "circles")
        .into_iter()
        .map(|line| {
            let (files, reason) = line
                .split_once('|')
                .unwrap_or_else(|| panic!("a circle without a reason: {line}"));
            assert!(
                !reason.trim().is_empty(),
                "a circle without a reason: {line}"
            );
            let files = files.split_whitespace().map(PathBuf::from).collect();
            let line = line.to_owned();
            (Listed { files, line }, false)
        })
        .collect();
    for modules in crates {
        let mut arrows = Arrows::new();
        for reference in modules.references() {
            if reference.from_file != reference.to_file
                && !reference.is_handed_on
                && !is_own_folder(&reference.from_file, &reference.to_file)
            {
                arrows
                    .entry(&reference.from_file)
                    .or_default()
                    .insert(&reference.to_file, &reference.item);
            }
        }
        for circle in circles(&arrows) {
            match listed
                .iter_mut()
                .find(|(listed, _)| circle.iter().all(|file| listed.files.contains(*file)))
            {
                Some((_, is_found)) => *is_found = true,
                None => complaints.push(describe(&circle, &arrows)),
            }
        }
    }
    for (listed, is_found) in listed {
        if !is_found {
            complaints.push(format!("a listed circle that is none: {}", listed.line));
        }
    }
}

/// A file may use what the `mod.rs` of its folder, or of one around it, says for all of them; that
/// the `mod.rs` in turn knows its files makes no circle.
fn is_own_folder(file: &Path, other: &Path) -> bool {
    other.ends_with("mod.rs")
        && other
            .parent()
            .is_some_and(|folder| file.starts_with(folder))
}

/// The sets of files in which each leads to each other.
fn circles<'a>(arrows: &Arrows<'a>) -> Vec<BTreeSet<&'a Path>> {
    let reachable: BTreeMap<&Path, BTreeSet<&Path>> = arrows
        .keys()
        .map(|&start| {
            let mut seen = BTreeSet::new();
            let mut todo = vec![start];
            while let Some(file) = todo.pop() {
                for &next in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
                    if seen.insert(next) {
                        todo.push(next);
                    }
                }
            }
            (start, seen)
        })
        .collect();
    let mut found: BTreeSet<BTreeSet<&Path>> = BTreeSet::new();
    for (&file, seen) in &reachable {
        if seen.contains(file) {
            let leads_back = |other: &&&Path| {
                reachable
                    .get(**other)
                    .is_some_and(|seen| seen.contains(file))
            };
            found.insert(seen.iter().filter(leads_back).copied().collect());
        }
    }
    found.into_iter().collect()
}

fn describe(circle: &BTreeSet<&Path>, arrows: &Arrows) -> String {
    let mut text = format!("a circle of {} files:", circle.len());
    for file in circle {
        for (to, item) in &arrows[file] {
            if circle.contains(to) {
                text.push_str(&format!(
                    "\n    {} names {item} of {}",
                    file.display(),
                    to.display()
                ));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(pairs: &'static [(&str, &str)]) -> Arrows<'static> {
        let mut arrows = Arrows::new();
        for (from, to) in pairs {
            arrows
                .entry(Path::new(from))
                .or_default()
                .insert(Path::new(to), "x");
        }
        arrows
    }

    #[test]
    fn circles_are_found_apart_and_whole() {
        let arrows = arrows(&[
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "d"),
            ("d", "e"),
            ("e", "d"),
            ("e", "f"),
        ]);
        let found = circles(&arrows);
        let expected: Vec<BTreeSet<&Path>> = [vec!["a", "b", "c"], vec!["d", "e"]]
            .into_iter()
            .map(|names| names.into_iter().map(Path::new).collect())
            .collect();
        assert_eq!(found, expected);
    }
}
