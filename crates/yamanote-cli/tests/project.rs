//! `yamanote doctor --project` on small projects that Cargo really resolves, without a network: what
//! is not Yamanote's comes from a directory of packages made up for the purpose.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use yamanote_test::TempDir;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

struct Project {
    directory: TempDir,
}

impl Project {
    /// An application with these lines under `[dependencies]` and these after it.
    fn new(dependencies: &str, rest: &str) -> Project {
        let project = Project {
            directory: TempDir::new(),
        };
        project.package(
            "app",
            "0.1.0",
            &format!("[workspace]\n{rest}\n[dependencies]\n{dependencies}"),
        );
        project
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("app")
    }

    /// Writes a package beside the application.
    fn package(&self, name: &str, version: &str, rest: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        write(&path.join("src/lib.rs"), "");
        let head =
            format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"");
        write(&path.join("Cargo.toml"), &format!("{head}\n{rest}"));
        path
    }

    /// Puts a directory in place of crates.io in which there is this Tokio and nothing else.
    fn with_tokio(self, version: &str) -> Project {
        let path = format!("registry/tokio-{version}");
        let features = "[features]\nfull = []\nrt = []\nbrand-new = []";
        let directory = self.package("tokio", version, features);
        let target = self.directory.path().join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::rename(directory, &target).unwrap();
        let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", "0".repeat(64));
        write(&target.join(".cargo-checksum.json"), &checksum);
        let config =
            "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = \"registry\"";
        write(&self.directory.path().join(".cargo/config.toml"), config);
        self
    }

    /// Starts from the versions that this repository locks, which are on this machine.
    fn with_our_lock(self) -> Project {
        let lock = Path::new(REPOSITORY).join("Cargo.lock");
        std::fs::copy(lock, self.path().join("Cargo.lock")).unwrap();
        self
    }

    fn cargo(&self, args: &[&str]) -> &Project {
        let output = Command::new("cargo")
            .current_dir(self.path())
            .args(args)
            .arg("--offline")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        self
    }

    fn append(&self, file: &str, text: &str) -> &Project {
        let file = self.path().join(file);
        let old = std::fs::read_to_string(&file).unwrap_or_default();
        write(&file, &(old + "\n" + text));
        self
    }

    fn lock(&self) -> String {
        std::fs::read_to_string(self.path().join("Cargo.lock")).unwrap_or_default()
    }

    fn doctor(&self, args: &[&str]) -> Output {
        self.doctor_with(args, &[])
    }

    /// With these variables in its environment.
    fn doctor_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let lock = self.lock();
        let output = Command::new(env!("CARGO_BIN_EXE_yamanote"))
            .args(["doctor", "--project"])
            .arg(self.path())
            .args(args)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            // Of the one who runs the tests.
            .env_remove("CARGO_PKG_NAME")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert_eq!(self.lock(), lock, "the doctor changes nothing");
        assert!(
            !self.path().join("target").exists(),
            "the doctor leaves nothing"
        );
        output
    }

    fn diagnosis(&self) -> Diagnosis {
        self.diagnosis_with(&[])
    }

    fn diagnosis_with(&self, variables: &[(&str, &str)]) -> Diagnosis {
        let output = self.doctor_with(&["--json"], variables);
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(json["switched"], output.status.success(), "{json:#}");
        Diagnosis(json)
    }
}

struct Diagnosis(Value);

impl Diagnosis {
    fn is_switched(&self) -> bool {
        self.0["switched"] == true
    }

    /// Of each check that failed, what was found and what to do.
    fn bad(&self) -> Vec<(&str, &str, &str)> {
        let text = |check: &'_ Value, field| check[field].as_str().unwrap_or_default().to_owned();
        let checks = self.0["checks"].as_array().unwrap();
        let bad = checks.iter().filter(|check| text(check, "state") == "bad");
        bad.map(|check| {
            let part = |field: &str| check[field].as_str().unwrap_or_default();
            (part("name"), part("found"), part("advice"))
        })
        .collect()
    }

