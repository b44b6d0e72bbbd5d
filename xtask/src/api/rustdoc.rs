//! rustdoc's JSON of a crate: made, read, and asked for items.
//!
//! The format is unstable; it is read as plain JSON, and only what is compared.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::conformance::suites::with_unstable;

/// The format this was written for. What is read here has kept its shape through many.
const FORMATS: std::ops::RangeInclusive<u64> = 45..=60;

pub struct Crate {
    pub name: String,
    json: Value,
    /// Where the crate's own items are defined, with modules that cannot be named from outside.
    by_path: HashMap<String, u64>,
}

impl Crate {
    /// Documents `package` of the workspace in `directory`, into `target`; if `is_unstable`, with
    /// what Tokio has under its cfg.
    pub fn document(
        directory: &Path,
        package: &str,
        features: &[&str],
        flags: &[&str],
        target: &Path,
        is_unstable: bool,
    ) -> Result<Self, String> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(directory)
            .args(["rustdoc", "--lib", "--package", package, "--target-dir"])
            .arg(target);
        if !features.is_empty() {
            command.arg("--features").arg(features.join(","));
        }
        if is_unstable {
            for variable in ["RUSTFLAGS", "RUSTDOCFLAGS"] {
                command.env(variable, with_unstable(variable));
            }
        }
        let output = command
            .args([
                "--",
                "-Zunstable-options",
                "--output-format=json",
                "--cap-lints=allow",
            ])
            .args(flags)
            // JSON is behind an unstable option, which the stable toolchain accepts only this way.
            .env("RUSTC_BOOTSTRAP", "1")
            .output()
            .map_err(|error| format!("cannot start cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "{package} cannot be documented:\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let name = package.replace('-', "_");
        Self::read(&target.join("doc").join(format!("{name}.json")), name)
    }

    fn read(path: &Path, name: String) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let json: Value = serde_json::from_slice(&text)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let format = json["format_version"].as_u64().unwrap_or_default();
        if !FORMATS.contains(&format) {
            return Err(format!(
                "rustdoc writes JSON of format {format}; {FORMATS:?} are known here"
            ));
        }
        let paths = json["paths"]
            .as_object()
            .ok_or("rustdoc's JSON holds no paths")?;
        let by_path = paths
            .iter()
            .filter(|(_, summary)| summary["crate_id"] == 0)
            .filter_map(|(id, summary)| Some((joined(&summary["path"]), id.parse().ok()?)))
            .collect();
        Ok(Crate {
            name,
            json,
            by_path,
        })
    }

    pub fn root(&self) -> u64 {
        self.json["root"].as_u64().expect("every crate has a root")
    }

    /// An item of this crate that others can see.
    pub fn item(&self, id: u64) -> Option<&Value> {
        self.json["index"].get(id.to_string())
    }

    /// Where an item of any crate is defined: `core::time::Duration`.
    pub fn defined_at(&self, id: u64) -> Option<String> {
        self.json["paths"]
            .get(id.to_string())
            .map(|summary| joined(&summary["path"]))
    }

    pub fn find(&self, path: &str) -> Option<u64> {
        self.by_path.get(path).copied()
    }
}

fn joined(path: &Value) -> String {
    let segments = path
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    segments.collect::<Vec<_>>().join("::")
}

/// The one thing an item is, and its content: `("function", {...})`.
pub fn kind(item: &Value) -> (&str, &Value) {
    let inner = item["inner"]
        .as_object()
        .and_then(|inner| inner.iter().next());
    inner.map_or(("", &Value::Null), |(kind, content)| {
        (kind.as_str(), content)
    })
}

/// The elements of an array, none if it is none.
pub fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
