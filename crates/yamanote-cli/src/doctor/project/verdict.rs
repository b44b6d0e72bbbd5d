//! What follows from all that was read: one check after the other, each with advice.
#![forbid(unsafe_code)]

use super::cargo::Target;
use super::demands::Demand;
use super::lock::{Lock, Tokio};
use super::settings::Patch;
use super::{Project, settings, shim};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Good,
    /// Worth knowing; the build runs on Yamanote all the same.
    Note,
    Bad,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Note => "note",
            State::Bad => "bad",
        }
    }
}

#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    pub state: State,
    pub found: String,
    pub advice: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: String) -> Check {
        Check {
            name,
            state: State::Good,
            found,
            advice: None,
        }
    }

    fn note(name: &'static str, found: String, advice: &str) -> Check {
        Check {
            state: State::Note,
            advice: Some(advice.to_owned()),
            ..Check::good(name, found)
        }
    }

    fn bad(name: &'static str, found: String, advice: &str) -> Check {
        Check {
            state: State::Bad,
            ..Check::note(name, found, advice)
        }
    }
}

/// A command of Cargo's, with the configuration that the project's builds are given.
fn run(project: &Project, command: &str) -> String {
    let mut text = format!("run: cargo {command}");
    for config in &project.settings.config {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./=".contains(it);
        match config.chars().all(is_plain) {
            true => text.push_str(&format!(" --config {config}")),
            false => text.push_str(&format!(" --config '{}'", config.replace('\'', "'\\''"))),
        }
    }
    text
}

/// The command that lets Cargo choose Tokio's version again. If there are several, it names one.
fn update(project: &Project) -> String {
    let several = project.lock.as_ref().filter(|lock| lock.tokios.len() > 1);
    let replaced = several.and_then(|lock| {
        let is_replaced = |tokio: &&Tokio| !tokio.is_yamanote && is_reached(project, tokio);
        lock.tokios.iter().find(is_replaced)
    });
    match replaced {
        Some(tokio) => run(project, &format!("update -p tokio@{}", tokio.version)),
        None => run(project, "update -p tokio"),
    }
}

/// Whether a patch replaces it, or would if there were one.
fn is_reached(project: &Project, tokio: &Tokio) -> bool {
    let source = tokio.source.as_deref();
    tokio.is_replaceable() || source.is_some_and(|it| project.settings.of_source(it).is_some())
}

/// A demand that Yamanote does not meet, so that Cargo cannot choose it.
fn refused(project: &Project) -> Option<&Demand> {
    let is_refused = |demand: &&Demand| {
        !is_old(demand) && (!fits(demand) || !unknown_features(demand).is_empty())
    };
    project.heard.iter().find(is_refused)
}

/// Whether it asks for another API, which to Cargo is another package.
fn is_old(demand: &Demand) -> bool {
    let comparators = &demand.version.comparators;
    !comparators.is_empty() && comparators.iter().all(|it| it.major == 0)
}

pub fn checks(project: &Project) -> Vec<Check> {
    let mut checks = vec![patch(project)];
    // Before the lock file, which only shows what follows from these.
    checks.extend(project.heard.iter().flat_map(|it| demanded(project, it)));
    match &project.lock {
        None => checks.push(Check::bad(
            "lock",
            "there is no Cargo.lock yet, so nothing is chosen".to_owned(),
            &run(project, "generate-lockfile"),
        )),
        Some(lock) => {
            checks.extend(locked(project, lock));
            checks.extend(unused(project, lock));
        }
    }
    match &project.demands {
        Err(why) if project.lock.is_some() => checks.push(unknown_demands(project, why)),
        _ => {}
    }
    checks.extend(environment(project));
    checks
}

/// Whether Yamanote is in the lock file, and nothing that it should replace.
fn is_switched(lock: &Lock) -> bool {
    let ours = lock.tokios.iter().any(|tokio| tokio.is_yamanote);
    ours && !lock.tokios.iter().any(Tokio::is_replaceable)
}

