//! What Cargo reads besides the lock file: patches, compiler flags and targets, from the
//! workspace's manifest, from configuration files and from the environment.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use toml::{Table, Value};

#[derive(Debug, Default, PartialEq)]
pub struct Settings {
    pub root: PathBuf,
    /// The values of `--config`.
    pub config: Vec<String>,
    /// Every `tokio` of a `[patch]`; of several for one source, the one that counts comes first.
    pub patches: Vec<Patch>,
    /// Places whose compiler flags name `tokio_unstable`. Only Cargo knows which of them count.
    pub unstable: Vec<String>,
    /// Targets to build for, and the places that say so. Only Cargo knows which of them count.
    pub targets: Vec<(String, String)>,
}

#[derive(Debug, PartialEq)]
pub struct Patch {
    /// The URL of what is patched; `None` for crates.io.
    pub of: Option<String>,
    /// The file, or the option, that says so.
    pub place: String,
    /// Such as `path ../yamanote/crates/tokio`.
    pub to: String,
    /// Where that is, if it is a path.
    pub directory: Option<PathBuf>,
}

impl Patch {
    /// The directory it names, if there is no package `tokio` in it.
    pub fn without_package(&self) -> Option<&Path> {
        let directory = self.directory.as_deref()?;
        (!has_tokio(directory)).then_some(directory)
    }
}

/// Whether the package in this directory is called `tokio`.
pub fn has_tokio(directory: &Path) -> bool {
    manifest(directory).is_some_and(|it| is_tokio(&it))
}

/// Whether the package of this manifest is called `tokio`.
pub fn is_tokio(manifest: &Table) -> bool {
    let package = manifest.get("package");
    package
        .and_then(|it| it.get("name"))
        .and_then(Value::as_str)
        == Some("tokio")
}

/// The manifest in this directory, if it can be read.
pub fn manifest(directory: &Path) -> Option<Table> {
    let text = std::fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    text.parse().ok()
}

