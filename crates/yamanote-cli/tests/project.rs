//! `yamanote doctor --project`: what a project's manifests and its lock file say.
#![forbid(unsafe_code)]

mod project_support;

use project_support::{Project, REPOSITORY, TOKIO, patch, write};
use std::process::Command;

#[test]
fn a_project_that_is_switched() {
    let project = Project::new(TOKIO, &patch()).with_our_lock();
    project.cargo(&["update", "--workspace"]);
    let diagnosis = project.diagnosis();
    assert!(diagnosis.is_switched(), "{:#}", diagnosis.0);
    assert_eq!(diagnosis.0["tokio"][0]["is_yamanote"], true);
    assert_eq!(diagnosis.0["tokio"].as_array().unwrap().len(), 1);
    assert_eq!(diagnosis.0["demands"][0]["by"], "app 0.1.0");
    assert_eq!(diagnosis.0["demands"][0]["features"][0], "full");

    let output = project.doctor(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.ends_with("\nSwitched: the next build runs on Yamanote.\n"),
        "{text}"
    );
    assert!(!text.contains("NO"), "{text}");
}

#[test]
fn a_project_without_the_patch() {
    let project = Project::new(TOKIO, "").with_tokio("1.54.1");
    project.cargo(&["generate-lockfile"]);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["patch", "lock"]);
    let (_, _, advice) = diagnosis.bad()[0];
    assert!(advice.contains("[patch.crates-io]"), "{advice}");
    let (_, found, _) = diagnosis.bad()[1];
    assert!(found.contains("tokio 1.54.1 from registry+"), "{found}");
    assert!(found.ends_with("for app 0.1.0"), "{found}");
}

#[test]
fn a_patch_that_the_lock_file_does_not_know_yet() {
    let project = Project::new(TOKIO, "").with_tokio("1.54.1");
    project.cargo(&["generate-lockfile"]);
    project.append("Cargo.toml", &patch());
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["lock", "lock is current"]);
    assert!(
        diagnosis
            .bad()
            .iter()
            .all(|bad| bad.2 == "run: cargo update -p tokio")
    );

    // What Cargo does at the next build: it notes the patch, and that it is not used.
    project.cargo(&["metadata", "--format-version", "1"]);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["lock", "unused patch"]);
    assert!(diagnosis.bad()[1].2.ends_with("run: cargo update -p tokio"));
}

#[test]
fn a_dependency_that_asks_for_a_newer_tokio() {
    let project = Project::new("lib = { path = \"../lib\" }", &patch()).with_tokio("1.60.0");
    project.package("lib", "2.0.0", "[dependencies]\ntokio = \"1.60\"");
    project.cargo(&["generate-lockfile"]);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["version", "lock", "unused patch"]);
    // The command that helps elsewhere would do nothing here.
    assert!(!diagnosis.0.to_string().contains("cargo update -p tokio"));
    let (_, found, advice) = diagnosis.bad()[0];
    assert_eq!(
        found,
        "lib 2.0.0 asks for tokio ^1.60, and Yamanote is tokio 1.54.99"
    );
    assert!(advice.contains("cargo update -p lib --precise"), "{advice}");
}

#[test]
fn a_dependency_that_asks_for_a_newer_tokio_than_is_locked() {
    let patch = "[patch.crates-io]\ntokio = { path = \"../tokio\" }";
    let project = Project::new("tokio = \"1\"", patch).with_tokio("1.60.0");
    // In place of ours, whose dependencies this registry does not have.
    let yamanote = "[dependencies]\nyamanote = { path = \"../yamanote\" }";
    project.package("tokio", "1.54.99", yamanote);
    project.package("yamanote", "0.1.0", "");
    project.cargo(&["generate-lockfile"]);
    assert!(project.diagnosis().is_switched());

    project.package("lib", "2.0.0", "[dependencies]\ntokio = \"1.60\"");
    project.append("Cargo.toml", "lib = { path = \"../lib\" }");
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["demands"]);
    let (_, _, advice) = diagnosis.bad()[0];
    assert!(
        advice.contains("required by package `lib v2.0.0"),
        "{advice}"
    );
}