fn patch(project: &Project) -> Check {
    let patches = &project.settings.patches;
    match project.settings.of_registry().or(patches.first()) {
        Some(patch) if patch.without_package().is_some() => misplaced(project, patch),
        Some(patch) => {
            let of = patch.of.as_ref().map(|url| format!(" of {url}"));
            Check::good(
                "patch",
                format!(
                    "tokio{} is patched with {} in {}",
                    of.unwrap_or_default(),
                    patch.to,
                    patch.place
                ),
            )
        }
        None if project.lock.as_ref().is_some_and(is_switched) => {
            let named = |it: &Demand| {
                Some(format!(
                    "{} takes it from {}",
                    it.by,
                    it.elsewhere.as_ref()?
                ))
            };
            match project.heard.iter().find_map(named) {
                Some(named) => Check::good("patch", format!("tokio is not patched; {named}")),
                None => Check::note(
                    "patch",
                    "no patch of tokio is in sight, though the lock file has one".to_owned(),
                    "If your builds pass it with cargo --config, pass the same to this command.",
                ),
            }
        }
        None => Check::bad(
            "patch",
            "tokio is not patched".to_owned(),
            &format!(
                "add to {}:\n  [patch.crates-io]\n  tokio = {{ path = \".../yamanote/crates/tokio\" }}\n\
                 then {}",
                project.settings.root.join("Cargo.toml").display(),
                update(project)
            ),
        ),
    }
}

/// A path at which there is no package for Cargo to take.
fn misplaced(project: &Project, patch: &Patch) -> Check {
    let directory = patch.without_package().expect("asked before");
    let found = format!(
        "the patch in {} names {}, where there is no package tokio",
        patch.place, patch.to
    );
    let advice = match settings::has_tokio(&directory.join("crates/tokio")) {
        true => format!(
            "That is the whole repository: add /crates/tokio to the path, then {}",
            update(project)
        ),
        false => "Let it name the directory crates/tokio of Yamanote's repository.".to_owned(),
    };
    Check::bad("patch", found, &advice)
}

/// One check for each `tokio` of the lock file.
fn locked(project: &Project, lock: &Lock) -> Vec<Check> {
    if let ([], [Demand { by, .. }, ..]) = (&lock.tokios[..], &project.heard[..]) {
        let found = format!("Cargo.lock has no tokio yet, for which {by} asks");
        let advice = run(project, "update --workspace");
        return vec![Check::bad("lock", found, &advice)];
    }
    if lock.tokios.is_empty() {
        let found = "nothing here depends on tokio, so there is nothing to switch".to_owned();
        return vec![Check::bad(
            "lock",
            found,
            "Depend on it, as for Tokio: cargo add tokio",
        )];
    }
    let mut checks: Vec<Check> = lock.tokios.iter().map(|it| of_one(project, it)).collect();
    checks.sort_by_key(|check| check.state != State::Good);
    checks
}

fn of_one(project: &Project, tokio: &Tokio) -> Check {
    let source = tokio.source.as_deref().unwrap_or("a path");
    let users = match tokio.used_by.len() {
        0..=4 => tokio.used_by.join(", "),
        many => format!("{many} packages"),
    };
    let found = format!("Cargo.lock has tokio {} from {source}", tokio.version);
    if tokio.is_yamanote {
        Check::good("lock", format!("{found}: Yamanote, for {users}"))
    } else if tokio.is_for_other_systems {
        let found = format!("{found}: for systems other than Linux only");
        Check::good("lock", found)
    } else if is_reached(project, tokio) {
        let advice = match refused(project) {
            Some(Demand { by, .. }) => {
                format!("It stays as long as {by} asks for what Yamanote is not: see above.")
            }
            None => update(project),
        };
        Check::bad("lock", format!("{found}, for {users}"), &advice)
    } else if tokio.version.major == 0 {
        Check::note(
            "lock",
            format!("{found}, for {users}"),
            "That is another API and another package to Cargo. It stays as it is, with a runtime of \
             its own,\nuntil those that use it move to tokio 1.",
        )
    } else {
        let advice = match (&tokio.source, project.settings.of_registry()) {
            (Some(source), _) => format!(
                "[patch.crates-io] does not reach what comes from elsewhere. Patch that source by its \
                 URL too:\n  [patch.\"{}\"]\n  tokio = {{ path = \".../yamanote/crates/tokio\" }}",
                settings::url(source)
            ),
            (None, Some(patch)) => format!(
                "If it is the {} of the patch in {}, let that name .../yamanote/crates/tokio.",
                patch.to, patch.place
            ),
            (None, None) => {
                "Take tokio = \"1\" from crates.io, which a patch can replace.".to_owned()
            }
        };
        Check::bad("lock", format!("{found}, for {users}"), &advice)
    }
}

