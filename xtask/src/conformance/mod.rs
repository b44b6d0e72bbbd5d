//! `cargo xtask conformance`: Tokio's released tests, with the shim and with the real Tokio.
//!
//! The released packages are fetched, checked and unpacked (`suites`); for each subject a workspace
//! is generated that links their test files with it (`workspace`) and built (`build`); every test
//! then runs in a process of its own (`run`, `process`), and what the real Tokio passes is what the
//! shim must pass (`verdict`).
#![forbid(unsafe_code)]

mod again;
mod baseline;
mod build;
mod options;
mod page;
mod probe;
mod report;
mod run;
pub mod suites;
mod verdict;
mod workspace;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use baseline::{Circumstances, Known};
use build::Built;
use options::Options;
use run::{Empty, Runner};
use verdict::{Column, File, Verdict, passes};
use workspace::{Subject, Workspace};

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    let outcome = match Options::parse(args, root) {
        Ok(Some(options)) => compare(root, &options),
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo xtask conformance: {error}");
            ExitCode::from(2)
        }
    }
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Whether there is no difference.
fn compare(root: &Path, options: &Options) -> Result<bool, String> {
    let directory = options.workspaces();
    let released = suites::fetch(options.packages())?;
    let wanted = build::wanted(&released, options);
    if wanted.is_empty() {
        return Err("no test file has that name".to_owned());
    }
    let circumstances = Circumstances::now(options.is_unstable)?;
    let timeout = options.timeout.as_secs();
    let mut known = match &options.baseline {
        Some(path) => baseline::load(path, &circumstances, timeout),
        None => Known::new(),
    };
    known.retain(|file, tests| {
        wanted.contains(file) && tests.values().all(|runs| runs.len() >= options.runs)
    });

    let mut built: Vec<(Workspace, Built)> = Vec::new();
    for &subject in &options.subjects {
        let mut files = wanted.clone();
        if subject == Subject::Tokio {
            files.retain(|file| !known.contains_key(file));
            if files.is_empty() {
                continue;
            }
        }
        let started = Instant::now();
        let (unstable, simulated) = (options.is_unstable, options.is_simulated());
        let workspace =
            workspace::generate(subject, &released, root, &directory, unstable, simulated)?;
        let binaries = build::build(&workspace, &files, options)?;
        workspace::check_lock(&workspace)?;
        let compiled = binaries.files.values().filter(|file| file.is_ok()).count();
        println!(
            "{}: {compiled} of {} test files compiled, {} s",
            subject.name(),
            files.len(),
            started.elapsed().as_secs()
        );
        built.push((workspace, binaries));
    }
    if options.is_build_only {
        return Ok(built
            .iter()
            .all(|(_, built)| built.files.values().all(Result::is_ok)));
    }

    let scratch = directory.join("run").join(std::process::id().to_string());
    let mut empty = Vec::new();
    for (workspace, built) in &built {
        if workspace.subject == Subject::Tokio {
            empty.push(Empty {
                name: "tokio",
                built,
            });
            continue;
        }
        let probe = built
            .probe
            .as_ref()
            .ok_or("the driver probe was not built")?;
        for &driver in &options.drivers {
            probe::check(probe, &workspace.directory, &scratch, driver)?;
            empty.push(Empty {
                name: driver,
                built,
            });
        }
    }
    let started = Instant::now();
    let runner = Runner {
        released: &released,
        scratch: scratch.clone(),
        options,
    };
    let mut columns = runner.run(&empty)?;
    println!("run in {} s", started.elapsed().as_secs());

    let has_tokio = columns.first().is_some_and(|column| column.name == "tokio");
    if let (true, Some(path), true) = (has_tokio, &options.baseline, options.wants_whole_files()) {
        baseline::store(path, &circumstances, timeout, &columns[0])?;
    }
    if !has_tokio && !known.is_empty() {
        columns.insert(
            0,
            Column {
                name: "tokio",
                files: Default::default(),
            },
        );
    }
    if columns[0].name == "tokio" {
        add_known(&mut columns[0], known, options);
    }
    if let Some(runs) = options.again {
        again::settle(root, &runner, &empty, &mut columns, runs)?;
    }
    let _ = std::fs::remove_dir(&scratch);
    conclude(root, &columns, options, &circumstances)
}

/// Puts the kept results of the real Tokio among those found now.
fn add_known(tokio: &mut Column, known: Known, options: &Options) {
    for (id, mut tests) in known {
        tests.retain(|test, _| options.wants_test(&id.1, test));
        tests
            .values_mut()
            .for_each(|runs| runs.truncate(options.runs));
        tokio.files.insert(
            id,
            File {
                refused: None,
                tests,
            },
        );
    }
}

fn conclude(
    root: &Path,
    columns: &[Column],
    options: &Options,
    circumstances: &Circumstances,
) -> Result<bool, String> {
    report::print_table(columns);
    let [tokio, shim @ ..] = columns else {
        return Err("nothing was run".to_owned());
    };
    if tokio.name != "tokio" || shim.is_empty() {
        let failures = report::print_failures(columns);
        println!("\n{failures} did not pass; there was nothing to compare with");
        return Ok(failures == 0);
    }
    let expected: usize = tokio
        .files
        .values()
        .flat_map(|file| file.tests.values())
        .filter(|runs| passes(runs) > 0)
        .count();
    let verdict = Verdict::of(tokio, shim);
    report::print_verdict(&verdict);
    println!("{expected} tests are expected to pass, because they do with the real Tokio");
    // Released tests compile with what they were released for. Where they do not, this machine or
    // this program is at fault, and they would go missing from what is expected.
    let refused = tokio
        .files
        .iter()
        .filter(|(_, file)| file.refused.is_some());
    let refused: Vec<String> = refused.map(|(id, _)| report::name(id, None)).collect();
    if !refused.is_empty() {
        let files = refused.join(", ");
        return Err(format!("these do not compile with the real Tokio: {files}"));
    }
    if options.table {
        page::update(root, columns, &verdict, options, circumstances)?;
    }
    let unexplained = page::unexplained(root, &verdict, options)?.len();
    println!("{unexplained} differences have no reason in docs/conformance.toml");
    if expected == 0 {
        return Err("the real Tokio passes none of these tests: there is nothing to show".into());
    }
    Ok(verdict.differences.is_empty() || options.is_explained_enough && unexplained == 0)
}
