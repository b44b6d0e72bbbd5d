//! Random programs on the real Tokio and on Yamanote: on a current-thread runtime, do the same
//! things happen in the same order?
//!
//! A program is data (`program`), made from a seed (`generate`). One interpreter is compiled twice,
//! with each of the runtimes; it writes down every poll, every step, every park and every drop
//! (`interpreter`). Tokio runs all programs twice, and those that differ from themselves are left
//! out. A program that differs between the two is made smaller (`shrink`) until nothing can be left
//! out any more, and printed.
#![forbid(unsafe_code)]
// The same source for both runtimes is the point.
#![allow(clippy::duplicate_mod)]

mod child;
mod generate;
mod program;
mod shrink;

#[path = "."]
mod on_tokio {
    use tokio as rt;
    pub mod interpreter;
}

#[path = "."]
mod on_yamanote {
    use yamanote as rt;
    pub mod interpreter;
}

use std::path::PathBuf;
use std::process::ExitCode;

use child::Subject;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use program::Program;

/// Run random programs on the real Tokio 1.54.1 and on Yamanote and compare the order in which
/// things happen on a current-thread runtime.
///
/// Exits with 0 if all logs are equal, with 1 if a program's differ: the smallest such program
/// found is printed, with both logs and its seed.
#[derive(Parser)]
#[command(name = "cargo xtask order")]
struct Args {
    /// How many programs
    #[arg(long, default_value_t = 500)]
    programs: u64,
    /// The first program's seed; the others follow it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this driver
    #[arg(long, value_name = "DRIVER", value_parser = ["uring", "epoll"])]
    driver: Option<String>,
    /// Print the first differing program as it is
    #[arg(long)]
    no_shrink: bool,
    /// Print the logs of the first program, and compare nothing
    #[arg(long)]
    show: bool,
    /// Run the programs of a file (the other side of this program)
    #[arg(long, num_args = 2, value_names = ["WHO", "FILE"], hide = true)]
    serve: Option<Vec<String>>,
}

/// Of a hundred programs, Tokio may run this many differently the second time.
const MAX_PERCENT_DROPPED: usize = 1;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(serve) = &args.serve {
        let subject = <Subject as clap::ValueEnum>::from_str(&serve[0], false);
        child::serve(subject.expect("a subject"), &PathBuf::from(&serve[1]));
        return ExitCode::SUCCESS;
    }
    match compare(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo xtask order: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare(args: &Args) -> Result<bool, String> {
    let subjects: &[Subject] = match args.driver.as_deref() {
        Some("uring") => &[Subject::Uring],
        Some(_) => &[Subject::Epoll],
        None => &[Subject::Uring, Subject::Epoll],
    };
    let seeds: Vec<u64> = (args.seed..args.seed + args.programs).collect();
    let programs: Vec<Program> = seeds.iter().map(|&seed| generate::program(seed)).collect();
    if args.show {
        return show(&programs[0], subjects);
    }
    let bar = ProgressBar::new(args.programs * (2 + subjects.len() as u64)).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} ({eta} left)")
            .expect("the template is well-formed"),
    );
    let run = |subject: Subject| {
        bar.set_message(subject.name());
        child::run(subject, &programs, || bar.inc(1))
    };
    let reference = run(Subject::Tokio)?;
    let again = run(Subject::Tokio)?;
    let repeated: Vec<usize> = (0..programs.len())
        .filter(|&i| reference[i] == again[i])
        .collect();
    let dropped = programs.len() - repeated.len();
    let mut failures = Vec::new();
    for &subject in subjects {
        let logs = run(subject)?;
        let differing = repeated.iter().filter(|&&i| logs[i] != reference[i]);
        let differing: Vec<usize> = differing.copied().collect();
        failures.push((subject, differing, logs));
    }
    bar.finish_and_clear();
    println!(
        "{} programs, of which Tokio runs {dropped} differently the second time",
        programs.len()
    );
    for (subject, differing, _) in &failures {
        println!("{}: {} differ", subject.name(), differing.len());
    }
    if dropped * 100 > programs.len() * MAX_PERCENT_DROPPED {
        let first = (0..programs.len()).find(|i| !repeated.contains(i));
        let seed = seeds[first.expect("some were dropped")];
        return Err(format!(
            "more than {MAX_PERCENT_DROPPED} % of the programs are not deterministic on Tokio, seed \
             {seed} for one"
        ));
    }
    let Some((subject, differing, logs)) = failures.iter().find(|(_, list, _)| !list.is_empty())
    else {
        return Ok(true);
    };
    let shortest = differing
        .iter()
        .min_by_key(|&&i| reference[i].len())
        .expect("not empty");
    println!("\nseed {} on {}:", seeds[*shortest], subject.name());
    println!("tokio: {}", reference[*shortest]);
    println!("{}: {}", subject.name(), logs[*shortest]);
    let program = match args.no_shrink {
        true => programs[*shortest].clone(),
        false => shrunk(programs[*shortest].clone(), *subject)?,
    };
    show(&program, &[*subject])?;
    Ok(false)
}

/// A smaller program that still differs, though nothing can be left out of it.
fn shrunk(mut program: Program, subject: Subject) -> Result<Program, String> {
    let bar = ProgressBar::new_spinner();
    loop {
        let smaller = shrink::smaller(&program);
        bar.set_message(format!("shrinking: {} candidates", smaller.len()));
        let mut found = None;
        for candidates in smaller.chunks(64) {
            let tick = || bar.tick();
            let reference = child::run(Subject::Tokio, candidates, tick)?;
            let again = child::run(Subject::Tokio, candidates, tick)?;
            let logs = child::run(subject, candidates, tick)?;
            found = (0..candidates.len())
                .find(|&i| reference[i] == again[i] && reference[i] != logs[i])
                .map(|i| candidates[i].clone());
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(smaller) => program = smaller,
            None => {
                bar.finish_and_clear();
                return Ok(program);
            }
        }
    }
}

fn show(program: &Program, subjects: &[Subject]) -> Result<bool, String> {
    println!("{program:#?}");
    let one = std::slice::from_ref(program);
    println!("tokio: {}", child::run(Subject::Tokio, one, || ())?[0]);
    for &subject in subjects {
        let log = &child::run(subject, one, || ())?[0];
        println!("{}: {log}", subject.name());
    }
    Ok(true)
}
