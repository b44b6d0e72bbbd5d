//! `yamanote switch`: puts Yamanote in the place of a project's Tokio, and takes it out again.
//!
//! Everything is looked at before anything is written, and if Cargo or the doctor does not agree
//! with what was written, it is undone.
#![forbid(unsafe_code)]

mod back;
mod forth;
mod locks;
mod manifest;
mod source;
mod undo;
mod wrapper;

use crate::doctor::project::{self, Cargo, Lock, Settings, read_lock};
use crate::output;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use source::Origin;

/// Put Yamanote in the place of a project's Tokio, or take it out again.
///
/// Writes the patch into the manifest of the workspace, lets Cargo choose Tokio's version again,
/// and asks the doctor whether it worked. If it did not, nothing is changed, and the reason is
/// printed.
///
/// With --mixed the manifest serves a team of which not all are on Linux: a small package is
/// written into the project, `.yamanote/tokio`, which is Yamanote on Linux and Tokio's own release
/// elsewhere. It belongs into the repository, as the lock file does, which is then the same for
/// everybody.
///
/// With --back the manifest is again what it was, and the lock file has the Tokio from before.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    yamanote switch --path ../yamanote         the project in this directory\n  \
    yamanote switch --git URL --rev REV app    Yamanote from a repository\n  \
    yamanote switch --mixed --git URL          for a team with a Mac\n  \
    yamanote switch --dry-run                  only say what would be done\n  \
    yamanote switch --back                     Tokio again")]
pub struct Args {
    /// The project: a directory or its Cargo.toml
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Take the patch out again
    #[arg(long, conflicts_with_all = ["mixed", "path", "git", "tokio"])]
    back: bool,
    /// Yamanote on Linux, Tokio elsewhere
    #[arg(long)]
    mixed: bool,
    #[command(flatten)]
    origin: Origin,
    /// With --mixed: a copy of Tokio's source, or a mirror of its repository
    #[arg(long, value_name = "DIR|URL", requires = "mixed")]
    tokio: Option<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Let Cargo do without the network
    #[arg(long)]
    offline: bool,
}

pub fn run(args: &Args) -> ExitCode {
    let done = match args.back {
        true => back::run(args),
        false => forth::run(args),
    };
    match done {
        Ok(text) => output::print(&text, ExitCode::SUCCESS),
        Err(why) => {
            output::complain(&format!("yamanote switch: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Switches the project in this directory, as the command does; what it says is of no interest.
pub fn switch(project: &Path, origin: &Origin, offline: bool) -> Result<(), String> {
    let args = Args {
        project: project.to_owned(),
        back: false,
        mixed: false,
        origin: origin.clone(),
        tokio: None,
        dry_run: false,
        offline,
    };
    forth::run(&args).map(drop)
}

/// A project as it was found.
struct Project {
    /// Where Cargo is run.
    dir: PathBuf,
    root: PathBuf,
    /// Where builds leave what they make.
    target: PathBuf,
    manifest: String,
    lock: Option<Lock>,
    settings: Settings,
}

impl Project {
    fn read(path: &Path) -> Result<Project, String> {
        let dir = project::directory(path)?;
        let workspace = Cargo::new(&dir, &[]).workspace()?;
        let manifest = workspace.root.join("Cargo.toml");
        Ok(Project {
            settings: Settings::read(&dir, &workspace.root, &[])?,
            manifest: read(&manifest)?,
            lock: read_lock(&workspace.root.join("Cargo.lock"))?,
            target: workspace.target,
            root: workspace.root,
            dir,
        })
    }

    fn manifest_path(&self) -> PathBuf {
        self.root.join("Cargo.toml")
    }

    fn lock_path(&self) -> PathBuf {
        self.root.join("Cargo.lock")
    }

    fn cargo(&self) -> Cargo<'_> {
        Cargo::new(&self.dir, &[])
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// The text with each line moved to the right.
fn indented(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| format!("  {line}\n")).collect()
}
