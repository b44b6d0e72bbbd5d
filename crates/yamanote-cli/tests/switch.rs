//! `yamanote switch`: what it writes, what it refuses, and the way back.
#![forbid(unsafe_code)]

mod project_support;

use project_support::{Project, REPOSITORY, TOKIO, files, patch, write};
use std::path::Path;
use std::process::{Command, Output};
use yamanote_test::{Capability, registry_tokio, require};

/// An application that is locked on the registry's Tokio.
fn on_tokio(tokio: &str) -> Project {
    let project = Project::new(tokio, "").with_tokios_lock();
    project.cargo(&["update", "--workspace"]);
    assert!(
        project
            .lock()
            .contains("name = \"tokio\"\nversion = \"1.54.1\"")
    );
    project
}

fn switch(project: &Project, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yamanote"))
        .current_dir(project.path())
        .args(["switch", "--offline"])
        .args(args)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_PKG_NAME")
        .output()
        .unwrap()
}

fn switched(project: &Project, args: &[&str]) -> String {
    let output = switch(project, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when it refuses; nothing may have changed then.
fn refused(project: &Project, args: &[&str]) -> String {
    let before = files(&project.path(), "target");
    let output = switch(project, args);
    assert!(!output.status.success(), "{args:?}: {output:?}");
    // What is in them would fill the screen.
    assert!(
        files(&project.path(), "target") == before,
        "{args:?} changes something"
    );
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn there_and_back_everything_is_as_it_was() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let ways: [&[&str]; 3] = [&[], &["--path", REPOSITORY], &["--path", "../ours"]];
    for args in ways {
        let project = on_tokio(TOKIO);
        std::os::unix::fs::symlink(REPOSITORY, project.directory.path().join("ours")).unwrap();
        let before = files(&project.path(), "target");

        let said = switched(&project, &[args, &["--dry-run"]].concat());
        assert!(said.contains("+ [patch.crates-io]"), "{said}");
        assert!(said.contains("cargo update -p tokio@1.54.1"), "{said}");
        assert!(files(&project.path(), "target") == before);

        let said = switched(&project, args);
        assert!(said.contains("Removing tokio v1.54.1"), "{said}");
        assert!(
            project.diagnosis().is_switched(),
            "{:#}",
            project.diagnosis().0
        );
        let manifest = std::fs::read_to_string(project.path().join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("in the place of Tokio 1.54.1;"),
            "{manifest}"
        );
        let why = refused(&project, args);
        assert!(why.contains("is switched already"), "{why}");

        let said = switched(&project, &["--back"]);
        assert!(said.ends_with("The next build runs on Tokio.\n"), "{said}");
        assert!(files(&project.path(), "target") == before);
        let why = refused(&project, &["--back"]);
        assert!(why.contains("tokio is not patched here"), "{why}");
    }
}

#[test]
fn back_without_the_lock_file_from_before_is_the_same_tokio() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = on_tokio(TOKIO);
    let manifest = std::fs::read(project.path().join("Cargo.toml")).unwrap();
    switched(&project, &[]);
    std::fs::remove_dir_all(project.path().join("target")).unwrap();
    switched(&project, &["--back"]);
    assert_eq!(
        std::fs::read(project.path().join("Cargo.toml")).unwrap(),
        manifest
    );
    let lock = project.lock();
    assert!(lock.contains("name = \"tokio\"\nversion = \"1.54.1\"\nsource = \"registry+"));
    assert!(!lock.contains("yamanote"), "{lock}");
}

#[test]
fn a_repository_is_named_by_its_url() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = on_tokio(TOKIO);
    let before = files(&project.path(), "target");
    let url = format!(
        "file://{}",
        Path::new(REPOSITORY).canonicalize().unwrap().display()
    );
    let head = Command::new("git")
        .args(["-C", REPOSITORY, "rev-parse", "HEAD"])
        .output()
        .unwrap();
    let head = String::from_utf8(head.stdout).unwrap();
    let args = ["--git", &url, "--rev", head.trim()];
    let said = switched(&project, &[&args[..], &["--dry-run"]].concat());
    assert!(
        said.contains(&format!("tokio = {{ git = \"{url}\", rev = \"")),
        "{said}"
    );
    let why = refused(&project, &["--git", "file:///nowhere"]);
    assert!(
        why.contains("Cargo refuses it, and nothing is changed"),
        "{why}"
    );
    assert!(files(&project.path(), "target") == before);
}