/// Cargo chooses versions for all systems and with all features of the project's own packages.
#[test]
fn a_dependency_that_no_build_here_needs() {
    for (place, asked, found) in [
        (
            "[target.'cfg(windows)'.dependencies]\nlib = { path = \"../lib\" }",
            "tokio = \"~1.40\"",
            "lib 2.0.0 holds tokio at ~1.40: 1.40 is below 1.54.99, which is Yamanote",
        ),
        (
            "lib = { path = \"../lib\", optional = true }",
            "tokio = \"=1.40.0\"",
            "lib 2.0.0 holds tokio at =1.40.0: 1.40.0 is below 1.54.99, which is Yamanote",
        ),
        (
            "[target.'cfg(windows)'.dependencies]\nlib = { path = \"../lib\" }",
            "tokio = { version = \"1\", features = [\"brand-new\"] }",
            "lib 2.0.0 asks for the feature brand-new of tokio",
        ),
    ] {
        let project = Project::new(&format!("{TOKIO}\n{place}"), &patch()).with_tokio("1.40.0");
        project.package("lib", "2.0.0", &format!("[dependencies]\n{asked}"));
        project.cargo(&["generate-lockfile"]);
        let diagnosis = project.diagnosis();
        assert_eq!(diagnosis.names()[1..], ["lock", "unused patch"], "{place}");
        assert!(diagnosis.bad()[0].1.starts_with(found), "{found}");
        assert!(
            diagnosis.bad()[0]
                .1
                .ends_with("for all systems and features)")
        );
        // The command that helps elsewhere would do nothing here.
        assert!(!diagnosis.0.to_string().contains("cargo update -p tokio"));
    }
}

#[test]
fn a_feature_that_is_not_declared() {
    let tokio = "tokio = { version = \"1\", features = [\"brand-new\"] }";
    let project = Project::new(tokio, &patch()).with_tokio("1.54.1");
    project.cargo(&["generate-lockfile"]);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["feature", "lock", "unused patch"]);
    let (_, found, _) = diagnosis.bad()[0];
    assert!(
        found.starts_with("app 0.1.0 asks for the feature brand-new"),
        "{found}"
    );
}

#[test]
fn a_dependency_on_the_shim_itself() {
    let tokio = format!("tokio = {{ path = \"{REPOSITORY}/crates/tokio\", features = [\"rt\"] }}");
    let project = Project::new(&tokio, "").with_our_lock();
    project.cargo(&["update", "--workspace"]);
    let diagnosis = project.diagnosis();
    assert!(diagnosis.is_switched(), "{:#}", diagnosis.0);
    assert_eq!(
        diagnosis.0["checks"][0]["state"], "good",
        "{:#}",
        diagnosis.0
    );
}

#[test]
fn a_lock_file_that_lacks_what_the_manifest_asks_for() {
    let project = Project::new("", &patch());
    project.cargo(&["generate-lockfile"]);
    project.append("Cargo.toml", TOKIO);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["lock", "lock is current"]);
    for (_, found, advice) in diagnosis.bad() {
        assert!(found.contains("app"), "{found}");
        assert_eq!(advice, "run: cargo update --workspace");
    }

    // A package that knows which Tokio it asks for.
    let project = Project::new(TOKIO, &patch()).with_our_lock();
    project.cargo(&["update", "--workspace"]);
    project.append("Cargo.toml", "nobody-has-this-package-here = \"2\"");
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["lock is current"], "{:#}", diagnosis.0);
    let (_, found, _) = diagnosis.bad()[0];
    assert!(
        found.contains("app asks for nobody-has-this-package-here ^2"),
        "{found}"
    );
}

