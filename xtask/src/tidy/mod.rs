//! `cargo xtask tidy`: the rules of ARCHITECTURE.md that a program can check.
//!
//! - Arrows between modules point down the layer table.
//! - Unsafe code lives in the listed rooms; every other file forbids it.
//! - Every file says what it is in its first line.
//! - Only tests look at `--cfg loom`, which a program may set for models of its own.
//! - Nothing names a path of some developer's machine.
#![forbid(unsafe_code)]

use crate::source::Source;
use std::path::Path;
use std::process::ExitCode;

/// Where the runtime's modules begin.
const RUNTIME_SRC: &str = "crates/yamanote/src";

pub fn run(root: &Path) -> ExitCode {
    let map = std::fs::read_to_string(root.join("ARCHITECTURE.md"))
        .expect("ARCHITECTURE.md stands beside Cargo.toml");
    let sources = Source::all(root, &["crates", "xtask", "benches", "examples"]);
    let mut complaints = Vec::new();
    check_layers(&map, &sources, &mut complaints);
    check_unsafe_rooms(&map, &sources, &mut complaints);
    check_heads(&sources, &mut complaints);
    check_loom(&sources, &mut complaints);
    check_machine_paths(root, &sources, &mut complaints);
    for complaint in &complaints {
        eprintln!("tidy: {complaint}");
    }
    match complaints.is_empty() {
        true => {
            println!("tidy: {} files in order", sources.len());
            ExitCode::SUCCESS
        }
        false => {
            eprintln!("tidy: {} complaints", complaints.len());
            ExitCode::FAILURE
        }
    }
}

/// The lines of the fenced block that starts with "```text NAME".
fn block<'a>(map: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("```text {name}");
    let lines: Vec<&str> = map
        .lines()
        .skip_while(|line| line.trim() != start)
        .skip(1)
        .take_while(|line| line.trim() != "```")
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert!(!lines.is_empty(), "ARCHITECTURE.md has no block {name}");
    lines
}

/// A row of the layer table: `5 | io::async_fd | runtime`.
struct Row {
    layer: u32,
    module: Vec<String>,
    /// Modules of the same layer it may know.
    siblings: Vec<Vec<String>>,
}

fn layer_table(map: &str) -> Vec<Row> {
    let path = |text: &str| -> Vec<String> { text.split("::").map(str::to_owned).collect() };
    block(map, "layers")
        .into_iter()
        .map(|line| {
            let mut cells = line.split('|').map(str::trim);
            Row {
                layer: cells
                    .next()
                    .and_then(|cell| cell.parse().ok())
                    .unwrap_or_else(|| panic!("no layer number in: {line}")),
                module: path(
                    cells
                        .next()
                        .unwrap_or_else(|| panic!("no module in: {line}")),
                ),
                siblings: cells
                    .next()
                    .unwrap_or_default()
                    .split_whitespace()
                    .map(path)
                    .collect(),
            }
        })
        .collect()
}

/// The row with the longest path that is a prefix of `module`.
fn row_of<'a>(table: &'a [Row], module: &[String]) -> Option<&'a Row> {
    table
        .iter()
        .filter(|row| module.starts_with(&row.module))
        .max_by_key(|row| row.module.len())
}

fn check_layers(map: &str, sources: &[Source], complaints: &mut Vec<String>) {
    let table = layer_table(map);
    for source in sources {
        let Some(module) = source.module(Path::new(RUNTIME_SRC)) else {
            continue;
        };
        // lib.rs declares and re-exports; macros name public paths; tests may look up.
        let is_test = module.iter().any(|part| part == "tests");
        if is_test || module == ["lib"] || module.first().is_some_and(|first| first == "macros") {
            continue;
        }
        let Some(own) = row_of(&table, &module) else {
            complaints.push(format!("{}: in no layer", source.path.display()));
            continue;
        };
        for (line, target) in references(source) {
            let Some(other) = row_of(&table, &target) else {
                continue;
            };
            let same_place = other.module == own.module;
            let re_export = other.module.starts_with(&module);
            let allowed = same_place
                || re_export
                || other.layer < own.layer
                || (other.layer == own.layer && own.siblings.contains(&other.module));
            if !allowed {
                complaints.push(format!(
                    "{}:{line}: {} (layer {}) may not know {} (layer {})",
                    source.path.display(),
                    own.module.join("::"),
                    own.layer,
                    other.module.join("::"),
                    other.layer,
                ));
            }
        }
    }
}

