//! Asking Cargo, without letting it change or download anything; and, for those that do change a
//! project, telling it to.
#![forbid(unsafe_code)]

use semver::Version;
use serde_json::Value;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Cargo<'a> {
    /// Where it is run: toolchain and configuration depend on the directory.
    dir: &'a Path,
    config: &'a [String],
}

pub struct Workspace {
    pub root: PathBuf,
    /// Where builds leave what they make.
    pub target: PathBuf,
    /// What `cargo metadata` says about the packages of the workspace alone.
    pub members: Value,
    /// The lowest Rust version that a member promises to build with, and that member's name first.
    pub rust_version: Option<(String, Version)>,
}

/// What a build is for.
#[derive(Debug, PartialEq)]
pub struct Target {
    /// As `cfg(target_os)` spells it.
    pub os: String,
    /// Whether code is compiled under `cfg(tokio_unstable)`.
    pub is_unstable: bool,
}

/// The dependencies of a build for one system with the default features, or all that Cargo
/// considers when it chooses versions.
#[derive(Clone, Copy)]
pub enum View<'a> {
    Build(&'a Compiler),
    Lock,
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

    /// The workspace, without its dependencies.
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
        let target = metadata["target_directory"].as_str().unwrap_or_default();
        Ok(Workspace {
            root: root.into(),
            target: target.into(),
            rust_version,
            members: metadata,
        })
    }

    /// The graph of packages as it is locked. Fails if Cargo would have to change the lock file
    /// first.
    pub fn metadata(&self, view: View) -> Result<Value, String> {
        match view {
            // Packages for other systems need not have been downloaded.
            View::Build(compiler) => self.json(&["--locked", "--filter-platform", &compiler.host]),
            View::Lock => self.json(&["--locked", "--all-features"]),
        }
    }

    /// Each target that a build here is for, under the flags that Cargo gives the compiler. They
    /// may stand in many files, tables and variables, and Cargo knows best which of these count.
    pub fn targets(&self) -> Result<Vec<Target>, String> {
        // One answer for each target, with an empty line between. The command only asks the
        // compiler. Its option is unstable: the first variable allows it on a stable Cargo. With
        // the second one it leaves no trace in `target`.
        let args = ["rustc", "-Zunstable-options", "--print", "cfg"];
        let output = self.output(
            self.command("cargo")
                .args(args)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_CACHE_RUSTC_INFO", "0"),
        )?;
        let text = String::from_utf8_lossy(&output);
        let targets: Vec<Target> = text.split("\n\n").filter_map(target).collect();
        match targets.is_empty() {
            true => Err(format!("cargo rustc --print cfg says {text:?}")),
            false => Ok(targets),
        }
    }

    /// Runs a command that may change the lock file, and returns what it says about that.
    pub fn change<A: AsRef<OsStr>>(&self, args: &[A], offline: bool) -> Result<String, String> {
        let mut command = self.command("cargo");
        command.args(args).args(["--color", "never"]);
        // What it says is wanted.
        command.env("CARGO_TERM_QUIET", "false");
        if offline {
            command.arg("--offline");
        }
        let output = command.output().map_err(|error| cannot_start(&error))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        match output.status.success() {
            true => Ok(said),
            false => Err(said),
        }
    }

    fn json(&self, args: &[&str]) -> Result<Value, String> {
        let format = ["metadata", "--format-version", "1"];
        let output = self.output(self.command("cargo").args(format).args(args))?;
        serde_json::from_slice(&output).map_err(|error| format!("cargo metadata: {error}"))
    }

    /// A command that is run as the project's builds are.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir)
            .stdin(Stdio::null())
            // A toolchain that the project names and that is not here would be downloaded.
            .env("RUSTUP_AUTO_INSTALL", "0");
        // `cargo run` of this tool names its own toolchain, and rustup would use that for the
        // project.
        if std::env::var_os("CARGO_PKG_NAME").is_some_and(|it| it == env!("CARGO_PKG_NAME")) {
            command.env_remove("RUSTUP_TOOLCHAIN");
        }
        command
    }

    /// What a command of Cargo's prints.
    fn output(&self, command: &mut Command) -> Result<Vec<u8>, String> {
        command.args(["--offline", "--color", "never"]);
        for config in self.config {
            command.args(["--config", config]);
        }
        let output = command.output().map_err(|error| cannot_start(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            // This tool says itself what the warnings before the error say.
            let error = said.find("error: ").map_or(&*said, |at| &said[at..]);
            return Err(error.trim().to_owned());
        }
        Ok(output.stdout)
    }

    /// The compiler that a build in this directory would use.
    pub fn compiler(&self) -> Result<Compiler, String> {
        let output = self
            .command("rustc")
            .arg("-vV")
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

fn cannot_start(error: &io::Error) -> String {
    format!("cargo cannot be started: {error}")
}

/// From the lines of `rustc --print cfg`.
fn target(lines: &str) -> Option<Target> {
    let os = |line: &str| {
        line.strip_prefix("target_os=\"")?
            .strip_suffix('"')
            .map(str::to_owned)
    };
    Some(Target {
        os: lines.lines().find_map(os)?,
        is_unstable: lines.lines().any(|line| line == "tokio_unstable"),
    })
}

/// `1.85` or `1.85.1`.
fn loose_version(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(str::parse);
    let mut next = || parts.next().unwrap_or(Ok(0)).ok();
    Some(Version::new(next()?, next()?, next()?))
}