#[test]
fn a_lock_file_whose_patch_is_not_passed() {
    let project = Project::new(TOKIO, &patch()).with_our_lock();
    project.cargo(&["update", "--workspace"]);
    let manifest = project.path().join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    write(&manifest, &text.replace(&patch(), ""));
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["lock is current"]);
    let (_, _, advice) = diagnosis.bad()[0];
    assert!(
        advice.contains("--config") && !advice.contains("cargo update"),
        "{advice}"
    );
}

#[test]
fn a_pin_below_is_told_first_and_before_anything_is_fetched() {
    for (req, bound) in [
        ("=1.48.0", "1.48.0"),
        ("~1.47", "1.47"),
        (">=1.20, <1.50", "1.50"),
    ] {
        let tokio = format!("tokio = \"{req}\"");
        // Nothing is fetched, and there is no lock file.
        let project = Project::new(&tokio, &patch());
        let diagnosis = project.diagnosis();
        assert_eq!(diagnosis.names(), ["version", "lock"]);
        let (_, found, advice) = diagnosis.bad()[0];
        let expected = format!("{bound} is below 1.54.99, which is Yamanote");
        assert!(found.starts_with("app 0.1.0 holds tokio at "), "{found}");
        assert!(found.ends_with(&expected), "{found}");
        assert!(advice.contains("tokio = \"1.54\""), "{advice}");
        assert!(!advice.contains("Ask for less"), "{advice}");
    }
    // The real one is locked, and Cargo has tried the patch.
    let project = Project::new("tokio = \"=1.48.0\"", &patch()).with_tokio("1.48.0");
    project.cargo(&["generate-lockfile"]);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["version", "lock", "unused patch"]);
    let text = diagnosis.0.to_string();
    assert!(!text.contains("more is asked for") && !text.contains("more than it has"));
}

#[test]
fn a_pin_in_a_lock_file_whose_packages_are_not_here() {
    let project = Project::new("tokio = \"=1.48.0\"", &patch());
    let lock = "version = 4\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n\
        dependencies = [\"tokio\"]\n[[package]]\nname = \"tokio\"\nversion = \"1.48.0\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    write(&project.path().join("Cargo.lock"), lock);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names()[0], "version", "{:#}", diagnosis.0);
    assert!(diagnosis.bad()[0].1.contains("1.48.0 is below"));
}

#[test]
fn a_patch_that_names_the_whole_repository() {
    for (place, manifest) in [("Cargo.toml", true), (".cargo/config.toml", false)] {
        let root = format!("[patch.crates-io]\ntokio = {{ path = \"{REPOSITORY}\" }}\n");
        let project = match manifest {
            true => Project::new(TOKIO, &root),
            false => Project::new(TOKIO, ""),
        };
        if !manifest {
            project.append(place, &root);
        }
        let diagnosis = project.diagnosis();
        let (name, found, advice) = diagnosis.bad()[0];
        assert_eq!(name, "patch", "{:#}", diagnosis.0);
        assert!(
            found.ends_with("where there is no package tokio"),
            "{found}"
        );
        assert!(advice.contains("add /crates/tokio to the path"), "{advice}");
    }
    // A relative path starts where the directory `.cargo` lies.
    let project = Project::new(TOKIO, "");
    project.append(
        ".cargo/config.toml",
        "[patch.crates-io]\ntokio = { path = \"../nowhere\" }",
    );
    let diagnosis = project.diagnosis();
    let (_, _, advice) = diagnosis.bad()[0];
    assert!(!advice.contains("add /crates/tokio"), "{advice}");
}

#[test]
fn what_is_no_project_of_use() {
    let project = Project::new("", &patch());
    assert_eq!(project.diagnosis().names(), ["lock"]);
    project.cargo(&["generate-lockfile"]);
    let diagnosis = project.diagnosis();
    assert!(
        diagnosis.bad()[0]
            .1
            .starts_with("nothing here depends on tokio")
    );

    let output = Command::new(env!("CARGO_BIN_EXE_yamanote"))
        .args(["doctor", "--project"])
        .arg(project.directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("yamanote doctor: could not find `Cargo.toml`"),
        "{text}"
    );
}
