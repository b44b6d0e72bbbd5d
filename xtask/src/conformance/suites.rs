//! The pinned packages whose released tests are run, and how their archives are got and checked.
//!
//! The archives come through cargo, which checks them against the registry's index; they are
//! checked here once more, against the checksums of this table, because what is run is unpacked by
//! us. Nothing in an unpacked package is ever changed: each time, every file is compared with the
//! archive, and a package that differs is unpacked anew.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// A released package, and the features with which its own repository tests it.
pub struct Suite {
    pub package: &'static str,
    pub version: &'static str,
    sha256: &'static str,
    pub features: &'static [&'static str],
    /// Those that do something under `--cfg tokio_unstable` only.
    pub unstable_features: &'static [&'static str],
}

/// Tokio's features that gate something under its cfg only.
pub const UNSTABLE_FEATURES: &[&str] = &["tracing", "taskdump", "io-uring", "schedule-latency"];

/// The value of a variable with flags for the compiler, with what sets that cfg for every crate.
pub fn with_unstable(variable: &str) -> String {
    let set = std::env::var(variable).unwrap_or_default();
    format!("{set} --cfg tokio_unstable")
}

/// To test against newer releases, change version and checksum here (the checksum is the one
/// Cargo.lock names), and nothing else.
pub const SUITES: [Suite; 4] = [
    Suite {
        package: "tokio",
        version: "1.54.1",
        sha256: "b52fd3255258d26fac7264ab5a76b53c13367136dc011d3d6ad4f8ed070396a3",
        features: &["full", "test-util"],
        unstable_features: UNSTABLE_FEATURES,
    },
    Suite {
        package: "tokio-util",
        version: "0.7.20",
        sha256: "e464cf451ba96ebfc6f9b6542f17ee8b8956e33f1e40d9690624e59d7a7f8a4b",
        features: &["full"],
        unstable_features: &[],
    },
    Suite {
        package: "tokio-stream",
        version: "0.1.19",
        sha256: "a3d06f0b082ba57c26b79407372e57cf2a1e28124f78e9479fe80322cf53420b",
        features: &["full"],
        unstable_features: &[],
    },
    Suite {
        package: "tokio-test",
        version: "0.4.6",
        sha256: "12bc5db7778a8e08ee255090861e0e7aac55e784300077e7ed293c7be36168b2",
        features: &[],
        unstable_features: &[],
    },
];

/// The release of Tokio that everything is compared with.
pub fn tokio_version() -> &'static str {
    SUITES[0].version
}

/// One line that changes whenever the table does.
pub fn versions() -> String {
    SUITES
        .map(|suite| format!("{} {}", suite.package, suite.version))
        .join(", ")
}

/// An unpacked package, and its manifest.
pub struct Released {
    pub suite: &'static Suite,
    pub directory: PathBuf,
    pub manifest: toml::Table,
}

impl Released {
    /// The test targets the released manifest declares.
    pub fn targets(&self) -> impl Iterator<Item = &toml::Table> {
        let targets = self.manifest.get("test").and_then(toml::Value::as_array);
        targets
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_table)
    }
}

/// Has cargo download the packages, checks and unpacks them below `directory`.
pub fn fetch(directory: &Path) -> Result<Vec<Released>, String> {
    let sources = directory.join("packages");
    SUITES
        .iter()
        .map(|suite| unpacked(suite, &sources))
        .collect::<Result<_, _>>()
        .or_else(|_| {
            let archives = download(&directory.join("fetch"))?;
            SUITES
                .iter()
                .zip(archives)
                .map(|(suite, archive)| {
                    unpack(suite, &archive, &sources)?;
                    unpacked(suite, &sources)
                })
                .collect()
        })
}

/// The packages in order, as files in cargo's cache.
fn download(scratch: &Path) -> Result<Vec<PathBuf>, String> {
    let pins: String = SUITES
        .iter()
        .map(|suite| format!("{} = \"={}\"\n", suite.package, suite.version))
        .collect();
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [lib]\npath = \"lib.rs\"\n[workspace]\n[dependencies]\n{pins}"
    );
    write(&scratch.join("Cargo.toml"), &manifest)?;
    write(&scratch.join("lib.rs"), "")?;
    let output = Command::new(super::cargo())
        .current_dir(scratch)
        .args(["metadata", "--format-version", "1"])
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "cargo cannot fetch {}:\n{}",
            versions(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata names no packages")?;
    SUITES
        .iter()
        .map(|suite| {
            let manifest = packages
                .iter()
                .find(|found| found["name"] == suite.package && found["version"] == suite.version)
                .and_then(|found| found["manifest_path"].as_str())
                .ok_or_else(|| format!("cargo did not fetch {}", suite.package))?;
            archive_beside(Path::new(manifest))
                .ok_or_else(|| format!("{manifest} does not lie in a registry of cargo"))
        })
        .collect()
}

