//! Yamanote in the place of Tokio, in the copy of a project.
#![forbid(unsafe_code)]

use super::Args;
use crate::doctor::project::{Cargo, Lock, read_lock};
use crate::switch::{self, Origin};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Which Yamanote a project's tests ask for.
enum Asked {
    /// That one. If it is a path, it has been copied with the project.
    For(Origin),
    /// Whatever the registry has.
    Released,
}

/// Has the copy in `tree` run on the Yamanote that its tests ask for.
pub fn put(args: &Args, tree: &Path) -> Result<(), String> {
    let workspace = Cargo::new(tree, &[]).workspace()?;
    let origin = match asked(&workspace.members) {
        None => return Err(NOTHING_ASKED.to_owned()),
        Some(Asked::For(origin)) => origin,
        Some(Asked::Released) => {
            // The same as will stand for Tokio: they are one runtime.
            let entry = args.origin.runtime()?;
            add_patch(&workspace.root.join("Cargo.toml"), &entry)?;
            args.origin.clone()
        }
    };
    let lock = workspace.root.join("Cargo.lock");
    if !lock.exists() {
        let cargo = Cargo::new(tree, &[]);
        let made = cargo.change(&["generate-lockfile"], args.offline);
        made.map_err(|why| format!("Cargo cannot make a lock file:\n{why}"))?;
    }
    if is_to_be_switched(&locked(&lock)?) {
        switch::switch(tree, &origin, args.offline)?;
    }
    match locked(&lock)?.count("yamanote") {
        0 | 1 => Ok(()),
        _ => Err(TWO.to_owned()),
    }
}

const NOTHING_ASKED: &str = "no package here depends on yamanote, which simulated tests need; in the \
    manifest of the package that has them:\n  \
    [target.'cfg(yamanote_sim)'.dev-dependencies]\n  \
    yamanote = { version = \"0.1\", features = [\"sim\"] }";

const TWO: &str = "there are two Yamanotes here, and the one that stands for tokio is not the one that \
    the tests use: let every dependency and patch name the same, by the same path, or the same \
    repository and commit";

fn locked(file: &Path) -> Result<Lock, String> {
    Ok(read_lock(file)?.unwrap_or_default())
}

/// Not if nobody depends on Tokio, or Yamanote stands in for it already.
fn is_to_be_switched(lock: &Lock) -> bool {
    let is_done = lock.tokios.iter().any(|it| it.is_yamanote);
    let is_left = lock.tokios.iter().any(|it| it.is_replaceable());
    !lock.tokios.is_empty() && (is_left || !is_done)
}

fn asked(members: &Value) -> Option<Asked> {
    let packages = members["packages"].as_array();
    let packages = packages.into_iter().flatten();
    let all = packages.flat_map(|it| it["dependencies"].as_array().into_iter().flatten());
    let mut all = all.filter(|it| it["name"] == "yamanote").peekable();
    all.peek()?;
    let named = all.find_map(|it| {
        let path = it["path"].as_str().map(Path::new).and_then(Path::parent);
        let of_path = path.map(|it| Origin::at(&it.join("tokio")));
        of_path.or_else(|| Origin::of_source(it["source"].as_str()?))
    });
    Some(named.map_or(Asked::Released, Asked::For))
}

/// Adds `yamanote` to the patches of crates.io, unless it is there.
fn add_patch(manifest: &Path, entry: &str) -> Result<(), String> {
    let of = |why: &dyn std::fmt::Display| format!("{}: {why}", manifest.display());
    let text = fs::read_to_string(manifest).map_err(|error| of(&error))?;
    let table: toml::Table = text.parse().map_err(|error| of(&error))?;
    let patches = table.get("patch").and_then(|it| it.get("crates-io"));
    if patches.is_some_and(|it| it.get("yamanote").is_some()) {
        return Ok(());
    }
    let fields = entry.trim_start_matches('{').trim_end_matches('}');
    let lines = fields.split(", ").map(|it| format!("{}\n", it.trim()));
    let new = format!(
        "{text}\n[patch.crates-io.yamanote]\n{}",
        lines.collect::<String>()
    );
    match new.parse::<toml::Table>() {
        Ok(_) => fs::write(manifest, new).map_err(|error| of(&error)),
        Err(_) => Err(format!(
            "the patches are written in a form that is not understood here; add by hand, to those of \
             crates-io:\n  yamanote = {entry}"
        )),
    }
}
