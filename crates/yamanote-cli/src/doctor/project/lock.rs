//! What Cargo has chosen: the lock file.
#![forbid(unsafe_code)]

use semver::{Version, VersionReq};
use std::io::ErrorKind;
use std::path::Path;
use toml::{Table, Value};

#[derive(Debug, Default, PartialEq)]
pub struct Lock {
    pub tokios: Vec<Tokio>,
    /// Name and version of every package.
    packages: Vec<(String, Version)>,
    /// The version of a patch for `tokio` that Cargo has read and not used.
    pub unused_patch: Option<String>,
}

/// A locked package of the name `tokio`.
#[derive(Debug, PartialEq)]
pub struct Tokio {
    pub version: Version,
    /// `None` for a path.
    pub source: Option<String>,
    /// Yamanote, or the package that is Yamanote on Linux.
    pub is_yamanote: bool,
    /// Tokio's own, which such a package is on other systems.
    pub is_for_other_systems: bool,
    /// The packages that depend on it: names and versions.
    pub used_by: Vec<String>,
}

impl Lock {
    /// Whether there is a package of this name that `version` fits.
    pub fn has(&self, name: &str, version: &VersionReq) -> bool {
        // A star stands for any version, pre-releases included.
        let fits = |it: &Version| *version == VersionReq::STAR || version.matches(it);
        self.packages.iter().any(|it| it.0 == name && fits(&it.1))
    }

    /// How many packages have this name.
    pub fn count(&self, name: &str) -> usize {
        self.packages.iter().filter(|it| it.0 == name).count()
    }
}

impl Tokio {
    /// Whether it is of the 1.x series and comes from crates.io, so that the patch would replace
    /// it.
    pub fn is_replaceable(&self) -> bool {
        let of_registry = |source: &String| source.starts_with("registry+");
        self.version.major == 1 && self.source.as_ref().is_some_and(of_registry)
    }
}

