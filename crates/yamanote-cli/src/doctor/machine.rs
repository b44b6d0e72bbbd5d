//! What this kernel and this process may use, and which driver follows from it.
#![forbid(unsafe_code)]

use super::files::{self, Place};
use crate::refusal;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use yamanote::buf::IoBuf;
use yamanote::fs;
use yamanote::io::AsyncWriteExt;
use yamanote::runtime::Builder;
use yamanote::runtime::probe::{self, Finding, Limit, Need, Report};

/// What to print, and the exit status: 0 if a runtime works here.
pub fn examine(json: bool) -> (String, ExitCode) {
    let report = probe::report();
    let trial = Trial::run();
    let text = match json {
        true => format!("{:#}\n", as_json(&report, &trial)),
        false => as_text(&report, &trial),
    };
    match trial {
        Trial::Works { .. } => (text, ExitCode::SUCCESS),
        Trial::Fails(_) => (text, ExitCode::FAILURE),
    }
}

/// A runtime with default settings, actually started.
enum Trial {
    Works {
        driver: String,
        reason: Option<String>,
        ops_submitted: u64,
        /// Why no trial file could be written, which is not the runtime's fault.
        no_place: Option<String>,
        places: Vec<Place>,
        inline_file_stalls: u64,
    },
    Fails(String),
}

impl Trial {
    fn run() -> Trial {
        let mut builder = Builder::new_current_thread();
        // A pool of one thread that is kept busy shows which operations need none.
        builder.enable_all().max_blocking_threads(1);
        let runtime = match builder.build() {
            Ok(runtime) => runtime,
            Err(error) => return Trial::Fails(refusal::explain(&error)),
        };
        let place = place_for_a_file();
        let mut places = Vec::new();
        if let Ok(path) = &place {
            match runtime.block_on(use_a_file(path)) {
                Ok(seen) => places = seen,
                Err(error) => {
                    let path = path.display();
                    return Trial::Fails(format!("{path} cannot be written and read: {error}"));
                }
            }
        }
        Trial::Works {
            driver: runtime.handle().driver().to_string(),
            reason: runtime.metrics().driver_fallback_reason(),
            ops_submitted: runtime.metrics().ops_submitted(),
            no_place: place.err(),
            places,
            inline_file_stalls: runtime.metrics().inline_file_stalls(),
        }
    }
}

/// A name for a temporary file in a directory where one can be written without a runtime: what
/// `TMPDIR` names, or a file system in memory.
fn place_for_a_file() -> Result<PathBuf, String> {
    let mut refusals = Vec::new();
    for directory in [std::env::temp_dir(), "/tmp".into(), "/dev/shm".into()] {
        let path = directory.join(format!("yamanote-doctor-{}", std::process::id()));
        match std::fs::write(&path, "doctor").and_then(|()| std::fs::remove_file(&path)) {
            Ok(()) => return Ok(path),
            Err(error) => refusals.push(format!("{}: {error}", directory.display())),
        }
    }
    refusals.dedup();
    Err(refusals.join("; "))
}

/// Writes, syncs and reads a temporary file, and reads it past the cache too: through the ring, if
/// there is one.
async fn use_a_file(path: &Path) -> io::Result<Vec<Place>> {
    let places = match write_and_read(path).await {
        Ok(()) => Ok(files::look(path).await),
        Err(error) => Err(error),
    };
    let removed = fs::remove_file(path).await;
    places.and_then(|places| removed.map(|()| places))
}

async fn write_and_read(path: &Path) -> io::Result<()> {
    let mut file = fs::File::create_new(path).await?;
    file.write_all(b"doctor").await?;
    file.sync_data().await?;
    match fs::read(path).await?.as_slice() {
        b"doctor" => {}
        other => return Err(io::Error::other(format!("read {other:?} back"))),
    }
    // After the first read on its mount, which decides how the mount is read.
    read_past_the_cache(path).await
}

/// A direct read, if the file system has direct reads.
async fn read_past_the_cache(path: &Path) -> io::Result<()> {
    const PAGE: usize = 4096;
    let mut options = fs::OpenOptions::new();
    let Ok(file) = options
        .read(true)
        .custom_flags(rustix::fs::OFlags::DIRECT.bits() as i32)
        .open(path)
        .await
    else {
        return Ok(());
    };
    let bytes = vec![0; 2 * PAGE];
    let start = bytes.as_ptr().align_offset(PAGE);
    let (read, bytes) = file.read_at(bytes.slice(start..start + PAGE), 0).await;
    match read {
        Ok(n) if &bytes[..n] == b"doctor" => Ok(()),
        Ok(n) => Err(io::Error::other(format!(
            "read {n} other bytes past the cache"
        ))),
        // The device may ask for more than pages.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        Err(error) => Err(error),
    }
}

