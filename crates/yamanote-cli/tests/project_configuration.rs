//! `yamanote doctor --project`: what Cargo's configuration and the environment say.
#![forbid(unsafe_code)]

mod project_support;

use project_support::{Project, REPOSITORY, TOKIO, patch, write};
use std::process::Command;

#[test]
fn a_patch_outside_of_the_manifest() {
    let project = Project::new(TOKIO, "").with_our_lock();
    let file = project.directory.path().join("yamanote.toml");
    write(&file, &patch());
    let config = file.to_str().unwrap();
    project.cargo(&["update", "--workspace", "--config", config]);
    let output = project.doctor(&["--config", config]);
    assert!(output.status.success(), "{output:?}");
    // And a patch in the user's configuration, which Cargo finds by itself.
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

/// The toolchain is the project's, also where `cargo run` starts the doctor, and none is
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
fn what_does_not_compile_is_told_beforehand() {
    let project = Project::new(TOKIO, &patch()).with_our_lock();
    project.cargo(&["update", "--workspace"]);
    let flags =
        "[build]\nrustflags = [\"--cfg\", \"tokio_unstable\"]\ntarget = \"x86_64-pc-windows-msvc\"";
    project.append(".cargo/config.toml", flags);
    let diagnosis = project.diagnosis();
    assert_eq!(diagnosis.names(), ["target"]);
    let place = diagnosis.unstable().unwrap();
    assert!(place.ends_with("app/.cargo/config.toml"), "{place}");
    let android = "[build]\ntarget = \"aarch64-linux-android\"";
    write(&project.path().join(".cargo/config.toml"), android);
    assert_eq!(project.diagnosis().names(), ["target"]);
}

/// Flags that do not reach the build, each beside flags that do.
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
        assert_eq!(diagnosis.names(), [""; 0], "{text}");
        diagnosis.unstable().is_some()
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
        // The flags of the target take precedence over those of all builds.
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
        // One variable overrides the files, and each the one after it.
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
    assert!(diagnosis.is_switched(), "{:#}", diagnosis.0);
    let place = diagnosis.unstable();
    assert_eq!(place.is_some(), counts, "{:#}", diagnosis.0);
    assert!(place.is_none_or(|it| it.ends_with("app/.cargo/more.toml")));
}

/// Several places may name the target of a build; the nearest one counts.
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
