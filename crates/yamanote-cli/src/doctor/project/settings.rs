//! What Cargo reads besides the lock file: patches, compiler flags and targets, from the workspace's
//! manifest, from configuration files and from the environment.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use toml::{Table, Value};

#[derive(Debug, Default, PartialEq)]
pub struct Settings {
    pub root: PathBuf,
    /// Every `tokio` of a `[patch.crates-io]`, the one that counts first.
    pub patches: Vec<Patch>,
    /// Where `--cfg tokio_unstable` is set.
    pub unstable: Vec<String>,
    /// Targets to build for, and where that is said.
    pub targets: Vec<(String, String)>,
}

#[derive(Debug, PartialEq)]
pub struct Patch {
    /// The file, or the option, that says so.
    pub place: String,
    /// Such as `path ../yamanote/crates/tokio`.
    pub to: String,
}

impl Settings {
    /// For a build started in `dir` in the workspace at `root`, with these values of `--config`.
    pub fn read(dir: &Path, root: &Path, config: &[String]) -> Result<Settings, String> {
        let mut settings = Settings {
            root: root.to_owned(),
            ..Settings::default()
        };
        for config in config {
            // Cargo takes an argument for a file if there is one of that name.
            let file = dir.join(config);
            match file.is_file() {
                true => settings.add_file(&file)?,
                false => settings.add(&format!("--config {config}"), &parse(config, config)?),
            }
        }
        settings.add_file(&root.join("Cargo.toml"))?;
        for file in configuration_files(dir) {
            settings.add_file(&file)?;
        }
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
        ] {
            if std::env::var(name).is_ok_and(|flags| flags.contains("tokio_unstable")) {
                settings
                    .unstable
                    .push(format!("the environment variable {name}"));
            }
        }
        if let Ok(target) = std::env::var("CARGO_BUILD_TARGET") {
            let place = "the environment variable CARGO_BUILD_TARGET".to_owned();
            settings.targets.push((target, place));
        }
        Ok(settings)
    }

    fn add_file(&mut self, file: &Path) -> Result<(), String> {
        let place = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| format!("{place}: {error}"))?;
        self.add(&place, &parse(&place, &text)?);
        Ok(())
    }

    fn add(&mut self, place: &str, table: &Table) {
        let patches = table.get("patch").and_then(Value::as_table);
        for (source, patches) in patches.into_iter().flatten() {
            let is_registry = source == "crates-io" || source.contains("crates.io-index");
            for (name, patch) in patches.as_table().into_iter().flatten() {
                let package = patch.get("package").and_then(Value::as_str);
                if is_registry && package.unwrap_or(name) == "tokio" {
                    self.patches.push(Patch {
                        place: place.to_owned(),
                        to: describe(patch),
                    });
                }
            }
        }
        let build = table.get("build");
        let build_flags = build.and_then(|it| it.get("rustflags"));
        let targets = table.get("target").and_then(Value::as_table);
        let target_flags = targets.into_iter().flatten();
        let target_flags = target_flags.filter_map(|(_, it)| it.get("rustflags"));
        let environment = table.get("env").and_then(|it| it.get("RUSTFLAGS"));
        let flags: Vec<&Value> = build_flags
            .into_iter()
            .chain(target_flags)
            .chain(environment)
            .collect();
        if flags
            .iter()
            .any(|it| format!("{it:?}").contains("tokio_unstable"))
        {
            self.unstable.push(place.to_owned());
        }
        match build.and_then(|it| it.get("target")) {
            Some(Value::String(target)) => self.targets.push((target.clone(), place.to_owned())),
            Some(Value::Array(targets)) => {
                for target in targets.iter().filter_map(Value::as_str) {
                    self.targets.push((target.to_owned(), place.to_owned()));
                }
            }
            _ => {}
        }
    }
}

fn parse(place: &str, text: &str) -> Result<Table, String> {
    text.parse().map_err(|error| format!("{place}: {error}"))
}

/// From `dir` upwards, then in Cargo's home.
fn configuration_files(dir: &Path) -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let mut places: Vec<PathBuf> = dir.ancestors().map(|dir| dir.join(".cargo")).collect();
    places.extend(home);
    places.dedup();
    let mut files: Vec<PathBuf> = places
        .iter()
        .filter_map(|place| {
            // Where both are there, Cargo reads the one without the suffix.
            let names = [place.join("config"), place.join("config.toml")];
            names.into_iter().find(|name| name.is_file())
        })
        .collect();
    files.dedup();
    files
}

fn describe(patch: &Value) -> String {
    for kind in ["path", "git", "version"] {
        if let Some(place) = patch.get(kind).and_then(Value::as_str) {
            return format!("{kind} {place}");
        }
    }
    format!("{patch:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Settings {
        let mut settings = Settings::default();
        settings.add("here", &parse("here", text).unwrap());
        settings
    }

    #[test]
    fn patches_are_found_in_each_spelling() {
        for text in [
            "[patch.crates-io]\ntokio = { path = \"a\" }",
            "patch.crates-io.tokio.path = \"a\"",
            "[patch.crates-io.ours]\npackage = \"tokio\"\npath = \"a\"",
            "[patch.\"https://github.com/rust-lang/crates.io-index\"]\ntokio.path = \"a\"",
        ] {
            let found = of(text).patches;
            let [Patch { place, to }] = &found[..] else {
                panic!("{text}: {found:?}")
            };
            assert_eq!((&place[..], &to[..]), ("here", "path a"));
        }
        for text in [
            "[patch.crates-io]\nhyper = { path = \"a\" }",
            "[patch.\"https://example.org\"]\ntokio.path = \"a\"",
            "[patch.crates-io.tokio]\npackage = \"hyper\"\npath = \"a\"",
        ] {
            assert_eq!(of(text).patches, [], "{text}");
        }
    }

    #[test]
    fn unstable_and_targets_are_found() {
        for text in [
            "build.rustflags = [\"--cfg\", \"tokio_unstable\"]",
            "build.rustflags = \"--cfg tokio_unstable\"",
            "[target.'cfg(unix)']\nrustflags = [\"--cfg=tokio_unstable\"]",
            "env.RUSTFLAGS = \"--cfg tokio_unstable\"",
        ] {
            assert_eq!(of(text).unstable, ["here"], "{text}");
        }
        assert_eq!(
            of("build.rustflags = [\"--cfg\", \"loom\"]").unstable,
            [""; 0]
        );
        let targets = of("build.target = [\"a-linux\", \"b\"]").targets;
        assert_eq!(targets[1], ("b".to_owned(), "here".to_owned()));
    }
}
