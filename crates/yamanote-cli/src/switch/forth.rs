//! From Tokio to Yamanote.
#![forbid(unsafe_code)]

use super::source::{self, Source};
use super::undo::Undo;
use super::{Args, Project, indented, locks, manifest, wrapper};
use crate::doctor::project::{Lock, State, checks, read_lock};
use std::fmt::Write;

pub fn run(args: &Args) -> Result<String, String> {
    let project = Project::read(&args.project)?;
    refuse(&project)?;
    let yamanote = source::yamanote(&args.origin)?;
    let entry = match args.mixed {
        true => format!("{{ path = \"{}\" }}", wrapper::DIRECTORY),
        false => yamanote.entry(&project.root, None),
    };
    let note = manifest::note(project.lock.as_ref().and_then(replaced));
    let new = manifest::with_patch(&project.manifest, &note, &entry)?;
    let mut files = vec![(project.manifest_path(), new.clone())];
    if args.mixed {
        files.extend(wrapper::files(&project.root, &yamanote, &tokio(args)?)?);
    }
    let mut said = told(&project, &new, &files);
    let updates = updates(&project);
    if args.dry_run {
        writeln!(said, "cargo {}", updates.join(" ")).expect("a String grows");
        said.push_str("\nNothing is changed: this was a dry run.\n");
        return Ok(said);
    }
    let mut undo = Undo::new();
    undo.keep(&project.lock_path())?;
    for (file, text) in &files {
        undo.write(file, text)?;
    }
    let cargo = choose(&project, updates, args.offline);
    let cargo = cargo.map_err(|why| format!("Cargo refuses it, and nothing is changed:\n{why}"))?;
    agree(&project)?;
    locks::remember(&project, undo.before(&project.lock_path()));
    undo.commit();
    said.push_str("Cargo.lock\n");
    said.push_str(&indented(&cargo));
    said.push_str("\nSwitched: the next build runs on Yamanote.");
    said.push_str(match args.mixed {
        true => " Commit the manifest, the lock file and .yamanote together.\n",
        false => " To go back: yamanote switch --back\n",
    });
    Ok(said)
}

/// Says why this is no project to be switched.
fn refuse(project: &Project) -> Result<(), String> {
    if let Some(patch) = project.settings.of_registry() {
        let ours = manifest::has_note(&project.manifest);
        let is_ours = ours && patch.place == project.manifest_path().display().to_string();
        return Err(match is_ours {
            true => format!(
                "{} is switched already, with {}; `yamanote doctor --project` looks at it, and \
                 `yamanote switch --back` takes it out",
                patch.place, patch.to
            ),
            false => format!(
                "tokio is patched already, with {} in {}; take that out first",
                patch.to, patch.place
            ),
        });
    }
    match &project.lock {
        Some(lock) if replaced(lock).is_none() => Err(match lock.tokios.is_empty() {
            true => "nothing here depends on tokio, so there is nothing to switch".to_owned(),
            false => "Cargo.lock has no tokio 1.x from crates.io, which is what a patch replaces; \
                      `yamanote doctor --project` says what it has"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The version in the lock file that the patch replaces.
pub fn replaced(lock: &Lock) -> Option<&semver::Version> {
    let mut tokios = lock.tokios.iter();
    tokios.find(|it| it.is_replaceable()).map(|it| &it.version)
}

/// What Cargo is told, so that it chooses again.
fn updates(project: &Project) -> Vec<String> {
    match project.lock.as_ref().and_then(replaced) {
        Some(version) => ["update".into(), "-p".into(), format!("tokio@{version}")].into(),
        None => vec!["generate-lockfile".into()],
    }
}

/// Lets Cargo choose. A lock file for an older Tokio holds what both depend on, such as libc, at
/// versions that Yamanote cannot have; then it may choose these again too.
fn choose(project: &Project, updates: Vec<String>, offline: bool) -> Result<String, String> {
    let said = project.cargo().change(&updates, offline)?;
    let lock = read_lock(&project.lock_path())?.unwrap_or_default();
    if lock.tokios.iter().any(|it| it.is_yamanote) {
        return Ok(said);
    }
    // What it was raised to in vain.
    let raised = replaced(&lock).map(|version| format!("tokio@{version}"));
    let Some(raised) = raised else {
        return Ok(said);
    };
    let updates = ["update", "--recursive", "-p", &raised];
    project.cargo().change(&updates, offline)
}

/// Where the real Tokio comes from.
fn tokio(args: &Args) -> Result<Source, String> {
    source::tokio(args.tokio.as_deref())
}

/// Fails with what the doctor objects to. For other systems nothing needs to be looked at here.
fn agree(project: &Project) -> Result<(), String> {
    let checks = checks(&project.dir)?;
    let bad: Vec<_> = checks.iter().filter(|it| it.state == State::Bad).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let mut why = "it would not work, and nothing is changed:".to_owned();
    for check in bad {
        // What follows from the others.
        if check.name == "unused patch" || check.name == "lock" && checks.len() > 2 {
            continue;
        }
        write!(why, "\n{}", check.found).expect("a String grows");
        if let Some(advice) = &check.advice {
            write!(why, "\n{}", indented(advice).trim_end()).expect("a String grows");
        }
    }
    Err(why)
}

/// What is written, file by file; of the manifest, the new lines.
fn told(project: &Project, new: &str, files: &[(std::path::PathBuf, String)]) -> String {
    let mut said = String::new();
    for (file, _) in files {
        let name = file.strip_prefix(&project.root).unwrap_or(file);
        writeln!(said, "{}", name.display()).expect("a String grows");
        if *file == project.manifest_path() {
            for line in manifest::new_lines(&project.manifest, new) {
                writeln!(said, "  + {line}").expect("a String grows");
            }
        }
    }
    said
}
