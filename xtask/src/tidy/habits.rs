//! How files begin, how long they are, how tests and modules are called.
#![forbid(unsafe_code)]

use super::modules::Modules;
use crate::source::Source;
use std::collections::HashSet;
use std::path::Path;

/// A file that is longer says why in its head, with these words.
const LONGEST: usize = 500;
const EXCUSE: &str = "500 lines";

pub fn check(root: &Path, sources: &[Source], crates: &[Modules], complaints: &mut Vec<String>) {
    check_heads(sources, complaints);
    check_length(sources, complaints);
    check_folders(sources, complaints);
    check_tests(crates, complaints);
    check_dead_code(sources, complaints);
    check_loom(sources, complaints);
    check_unstable(sources, complaints);
    check_machine_paths(root, sources, complaints);
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

fn check_length(sources: &[Source], complaints: &mut Vec<String>) {
    for source in sources {
        let length = source.text.lines().count();
        let has_excuse = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .any(|line| line.contains(EXCUSE));
        if length > LONGEST && !has_excuse {
            complaints.push(format!(
                "{}: {length} lines, and its head does not say why it has more than {EXCUSE}",
                source.path.display()
            ));
        }
        if length <= LONGEST && has_excuse {
            complaints.push(format!(
                "{}: excuses more than {EXCUSE}, and has {length}",
                source.path.display()
            ));
        }
    }
}

/// A module with children is `x/mod.rs`.
fn check_folders(sources: &[Source], complaints: &mut Vec<String>) {
    let paths: HashSet<&Path> = sources.iter().map(|source| &*source.path).collect();
    for path in &paths {
        let folder = path.with_extension("");
        let has_children = paths
            .iter()
            .any(|other| other.parent().is_some_and(|parent| parent == folder));
        if has_children {
            complaints.push(format!(
                "{}: a module with children is {}",
                path.display(),
                folder.join("mod.rs").display()
            ));
        }
    }
}

fn check_tests(crates: &[Modules], complaints: &mut Vec<String>) {
    for modules in crates {
        for (file, line, name) in modules.test_modules() {
            if name != "tests" && name != "loom_tests" {
                complaints.push(format!(
                    "{}:{line}: in-tree tests are called tests, models loom_tests, and not {name}",
                    file.display()
                ));
            }
        }
    }
}

/// What has no user goes; what waits for one expects to be dead, so that the compiler tells when it
/// is not any more.
fn check_dead_code(sources: &[Source], complaints: &mut Vec<String>) {
    let is_test = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        path.iter().any(|part| part == "tests")
            || name.is_some_and(|name| ["tests.rs", "loom_tests.rs"].contains(&name))
    };
    for source in sources.iter().filter(|source| !is_test(&source.path)) {
        for (index, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            // With some features off, not everything has a user.
            let is_partial = code.contains("not(feature");
            let allows = code.trim_start().starts_with('#') && code.contains("allow(dead_code");
            if allows && !is_partial {
                complaints.push(format!(
                    "{}:{}: code without a user is expected, not allowed: expect(dead_code, reason)",
                    source.path.display(),
                    index + 1
                ));
            }
        }
    }
}

/// Only tests look at `--cfg loom`, which a program may set for models of its own.
fn check_loom(sources: &[Source], complaints: &mut Vec<String>) {
    for source in sources
        .iter()
        .filter(|it| it.path.starts_with(super::RUNTIME_SRC))
    {
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

/// One file of a crate looks at `--cfg tokio_unstable`; the others use the macro that it has.
fn check_unstable(sources: &[Source], complaints: &mut Vec<String>) {
    let libraries = [super::RUNTIME_SRC, "crates/tokio/src"].map(Path::new);
    let is_bound = |path: &Path| {
        let library = libraries.iter().find(|src| path.starts_with(src));
        library.is_some_and(|src| path != src.join("unstable.rs"))
    };
    for source in sources.iter().filter(|it| is_bound(&it.path)) {
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("tokio_unstable") && code.contains("cfg") {
                complaints.push(format!(
                    "{}:{}: put the items in unstable! {{ }}, so that one file reads the cfg",
                    source.path.display(),
                    number + 1
                ));
            }
        }
    }
}

/// Nothing names a path of some developer's machine.
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