fn unused(project: &Project, lock: &Lock) -> Option<Check> {
    let version = lock.unused_patch.as_ref()?;
    let found = format!("Cargo has found the patch, tokio {version}, and does not use it");
    let is_reached = |tokio: &Tokio| !tokio.is_yamanote && is_reached(project, tokio);
    if !lock.tokios.iter().any(is_reached) {
        let advice = "Nothing here takes tokio from where it is patched.";
        return Some(Check::note("unused patch", found, advice));
    }
    let advice = match refused(project) {
        Some(Demand { by, .. }) => format!("It is not what {by} asks for: see above."),
        None => format!(
            "The lock file was there before the patch, and keeps the Tokio that it names.\n{}",
            update(project)
        ),
    };
    Some(Check::bad("unused patch", found, &advice))
}

fn fits(demand: &Demand) -> bool {
    demand.version.matches(&shim::version())
}

fn unknown_features(demand: &Demand) -> Vec<&str> {
    let known = |feature: &&str| shim::FEATURES.contains(feature);
    let features = demand.features.iter().map(String::as_str);
    features.filter(|feature| !known(feature)).collect()
}

fn demanded(project: &Project, demand: &Demand) -> Vec<Check> {
    let mut checks = Vec::new();
    let Demand { by, .. } = demand;
    if let Some(elsewhere) = &demand.elsewhere {
        let is_patched = project.settings.of_source(elsewhere).is_some();
        let is_path = elsewhere.starts_with("path ");
        let is_ours = |it: &Tokio| it.is_yamanote && (!is_path || it.source.is_none());
        let lock = project.lock.as_ref();
        let is_ours =
            lock.is_some_and(|it| is_switched(it) || is_path && it.tokios.iter().any(is_ours));
        if !is_patched && !is_ours {
            let found =
                format!("{by} takes tokio from {elsewhere}, which the patch does not reach");
            let advice =
                "Let it take tokio = \"1\" from crates.io, or patch that source by its URL.";
            checks.push(Check::bad("source", found, advice));
        }
    } else if !fits(demand) && !is_old(demand) {
        checks.push(wrong_version(project, demand));
    }
    for feature in unknown_features(demand) {
        checks.push(Check::bad(
            "feature",
            format!(
                "{by} asks for the feature {feature} of tokio, which Yamanote does not declare{}",
                aside(project, demand)
            ),
            "Cargo drops the patch for that. Take a version of it that does not ask, or a newer \
             Yamanote.",
        ));
    }
    checks
}

/// Where a reader of the list of demands would look for it in vain.
fn aside(project: &Project, demand: &Demand) -> &'static str {
    let is_same = |it: &Demand| it.by == demand.by && it.version == demand.version;
    match &project.demands {
        Ok(demands) if !demands.iter().any(is_same) => {
            " (not in a build here, but Cargo chooses for all systems and features)"
        }
        _ => "",
    }
}

fn wrong_version(project: &Project, demand: &Demand) -> Check {
    let Demand {
        by,
        version,
        package,
        is_member,
        ..
    } = demand;
    let ours = shim::version();
    let bound = demand.holds_below(&ours);
    let mut found = match &bound {
        Some(bound) => {
            format!("{by} holds tokio at {version}: {bound} is below {ours}, which is Yamanote")
        }
        None => format!("{by} asks for tokio {version}, and Yamanote is tokio {ours}"),
    };
    found.push_str(aside(project, demand));
    let advice = match (bound, is_member) {
        (Some(_), true) => format!("Let it rise: tokio = \"1.54\", then {}", update(project)),
        (None, true) => format!(
            "Ask for less, as far as your code allows: tokio = \"1.54\", then {}",
            update(project)
        ),
        (_, false) => format!(
            "Take a version of it that does not ask for that (cargo update -p {package} --precise VERSION), \
             a newer Yamanote,\nor stay with Tokio for now: both at once cannot be."
        ),
    };
    Check::bad("version", found, &advice)
}

