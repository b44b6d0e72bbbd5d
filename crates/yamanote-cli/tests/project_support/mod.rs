//! Small projects that Cargo really resolves, without a network: what is not Yamanote's comes from
//! a directory of packages made up for the purpose.
#![allow(dead_code)]
#![forbid(unsafe_code)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use yamanote_test::TempDir;

pub const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub struct Project {
    pub directory: TempDir,
}

impl Project {
    /// An application with these lines under `[dependencies]` and these after it.
    pub fn new(dependencies: &str, rest: &str) -> Project {
        let project = Project {
            directory: TempDir::new(),
        };
        project.package(
            "app",
            "0.1.0",
            &format!("[workspace]\n{rest}\n[dependencies]\n{dependencies}"),
        );
        project
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("app")
    }

    /// Writes a package beside the application.
    pub fn package(&self, name: &str, version: &str, rest: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        write(&path.join("src/lib.rs"), "");
        let head =
            format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"");
        write(&path.join("Cargo.toml"), &format!("{head}\n{rest}"));
        path
    }

    /// Puts a directory in place of crates.io that holds this Tokio and nothing else.
    pub fn with_tokio(self, version: &str) -> Project {
        let path = format!("registry/tokio-{version}");
        let features = "[features]\nfull = []\nrt = []\nbrand-new = []";
        let directory = self.package("tokio", version, features);
        let target = self.directory.path().join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::rename(directory, &target).unwrap();
        let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", "0".repeat(64));
        write(&target.join(".cargo-checksum.json"), &checksum);
        let config =
            "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = \"registry\"";
        write(&self.directory.path().join(".cargo/config.toml"), config);
        self
    }

    /// Starts from the versions that this repository locks, which are on this machine.
    pub fn with_our_lock(self) -> Project {
        self.with_lock_of(".")
    }

    /// The same with the versions that the race locks, the registry's Tokio among them.
    pub fn with_tokios_lock(self) -> Project {
        self.with_lock_of("race/subjects/tokio")
    }

    fn with_lock_of(self, package: &str) -> Project {
        let lock = Path::new(REPOSITORY).join(package).join("Cargo.lock");
        std::fs::copy(lock, self.path().join("Cargo.lock")).unwrap();
        self
    }

    pub fn cargo(&self, args: &[&str]) -> &Project {
        let output = Command::new("cargo")
            .current_dir(self.path())
            .args(args)
            .arg("--offline")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        self
    }

    pub fn append(&self, file: &str, text: &str) -> &Project {
        let file = self.path().join(file);
        let old = std::fs::read_to_string(&file).unwrap_or_default();
        write(&file, &(old + "\n" + text));
        self
    }

    pub fn lock(&self) -> String {
        std::fs::read_to_string(self.path().join("Cargo.lock")).unwrap_or_default()
    }

    pub fn doctor(&self, args: &[&str]) -> Output {
        self.doctor_with(args, &[])
    }

    /// With these variables in its environment.
    pub fn doctor_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let lock = self.lock();
        let target = self.path().join("target");
        let was_built = target.exists();
        let output = Command::new(env!("CARGO_BIN_EXE_yamanote"))
            .args(["doctor", "--project"])
            .arg(self.path())
            .args(args)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            // Set by the cargo that runs the tests.
            .env_remove("CARGO_PKG_NAME")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert_eq!(self.lock(), lock, "the doctor changes nothing");
        assert_eq!(target.exists(), was_built, "the doctor leaves nothing");
        output
    }

    pub fn diagnosis(&self) -> Diagnosis {
        self.diagnosis_with(&[])
    }

    pub fn diagnosis_with(&self, variables: &[(&str, &str)]) -> Diagnosis {
        let output = self.doctor_with(&["--json"], variables);
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(json["switched"], output.status.success(), "{json:#}");
        Diagnosis(json)
    }
}

pub struct Diagnosis(pub Value);

impl Diagnosis {
    pub fn is_switched(&self) -> bool {
        self.0["switched"] == true
    }

    /// Of each check that failed, what was found and what to do.
    pub fn bad(&self) -> Vec<(&str, &str, &str)> {
        let text = |check: &'_ Value, field| check[field].as_str().unwrap_or_default().to_owned();
        let checks = self.0["checks"].as_array().unwrap();
        let bad = checks.iter().filter(|check| text(check, "state") == "bad");
        bad.map(|check| {
            let part = |field: &str| check[field].as_str().unwrap_or_default();
            (part("name"), part("found"), part("advice"))
        })
        .collect()
    }

    /// Where it is said that the unstable items are compiled, if they are.
    pub fn unstable(&self) -> Option<&str> {
        let checks = self.0["checks"].as_array().unwrap();
        let check = checks.iter().find(|it| it["name"] == "tokio_unstable")?;
        assert_eq!(check["state"], "note");
        check["found"].as_str()
    }

    pub fn names(&self) -> Vec<&str> {
        self.bad().iter().map(|bad| bad.0).collect()
    }
}

/// Every file below a directory and what is in it, but for directories of this name. Empty
/// directories count too.
pub fn files(directory: &Path, left_out: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != left_out {
            found.extend(files(&path, left_out));
            found.insert(path, Vec::new());
        } else if path.is_file() {
            let contents = std::fs::read(&path).unwrap();
            found.insert(path, contents);
        }
    }
    found
}

pub fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

pub fn patch() -> String {
    format!("[patch.crates-io]\ntokio = {{ path = \"{REPOSITORY}/crates/tokio\" }}\n")
}

pub const TOKIO: &str = "tokio = { version = \"1\", features = [\"full\"] }";
