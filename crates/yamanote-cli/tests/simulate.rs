//! `yamanote sim`: the tests of a project on Tokio are simulated, and the project is left as it is.
#![forbid(unsafe_code)]

mod project_support;

use project_support::{Project, REPOSITORY, files, write};
use std::path::Path;
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
    Command::new(env!("CARGO_BIN_EXE_yamanote"))
        .current_dir(project.path())
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
