//! `cargo xtask tidy`: the rules of ARCHITECTURE.md and CONTRIBUTING.md that a program can check.
//!
//! - Arrows between modules point down the layer table.
//! - No files name each other in a circle that is not listed with its reason.
//! - Unsafe code lives in the listed rooms; every other file forbids it.
//! - Every file says in its first line what it is, and in its head why it is long.
//! - A module with children is `x/mod.rs`; in-tree tests are `tests`, models `loom_tests`.
//! - Comments fit the width; files that they or the map name exist, and so does what they name
//!   beside an atomic ordering.
//! - Every test that docs/failures.md names is there.
//! - No code without a user is allowed outside of tests.
//! - Only tests look at `--cfg loom`, which a program may set for models of its own.
//! - One file of a crate looks at `--cfg tokio_unstable`.
//! - Nothing names a path of some developer's machine.
#![forbid(unsafe_code)]

mod circles;
mod comments;
mod failures;
mod habits;
mod layers;
mod map;
mod modules;
mod rooms;
mod tokens;
mod words;

use crate::source::Source;
use modules::Modules;
use std::path::Path;
use std::process::ExitCode;

/// Where the runtime's modules begin.
const RUNTIME_SRC: &str = "crates/yamanote/src";

/// The other crates with modules worth a look, and their roots.
const OTHERS: &[(&str, &str)] = &[
    ("crates/yamanote-cli/src", "main.rs"),
    ("crates/yamanote-macros/src", "lib.rs"),
    ("crates/yamanote-test/src", "lib.rs"),
    ("race/workloads", "main.rs"),
    ("xtask/src", "main.rs"),
    ("xtask/order/src", "main.rs"),
];

pub fn run(root: &Path) -> ExitCode {
    let map = std::fs::read_to_string(root.join("ARCHITECTURE.md"))
        .expect("ARCHITECTURE.md stands beside Cargo.toml");
    let list = std::fs::read_to_string(root.join("docs/failures.md")).expect("it stands in docs");
    let sources = Source::all(root, &["crates", "xtask", "race", "examples"]);
    let mut crates = vec![Modules::read(&sources, Path::new(RUNTIME_SRC), "lib.rs")];
    for (src, file) in OTHERS {
        crates.push(Modules::read(&sources, Path::new(src), file));
    }
    let mut complaints = Vec::new();
    layers::check(&map, &crates[0], &mut complaints);
    circles::check(&map, &crates, &mut complaints);
    rooms::check(&map, &sources, &mut complaints);
    habits::check(root, &sources, &crates, &mut complaints);
    failures::check(&list, &sources, &mut complaints);
    comments::check(&map, &sources, &mut complaints);
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
