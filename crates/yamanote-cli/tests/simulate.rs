//! `yamanote sim`: the tests of a project on Tokio are simulated, and the project is left as it is.
#![forbid(unsafe_code)]

mod project_support;

use project_support::{Project, REPOSITORY, files, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use yamanote_test::{Capability, require};

const LIBRARY: &str = r#"
/// Knows Tokio only.
pub async fn work(steps: u32) -> u32 {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    for n in 0..steps {
        let sender = sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
            let _ = sender.send(n).await;
        });
    }
    drop(sender);
    let mut last = 0;
    while let Some(n) = receiver.recv().await {
        last = n;
    }
    last
}
"#;

const TESTS: &str = r#"
#![cfg(yamanote_sim)]
use std::time::Duration;
use yamanote::sim::{self, Chaos, FaultKind, Sim};

#[sim::test(seeds = 20)]
async fn an_hour_passes(sim: Sim) {
    let run = sim.host("app").start(|| app::work(3));
    assert!(run.await.unwrap() < 3);
    assert!(sim.now() >= Duration::from_secs(3600));
}

#[sim::test(seeds = 60)]
async fn the_last_is_the_last(sim: Sim) {
    let run = sim.host("app").start(|| app::work(3));
    assert_eq!(run.await.unwrap(), 2);
}

/// Fails whenever somebody is down for a moment.
#[sim::test(seeds = 10)]
async fn nobody_falls(sim: Sim) {
    for n in 0..3 {
        sim.host(format!("n{n}")).start(|| async { std::future::pending::<()>().await });
    }
    sim.chaos(Chaos::new().only([FaultKind::Crash, FaultKind::Pause]));
    for _ in 0..700 {
        sim.sleep(Duration::from_millis(100)).await;
        assert!(sim.hosts().iter().all(sim::Host::is_up), "somebody fell");
    }
}
"#;

fn project() -> Project {
    let dependencies =
        "tokio = { version = \"1\", features = [\"macros\", \"rt\", \"sync\", \"time\"] }";
    let path = Path::new(REPOSITORY).join("crates/yamanote");
    let path = path.canonicalize().unwrap();
    let rest = format!(
        "[target.'cfg(yamanote_sim)'.dev-dependencies]\n\
         yamanote = {{ path = \"{}\", features = [\"sim\"] }}",
        path.display()
    );
    let project = Project::new(dependencies, &rest).with_tokios_lock();
    write(&project.path().join("src/lib.rs"), LIBRARY);
    write(&project.path().join("tests/sim.rs"), TESTS);
    project.cargo(&["update", "--workspace"]);
    project
}

fn simulate(project: &Project, args: &[&str]) -> Output {
    simulate_in(&project.path(), args)
}

fn simulate_in(directory: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yamanote"))
        .current_dir(directory)
        .args(["sim", "--offline"])
        .args(args)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_PKG_NAME")
        .env_remove("CARGO_TARGET_DIR")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap()
}