/// Every `crate::a::b` in the code, braces spread out by one level, with its line.
fn references(source: &Source) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (number, line) in source.code() {
        for (start, _) in line.match_indices("crate::") {
            let is_dollar = line[..start].ends_with('$');
            let tail = &line[start + "crate::".len()..];
            let path: Vec<String> = identifiers(tail);
            if is_dollar {
                continue;
            }
            let written: usize = path.iter().map(|part| part.len() + 2).sum();
            match tail.get(written..).and_then(|rest| rest.strip_prefix('{')) {
                Some(list) => {
                    for item in list.split(['}', ';']).next().unwrap_or("").split(',') {
                        let mut full = path.clone();
                        full.extend(identifiers(item.trim()));
                        found.push((number, full));
                    }
                }
                None => found.push((number, path)),
            }
        }
    }
    found
}

/// The leading `a::b::c` of `text`.
fn identifiers(text: &str) -> Vec<String> {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(text.len());
    text[..end]
        .split("::")
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn check_unsafe_rooms(map: &str, sources: &[Source], complaints: &mut Vec<String>) {
    let rooms: Vec<&str> = block(map, "unsafe rooms")
        .into_iter()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let is_in =
        |path: &str, room: &str| path == room || (room.ends_with('/') && path.starts_with(room));
    for source in sources {
        let path = source.path.to_string_lossy();
        let is_room = rooms.iter().any(|room| is_in(&path, room));
        let forbids = source.text.contains("#![forbid(unsafe_code)]");
        // Tests of the public API may call libc to set the scene.
        let is_test = path.contains("/tests/");
        if !is_room && !forbids && !is_test {
            complaints.push(format!(
                "{path}: neither a listed room nor #![forbid(unsafe_code)]"
            ));
        }
        if is_room && forbids && rooms.contains(&&*path) {
            complaints.push(format!(
                "{path}: listed as an unsafe room, but forbids unsafe"
            ));
        }
    }
    for room in rooms {
        if !sources
            .iter()
            .any(|source| is_in(&source.path.to_string_lossy(), room))
        {
            complaints.push(format!("{room}: a listed room that does not exist"));
        }
    }
}

fn check_heads(sources: &[Source], complaints: &mut Vec<String>) {
    for source in sources {
        if !source.text.starts_with("//!") {
            complaints.push(format!(
                "{}: does not begin with //!",
                source.path.display()
            ));
        }
    }
}

fn check_loom(sources: &[Source], complaints: &mut Vec<String>) {
    for source in sources.iter().filter(|it| it.path.starts_with(RUNTIME_SRC)) {
        for (number, line) in source.text.lines().enumerate() {
            if line.contains("cfg") && line.contains("loom)") && !line.contains("(test, ") {
                complaints.push(format!(
                    "{}:{}: loom is for tests: write all(test, loom)",
                    source.path.display(),
                    number + 1
                ));
            }
        }
    }
}

fn check_machine_paths(root: &Path, sources: &[Source], complaints: &mut Vec<String>) {
    // Spelled so that this file does not complain about itself.
    let foreign = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/home", "/"].concat(),
    ];
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        ".ci/run",
    ]
    .iter()
    .filter_map(|name| Some((*name, std::fs::read_to_string(root.join(name)).ok()?)));
    let all = sources
        .iter()
        .map(|source| {
            (
                source.path.to_string_lossy().into_owned(),
                source.text.clone(),
            )
        })
        .chain(documents.map(|(name, text)| (name.to_owned(), text)));
    for (path, text) in all {
        for (index, line) in text.lines().enumerate() {
            if foreign
                .iter()
                .any(|foreign| line.contains(foreign.as_str()))
            {
                complaints.push(format!("{path}:{}: a path of some machine", index + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_spread_braces_and_skip_comments() {
        let source = Source {
            path: "x.rs".into(),
            text: "use crate::runtime::{driver::op::Op, task};\n// crate::fs\nlet a = crate::sys::x();\n"
                .to_owned(),
        };
        let found: Vec<String> = references(&source)
            .into_iter()
            .map(|(_, path)| path.join("::"))
            .collect();
        assert_eq!(
            found,
            ["runtime::driver::op::Op", "runtime::task", "sys::x"]
        );
    }
}
