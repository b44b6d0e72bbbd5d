//! The patch in the text of a manifest. Only lines are added or removed, so that the rest stays as
//! it is to the byte; what came out is compared with what was meant.
#![forbid(unsafe_code)]

use semver::Version;
use toml::{Table, Value};

const NOTE: &str = "# Yamanote in the place of Tokio";
const HINT: &str = "; `yamanote switch --back` takes it out again.";
const HEADER: &str = "[patch.crates-io]";

/// The comment above the patch, which also keeps Tokio's version from before.
pub fn note(replaced: Option<&Version>) -> String {
    match replaced {
        Some(version) => format!("{NOTE} {version}{HINT}"),
        None => format!("{NOTE}{HINT}"),
    }
}

pub fn has_note(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(NOTE))
}

/// The version that the comment keeps.
pub fn noted_version(text: &str) -> Option<Version> {
    let line = text.lines().find_map(|line| line.strip_prefix(NOTE))?;
    Version::parse(line.split(';').next()?.trim()).ok()
}

/// Adds `tokio` to the patches of crates.io, with the comment above it.
pub fn with_patch(text: &str, note: &str, entry: &str) -> Result<String, String> {
    let end = line_end(text);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let new = match lines.iter().position(|line| is_header(line)) {
        Some(at) if lines[at].ends_with('\n') => {
            let (before, after) = lines.split_at(at + 1);
            format!(
                "{}{note}{end}tokio = {entry}{end}{}",
                before.concat(),
                after.concat()
            )
        }
        // The empty line is always the same, so that it can be taken back.
        _ => format!("{text}{end}{note}{end}{HEADER}{end}tokio = {entry}{end}"),
    };
    let mut meant = parse(text)?;
    let patches = of_crates_io(&mut meant);
    let value = parse(&format!("tokio = {entry}"))?.remove("tokio");
    if let Some((patches, value)) = patches.zip(value) {
        patches.insert("tokio".to_owned(), value);
    }
    as_meant(new, &meant).ok_or_else(|| {
        format!(
            "the patches are written in a form that is not understood here; add by hand, to those of \
             crates-io:\n  tokio = {entry}"
        )
    })
}

/// Takes `tokio` out of the patches of crates.io, with what was written along with it.
pub fn without_patch(text: &str) -> Result<String, String> {
    let mut meant = parse(text)?;
    if let Some(patches) = of_crates_io(&mut meant) {
        patches.remove("tokio");
    }
    without_empty_patches(&mut meant);
    let candidates = [without_block(text), without_line(text)];
    let mut candidates = candidates.into_iter().flatten();
    candidates.find_map(|it| as_meant(it, &meant)).ok_or_else(|| {
        "the patches are written in a form that is not understood here; take tokio out of those of \
         crates-io by hand, then run: cargo update -p tokio"
            .to_owned()
    })
}

/// The lines that `new` has beyond those of `old`.
pub fn new_lines<'a>(old: &str, new: &'a str) -> Vec<&'a str> {
    let mut old = old.lines().peekable();
    let is_new = |line: &&str| old.next_if_eq(line).is_none();
    let lines: Vec<&str> = new.lines().filter(is_new).collect();
    lines
        .into_iter()
        .filter(|line| !line.trim().is_empty())
        .collect()
}

/// Without the table at the end that was added as a whole, if there is nothing else in it.
fn without_block(text: &str) -> Option<String> {
    let end = line_end(text);
    let note = text.lines().find(|line| line.starts_with(NOTE))?;
    let block = format!("{end}{note}{end}{HEADER}{end}tokio = ");
    let (before, after) = text.split_once(&block)?;
    let (_, after) = after.split_once('\n')?;
    let next = after.lines().find(|line| !is_blank(line));
    let is_alone = next.is_none_or(|line| line.trim_start().starts_with('['));
    is_alone.then(|| format!("{before}{after}"))
}

/// Without the line and the comment above it; without one, also without the header if that leaves
/// nothing under it.
fn without_line(text: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let header = lines.iter().position(|line| is_header(line))?;
    let is_entry = |line: &&str| line.split(['=', '.']).next().map(str::trim) == Some("tokio");
    let entry = header + 1 + lines[header + 1..].iter().position(is_entry)?;
    lines.remove(entry);
    let note = lines[..entry]
        .iter()
        .rposition(|line| line.starts_with(NOTE));
    // Above the header, if that was written with it and got other patches since.
    let note = note.filter(|at| at + 1 == entry || at + 1 == header);
    if let Some(note) = note {
        lines.remove(note);
        return Some(lines.concat());
    }
    let next = lines[header + 1..].iter().find(|line| !is_blank(line));
    if next.is_none_or(|line| line.trim_start().starts_with('[')) {
        lines.remove(header);
        if header > 0 && is_blank(lines[header - 1]) {
            lines.remove(header - 1);
        }
    }
    Some(lines.concat())
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn is_header(line: &str) -> bool {
    let code = line.split('#').next().unwrap_or(line);
    let spare = |it: char| it.is_whitespace() || it == '"' || it == '\'';
    code.replace(spare, "") == HEADER
}

/// As the other lines of this text end.
fn line_end(text: &str) -> &'static str {
    match text.contains("\r\n") {
        true => "\r\n",
        false => "\n",
    }
}

