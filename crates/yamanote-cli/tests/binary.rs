//! `yamanote doctor --binary`: which runtime a program has, when nothing else is left in it.
#![forbid(unsafe_code)]

mod project_support;

use project_support::{Project, REPOSITORY, write};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use yamanote_test::{Capability, require};

/// As small as a release gets.
const SMALL: &str =
    "[profile.release]\nstrip = true\nlto = true\ncodegen-units = 1\npanic = \"abort\"";
const PROGRAM: &str = "
    fn main() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { tokio::task::yield_now().await });
    }";

fn doctor(file: &Path, args: &[&str]) -> Output {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_yamanote"));
    tool.args(["doctor", "--binary"]).arg(file).args(args);
    tool.output().unwrap()
}

fn program(rest: &str) -> (Project, PathBuf) {
    let project = Project::new(
        "tokio = { version = \"1\", features = [\"rt\"] }",
        &format!("{SMALL}\n{rest}"),
    )
    .with_tokios_lock();
    write(&project.path().join("src/main.rs"), PROGRAM);
    project.cargo(&["update", "-p", "tokio"]);
    project.cargo(&["build", "--release"]);
    let file = project.path().join("target/release/app");
    assert!(Command::new(&file).status().unwrap().success());
    (project, file)
}

#[test]
fn a_stripped_program_says_which_runtime_it_has() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let (_project, file) = program(&project_support::patch());
    let output = doctor(&file, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        json["yamanote"],
        serde_json::json!([env!("CARGO_PKG_VERSION")])
    );
    assert_eq!(json["tokio"], serde_json::json!([]));
    let text = String::from_utf8(doctor(&file, &[]).stdout).unwrap();
    let sentence = concat!(": runs on Yamanote ", env!("CARGO_PKG_VERSION"), "\n");
    assert!(text.ends_with(sentence), "{text}");

    let (_project, file) = program("");
    let output = doctor(&file, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["yamanote"], serde_json::json!([]));
    assert_eq!(json["tokio"], serde_json::json!(["1.54.1"]));
    let text = String::from_utf8(doctor(&file, &[]).stdout).unwrap();
    assert!(text.ends_with(": runs on Tokio 1.54.1\n"), "{text}");
}

#[test]
fn what_is_no_program_of_use() {
    let output = doctor(Path::new("/bin/sh"), &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("no runtime of either is in it"), "{text}");

    let output = doctor(Path::new("/nowhere"), &[]);
    assert_eq!(output.status.code(), Some(1));

    let output = doctor(&Path::new(REPOSITORY).join("Cargo.toml"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let why = String::from_utf8(output.stderr).unwrap();
    assert!(why.contains("this is no program of Linux (ELF)"), "{why}");
}

/// The tool itself is one, and is running.
#[test]
fn a_program_that_runs() {
    let output = doctor(Path::new("/proc/self/exe"), &[]);
    assert!(output.status.success(), "{output:?}");
}