/// Cargo cannot say who asks for what; mostly because it would have to change the lock file first.
fn unknown_demands(project: &Project, why: &str) -> Check {
    let patched = !project.settings.patches.is_empty();
    let switched = project.lock.as_ref().is_some_and(is_switched);
    let first = why.lines().next().unwrap_or(why);
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let is_reached = |it: &Tokio| is_reached(project, it);
    let is_reached = |lock: &Lock| lock.tokios.iter().any(is_reached);
    if why.contains("--locked") && patched && project.lock.as_ref().is_some_and(is_reached) {
        let found = "Cargo.lock has not been touched since the patch was added".to_owned();
        return Check::bad("lock is current", found, &update(project));
    }
    let from_elsewhere = project.heard.iter().any(|it| it.elsewhere.is_some());
    if why.contains("--locked") && !patched && !from_elsewhere && switched {
        let found =
            "without the patch the next build goes back to the Tokio of the registry".to_owned();
        let advice = "Pass --config to this command as to cargo, or patch tokio again.";
        return Check::bad("lock is current", found, advice);
    }
    // Asked with --offline, Cargo complains about that first.
    let not_locked = project.not_locked.as_ref();
    let not_locked = not_locked.map(|(by, what)| format!("{by} asks for {what}, which it has not"));
    if why.contains("--locked") || why.contains("offline") && not_locked.is_some() {
        let why = not_locked.as_deref().unwrap_or(first);
        let found = format!("Cargo.lock is not up to date: {why}");
        return Check::bad(
            "lock is current",
            found,
            &run(project, "update --workspace"),
        );
    }
    // It is asked with --offline, and says so if that is in the way.
    if !why.contains("offline") {
        let found = format!("Cargo cannot build this: {first}");
        let advice = match why.contains("version for `tokio`") {
            true => format!(
                "Somebody asks for what Yamanote, tokio {}, is not. Hold that package at a version that \
                 asks for less,\ntake a newer Yamanote, or stay with Tokio for now. Cargo says:\n{why}",
                shim::version()
            ),
            false => format!("Cargo says:\n{why}"),
        };
        return Check::bad("demands", found, &advice);
    }
    let found = format!("who asks for which version could not be found out: {first}");
    let advice = "If something has yet to be downloaded, run: cargo fetch";
    Check::note("demands", found, advice)
}

/// Android has `linux` in its name, and is a system of its own.
fn is_linux(target: &str) -> bool {
    target == "host-tuple" || target.contains("linux") && !target.contains("android")
}

fn of_targets(project: &Project, targets: &[Target]) -> Vec<Check> {
    let mut checks = Vec::new();
    if targets.iter().any(|target| target.is_unstable) {
        let place = match &project.settings.unstable[..] {
            [] => "by the flags that Cargo gives the compiler".to_owned(),
            places => format!("in {}", places.join(" or ")),
        };
        checks.push(Check::note(
            "tokio_unstable",
            format!("--cfg tokio_unstable is set {place}"),
            "Yamanote compiles with it, and has Tokio's unstable items under it only, as Tokio has.",
        ));
    }
    let has_others = |lock: &Lock| lock.tokios.iter().any(|it| it.is_for_other_systems);
    if project.lock.as_ref().is_some_and(has_others) {
        return checks;
    }
    for Target { os, .. } in targets.iter().filter(|target| target.os != "linux") {
        let named = project.settings.targets.iter();
        let named = named.filter(|(target, _)| !is_linux(target));
        let named: Vec<String> = named
            .map(|(target, place)| format!("{place} says to build for {target}"))
            .collect();
        let found = match named.is_empty() {
            true => format!("the next build is for {os}"),
            false => named.join(", "),
        };
        let advice = "Yamanote runs on Linux only: keep the patch out of such builds.";
        checks.push(Check::bad("target", found, advice));
    }
    checks
}

fn environment(project: &Project) -> Vec<Check> {
    let mut checks = Vec::new();
    match &project.targets {
        Ok(targets) => checks.extend(of_targets(project, targets)),
        Err(why) => checks.push(Check::note(
            "flags",
            format!("which flags and targets count could not be found out: {why}"),
            "For another system than Linux it does not compile.",
        )),
    }
    let oldest = shim::rust_version();
    let version = &project.compiler.version;
    if *version < oldest {
        checks.push(Check::bad(
            "rustc",
            format!("the compiler here is {version}, and Yamanote needs {oldest}"),
            "run: rustup update",
        ));
    }
    match &project.rust_version {
        Some((package, version)) if *version < oldest => checks.push(Check::note(
            "rust-version",
            format!("{package} promises to build with Rust {version}, and Yamanote needs {oldest}"),
            "With the patch it does not; Tokio 1.54 needs the same.",
        )),
        _ => {}
    }
    checks
}