    fn names(&self) -> Vec<&str> {
        self.bad().iter().map(|bad| bad.0).collect()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn patch() -> String {
    format!("[patch.crates-io]\ntokio = {{ path = \"{REPOSITORY}/crates/tokio\" }}\n")
}

const TOKIO: &str = "tokio = { version = \"1\", features = [\"full\"] }";

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
    // In place of ours, whose dependencies this registry has not.
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
fn a_patch_outside_of_the_manifest() {
    let project = Project::new(TOKIO, "").with_our_lock();
    let file = project.directory.path().join("yamanote.toml");
    write(&file, &patch());
    let config = file.to_str().unwrap();
    project.cargo(&["update", "--workspace", "--config", config]);
    let output = project.doctor(&["--config", config]);
    assert!(output.status.success(), "{output:?}");
    // And one in the user's configuration, which Cargo finds by itself.
    project.append(".cargo/config.toml", &patch());
    assert!(project.diagnosis().is_switched());
}

#[test]
fn advice_names_the_configuration_that_gives_the_patch() {
    let project = Project::new(TOKIO, "").with_tokio("1.54.1");
    project.cargo(&["generate-lockfile"]);
    let config = format!("patch.crates-io.tokio.path='{REPOSITORY}/crates/tokio'");
    write(&project.path().join("no;thing.toml"), "");
    let output = project.doctor(&["--config", &config, "--config", "no;thing.toml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let advice = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("run: "));
    let words = advice
        .unwrap()
        .strip_prefix("cargo update -p tokio ")
        .unwrap();
    let printed = Command::new("sh")
        .args(["-c", &format!("printf '%s\n' {words}")])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(printed.stdout).unwrap(),
        format!("--config\n{config}\n--config\nno;thing.toml\n")
    );
}

/// Of several values of `--config`, Cargo takes the last.
#[test]
fn the_last_configuration_wins() {
    let project = Project::new(TOKIO, "").with_our_lock();
    let ours = format!("patch.crates-io.tokio.path='{REPOSITORY}/crates/tokio'");
    let none = "patch.crates-io.tokio.path='../nowhere'";
    let args = ["--config", none, "--config", &ours];
    project.cargo(&[&["update", "--workspace"], &args[..]].concat());
    let output = project.doctor(&args);
    assert!(output.status.success(), "{output:?}");
    let output = project.doctor(&["--config", &ours, "--config", none]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("where there is no package tokio"), "{text}");
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

    // Who knows which Tokio it asks for.
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

/// The toolchain is that of the project, also where `cargo run` starts the doctor, and none is
/// downloaded.
#[test]
fn the_toolchain_is_the_projects() {
    use std::os::unix::fs::PermissionsExt;

    let project = Project::new(TOKIO, &patch());
    let cargo = project.directory.path().join("bin/cargo");
    let script =
        "#!/bin/sh\necho \"error: $RUSTUP_AUTO_INSTALL ${RUSTUP_TOOLCHAIN-its own}\" >&2\nexit 1\n";
    write(&cargo, script);
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = cargo.parent().unwrap().display().to_string();
    for (package, toolchain) in [("yamanote-cli", "its own"), ("another", "old")] {
        let output = project.doctor_with(
            &[],
            &[
                ("PATH", &path),
                ("RUSTUP_TOOLCHAIN", "old"),
                ("CARGO_PKG_NAME", package),
            ],
        );
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text, format!("yamanote doctor: 0 {toolchain}\n"));
    }
}

#[test]
fn a_configuration_that_takes_the_patch_back() {
    let project = Project::new(TOKIO, &patch()).with_tokio("1.54.1");
    let theirs = project.directory.path().join("registry/tokio-1.54.1");
    let back = format!(
        "[patch.crates-io]\ntokio = {{ path = \"{}\" }}",
        theirs.display()
    );
    project.append(".cargo/config.toml", &back);
    project.cargo(&["generate-lockfile"]);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["lock"]);
    let (_, found, advice) = diagnosis.bad()[0];
    assert!(
        found.starts_with("Cargo.lock has tokio 1.54.1 from a path"),
        "{found}"
    );
    assert!(advice.contains("app/.cargo/config.toml"), "{advice}");
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
fn what_does_not_compile_is_told_beforehand() {
    let project = Project::new(TOKIO, &patch()).with_our_lock();
    project.cargo(&["update", "--workspace"]);
    let flags =
        "[build]\nrustflags = [\"--cfg\", \"tokio_unstable\"]\ntarget = \"x86_64-pc-windows-msvc\"";
    project.append(".cargo/config.toml", flags);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["tokio_unstable", "target"]);
    assert!(diagnosis.bad()[0].1.ends_with("app/.cargo/config.toml"));
    let android = "[build]\ntarget = \"aarch64-linux-android\"";
    write(&project.path().join(".cargo/config.toml"), android);
    assert_eq!(project.diagnosis().names(), ["target"]);
}

/// Flags that do not reach the build, each beside ones that do.
#[test]
fn flags_count_as_cargo_counts_them() {
    let project = Project::new(TOKIO, &patch()).with_our_lock();
    project.cargo(&["update", "--workspace"]);
    let host = host();
    let own = format!("target.{host}");
    let set = "rustflags = [\"--cfg\", \"tokio_unstable\"]";
    let other = "rustflags = [\"--cfg\", \"other\"]";
    let file = project.path().join(".cargo/config.toml");
    let is_unstable = |text: &str, variables: &[(&str, &str)]| {
        write(&file, text);
        let diagnosis = project.diagnosis_with(variables);
        let names = diagnosis.names();
        assert!(
            names.is_empty() || names == ["tokio_unstable"],
            "{text}: {names:?}"
        );
        !names.is_empty()
    };
    for text in [
        format!("[build]\n{set}"),
        format!("[{own}]\n{set}"),
        format!("[target.'cfg(unix)']\n{set}"),
        format!("[build]\n{other}\n[{own}]\n{set}"),
        "build.rustflags = \"--cfg=tokio_unstable\"".to_owned(),
    ] {
        assert!(is_unstable(&text, &[]), "{text}");
    }
    for text in [
        format!("[target.'cfg(windows)']\n{set}"),
        format!("[target.aarch64-apple-darwin]\n{set}"),
        // The flags of the target go before those of all builds.
        format!("[build]\n{set}\n[{own}]\n{other}"),
        "build.rustflags = \"--check-cfg=cfg(tokio_unstable)\"".to_owned(),
        "build.rustflags = \"--cfg not_tokio_unstable\"".to_owned(),
        "env.RUSTFLAGS = \"--cfg tokio_unstable\"".to_owned(),
    ] {
        assert!(!is_unstable(&text, &[]), "{text}");
    }

    let in_file = format!("[build]\n{set}");
    let flag = "--cfg tokio_unstable";
    let encoded = "--cfg\u{1f}tokio_unstable";
    let of_target = format!(
        "CARGO_TARGET_{}_RUSTFLAGS",
        host.to_uppercase().replace('-', "_")
    );
    for (text, variables, expected) in [
        ("", &[("RUSTFLAGS", flag)][..], true),
        ("", &[("CARGO_BUILD_RUSTFLAGS", flag)], true),
        ("", &[("CARGO_ENCODED_RUSTFLAGS", encoded)], true),
        ("", &[(&of_target[..], flag)], true),
        // One variable silences the files, and each the one that it goes before.
        (&in_file, &[("RUSTFLAGS", "--cfg other")], false),
        (
            &in_file,
            &[("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}other")],
            false,
        ),
        (&in_file, &[(&of_target[..], "--cfg other")], false),
        (
            "",
            &[
                ("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}other"),
                ("RUSTFLAGS", flag),
            ],
            false,
        ),
        (
            "",
            &[
                ("RUSTFLAGS", "--cfg other"),
                ("CARGO_BUILD_RUSTFLAGS", flag),
            ],
            false,
        ),
    ] {
        assert_eq!(
            is_unstable(text, variables),
            expected,
            "{text} {variables:?}"
        );
    }
}

/// As far as the Cargo at hand reads such a file: it is asked the same in another way.
#[test]
fn flags_in_an_included_file() {
    let project = Project::new(TOKIO, &patch()).with_our_lock();
    project.cargo(&["update", "--workspace"]);
    let included = "[build]\nrustflags = [\"--cfg\", \"tokio_unstable\"]";
    write(&project.path().join(".cargo/more.toml"), included);
    write(
        &project.path().join(".cargo/config.toml"),
        "include = [\"more.toml\"]",
    );
    let asked = Command::new("cargo")
        .current_dir(project.path())
        .args(["-Zunstable-options", "config", "get", "build.rustflags"])
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .unwrap();
    let counts = String::from_utf8_lossy(&asked.stdout).contains("tokio_unstable");
    let diagnosis = project.diagnosis();
    assert_eq!(!diagnosis.is_switched(), counts, "{:#}", diagnosis.0);
    if counts {
        assert!(diagnosis.bad()[0].1.ends_with("app/.cargo/more.toml"));
    }
}

/// The target of a build is one of several places' word, the nearest one's.
#[test]
fn a_target_that_is_overruled() {
    let project = Project::new(TOKIO, &patch()).with_our_lock();
    project.cargo(&["update", "--workspace"]);
    let windows = "[build]\ntarget = \"x86_64-pc-windows-msvc\"";
    project.append(".cargo/config.toml", windows);
    assert_eq!(project.diagnosis().names(), ["target"]);
    let host = host();
    let diagnosis = project.diagnosis_with(&[("CARGO_BUILD_TARGET", &host)]);
    assert!(diagnosis.is_switched(), "{:#}", diagnosis.0);
    let linux = format!("[build]\ntarget = \"{host}\"");
    write(&project.path().join(".cargo/config.toml"), &linux);
    let upper = project.directory.path().join(".cargo/config.toml");
    write(&upper, windows);
    assert!(project.diagnosis().is_switched());
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.unwrap().to_owned()
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