/// The lock file at `path`, or `None` if there is none.
pub fn read(path: &Path) -> Result<Option<Lock>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text)
            .map(Some)
            .map_err(|why| format!("{}: {why}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn parse(text: &str) -> Result<Lock, String> {
    let lock: Table = text.parse().map_err(|error| format!("{error}"))?;
    let packages = tables(lock.get("package"));
    let unused = lock.get("patch").and_then(|patch| patch.get("unused"));
    let unused_patch = tables(unused)
        .into_iter()
        .find(|package| field(package, "name") == "tokio")
        .map(|package| field(package, "version").to_owned());
    let mut tokios = Vec::new();
    for package in packages.iter().filter(|it| field(it, "name") == "tokio") {
        let version = field(package, "version");
        tokios.push(Tokio {
            version: Version::parse(version).map_err(|error| format!("{version}: {error}"))?,
            source: package
                .get("source")
                .and_then(Value::as_str)
                .map(str::to_owned),
            is_yamanote: is_yamanote(package, &packages),
            is_for_other_systems: false,
            used_by: packages
                .iter()
                .filter(|user| dependencies(user).any(|name| is_this(name, version)))
                .map(|user| format!("{} {}", field(user, "name"), field(user, "version")))
                .collect(),
        });
    }
    let wrappers: Vec<String> = tokios
        .iter()
        .filter(|it| it.is_yamanote && it.source.is_none())
        .map(|it| format!("tokio {}", it.version))
        .collect();
    for tokio in tokios.iter_mut().filter(|it| !it.is_yamanote) {
        let is_wrapper = |user: &String| wrappers.contains(user);
        tokio.is_for_other_systems =
            !tokio.used_by.is_empty() && tokio.used_by.iter().all(is_wrapper);
    }
    let version = |package: &&Table| Version::parse(field(package, "version")).ok();
    Ok(Lock {
        tokios,
        packages: packages
            .iter()
            .filter_map(|it| Some((field(it, "name").to_owned(), version(it)?)))
            .collect(),
        unused_patch,
    })
}

/// A dependency is `tokio`, or where there are several `tokio VERSION`, perhaps with a source.
fn is_this(dependency: &str, version: &str) -> bool {
    let mut words = dependency.split(' ');
    words.next() == Some("tokio") && words.next().is_none_or(|word| word == version)
}

/// Whether this `tokio` is Yamanote itself, or one that depends on it.
fn is_yamanote(tokio: &Table, packages: &[&Table]) -> bool {
    let is_itself = |it: &Table| names(it).any(|name| name == "yamanote");
    let is_wrapper = || {
        let others = packages.iter().filter(|it| field(it, "name") == "tokio");
        let mut ours = others.filter(|it| is_itself(it));
        ours.any(|it| dependencies(tokio).any(|name| is_this(name, field(it, "version"))))
    };
    is_itself(tokio) || is_wrapper()
}

fn names(package: &Table) -> impl Iterator<Item = &str> {
    dependencies(package).filter_map(|it| it.split(' ').next())
}

fn tables(value: Option<&Value>) -> Vec<&Table> {
    let array = value.and_then(Value::as_array);
    array
        .into_iter()
        .flatten()
        .filter_map(Value::as_table)
        .collect()
}

fn field<'a>(package: &'a Table, name: &str) -> &'a str {
    package
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn dependencies(package: &Table) -> impl Iterator<Item = &str> {
    let array = package.get("dependencies").and_then(Value::as_array);
    array.into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tokio_is_found_with_its_users() {
        let lock = parse(
            r#"
version = 4
[[package]]
name = "app"
version = "0.1.0"
dependencies = ["old", "tokio 1.54.99"]
[[package]]
name = "old"
version = "0.3.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = ["tokio 0.2.25", "tokio-util"]
[[package]]
name = "tokio"
version = "0.2.25"
source = "registry+https://github.com/rust-lang/crates.io-index"
[[package]]
name = "tokio"
version = "1.54.99"
dependencies = ["yamanote 0.1.0", "yamanote-macros"]
"#,
        )
        .unwrap();
        assert_eq!(lock.unused_patch, None);
        let [old, ours] = &lock.tokios[..] else {
            panic!("{lock:?}")
        };
        assert_eq!((old.is_yamanote, ours.is_yamanote), (false, true));
        assert_eq!(old.used_by, ["old 0.3.0"]);
        assert_eq!(ours.used_by, ["app 0.1.0"]);
        assert!(!old.is_replaceable() && !ours.is_replaceable());
        let has = |name, version| lock.has(name, &VersionReq::parse(version).unwrap());
        assert!(has("tokio", "1") && has("tokio", "^0.2.1") && has("app", "*"));
        assert!(!has("tokio", "=1.48.0") && !has("lib", "*"));
    }

    #[test]
    fn a_package_for_all_systems_is_yamanote_and_tokio() {
        let lock = parse(
            r#"
version = 4
[[package]]
name = "app"
version = "0.1.0"
dependencies = ["tokio 1.54.98"]
[[package]]
name = "tokio"
version = "1.54.1"
source = "git+https://example.org/tokio?tag=tokio-1.54.1#0123"
dependencies = ["bytes"]
[[package]]
name = "tokio"
version = "1.54.98"
dependencies = ["tokio 1.54.1", "tokio 1.54.99"]
[[package]]
name = "tokio"
version = "1.54.99"
dependencies = ["yamanote", "yamanote-macros"]
"#,
        )
        .unwrap();
        let ours: Vec<bool> = lock.tokios.iter().map(|it| it.is_yamanote).collect();
        assert_eq!(ours, [false, true, true]);
        let others: Vec<bool> = lock
            .tokios
            .iter()
            .map(|it| it.is_for_other_systems)
            .collect();
        assert_eq!(others, [true, false, false]);
    }

    #[test]
    fn a_patch_that_is_not_used_is_seen() {
        let lock = parse("[[patch.unused]]\nname = \"tokio\"\nversion = \"1.54.99\"\n").unwrap();
        assert_eq!(lock.unused_patch.as_deref(), Some("1.54.99"));
        assert_eq!(lock.tokios, []);
    }
}
