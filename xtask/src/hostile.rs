//! `cargo xtask test --hostile [NAME...]`: the tests as an unkind parent would start them.
//!
//! Every signal is ignored and blocked, the umask is 077, there is no terminal, the locale is a
//! foreign one, temporary files go to a directory with spaces in its name, the working directory
//! cannot be written to, descriptors and locked memory are few, and root becomes nobody. The
//! programs that arrange this are those of coreutils and util-linux.
#![forbid(unsafe_code)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// The user that owns nothing.
const NOBODY: &str = "65534";

/// What a shell sets before it becomes `"$@"`. The terminal is left last, in a new session. The
/// locked memory is what systemd allows; all rings of a user share it, so with much less the tests
/// that run at the same time would take it from each other.
const SCRIPT: &str =
    r#"umask 077; ulimit -c 0; ulimit -n 1024; ulimit -l 8192; cd /; exec setsid -w "$@""#;

/// A test binary.
struct Binary {
    /// The name of its target, such as `signal`.
    name: String,
    path: PathBuf,
    /// Whether it starts the tool, which the user nobody cannot if the repository is in a private
    /// place.
    needs_tool: bool,
}

/// Runs the named test binaries, or all of them.
pub fn run(root: &Path, names: &[String]) -> ExitCode {
    let Some(mut binaries) = build(root) else {
        return ExitCode::FAILURE;
    };
    if !names.is_empty() {
        for name in names {
            if !binaries.iter().any(|binary| binary.name == *name) {
                eprintln!("cargo xtask test --hostile: no test binary is called {name}");
                return ExitCode::from(2);
            }
        }
        binaries.retain(|binary| names.contains(&binary.name));
    }
    let place = Place::new();
    let mut failed = Vec::new();
    for binary in &binaries {
        let started = Instant::now();
        let succeeds = place.run(binary);
        println!(
            "hostile: {}: {} s",
            binary.name,
            started.elapsed().as_secs()
        );
        if !succeeds {
            failed.push(binary.name.as_str());
        }
    }
    let total = binaries.len();
    if failed.is_empty() {
        println!("\nhostile: all {total} test binaries passed");
        return ExitCode::SUCCESS;
    }
    let count = failed.len();
    println!(
        "\nhostile: {count} of {total} failed: {}",
        failed.join(", ")
    );
    ExitCode::FAILURE
}

/// Builds the tests, and asks Cargo where they are.
fn build(root: &Path) -> Option<Vec<Binary>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["test", "--workspace", "--no-run", "--message-format=json"])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    if !output.status.success() {
        return None;
    }
    let messages = String::from_utf8(output.stdout).expect("JSON is text");
    Some(messages.lines().filter_map(binary).collect())
}

/// The test binary that one of Cargo's messages names. The project's own tasks are left out,
/// because they work on the repository, which does not belong to nobody. So are macros, which are
/// linked to the compiler's library and run in no process of their own.
fn binary(message: &str) -> Option<Binary> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let package = message["manifest_path"].as_str()?;
    let package = Path::new(package).parent()?.file_name()?.to_str()?;
    let is_macro = message["target"]["kind"][0] == "proc-macro";
    if package == "xtask" || is_macro {
        return None;
    }
    Some(Binary {
        name: message["target"]["name"].as_str()?.to_owned(),
        path: message["executable"].as_str()?.into(),
        needs_tool: package == "yamanote-cli",
    })
}

/// A directory that anybody may look into; removed in the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        let path = std::env::temp_dir().join(format!("yamanote-hostile-{}", std::process::id()));
        std::fs::create_dir_all(path.join("t m p")).expect("a temporary directory");
        let allow = |path: &Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("it is ours");
        };
        allow(&path, 0o755);
        allow(&path.join("t m p"), 0o1777);
        Place(path)
    }

    /// Runs a copy of `binary`; true if it succeeds.
    fn run(&self, binary: &Binary) -> bool {
        let copy = self.0.join(&binary.name);
        std::fs::copy(&binary.path, &copy).expect("the binary can be copied");
        let mut command = Command::new("env");
        command.args(["--ignore-signal", "--block-signal"]);
        if rustix::process::geteuid().is_root() && !binary.needs_tool {
            command.args(["setpriv", "--clear-groups"]);
            command.args(["--reuid", NOBODY, "--regid", NOBODY]);
            command.env("HOME", "/nonexistent");
        }
        command
            .args(["sh", "-c", SCRIPT, "sh"])
            .arg(&copy)
            .env("TMPDIR", self.0.join("t m p"))
            .envs([("LANG", "de_DE.UTF-8"), ("LC_ALL", "de_DE.UTF-8")])
            .env_remove("YAMANOTE_DRIVER")
            .env_remove("YAMANOTE_TEST_SKIPS")
            .stdin(Stdio::null());
        let status = command.status().expect("coreutils are there");
        let _ = std::fs::remove_file(&copy);
        status.success()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_binaries_are_found_in_cargos_messages() {
        let message = |package: &str, test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact",
                "manifest_path": format!("/x/{package}/Cargo.toml"),
                "target": { "name": "process" },
                "profile": { "test": test },
                "executable": "/x/target/debug/deps/process-1",
            })
            .to_string()
        };
        let found = binary(&message("yamanote", true)).unwrap();
        assert_eq!(found.name, "process");
        assert_eq!(found.path, Path::new("/x/target/debug/deps/process-1"));
        assert!(!found.needs_tool);
        assert!(binary(&message("yamanote-cli", true)).unwrap().needs_tool);
        assert!(binary(&message("xtask", true)).is_none());
        assert!(binary(&message("yamanote", false)).is_none());
        assert!(binary("no JSON").is_none());
    }
}