fn parse(text: &str) -> Result<Table, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// The patches of crates.io, made if there are none; `None` if something else has that name.
fn of_crates_io(manifest: &mut Table) -> Option<&mut Table> {
    let empty = || Value::Table(Table::new());
    let patches = manifest.entry("patch").or_insert_with(empty);
    let patches = patches
        .as_table_mut()?
        .entry("crates-io")
        .or_insert_with(empty);
    patches.as_table_mut()
}

fn without_empty_patches(manifest: &mut Table) {
    let is_empty = |it: &Value| it.as_table().is_some_and(Table::is_empty);
    if let Some(patches) = manifest.get_mut("patch").and_then(Value::as_table_mut) {
        patches.retain(|_, it| !is_empty(it));
    }
    if manifest.get("patch").is_some_and(is_empty) {
        manifest.remove("patch");
    }
}

/// The text, if it says what is meant.
fn as_meant(text: String, meant: &Table) -> Option<String> {
    let mut said = parse(&text).ok()?;
    let mut meant = meant.clone();
    without_empty_patches(&mut said);
    without_empty_patches(&mut meant);
    (said == meant).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "{ path = \"../yamanote/crates/tokio\" }";

    fn noted() -> String {
        note(Some(&Version::new(1, 54, 1)))
    }

    #[test]
    fn there_and_back_is_the_same_to_the_byte() {
        for text in [
            "[package]\nname = \"app\"\n",
            "[package]\nname = \"app\"",
            "[package]\nname = \"app\"\n\n\n",
            "# head\r\n[package]\r\nname = \"app\" # tail\r\n",
            "[package]\nname = \"app\"\n[patch.crates-io]\n# ours\nhyper = { path = \"hyper\" }\n",
            "[patch.crates-io] # why\nhyper = { path = \"hyper\" }\n\n[package]\nname = \"app\"\n",
            "[patch.\"crates-io\"]\n[package]\nname = \"app\"\n",
            "[patch.crates-io.hyper]\npath = \"hyper\"\n",
            "[patch.\"https://example.org/tokio\"]\ntokio = { path = \"elsewhere\" }\n",
            "",
        ] {
            let switched = with_patch(text, &noted(), ENTRY).expect(text);
            let table = parse(&switched).unwrap();
            assert_eq!(
                table["patch"]["crates-io"]["tokio"]["path"].as_str(),
                Some("../yamanote/crates/tokio")
            );
            assert!(has_note(&switched) && !has_note(text));
            assert_eq!(noted_version(&switched), Some(Version::new(1, 54, 1)));
            assert_eq!(without_patch(&switched).unwrap(), text);
            assert_eq!(switched.contains("\r\n"), text.contains("\r\n"));
            assert!(switched.lines().all(|it| !it.ends_with('\r')));
        }
    }

    #[test]
    fn what_came_in_between_stays() {
        let switched = with_patch("a = 1\n", &noted(), ENTRY).unwrap();
        let more = switched.clone() + "hyper = { path = \"hyper\" }\n";
        let back = without_patch(&more).unwrap();
        assert_eq!(
            back,
            "a = 1\n\n[patch.crates-io]\nhyper = { path = \"hyper\" }\n"
        );
        let more = switched + "\n[profile.release]\nlto = true\n";
        let back = without_patch(&more).unwrap();
        assert_eq!(back, "a = 1\n\n[profile.release]\nlto = true\n");
    }

    #[test]
    fn a_patch_written_by_hand_is_taken_out() {
        let text = "a = 1\n\n[patch.crates-io]\ntokio = { path = \"../yamanote/crates/tokio\" }\n";
        assert_eq!(without_patch(text).unwrap(), "a = 1\n");
        let text = "[patch.crates-io]\nhyper.path = \"h\"\ntokio.path = \"t\"\n";
        assert_eq!(
            without_patch(text).unwrap(),
            "[patch.crates-io]\nhyper.path = \"h\"\n"
        );
    }

    #[test]
    fn other_forms_are_left_alone() {
        for text in [
            "patch.crates-io.hyper.path = \"hyper\"\n",
            "patch = { crates-io = { hyper = { path = \"hyper\" } } }\n",
            "[patch]\ncrates-io.hyper.path = \"hyper\"\n",
        ] {
            let why = with_patch(text, &noted(), ENTRY).unwrap_err();
            assert!(why.contains("by hand"), "{why}");
        }
        let text = "[patch.crates-io.tokio]\npath = \"../yamanote/crates/tokio\"\n";
        assert!(without_patch(text).unwrap_err().contains("by hand"));
        let text = "[package]\ndescription = \"\"\"\n[patch.crates-io]\ntokio = 1\n\"\"\"\n";
        assert!(without_patch(text).unwrap_err().contains("by hand"));
    }
}
