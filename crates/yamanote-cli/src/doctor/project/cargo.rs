//! Asking Cargo, without letting it change or download anything.
#![forbid(unsafe_code)]

use semver::Version;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Cargo<'a> {
    /// Where it is run: the directory decides about toolchain and configuration.
    dir: &'a Path,
    config: &'a [String],
}

pub struct Workspace {
    pub root: PathBuf,
    /// Of the member that promises the oldest: its name, and the version.
    pub rust_version: Option<(String, Version)>,
}

pub struct Compiler {
    pub version: Version,
    /// Its own triple.
    pub host: String,
}

impl<'a> Cargo<'a> {
    pub fn new(dir: &'a Path, config: &'a [String]) -> Self {
        Cargo { dir, config }
    }

    /// The workspace, without a look at what it depends on.
    pub fn workspace(&self) -> Result<Workspace, String> {
        let metadata = self.json(&["--no-deps"])?;
        let root = metadata["workspace_root"].as_str().unwrap_or_default();
        let rust_version = metadata["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|package| {
                let version = loose_version(package["rust_version"].as_str()?)?;
                Some((package["name"].as_str()?.to_owned(), version))
            })
            .min_by(|a, b| a.1.cmp(&b.1));
        Ok(Workspace {
            root: root.into(),
            rust_version,
        })
    }

    /// Everything that a build here looks at, as it is locked. Fails where Cargo would have to
    /// change the lock file first.
    pub fn metadata(&self, compiler: &Compiler) -> Result<Value, String> {
        // What is for other systems only need not have been downloaded.
        self.json(&["--locked", "--filter-platform", &compiler.host])
    }

    fn json(&self, args: &[&str]) -> Result<Value, String> {
        let mut command = Command::new("cargo");
        command
            .current_dir(self.dir)
            .args([
                "metadata",
                "--format-version",
                "1",
                "--offline",
                "--color",
                "never",
            ])
            .args(args)
            .stdin(Stdio::null());
        for config in self.config {
            command.args(["--config", config]);
        }
        let output = command
            .output()
            .map_err(|error| format!("cargo cannot be started: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            // The warnings before it tell what this tool tells too.
            let error = said.find("error: ").map_or(&*said, |at| &said[at..]);
            return Err(error.trim().to_owned());
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
    }

    /// The compiler that a build in this directory would use.
    pub fn compiler(&self) -> Result<Compiler, String> {
        let output = Command::new("rustc")
            .current_dir(self.dir)
            .arg("-vV")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("rustc cannot be started: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let version = field("release: ").and_then(|it| Version::parse(it).ok());
        match (version, field("host: ")) {
            (Some(version), Some(host)) => Ok(Compiler {
                version,
                host: host.to_owned(),
            }),
            _ => Err(format!("rustc -vV says {text:?}")),
        }
    }
}

/// `1.85` or `1.85.1`.
fn loose_version(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(str::parse);
    let mut next = || parts.next().unwrap_or(Ok(0)).ok();
    Some(Version::new(next()?, next()?, next()?))
}