impl Settings {
    /// For a build started in `dir` in the workspace at `root`, with these values of `--config`.
    pub fn read(dir: &Path, root: &Path, config: &[String]) -> Result<Settings, String> {
        let mut settings = Settings {
            root: root.to_owned(),
            config: config.to_vec(),
            ..Settings::default()
        };
        // Of several values the last one wins.
        for config in config.iter().rev() {
            // Cargo takes an argument for a file if there is one of that name.
            let file = dir.join(config);
            match file.is_file() {
                true => settings.add_configuration(&file)?,
                false => {
                    let place = format!("--config {config}");
                    settings.add(&place, dir, &parse(config, config)?);
                }
            }
        }
        for file in configuration_files(dir) {
            settings.add_configuration(&file)?;
        }
        // A patch in a configuration file wins over that of the manifest.
        let manifest = root.join("Cargo.toml");
        let (place, table) = read_file(&manifest)?;
        settings.add(&place, root, &table);
        for (name, flags) in std::env::vars_os() {
            let (name, flags) = (name.to_string_lossy(), flags.to_string_lossy());
            if holds_flags(&name) && flags.contains("tokio_unstable") {
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

    /// The patch of crates.io that counts.
    pub fn of_registry(&self) -> Option<&Patch> {
        self.patches.iter().find(|patch| patch.of.is_none())
    }

    /// The patch that counts for a source, written as in the lock file:
    /// `git+URL?branch=main#REVISION`.
    pub fn of_source(&self, source: &str) -> Option<&Patch> {
        let short = |url: &str| {
            url.trim_end_matches('/')
                .trim_end_matches(".git")
                .to_owned()
        };
        let wanted = short(url(source));
        let is_it = |patch: &&Patch| patch.of.as_deref().is_some_and(|of| short(of) == wanted);
        self.patches.iter().find(is_it)
    }

    /// Adds a file and those that it includes. It wins over these, and of these the last one wins.
    fn add_configuration(&mut self, file: &Path) -> Result<(), String> {
        let mut seen = Vec::new();
        let mut files = vec![file.to_owned()];
        while let Some(file) = files.pop() {
            if seen.contains(&file) {
                continue;
            }
            let (place, table) = read_file(&file)?;
            // Relative paths in it start where the directory `.cargo` lies.
            let directory = file.parent().unwrap_or(Path::new("."));
            let base = directory.parent().unwrap_or(directory);
            self.add(&place, base, &table);
            let included = included(&table).into_iter().map(|it| directory.join(it));
            // Included files may be missing.
            files.extend(included.filter(|it| it.is_file()));
            seen.push(file);
        }
        Ok(())
    }

    /// What `place` says; relative paths in it start at `base`.
    fn add(&mut self, place: &str, base: &Path, table: &Table) {
        let patches = table.get("patch").and_then(Value::as_table);
        for (source, patches) in patches.into_iter().flatten() {
            let is_registry = source == "crates-io" || source.contains("crates.io-index");
            for (name, patch) in patches.as_table().into_iter().flatten() {
                let package = patch.get("package").and_then(Value::as_str);
                if package.unwrap_or(name) == "tokio" {
                    self.patches.push(Patch {
                        of: (!is_registry).then(|| source.clone()),
                        place: place.to_owned(),
                        to: describe(patch),
                        directory: patch
                            .get("path")
                            .and_then(Value::as_str)
                            .map(|path| base.join(path)),
                    });
                }
            }
        }
        let build = table.get("build");
        let build_flags = build.and_then(|it| it.get("rustflags"));
        let targets = table.get("target").and_then(Value::as_table);
        let target_flags = targets.into_iter().flatten();
        let target_flags = target_flags.filter_map(|(_, it)| it.get("rustflags"));
        let flags: Vec<&Value> = build_flags.into_iter().chain(target_flags).collect();
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

/// What `[patch."URL"]` has to name to reach this source.
pub fn url(source: &str) -> &str {
    let source = source.strip_prefix("git+").unwrap_or(source);
    source.split(['?', '#']).next().unwrap_or(source)
}

/// Whether Cargo takes compiler flags from this environment variable.
fn holds_flags(variable: &str) -> bool {
    let of_target = variable.starts_with("CARGO_TARGET_") && variable.ends_with("_RUSTFLAGS");
    let of_all = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
    ];
    of_target || of_all.contains(&variable)
}

/// A file that has to be there: its name, and what it says.
fn read_file(file: &Path) -> Result<(String, Table), String> {
    let place = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{place}: {error}"))?;
    let table = parse(&place, &text)?;
    Ok((place, table))
}

/// The files that `include` names, in each of its spellings.
fn included(table: &Table) -> Vec<&str> {
    fn path(it: &Value) -> Option<&str> {
        it.as_str().or_else(|| it.get("path")?.as_str())
    }
    match table.get("include") {
        Some(Value::Array(several)) => several.iter().filter_map(path).collect(),
        one => one.into_iter().filter_map(path).collect(),
    }
}

fn parse(place: &str, text: &str) -> Result<Table, String> {
    text.parse().map_err(|error| format!("{place}: {error}"))
}

/// From `dir` upwards, then in Cargo's home.
fn configuration_files(dir: &Path) -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut places: Vec<PathBuf> = dir.ancestors().map(|dir| dir.join(".cargo")).collect();
    // Above many projects the home directory is on the way up.
    places.extend(home.filter(|home| !dir.ancestors().any(|dir| dir.join(".cargo") == *home)));
    let files = places.iter().filter_map(|place| {
        // If both exist, Cargo reads the one without the suffix.
        let names = [place.join("config"), place.join("config.toml")];
        names.into_iter().find(|name| name.is_file())
    });
    files.collect()
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
        settings.add("here", Path::new("/app"), &parse("here", text).unwrap());
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
            let [patch] = &found[..] else {
                panic!("{text}: {found:?}")
            };
            assert_eq!((&patch.place[..], &patch.to[..]), ("here", "path a"));
            assert_eq!(patch.of, None);
            assert_eq!(patch.directory, Some("/app/a".into()));
        }
        for text in [
            "[patch.crates-io]\nhyper = { path = \"a\" }",
            "[patch.crates-io.tokio]\npackage = \"hyper\"\npath = \"a\"",
        ] {
            assert_eq!(of(text).patches, [], "{text}");
        }
    }

    #[test]
    fn a_patch_of_another_source_is_found_by_that_source() {
        let settings = of("[patch.\"https://example.org/tokio.git\"]\ntokio.path = \"a\"");
        assert_eq!(settings.of_registry(), None);
        for source in [
            "git+https://example.org/tokio.git?branch=main#0123",
            "git+https://example.org/tokio",
        ] {
            assert_eq!(settings.of_source(source), settings.patches.first());
        }
        assert_eq!(settings.of_source("git+https://example.org/other"), None);
    }

    #[test]
    fn flags_for_one_target_are_flags() {
        for name in [
            "RUSTFLAGS",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
        ] {
            assert!(holds_flags(name), "{name}");
        }
        assert!(!holds_flags("CARGO_TARGET_DIR"));
    }

    #[test]
    fn what_is_included_is_found_in_each_spelling() {
        for text in [
            "include = \"a.toml\"",
            "include = [\"a.toml\"]",
            "include = [{ path = \"a.toml\", optional = true }]",
        ] {
            assert_eq!(
                included(&parse("here", text).unwrap()),
                ["a.toml"],
                "{text}"
            );
        }
    }

    #[test]
    fn of_what_is_included_the_last_wins() {
        let directory = yamanote_test::TempDir::new();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        let patch = |path: &str| format!("[patch.crates-io]\ntokio.path = \"{path}\"\n");
        write(
            "config.toml",
            "include = [\"a.toml\", \"b.toml\", { path = \"missing.toml\", optional = true }]",
        );
        write("a.toml", &patch("a"));
        // Twice, and itself.
        let again = "include = [\"c.toml\", \"c.toml\", \"b.toml\"]\n";
        write("b.toml", &(again.to_owned() + &patch("b")));
        write("c.toml", &patch("c"));
        let mut settings = Settings::default();
        let file = directory.path().join("config.toml");
        settings.add_configuration(&file).unwrap();
        let order: Vec<&str> = settings.patches.iter().map(|it| &it.to[..]).collect();
        assert_eq!(order, ["path b", "path c", "path a"]);
    }

    #[test]
    fn unstable_and_targets_are_found() {
        for text in [
            "build.rustflags = [\"--cfg\", \"tokio_unstable\"]",
            "build.rustflags = \"--cfg tokio_unstable\"",
            "[target.'cfg(unix)']\nrustflags = [\"--cfg=tokio_unstable\"]",
        ] {
            assert_eq!(of(text).unstable, ["here"], "{text}");
        }
        for text in [
            "build.rustflags = [\"--cfg\", \"loom\"]",
            // Cargo passes it to rustc, which ignores it.
            "env.RUSTFLAGS = \"--cfg tokio_unstable\"",
        ] {
            assert_eq!(of(text).unstable, [""; 0], "{text}");
        }
        let targets = of("build.target = [\"a-linux\", \"b\"]").targets;
        assert_eq!(targets[1], ("b".to_owned(), "here".to_owned()));
    }
}
