//! The lock file from before a switch, kept beside what builds make. Going back is exact with it,
//! and possible without.
#![forbid(unsafe_code)]

use super::Project;
use std::path::PathBuf;

/// Keeps the lock file as it was, and as it is. That is a convenience: where it cannot be written,
/// the way back is by Tokio's version.
pub fn remember(project: &Project, before: Option<&str>) {
    let (Some(before), Ok(after)) = (before, std::fs::read_to_string(project.lock_path())) else {
        return;
    };
    let [was, is] = places(project);
    let directory = was.parent().expect("it has a name");
    let _ = std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&was, before))
        .and_then(|()| std::fs::write(&is, after));
}

/// The lock file from before, if `now` is what the switch left.
pub fn from_before(project: &Project, now: &str) -> Option<String> {
    let [was, is] = places(project);
    let after = std::fs::read_to_string(is).ok()?;
    (after == now).then(|| std::fs::read_to_string(was).ok())?
}

fn places(project: &Project) -> [PathBuf; 2] {
    let directory = project.target.join("yamanote");
    ["Cargo.lock.before", "Cargo.lock.after"].map(|name| directory.join(name))
}