/// `registry/src/INDEX/NAME-VERSION/Cargo.toml` was unpacked from
/// `registry/cache/INDEX/NAME-VERSION.crate`.
fn archive_beside(manifest: &Path) -> Option<PathBuf> {
    let package = manifest.parent()?;
    let index = package.parent()?;
    let registry = index
        .parent()
        .filter(|src| src.ends_with("src"))?
        .parent()?;
    let file = format!("{}.crate", package.file_name()?.to_str()?);
    Some(registry.join("cache").join(index.file_name()?).join(file))
}

/// Unpacks the archive, and keeps a copy of it to compare with.
fn unpack(suite: &Suite, archive: &Path, into: &Path) -> Result<(), String> {
    let bytes = checked(suite, archive)?;
    let directory = place(suite, into);
    let _ = fs::remove_dir_all(&directory);
    let mut unpacked = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    // With its old time, a file that was changed and is now restored would look already built to
    // cargo.
    unpacked.set_preserve_mtime(false);
    unpacked
        .unpack(into)
        .and_then(|()| fs::write(kept(suite, into), &bytes))
        .map_err(|error| format!("cannot unpack {}: {error}", archive.display()))
}

/// The archive, if it is the pinned one.
fn checked(suite: &Suite, archive: &Path) -> Result<Vec<u8>, String> {
    let bytes = fs::read(archive).map_err(|error| format!("{}: {error}", archive.display()))?;
    let found: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    match found == suite.sha256 {
        true => Ok(bytes),
        false => Err(format!(
            "{}: its checksum is {found}, the pinned one {}; if the version was changed on \
             purpose, change the checksum beside it, else delete the file and try again",
            archive.display(),
            suite.sha256
        )),
    }
}

/// The first file below `sources` that is not as the archive has it.
fn first_changed(archive: &[u8], sources: &Path) -> io::Result<Option<PathBuf>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = sources.join(entry.path()?);
        let mut released = Vec::new();
        entry.read_to_end(&mut released)?;
        let is_file = entry.header().entry_type().is_file();
        if is_file && !fs::read(&path).is_ok_and(|found| found == released) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn place(suite: &Suite, sources: &Path) -> PathBuf {
    sources.join(format!("{}-{}", suite.package, suite.version))
}

fn kept(suite: &Suite, sources: &Path) -> PathBuf {
    sources.join(format!("{}-{}.crate", suite.package, suite.version))
}

fn unpacked(suite: &'static Suite, sources: &Path) -> Result<Released, String> {
    let directory = place(suite, sources);
    let archive = kept(suite, sources);
    let changed = first_changed(&checked(suite, &archive)?, sources)
        .map_err(|error| format!("{}: {error}", archive.display()))?;
    if let Some(path) = changed {
        return Err(format!("{} is not as it was released", path.display()));
    }
    let path = directory.join("Cargo.toml");
    let manifest = fs::read_to_string(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| text.parse().map_err(|error| format!("{error}")))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let released = Released {
        suite,
        directory,
        manifest,
    };
    every_file_is_a_target(&released)?;
    Ok(released)
}

/// A test that is in no target would silently not be run.
fn every_file_is_a_target(released: &Released) -> Result<(), String> {
    let tests = released.directory.join("tests");
    let files = fs::read_dir(&tests).map_err(|error| format!("{}: {error}", tests.display()))?;
    for file in files {
        let file = file
            .map_err(|error| format!("{}: {error}", tests.display()))?
            .path();
        let is_target = || {
            released.targets().any(|target| {
                let path = target.get("path").and_then(toml::Value::as_str);
                path.is_some_and(|path| released.directory.join(path) == file)
            })
        };
        if file.extension().is_some_and(|extension| extension == "rs") && !is_target() {
            return Err(format!(
                "{} is in no test target of its package",
                file.display()
            ));
        }
    }
    Ok(())
}

/// Writes a file and the directories above it; an equal file is not touched, so that cargo sees
/// nothing new.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let written = match path.parent() {
        Some(parent) => fs::create_dir_all(parent).and_then(|()| fs::write(path, text)),
        None => fs::write(path, text),
    };
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_and_a_missing_file_are_seen() {
        let directory = std::env::temp_dir().join(format!("xtask-suites-{}", std::process::id()));
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        header.set_cksum();
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(gzip);
        archive
            .append_data(&mut header, "a-1.0.0/tests/it.rs", &b"fn()"[..])
            .unwrap();
        let archive = archive.into_inner().unwrap().finish().unwrap();
        let file = directory.join("a-1.0.0/tests/it.rs");

        assert_eq!(
            first_changed(&archive, &directory).unwrap(),
            Some(file.clone())
        );
        write(&file, "fn()").unwrap();
        assert_eq!(first_changed(&archive, &directory).unwrap(), None);
        write(&file, "gone").unwrap();
        assert_eq!(first_changed(&archive, &directory).unwrap(), Some(file));
        fs::remove_dir_all(&directory).unwrap();
    }
}
