//! A copy of the tree with all bugs in it, each behind its switch.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use super::SWITCH;
use super::catalogue::Mutant;

/// What the tests do not need.
const LEFT_OUT: [&str; 5] = [".git", "target", "race", "examples", "fuzz"];

/// Makes or renews the copy; returns where it is. A file that stays the same is not touched, so
/// that what was built from it stays valid.
pub fn plant(root: &Path, mutants: &[Mutant]) -> Result<PathBuf, String> {
    let tree = root.join("target/mutants/tree");
    let mut changed = changed_files(root, mutants)?;
    let library = PathBuf::from("crates/yamanote/src/lib.rs");
    let mut text = match changed.remove(&library) {
        Some(text) => text,
        None => read(&root.join(&library))?,
    };
    // Code behind a switch is not written for people.
    text = text.replacen("#![", "#![allow(warnings)]\n#![", 1);
    text.push_str(&switch());
    changed.insert(library, text);
    copy(root, Path::new(""), &tree, &changed)
        .map_err(|error| format!("cannot copy the tree: {error}"))?;
    Ok(tree)
}

/// The files that have bugs, with all of them.
pub fn changed_files(root: &Path, mutants: &[Mutant]) -> Result<BTreeMap<PathBuf, String>, String> {
    let mut by_file: BTreeMap<&Path, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        by_file.entry(&mutant.file).or_default().push(mutant);
    }
    let mut changed = BTreeMap::new();
    for (file, mutants) in by_file {
        let text = read(&root.join(file))?;
        let text =
            with_bugs(&text, &mutants).map_err(|what| format!("{}: {what}", file.display()))?;
        changed.insert(file.to_owned(), text);
    }
    Ok(changed)
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn with_bugs(text: &str, mutants: &[&Mutant]) -> Result<String, String> {
    // By where it begins; the end is the same for all bugs at one place.
    let mut places: BTreeMap<usize, Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        places.entry(place(text, mutant)?).or_default().push(mutant);
    }
    let mut result = String::new();
    let mut at = 0;
    for (start, mutants) in places {
        let old = &mutants[0].old;
        if start < at || mutants.iter().any(|mutant| mutant.old != *old) {
            return Err(format!("{} overlaps another bug", mutants[0].name));
        }
        result.push_str(&text[at..start]);
        result.push_str(&choice(old, &mutants));
        at = start + old.len();
    }
    result.push_str(&text[at..]);
    match result.parse::<TokenStream>() {
        Ok(_) => Ok(result),
        Err(_) => Err("with its bugs, the brackets do not match".to_owned()),
    }
}

/// Where the old text begins: the first one after `after`, or the only one.
fn place(text: &str, mutant: &Mutant) -> Result<usize, String> {
    let within = |what| format!("{}: {what}", mutant.name);
    match &mutant.after {
        None => only(text, &mutant.old).map_err(within),
        Some(after) => {
            let behind = only(text, after).map_err(within)? + after.len();
            let found = text[behind..].find(&mutant.old);
            let old = found.ok_or_else(|| within(format!("not behind {after}: {}", mutant.old)))?;
            Ok(behind + old)
        }
    }
}

fn only(text: &str, part: &str) -> Result<usize, String> {
    let mut found = text.match_indices(part);
    match (found.next(), found.next()) {
        _ if part.is_empty() => Err("an empty text".to_owned()),
        (Some((start, _)), None) => Ok(start),
        (None, _) => Err(format!("it does not say: {part}")),
        (Some(_), Some(_)) => Err(format!("it says more than once: {part}")),
    }
}

fn choice(old: &str, mutants: &[&Mutant]) -> String {
    let mut text = String::new();
    for mutant in mutants {
        let Mutant { name, new, .. } = mutant;
        text.push_str(&format!(
            "if crate::mutants::on({name:?}) {{ {new} }} else "
        ));
    }
    text.push_str(&format!("{{ {old} }}"));
    match old.ends_with([';', '}']) {
        true => text,
        // In the middle of an expression.
        false => format!("({text})"),
    }
}

fn switch() -> String {
    format!(
        "
pub(crate) mod mutants {{
    pub(crate) fn on(name: &str) -> bool {{
        static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        let chosen = CHOSEN.get_or_init(|| std::env::var({SWITCH:?}).ok());
        chosen.as_deref() == Some(name)
    }}
}}
"
    )
}

/// Copies what is below `dir`, with the contents in `changed` where there are any.
fn copy(
    root: &Path,
    dir: &Path,
    tree: &Path,
    changed: &BTreeMap<PathBuf, String>,
) -> io::Result<()> {
    let to = tree.join(dir);
    fs::create_dir_all(&to)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(dir))? {
        let name = entry?.file_name();
        if LEFT_OUT.iter().all(|left_out| name != *left_out) {
            names.push(name);
        }
    }
    for entry in fs::read_dir(&to)? {
        let entry = entry?;
        if !names.contains(&entry.file_name()) {
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
    }
    for name in names {
        let path = dir.join(&name);
        if root.join(&path).is_dir() {
            copy(root, &path, tree, changed)?;
            continue;
        }
        let new = match changed.get(&path) {
            Some(text) => text.clone().into_bytes(),
            None => fs::read(root.join(&path))?,
        };
        if fs::read(tree.join(&path)).ok().as_ref() != Some(&new) {
            fs::write(tree.join(&path), new)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutants::catalogue;

    /// A bug whose text has changed must be looked at, not forgotten.
    #[test]
    fn every_bug_has_its_place() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mutants = catalogue::read(root).unwrap();
        assert!(mutants.len() > 40);
        changed_files(root, &mutants).unwrap();
    }

    fn mutant(name: &str, old: &str, new: &str) -> Mutant {
        Mutant {
            name: name.to_owned(),
            bug: String::new(),
            file: PathBuf::new(),
            after: None,
            old: old.to_owned(),
            new: new.to_owned(),
            test: String::new(),
            run: String::new(),
            hangs: false,
            limit: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn bugs_stand_behind_their_switches() {
        let (a, b) = (
            mutant("a", "one()", "two()"),
            mutant("b", "one()", "three()"),
        );
        let c = mutant("c", "stop();", "");
        let text = with_bugs("let x = one() + 1; stop(); end", &[&a, &b, &c]).unwrap();
        assert_eq!(
            text,
            "let x = (if crate::mutants::on(\"a\") { two() } else \
             if crate::mutants::on(\"b\") { three() } else { one() }) + 1; \
             if crate::mutants::on(\"c\") {  } else { stop(); } end"
        );
    }

    #[test]
    fn a_text_is_there_once() {
        let fails = |text: &str, mutants: &[&Mutant]| with_bugs(text, mutants).is_err();
        let one = mutant("a", "one", "two");
        assert!(fails("nothing", &[&one]) && fails("one and one", &[&one]));
        assert!(fails("one more", &[&one, &mutant("b", "ne mo", "")]));
        assert!(fails("one", &[&mutant("b", "", "x")]));
        let second = |after: &str| Mutant {
            after: Some(after.to_owned()),
            ..mutant("a", "one", "two")
        };
        let text = with_bugs("one; f(one, one)", &[&second("f(")]).unwrap();
        assert!(text.starts_with("one; f((if") && text.ends_with("{ one }), one)"));
        assert!(fails(
            "if one { f() }",
            &[&mutant("a", "if one {", "if two {")]
        ));
        assert!(fails("one", &[&second("f(")]) && fails("one f( f( one", &[&second("f(")]));
    }
}