fn override_value() -> Option<String> {
    std::env::var("YAMANOTE_DRIVER").ok()
}

fn as_text(report: &Report, trial: &Trial) -> String {
    let mut out = String::new();
    let mut say = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    say(format!("Linux {}", report.kernel));
    if let Some(value) = override_value() {
        say(format!(
            "YAMANOTE_DRIVER={value} is set and overrides the program's choice."
        ));
    }
    match trial {
        Trial::Works {
            driver,
            reason,
            ops_submitted,
            no_place,
            places,
            inline_file_stalls,
        } => {
            say(format!("A runtime takes the driver {driver} here."));
            match (reason, &report.refusal) {
                (Some(reason), _) | (None, Some(reason)) => {
                    say(format!("io_uring is not used: {reason}"));
                }
                (None, None) => {}
            }
            say(match no_place {
                None => format!(
                    "A trial wrote, synced and read a file; operations through a ring: {ops_submitted}."
                ),
                Some(why) => {
                    format!("There is no place for a trial file, so none was written: {why}")
                }
            });
            if let Some(value) = files::override_value() {
                say(format!("YAMANOTE_INLINE_FILES={value} is set."));
            }
            if !places.is_empty() {
                say("\nfiles".to_owned());
            }
            places.iter().for_each(|place| say(place.sentence()));
            if *inline_file_stalls > 0 {
                say(format!(
                    "  Inline calls that made the trial wait: {inline_file_stalls}; is there a \
                     listener that is asked for permission (a virus scanner)?"
                ));
            }
        }
        Trial::Fails(why) => say(format!("A runtime does not work here: {why}")),
    }
    for (title, findings) in groups(report) {
        say(format!("\n{title}"));
        for finding in findings {
            say(format!(
                "  {:3}  {:28} {}{}",
                match finding.present {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "?",
                },
                finding.name,
                finding.purpose,
                match (finding.present, finding.need) {
                    (Some(false), Need::Required) => " (required: without it the driver is epoll)",
                    _ => "",
                }
            ));
        }
    }
    say("\nlimits and settings".to_owned());
    for Limit {
        name,
        value,
        remark,
    } in &report.limits
    {
        say(format!("  {name}: {value}"));
        if let Some(remark) = remark {
            say(format!("    {remark}"));
        }
    }
    out
}

fn groups(report: &Report) -> [(&'static str, &[Finding]); 3] {
    [
        ("ring set-up flags", &report.setup_flags),
        ("ring features", &report.features),
        ("operations", &report.opcodes),
    ]
}

fn as_json(report: &Report, trial: &Trial) -> Value {
    let findings = |findings: &[Finding]| -> Value {
        findings
            .iter()
            .map(|finding| {
                json!({
                    "name": finding.name,
                    "present": finding.present,
                    "required": matches!(finding.need, Need::Required),
                    "purpose": finding.purpose,
                })
            })
            .collect()
    };
    let limits: Value = report
        .limits
        .iter()
        .map(|limit| json!({"name": limit.name, "value": limit.value, "remark": limit.remark}))
        .collect();
    let (driver, reason, ops, no_place, error) = match trial {
        Trial::Works {
            driver,
            reason,
            ops_submitted,
            no_place,
            ..
        } => (
            Some(driver),
            reason.as_ref(),
            Some(ops_submitted),
            no_place.as_ref(),
            None,
        ),
        Trial::Fails(error) => (None, None, None, None, Some(error)),
    };
    let (places, stalls): (Value, _) = match trial {
        Trial::Works {
            places,
            inline_file_stalls,
            ..
        } => (
            places.iter().map(Place::as_json).collect(),
            Some(inline_file_stalls),
        ),
        Trial::Fails(_) => (Value::Null, None),
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": report.kernel,
        "driver": driver,
        "fallback_reason": reason,
        "override": override_value(),
        "io_uring_refusal": report.refusal,
        "ops_submitted": ops,
        "no_trial_file": no_place,
        "error": error,
        "inline_files_override": files::override_value(),
        "files": places,
        "inline_file_stalls": stalls,
        "setup_flags": findings(&report.setup_flags),
        "features": findings(&report.features),
        "opcodes": findings(&report.opcodes),
        "limits": limits,
    })
}
