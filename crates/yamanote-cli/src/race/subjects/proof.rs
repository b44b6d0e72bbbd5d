//! Which Tokio is in a subject, by what Cargo resolved.
//!
//! A patch that the lock file does not use is only a warning to Cargo: what is built then is the
//! Tokio of the registry, and a race of it against itself. So what `cargo tree -i tokio` says is
//! read, and anything but what is meant is refused.
#![forbid(unsafe_code)]

use std::path::Path;

/// What stands in a tree for the one package called tokio: its version, and its path if it does not
/// come from the registry.
#[derive(Debug, PartialEq)]
pub struct Found<'a> {
    pub version: &'a str,
    pub path: Option<&'a str>,
}

/// Reads what `cargo tree --invert tokio` prints: the package is its first line.
pub fn read(tree: &str) -> Result<Found<'_>, String> {
    let mut roots = tree.lines().filter(|line| line.starts_with("tokio v"));
    let (Some(root), None) = (roots.next(), roots.next()) else {
        return Err("it does not name exactly one package tokio".to_owned());
    };
    let mut words = root.splitn(3, ' ').skip(1);
    let version = words.next().and_then(|word| word.strip_prefix('v'));
    let path = words
        .next()
        .and_then(|rest| rest.strip_prefix('(')?.split(')').next());
    Ok(Found {
        version: version.ok_or("its first line has no version")?,
        path,
    })
}

/// The Tokio of the registry, of the release that everything is compared with.
pub fn is_registry(tree: &str, version: &str) -> Result<String, String> {
    match read(tree)? {
        Found {
            version: found,
            path: None,
        } if found == version => Ok(format!("tokio {version} of the registry")),
        other => Err(format!(
            "it has {}, and not tokio {version} of the registry",
            words(&other)
        )),
    }
}

/// Yamanote under the name of Tokio, from this source tree.
pub fn is_ours(tree: &str, shim: &Path) -> Result<String, String> {
    match read(tree)? {
        Found {
            version,
            path: Some(path),
        } if Path::new(path) == shim => Ok(format!("Yamanote as tokio {version}, {path}")),
        other => Err(format!(
            "it has {}, and not Yamanote in {}: the patch is not used; run `cargo update -p tokio` \
             in race/subjects/yamanote",
            words(&other),
            shim.display()
        )),
    }
}

fn words(found: &Found) -> String {
    match found.path {
        Some(path) => format!("tokio {} in {path}", found.version),
        None => format!("tokio {} of the registry", found.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "tokio v1.54.1\n├── axum v0.8.9\n│   └── race-tokio v0.0.0 (/x)\n";
    const OURS: &str = "tokio v1.54.99 (/src/crates/tokio)\n└── race-yamanote v0.0.0 (/x)\n";

    #[test]
    fn each_tree_is_known() {
        let shim = Path::new("/src/crates/tokio");
        assert!(is_registry(REGISTRY, "1.54.1").is_ok());
        assert!(is_ours(OURS, shim).is_ok());
    }

    #[test]
    fn a_patch_that_is_not_used_is_refused() {
        let error = is_ours(REGISTRY, Path::new("/src/crates/tokio")).unwrap_err();
        assert!(error.contains("the patch is not used"), "{error}");
        assert!(error.contains("tokio 1.54.1 of the registry"), "{error}");
    }

    #[test]
    fn yamanote_of_another_place_is_refused() {
        assert!(is_ours(OURS, Path::new("/elsewhere/crates/tokio")).is_err());
    }

    #[test]
    fn a_tokio_that_is_patched_or_another_release_is_refused() {
        assert!(is_registry(OURS, "1.54.1").is_err());
        assert!(is_registry(OURS, "1.54.99").is_err());
        assert!(is_registry(REGISTRY, "1.54.2").is_err());
    }

    #[test]
    fn two_of_them_or_none_are_refused() {
        let two = format!("{REGISTRY}\n{OURS}");
        assert!(read(&two).is_err());
        assert!(read("").is_err());
    }
}
