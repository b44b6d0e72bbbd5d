//! `yamanote try`: what differs is found, and the project stays as it is.
#![forbid(unsafe_code)]

mod project_support;

use project_support::{Project, files, write};
use serde_json::{Value, json};
use std::process::{Command, Output};
use yamanote_test::{Capability, require};

/// The tool sets the driver for Yamanote alone, by which these tests tell who runs them.
const TESTS: &str = r#"
#[tokio::test]
async fn the_same_with_all() {
    assert_eq!(tokio::spawn(async { 3 }).await.unwrap() + lib::two(), 5);
}

#[test]
fn with_tokio_only() {
    assert!(std::env::var_os("YAMANOTE_DRIVER").is_none());
}

#[test]
#[should_panic(expected = "epoll")]
fn with_epoll_only() {
    panic!("{:?}", std::env::var("YAMANOTE_DRIVER"));
}

#[test]
#[ignore = "slow"]
fn not_now() {}
"#;

fn project() -> Project {
    let dependencies = "tokio = { version = \"1\", features = [\"macros\", \"rt\"] }\n\
        lib = { path = \"../lib\" }\n\
        [[test]]\nname = \"own\"\nharness = false";
    let project = Project::new(dependencies, "").with_tokios_lock();
    project.package("lib", "1.0.0", "");
    let library = project.directory.path().join("lib/src/lib.rs");
    write(&library, "pub fn two() -> i32 { 2 }");
    write(&project.path().join("tests/tests.rs"), TESTS);
    write(&project.path().join("tests/own.rs"), "fn main() {}");
    write(&project.path().join("target/left"), "by a build");
    project.cargo(&["update", "--workspace"]);
    project
}

fn try_it(project: &Project, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yamanote"))
        .current_dir(project.path())
        .args(["try", "--offline"])
        .args(args)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_PKG_NAME")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap()
}

#[test]
fn what_differs_is_named_and_nothing_is_changed() {
    if !require(Capability::RegistryTokio) || !require(Capability::IoUring) {
        return;
    }
    let project = project();
    let before = files(project.directory.path(), "");
    let copies = project.directory.path().with_extension("copies");
    let copies_name = copies.to_string_lossy().into_owned();
    let output = try_it(
        &project,
        &["--json", "--keep", &copies_name, "--", "--tests"],
    );
    assert!(files(project.directory.path(), "") == before, "{output:?}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();

    let sides = said["sides"].as_array().unwrap();
    let of = |field: &str| sides.iter().map(|it| it[field].clone()).collect::<Value>();
    let names = json!(["Tokio", "Yamanote, io_uring", "Yamanote, epoll"]);
    assert_eq!(of("name"), names);
    // The one with a harness of its own counts as one.
    assert_eq!(of("ok"), json!([3, 2, 3]), "{said:#}");
    assert_eq!(of("failed"), json!([1, 2, 1]), "{said:#}");
    assert_eq!(of("ignored"), json!([1, 1, 1]), "{said:#}");
    let version = env!("CARGO_PKG_VERSION");
    let found = |yamanote: Value, tokio: Value| json!({ "yamanote": yamanote, "tokio": tokio });
    let ours = found(json!([version]), json!([]));
    assert_eq!(
        of("found"),
        json!([found(json!([]), json!(["1.54.1"])), ours, ours])
    );
    assert!(
        sides.iter().all(|it| it["memory_kib"].as_u64() > Some(100)),
        "{said:#}"
    );

    let results = |tokio: &str, uring: &str, epoll: &str| json!({ "Tokio": tokio, "Yamanote, io_uring": uring, "Yamanote, epoll": epoll });
    let differing = [
        ("with_epoll_only", results("FAILED", "FAILED", "ok")),
        ("with_tokio_only", results("ok", "FAILED", "FAILED")),
    ];
    let differing: Value = differing
        .into_iter()
        .map(|(test, results)| json!({ "program": "app tests", "test": test, "results": results }))
        .collect();
    assert_eq!(said["differing"], differing);
    assert!(copies.join("tests-Yamanote-epoll-1.log").is_file());
    std::fs::remove_dir_all(&copies).unwrap();
}

#[test]
fn nothing_differs_between_the_same_tests() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = project();
    let before = files(project.directory.path(), "");
    let output = try_it(
        &project,
        &["--runs", "2", "--", "--test", "tests", "--", "the_same"],
    );
    assert!(files(project.directory.path(), "") == before, "{output:?}");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("Nothing differs: 1 tests have the same result"),
        "{text}"
    );
    assert!(text.contains("medians of 2 runs"), "{text}");
    assert!(
        text.contains("Tokio: its test programs say: runs on Tokio 1.54.1\n"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_tried_says_why() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = project();
    write(
        &project.path().join("tests/tests.rs"),
        "compile_error!(\"not yet\");",
    );
    let before = files(project.directory.path(), "");
    let output = try_it(&project, &["--", "--tests"]);
    assert_eq!(output.status.code(), Some(1));
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(
        why.contains("yamanote try: it does not build with Tokio:\nerror: not yet"),
        "{why}"
    );
    assert!(files(project.directory.path(), "") == before, "{output:?}");

    let none = Project::new("", "");
    none.cargo(&["generate-lockfile"]);
    let output = try_it(&none, &[]);
    assert_eq!(output.status.code(), Some(1));
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(why.contains("nothing here depends on tokio"), "{why}");
}