/// What `cargo tree` says that `tokio` is.
fn tokio(directory: &Path) -> String {
    let output = Command::new("cargo")
        .current_dir(directory)
        .args([
            "tree",
            "--offline",
            "--workspace",
            "-e",
            "normal",
            "-i",
            "tokio",
            "--depth",
            "0",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// All that there is but what builds make.
fn own_files(project: &Project) -> impl PartialEq {
    let _ = std::fs::create_dir_all(project.path().join("target"));
    let mut all = files(project.directory.path(), "");
    all.retain(|name, _| !name.starts_with(project.path().join("target")));
    all
}

#[test]
fn tests_are_simulated_and_the_project_stays_as_it_is() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = project();
    let before = own_files(&project);
    let released = tokio(&project.path());

    let output = simulate(&project, &["--shrink"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}\n{errors}");
    for words in [
        "an_hour_passes: 20 runs",
        "the_last_is_the_last: 60 runs",
        "somebody fell",
        "still fails with 1 of its",
        "3 simulated tests, not all pass",
    ] {
        assert!(
            text.contains(words),
            "{words:?} is not in\n{text}\n{errors}"
        );
    }
    let traces = project.path().join("target/yamanote-sim/traces");
    let traces = std::fs::read_dir(traces).unwrap();
    assert!(
        traces
            .flatten()
            .any(|it| it.path().extension().is_some_and(|it| it == "html"))
    );

    assert!(own_files(&project) == before, "the project was changed");
    assert_eq!(tokio(&project.path()), released);
    assert!(
        released.starts_with("tokio v1.") && !released.contains('('),
        "{released}"
    );
    let copy = project.path().join("target/yamanote-sim/source");
    let copy = copy.join(project.path().strip_prefix("/").unwrap());
    let simulated = tokio(&copy);
    assert!(simulated.contains("crates/tokio"), "{simulated}");

    let output = simulate(&project, &["--only", "an_hour", "--seed", "7", "--check"]);
    assert!(output.status.success(), "{output:?}");
}

const TOKIO: &str = "tokio = { version = \"1\", features = [\"rt\"] }";

/// A project whose tests ask for this Yamanote, with the registry's Tokio in its lock file.
fn asking(yamanote: &str) -> Project {
    let rest = format!("[target.'cfg(yamanote_sim)'.dev-dependencies]\n{yamanote}");
    Project::new(TOKIO, &rest).with_tokios_lock()
}

fn at(path: &Path) -> String {
    format!(
        "yamanote = {{ path = \"{}\", features = [\"sim\"] }}",
        path.display()
    )
}

fn here() -> PathBuf {
    let path = Path::new(REPOSITORY).join("crates/yamanote");
    path.canonicalize().unwrap()
}

/// Has Cargo choose what the tests in this directory are built from, without a build: there is no
/// such package. What is Yamanote and what is Tokio then is the same repository's.
#[track_caller]
fn is_resolved(project: &Project, directory: &Path) {
    let before = own_files(project);
    let output = simulate_in(directory, &["--", "--package", "no-such-package"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("no-such-package` did not match any packages"),
        "{errors}"
    );
    assert!(own_files(project) == before, "the project was changed");
    let copy = project.path().join("target/yamanote-sim/source");
    let copy = copy.join(directory.strip_prefix("/").unwrap());
    let tokio = tokio(&copy);
    assert!(
        tokio.starts_with("tokio v1.54.99 (") && tokio.contains("crates/tokio)"),
        "{tokio}"
    );
    let lock = project.path().join("target/yamanote-sim/source");
    let lock = lock
        .join(project.path().strip_prefix("/").unwrap())
        .join("Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    assert_eq!(lock.matches("name = \"yamanote\"\n").count(), 1, "{lock}");
}

#[track_caller]
fn refused(project: &Project) -> String {
    let before = own_files(project);
    let output = simulate(project, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(own_files(project) == before, "the project was changed");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn yamanote_is_found_wherever_the_tests_have_it_from() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    // By a path from the project, as a repository beside it has one.
    let project = asking("");
    let up = "../".repeat(project.path().components().count() - 1);
    let way = format!("{up}{}", here().strip_prefix("/").unwrap().display());
    project.append(
        "Cargo.toml",
        &format!("[dev-dependencies]\n{}", at(Path::new(&way))),
    );
    project.cargo(&["update", "--workspace"]);
    is_resolved(&project, &project.path());
    // Without a lock file.
    std::fs::remove_file(project.path().join("Cargo.lock")).unwrap();
    is_resolved(&project, &project.path());
    assert!(!project.path().join("Cargo.lock").exists());

    // From the registry: the same that stands for Tokio, released or not.
    let project = asking("yamanote = { version = \"0.1\", features = [\"sim\"] }");
    is_resolved(&project, &project.path());

    // Switched already.
    let project = asking(&at(&here()));
    let shim = here().join("../tokio").canonicalize().unwrap();
    let patch = format!(
        "[patch.crates-io]\ntokio = {{ path = \"{}\" }}",
        shim.display()
    );
    project.append("Cargo.toml", &patch);
    let project = project.with_our_lock();
    project.cargo(&["update", "--workspace"]);
    is_resolved(&project, &project.path());
    std::fs::remove_file(project.path().join("Cargo.lock")).unwrap();
    is_resolved(&project, &project.path());
}

#[test]
fn a_member_of_a_workspace_is_a_project() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = Project::new("", "members = [\"member\"]").with_tokios_lock();
    let member = project.path().join("member");
    let manifest = format!(
        "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\n\
         {TOKIO}\n[dev-dependencies]\n{}\n",
        at(&here())
    );
    write(&member.join("Cargo.toml"), &manifest);
    write(&member.join("src/lib.rs"), "");
    project.cargo(&["update", "--workspace"]);
    is_resolved(&project, &member);
    is_resolved(&project, &project.path());
}

#[test]
fn what_cannot_be_simulated_is_told_what_to_do() {
    if !require(Capability::RegistryTokio) {
        return;
    }
    let project = asking("");
    let why = refused(&project);
    assert!(
        why.contains("no package here depends on yamanote") && why.contains("features = [\"sim\"]"),
        "{why}"
    );
    // Somebody else's Tokio.
    let project = asking(&at(&here()));
    let other = project.package("other", "1.99.0", "[features]\nrt = []");
    let manifest = std::fs::read_to_string(other.join("Cargo.toml")).unwrap();
    write(
        &other.join("Cargo.toml"),
        &manifest.replacen("\"other\"", "\"tokio\"", 1),
    );
    project.append(
        "Cargo.toml",
        "[patch.crates-io]\ntokio = { path = \"../other\" }",
    );
    project.cargo(&["update", "--workspace"]);
    let why = refused(&project);
    let place = format!(
        " in {}/Cargo.toml; take that out first",
        project.path().display()
    );
    assert!(
        why.contains("tokio is patched already") && why.contains(&place),
        "{why}"
    );
}

/// The repository of the tests' Yamanote is that of the Tokio's.
#[test]
fn a_repository_is_taken_for_both() {
    let project = asking("").with_tokio("1.54.1");
    std::fs::remove_file(project.path().join("Cargo.lock")).unwrap();
    let registry = project.directory.path().join("registry");
    let config = format!(
        "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = \"{}\"",
        registry.display()
    );
    write(
        &project.directory.path().join(".cargo/config.toml"),
        &config,
    );
    let repository = project.directory.path().join("repository");
    for (name, version, rest) in [
        ("yamanote", "0.1.0", "[features]\nsim = []"),
        (
            "tokio",
            "1.54.99",
            "[features]\nrt = []\n[target.'cfg(target_os = \"linux\")'.dependencies]\n\
             yamanote = { path = \"../yamanote\" }",
        ),
    ] {
        let package = project.package(&format!("repository/crates/{name}"), version, rest);
        let manifest = std::fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let manifest = manifest.replacen(&format!("repository/crates/{name}"), name, 1);
        write(&package.join("Cargo.toml"), &manifest);
    }
    for args in [
        &["init", "-q", "-b", "main"][..],
        &["add", "."],
        &["commit", "-qm", "all"],
    ] {
        let mut git = Command::new("git");
        git.current_dir(&repository);
        git.args(["-c", "user.name=n", "-c", "user.email=e@x.y"])
            .args(args);
        assert!(git.status().unwrap().success());
    }
    let url = format!("file://{}", repository.display());
    let asked =
        format!("yamanote = {{ git = \"{url}\", branch = \"main\", features = [\"sim\"] }}");
    project.append("Cargo.toml", &format!("[dev-dependencies]\n{asked}"));
    // Nothing is on a network here, but Cargo fetches nothing offline.
    let home = project.directory.path().join("home");
    let output = Command::new(env!("CARGO_BIN_EXE_yamanote"))
        .current_dir(project.path())
        .args(["sim", "--", "--package", "no-such-package"])
        .env("CARGO_HOME", &home)
        .env_remove("CARGO_PKG_NAME")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("no-such-package` did not match any packages"),
        "{errors}"
    );
    let copy = project.path().join("target/yamanote-sim/source");
    let copy = copy.join(project.path().strip_prefix("/").unwrap());
    let lock = std::fs::read_to_string(copy.join("Cargo.lock")).unwrap();
    let url = url.replace(' ', "%20");
    let source = format!("source = \"git+{url}?branch=main#");
    assert_eq!(lock.matches(&source).count(), 2, "{lock}");
    assert!(!project.path().join("Cargo.lock").exists());
}
