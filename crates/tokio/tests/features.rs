//! The shim declares every feature of Tokio, the implicit ones too: if one were missing, Cargo
//! would drop the patch for any crate that asks for it and link the real Tokio without an error.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What Tokio 1.54.1 offers to `features = [...]`, from the registry's index.
const RELEASED: &str = "bytes default fs full io-std io-uring io-util libc macros mio net parking_lot \
     process rt rt-multi-thread schedule-latency signal signal-hook-registry socket2 sync taskdump \
     test-util time tokio-macros tracing windows-sys";

/// Just enough of TOML for a manifest as Cargo writes it: `[section]`, `key = value`, arrays over
/// several lines. Keys are `section.key`.
fn manifest(path: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).expect("the manifest can be read");
    let mut found = BTreeMap::new();
    let mut section = String::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') {
            continue;
        }
        if let Some((key, mut value)) = open.take() {
            value.push_str(line);
            match line {
                "]" => drop(found.insert(key, value)),
                _ => open = Some((key, value)),
            }
        } else if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let key = format!("{section}.{key}");
            match value {
                "[" => open = Some((key, value.to_owned())),
                _ => drop(found.insert(key, value.to_owned())),
            }
        }
    }
    found
}

/// The explicit features and, where no feature says `dep:NAME`, the optional dependencies.
fn features(manifest: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = manifest
        .keys()
        .filter_map(|key| key.strip_prefix("features."))
        .map(str::to_owned)
        .collect();
    let hidden: BTreeSet<&str> = manifest
        .values()
        .flat_map(|value| value.split('"'))
        .filter_map(|part| part.strip_prefix("dep:"))
        .collect();
    for (key, _) in manifest.iter().filter(|(_, value)| *value == "true") {
        let Some((section, "optional")) = key.rsplit_once('.') else {
            continue;
        };
        let (_, name) = section
            .rsplit_once("dependencies.")
            .expect("only dependencies are optional");
        if !hidden.contains(name) {
            found.insert(name.to_owned());
        }
    }
    found
}

fn shim() -> BTreeMap<String, String> {
    manifest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
}

/// The shim's, without the one that is not Tokio's.
fn features_of_tokio() -> BTreeSet<String> {
    let mut found = features(&shim());
    assert!(found.remove("sim"));
    found
}

/// The manifest of the released package, if Cargo has downloaded it for anything.
fn released() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))?;
    std::fs::read_dir(home.join("registry/src"))
        .ok()?
        .flatten()
        .map(|registry| registry.path().join("tokio-1.54.1/Cargo.toml"))
        .find(|path| path.is_file())
}

#[test]
fn every_feature_of_the_registrys_index_is_declared() {
    let ours = features_of_tokio();
    let theirs: BTreeSet<String> = RELEASED.split_whitespace().map(str::to_owned).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn every_feature_of_the_released_manifest_is_declared() {
    let Some(path) = released() else {
        println!("tokio 1.54.1 is not in Cargo's registry: nothing to compare with");
        return;
    };
    assert_eq!(features_of_tokio(), features(&manifest(&path)));
}

#[test]
fn the_default_and_the_full_features_are_tokios() {
    let ours = shim();
    assert_eq!(ours["features.default"], "[]");
    if let Some(theirs) = released().map(|path| manifest(&path)) {
        for feature in [
            "default",
            "full",
            "test-util",
            "rt-multi-thread",
            "macros",
            "io-util",
        ] {
            let key = format!("features.{feature}");
            let names = |it: &BTreeMap<String, String>| -> Vec<String> {
                let parts = it[&key].split('"').skip(1).step_by(2);
                // What the shim itself asks for comes on top.
                let tokios = parts.filter(|part| !part.contains("yamanote"));
                tokios.map(str::to_owned).collect()
            };
            assert_eq!(names(&ours), names(&theirs), "{key}");
        }
    }
}
