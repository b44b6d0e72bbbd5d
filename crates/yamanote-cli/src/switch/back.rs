//! From Yamanote to Tokio.
#![forbid(unsafe_code)]

use super::undo::Undo;
use super::{Args, Project, indented, locks, manifest, read, wrapper};
use crate::doctor::project::{Lock, read_lock};
use semver::Version;
use std::fmt::Write;

pub fn run(args: &Args) -> Result<String, String> {
    let project = Project::read(&args.project)?;
    refuse(&project)?;
    let before = manifest::noted_version(&project.manifest);
    let new = manifest::without_patch(&project.manifest)?;
    let wrapper = wrapper::written(&project.root);
    let mut said = "Cargo.toml\n".to_owned();
    for line in manifest::new_lines(&new, &project.manifest) {
        writeln!(said, "  - {line}").expect("a String grows");
    }
    if wrapper.is_some() {
        writeln!(said, "{}\n  removed", wrapper::DIRECTORY).expect("a String grows");
    }
    if args.dry_run {
        said.push_str("\nNothing is changed: this was a dry run.\n");
        return Ok(said);
    }
    let mut undo = Undo::new();
    undo.keep(&project.lock_path())?;
    undo.write(&project.manifest_path(), &new)?;
    for file in wrapper.into_iter().flatten() {
        undo.remove(&file)?;
    }
    if project.lock.is_some() {
        let cargo = relock(args, &project, before.as_ref(), &mut undo);
        let cargo =
            cargo.map_err(|why| format!("Cargo refuses it, and nothing is changed:\n{why}"));
        said.push_str("Cargo.lock\n");
        said.push_str(&indented(&cargo?));
    }
    undo.commit();
    wrapper::sweep(&project.root);
    said.push_str("\nThe next build runs on Tokio.\n");
    Ok(said)
}

fn refuse(project: &Project) -> Result<(), String> {
    let Some(patch) = project.settings.of_registry() else {
        return Err("tokio is not patched here, so there is nothing to take out".to_owned());
    };
    if patch.place != project.manifest_path().display().to_string() {
        return Err(format!(
            "the patch of tokio is in {}: take it out there, then run: cargo update -p tokio",
            patch.place
        ));
    }
    let is_ours = |lock: &Lock| lock.tokios.iter().any(|it| it.is_yamanote);
    let is_ours = manifest::has_note(&project.manifest)
        || project.lock.as_ref().is_some_and(is_ours)
        || patch
            .directory
            .as_deref()
            .is_some_and(super::source::is_yamanote);
    match is_ours {
        true => Ok(()),
        false => Err(format!(
            "tokio is patched with {} in {}, which is not Yamanote",
            patch.to, patch.place
        )),
    }
}

/// The lock file from before, if nothing happened to it since; else Tokio's version from before in
/// that of now.
fn relock(
    args: &Args,
    project: &Project,
    before: Option<&Version>,
    undo: &mut Undo,
) -> Result<String, String> {
    let path = project.lock_path();
    if let Some(old) = locks::from_before(project, &read(&path)?) {
        undo.write(&path, &old)?;
        // Unless the manifests have changed, this is what Cargo would write.
        if project
            .cargo()
            .change(&["metadata", "--locked"], args.offline)
            .is_ok()
        {
            return Ok("as it was before the switch".to_owned());
        }
    }
    let mut said = project
        .cargo()
        .change(&["update", "--workspace"], args.offline)?;
    let lock = read_lock(&path)?.unwrap_or_default();
    if let (Some(now), Some(before)) = (super::forth::replaced(&lock), before) {
        if now != before {
            let (now, before) = (format!("tokio@{now}"), before.to_string());
            let update = ["update", "-p", &now, "--precise", &before];
            said.push_str(&project.cargo().change(&update, args.offline)?);
        }
    }
    Ok(said)
}
