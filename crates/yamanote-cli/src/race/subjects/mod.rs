//! The programs that race: built from this source tree, and checked for what they are.
#![forbid(unsafe_code)]

mod proof;

use super::report::{Contestant, Proof};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the sources were when this program was built.
const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");
/// The release of Tokio that everything is compared with.
const TOKIO_VERSION: &str = "1.54.1";

/// A program that was built.
pub struct Subject {
    pub contestant: Contestant,
    pub program: PathBuf,
    pub proof: Proof,
    /// How the path of a type of its runtime begins, as the compiler knows it.
    linked: &'static str,
}

/// The source tree, with what is needed to build the subjects.
pub fn source_tree() -> Result<PathBuf, String> {
    let root = Path::new(MANIFEST_DIR).ancestors().nth(2);
    let root = root.filter(|root| root.join("race/subjects/tokio/Cargo.toml").is_file());
    root.map(Path::to_owned).ok_or_else(|| {
        format!(
            "the source tree that this program was built from is needed, to build what races, and \
             it is not above {MANIFEST_DIR} any more; clone the repository and run there: cargo \
             run --release -- race --quick"
        )
    })
}

/// Builds the program of a contestant and proves which runtime is in it.
pub fn build(root: &Path, contestant: Contestant, is_paused: bool) -> Result<Subject, String> {
    let (name, linked) = match contestant {
        Contestant::Tokio | Contestant::TokioAgain => ("tokio", "tokio::"),
        Contestant::Yamanote => ("yamanote", "yamanote::"),
        Contestant::Monoio => ("monoio", "monoio::"),
        Contestant::Compio => ("compio", "compio"),
    };
    let manifest = root.join("race/subjects").join(name).join("Cargo.toml");
    let target = root.join("target/race/build");
    let mut build = cargo("build", &manifest);
    build
        .args(["--release", "--quiet", "--target-dir"])
        .arg(&target);
    if is_paused {
        build.args(["--features", "paused"]);
    }
    let status = build.status().map_err(no_cargo)?;
    if !status.success() {
        return Err(format!("{} cannot be built, see above", manifest.display()));
    }
    let tree = tree(&manifest, is_paused)?;
    let runtime = match contestant {
        Contestant::Yamanote => proof::is_ours(&tree, &root.join("crates/tokio")),
        Contestant::Monoio | Contestant::Compio => {
            Ok(tree.lines().next().unwrap_or_default().replace(" v", " "))
        }
        _ => proof::is_registry(&tree, TOKIO_VERSION),
    };
    Ok(Subject {
        contestant,
        program: target.join("release").join(format!("race-{name}")),
        proof: Proof {
            subject: contestant,
            runtime: runtime
                .map_err(|why| format!("{} is not what it should be: {why}", manifest.display()))?,
            tree,
            linked: String::new(),
        },
        linked,
    })
}

impl Subject {
    /// Compares what a process said about its runtime with what it should be.
    pub fn check_linked(&mut self, said: &str) -> Result<(), String> {
        if !said.starts_with(self.linked) {
            let name = self.contestant.name();
            return Err(format!("the program of {name} runs on {said:?}"));
        }
        self.proof.linked = said.to_owned();
        Ok(())
    }
}

/// What Cargo says about the runtime of a subject: who asks for it, and where it is from.
fn tree(manifest: &Path, is_paused: bool) -> Result<String, String> {
    let is_peer = |name: &str| {
        manifest
            .parent()
            .is_some_and(|folder| folder.ends_with(name))
    };
    let package = ["monoio", "compio"].into_iter().find(|name| is_peer(name));
    let mut tree = cargo("tree", manifest);
    tree.args(["--invert", package.unwrap_or("tokio")]);
    if is_paused {
        tree.args(["--features", "paused"]);
    }
    let output = tree.stderr(Stdio::inherit()).output().map_err(no_cargo)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("cargo tree fails for {}", manifest.display())),
    }
}

fn cargo(what: &str, manifest: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args([what, "--locked", "--manifest-path"])
        .arg(manifest)
        .stdin(Stdio::null());
    command
}

fn no_cargo(error: std::io::Error) -> String {
    format!(
        "cargo cannot be started: {error}; what races is built from source, which takes a Rust \
         toolchain (https://rustup.rs)"
    )
}
