//! A copy of a project, with all that its builds find by a path. Nothing is run in the original but
//! Cargo's and git's questions that change nothing.
//!
//! The copy keeps the paths of the original below its directory, so that packages find each other.
#![forbid(unsafe_code)]

use crate::doctor::project::{Cargo, manifest};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use toml::{Table, Value};

/// Copies the project in `dir` to below `to`, and returns where it is there.
pub fn copy(dir: &Path, to: &Path) -> Result<PathBuf, String> {
    let mut known: Vec<PathBuf> = Vec::new();
    let mut found = vec![dir.to_owned()];
    while let Some(dir) = found.pop() {
        if known.iter().any(|root| dir.starts_with(root)) {
            continue;
        }
        let workspace = Cargo::new(&dir, &[]).workspace()?;
        let root = workspace.root;
        copy_tree(&root, &below(to, &root), &workspace.target)?;
        let packages = workspace.members["packages"]
            .as_array()
            .into_iter()
            .flatten();
        let dependencies =
            packages.flat_map(|it| it["dependencies"].as_array().into_iter().flatten());
        let paths = dependencies.filter_map(|it| it["path"].as_str());
        found.extend(paths.map(PathBuf::from));
        found.extend(patches(&root));
        copy_settings(&root, to)?;
        known.push(root);
    }
    Ok(below(to, dir))
}

/// Makes a copy like the project again: what differs is copied, and what is not there any more is
/// removed. Returns where the project is in it.
pub fn refresh(dir: &Path, to: &Path) -> Result<PathBuf, String> {
    let copied = copy(dir, to)?;
    prune(to, to)?;
    Ok(copied)
}

/// Removes files whose originals are gone.
fn prune(directory: &Path, copy: &Path) -> Result<(), String> {
    let entries = fs::read_dir(directory).map_err(|error| of(directory, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| of(directory, &error))?.path();
        let original = Path::new("/").join(path.strip_prefix(copy).unwrap_or(&path));
        if path.is_dir() && !path.is_symlink() {
            prune(&path, copy)?;
        } else if original.symlink_metadata().is_err() {
            fs::remove_file(&path).map_err(|error| of(&path, &error))?;
        }
    }
    Ok(())
}

fn below(to: &Path, path: &Path) -> PathBuf {
    to.join(path.strip_prefix("/").unwrap_or(path))
}

/// The directories that patches name.
fn patches(root: &Path) -> Vec<PathBuf> {
    let manifest = manifest(root).unwrap_or_default();
    let sources = manifest.get("patch").and_then(Value::as_table);
    let sources = sources.into_iter().flat_map(Table::values);
    let patches = sources.filter_map(Value::as_table).flat_map(Table::values);
    let paths = patches.filter_map(|it| it.get("path")?.as_str());
    paths
        .filter_map(|it| root.join(it).canonicalize().ok())
        .collect()
}

/// What Cargo and rustup read above a project.
fn copy_settings(root: &Path, to: &Path) -> Result<(), String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    for directory in root.ancestors().skip(1) {
        for name in [
            ".cargo/config.toml",
            ".cargo/config",
            "rust-toolchain.toml",
            "rust-toolchain",
        ] {
            let file = directory.join(name);
            // What is read in any case would count twice.
            let is_home = file.parent() == home.as_deref()
                || std::env::var_os("HOME").is_some_and(|it| directory == Path::new(&it));
            if file.is_file() && !is_home {
                copy_file(&file, &below(to, &file))?;
            }
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path, target: &Path) -> Result<(), String> {
    match known_to_git(from) {
        Some(files) => {
            for file in files {
                let source = from.join(&file);
                // A repository that does not ignore it.
                if source.starts_with(target) {
                    continue;
                }
                match source.symlink_metadata() {
                    // A repository in the repository.
                    Ok(it) if it.is_dir() => copy_tree(&source, &to.join(&file), target)?,
                    Ok(_) => copy_file(&source, &to.join(&file))?,
                    // Deleted, and git not told yet.
                    Err(_) => {}
                }
            }
            let lock = from.join("Cargo.lock");
            match lock.is_file() {
                true => copy_file(&lock, &to.join("Cargo.lock")),
                false => Ok(()),
            }
        }
        None => copy_all(from, to, target),
    }
}

/// The files of a repository that are not ignored; `None` if it is none.
fn known_to_git(directory: &Path) -> Option<Vec<PathBuf>> {
    use std::os::unix::ffi::OsStrExt;
    let mut git = Command::new("git");
    git.current_dir(directory);
    // Without its index being refreshed.
    git.env("GIT_OPTIONAL_LOCKS", "0");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = git.output().ok().filter(|it| it.status.success())?;
    let names = output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|it| !it.is_empty());
    let files: Vec<PathBuf> = names
        .map(|name| std::ffi::OsStr::from_bytes(name).into())
        .collect();
    // A directory that is ignored as a whole says nothing of its files.
    files
        .iter()
        .any(|it| it.ends_with("Cargo.toml"))
        .then_some(files)
}

fn copy_all(from: &Path, to: &Path, target: &Path) -> Result<(), String> {
    let entries = fs::read_dir(from).map_err(|error| of(from, &error))?;
    for entry in entries {
        let source = entry.map_err(|error| of(from, &error))?.path();
        let to = to.join(source.file_name().unwrap_or_default());
        let is_left_out = source == target || source.ends_with(".git");
        match source.symlink_metadata() {
            Ok(it) if it.is_dir() && !is_left_out => copy_all(&source, &to, target)?,
            Ok(it) if it.is_file() || it.is_symlink() => copy_file(&source, &to)?,
            _ => {}
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), String> {
    let directory = to.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory).map_err(|error| of(directory, &error))?;
    if from.is_symlink() {
        let way = fs::read_link(from).map_err(|error| of(from, &error))?;
        return match std::os::unix::fs::symlink(way, to) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(of(to, &error)),
            _ => Ok(()),
        };
    }
    // A file that is written again would be built again.
    if fs::read(to).is_ok_and(|there| fs::read(from).is_ok_and(|it| it == there)) {
        return Ok(());
    }
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| of(from, &error))
}

fn of(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