#[test]
fn what_cannot_be_switched_is_left_as_it_is() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let why = refused(&on_tokio("tokio = \"=1.54.1\""), &[]);
    assert!(
        why.contains("1.54.1 is below 1.54.99, which is Yamanote"),
        "{why}"
    );
    assert!(
        why.contains("it would not work, and nothing is changed"),
        "{why}"
    );

    let project = Project::new("", "");
    project.cargo(&["generate-lockfile"]);
    let why = refused(&project, &[]);
    assert!(why.contains("nothing here depends on tokio"), "{why}");

    let project = on_tokio(TOKIO);
    let why = refused(&project, &["--path", "/usr"]);
    assert!(why.contains("/usr is not Yamanote's repository"), "{why}");

    project.append(
        "Cargo.toml",
        "[patch]\ncrates-io.other = { path = \"other\" }",
    );
    let why = refused(&project, &[]);
    assert!(why.contains("add by hand"), "{why}");

    let project = on_tokio(TOKIO);
    write(&project.path().join(".cargo/config.toml"), &patch());
    for args in [&[][..], &["--back"]] {
        let why = refused(&project, args);
        assert!(why.contains(".cargo/config.toml"), "{why}");
    }

    let project = on_tokio(TOKIO);
    project.package("other", "1.0.0", "");
    project.append(
        "Cargo.toml",
        "[patch.crates-io]\ntokio = { path = \"../other\" }",
    );
    for args in [&[][..], &["--back"]] {
        let why = refused(&project, args);
        assert!(why.contains("patched"), "{why}");
    }
}

#[test]
fn a_project_outside_of_any_lock_file() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = Project::new(TOKIO, "");
    let why = refused(&project, &["--path", "/nowhere"]);
    assert!(
        why.contains("/nowhere is not Yamanote's repository"),
        "{why}"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_yamanote"))
        .args(["switch", "/nowhere"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("yamanote switch: /nowhere: "));
}

/// One manifest and one lock file for a team, and every system compiles.
#[test]
fn a_mixed_team_has_one_manifest() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let tokio = registry_tokio().unwrap();
    let everywhere = "tokio = { version = \"1\", features = [\"sync\", \"macros\", \"io-util\", \
        \"rt\", \"time\"] }\n[target.'cfg(not(target_family = \"wasm\"))'.dependencies]\n";
    let project = on_tokio(&format!("{everywhere}{TOKIO}"));
    write(&project.path().join("src/lib.rs"), PROGRAM);
    // As one who has a copy of Tokio's source would.
    copy(&tokio, &project.directory.path().join("real"));
    let before = files(&project.path(), "target");

    let said = switched(&project, &["--mixed", "--tokio", "../real"]);
    assert!(said.contains(".yamanote/tokio/Cargo.toml"), "{said}");
    let diagnosis = project.diagnosis();
    assert!(diagnosis.is_switched(), "{:#}", diagnosis.0);
    let manifest = std::fs::read_to_string(project.path().join(".yamanote/tokio/Cargo.toml"));
    assert!(manifest.unwrap().contains("path = \"../../../real\""));

    let lock = project.lock();
    for target in [
        "x86_64-unknown-linux-gnu",
        "aarch64-apple-darwin",
        "x86_64-pc-windows-gnu",
        "wasm32-wasip1",
    ] {
        compiles(&project, target);
        assert_eq!(project.lock(), lock, "the lock file is for {target} too");
    }
    switched(&project, &["--back"]);
    assert!(files(&project.path(), "target") == before);
}

#[test]
fn the_real_tokio_comes_by_its_tag() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = on_tokio(TOKIO);
    let before = files(&project.path(), "target");
    let why = refused(&project, &["--mixed", "--tokio", "file:///nowhere"]);
    assert!(
        why.contains("Cargo refuses it, and nothing is changed"),
        "{why}"
    );
    let why = refused(&project, &["--mixed", "--tokio", REPOSITORY]);
    assert!(
        why.contains("there is no package tokio of Tokio's"),
        "{why}"
    );
    write(&project.path().join(".yamanote/tokio/mine"), "");
    let why = refused(&project, &["--mixed"]);
    assert!(why.contains(".yamanote/tokio is there already"), "{why}");
    std::fs::remove_dir_all(project.path().join(".yamanote")).unwrap();
    assert!(files(&project.path(), "target") == before);
}

fn compiles(project: &Project, target: &'static str) {
    if !require(Capability::Target(target)) {
        return;
    }
    let output = Command::new("cargo")
        .current_dir(project.path())
        .args(["check", "--offline", "--locked", "--target", target])
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{target}: {said}");
    assert!(!said.contains("warning"), "{target}: {said}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => std::fs::copy(&path, &to).map(drop).unwrap(),
        }
    }
}

const PROGRAM: &str = r#"
use tokio::io::AsyncReadExt;

pub async fn everywhere() {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<u32>(4);
    tokio::spawn(async move { sender.send(1).await.unwrap() });
    tokio::select! {
        Some(n) = receiver.recv() => println!("{n}"),
        _ = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
    }
    let _ = tokio::io::empty().read(&mut [0; 4]).await;
}

#[cfg(not(target_family = "wasm"))]
#[tokio::main]
pub async fn main() {
    everywhere().await;
    let _ = tokio::net::TcpStream::connect("127.0.0.1:1").await;
    let _ = tokio::fs::read("/nowhere").await;
    let _ = tokio::process::Command::new("true").spawn();
}
"#;
