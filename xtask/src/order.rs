//! `cargo xtask order`: random programs on the real Tokio and on Yamanote, which must run in the
//! same order.
//!
//! The programs, their interpreter and the comparison are the workspace in `xtask/order/`. It links
//! both runtimes, and its lock file says which Tokio; so does each of its processes when it starts.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::conformance::suites::tokio_version;

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    let workspace = root.join("xtask").join("order");
    if let Err(error) = check_lock(&workspace) {
        eprintln!("cargo xtask order: {error}");
        return ExitCode::from(2);
    }
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--release", "--quiet"])
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(root.join("target").join("order"))
        .arg("--")
        .args(args)
        .status()
        .expect("cargo can be started");
    match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(2) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

/// One Tokio of the registry, of the release that everything is compared with.
fn check_lock(workspace: &Path) -> Result<(), String> {
    let path = workspace.join("Cargo.lock");
    let failed = |error: String| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let lock: toml::Table = text.parse().map_err(|error| failed(format!("{error}")))?;
    let packages = lock["package"].as_array().into_iter().flatten();
    let found: Vec<_> = packages
        .filter(|package| package["name"].as_str() == Some("tokio"))
        .collect();
    let is_meant = |package: &toml::Value| {
        let source = package.get("source").and_then(toml::Value::as_str);
        package["version"].as_str() == Some(tokio_version())
            && source.is_some_and(|source| source.starts_with("registry+"))
    };
    match found[..] {
        [one] if is_meant(one) => Ok(()),
        _ => Err(failed(format!(
            "does not name tokio {} of the registry alone",
            tokio_version()
        ))),
    }
}
