//! `yamanote try`: what would change if a project ran on Yamanote, found out on a copy of it.
#![forbid(unsafe_code)]

pub mod copy;
mod outcome;
mod report;
pub mod runner;
mod side;

use crate::doctor::project::{self, Cargo};
use crate::output;
use crate::switch::{self, Origin};
use indicatif::{ProgressBar, ProgressStyle};
use side::{Plan, Side};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Run a project's tests with Tokio and with Yamanote, and say what differs and what it costs.
///
/// Works on copies of the project in a directory for temporary files; the project itself stays as
/// it is. In one copy Tokio is left, in the other one Yamanote takes its place. Both are built, and
/// the tests run with Tokio, with Yamanote on io_uring and with Yamanote on epoll. Every test whose
/// result differs is listed. What a test program costs is its own wall time, CPU time and memory;
/// builds are not counted.
///
/// Where a test fails now and then, --runs 3 shows it. The tests are run as the user would run
/// them: if they need a service, start it first. Exit status 0 if no result differs.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    yamanote try                            the project in this directory\n  \
    yamanote try app --runs 3               each three times\n  \
    yamanote try app -- --release -p server what follows is for cargo test")]
pub struct Args {
    /// The project: a directory or its Cargo.toml
    #[arg(default_value = ".")]
    project: PathBuf,
    #[command(flatten)]
    origin: Origin,
    /// How often the tests are run with each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// A test program that takes longer is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Work in this directory, which must not exist yet, and keep it
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Let Cargo do without the network
    #[arg(long)]
    offline: bool,
    /// Arguments for `cargo test`
    #[arg(last = true)]
    cargo: Vec<String>,
}

pub fn run(args: &Args) -> ExitCode {
    match compare(args) {
        Ok((text, status)) => output::print(&text, status),
        Err(why) => {
            output::complain(&format!("yamanote try: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn compare(args: &Args) -> Result<(String, ExitCode), String> {
    let dir = &project::directory(&args.project)?;
    let place = Place::new(args.keep.as_deref())?;
    let plan = Plan::new(args, dir, &place.0)?;
    let bar = bar(&plan, args.runs);
    let step = |message: &str| {
        bar.inc(1);
        bar.set_message(message.to_owned());
    };

    bar.set_message("copying");
    let tokio = copy::copy(dir, &place.0.join("tokio"))?;
    // Both start from the same lock file; one that is missing is made here.
    let cargo = Cargo::new(&tokio, &[]);
    cargo.change(&["metadata", "--format-version", "1"], args.offline)?;
    let yamanote = copy::copy(&tokio, &place.0.join("yamanote"))?;
    switch::switch(&yamanote, &args.origin, args.offline)?;

    let mut sides = plan.sides(&tokio, &yamanote);
    for tree in [&tokio, &yamanote] {
        let of_tree = sides.iter_mut().filter(|it| it.dir == *tree);
        let mut of_tree: Vec<&mut Side> = of_tree.collect();
        step(&format!("building with {}", of_tree[0].runtime()));
        let took = plan.build(tree, of_tree[0].runtime())?;
        of_tree.iter_mut().for_each(|it| it.build = took);
    }
    for round in 1..=args.runs {
        for side in &mut sides {
            step(&format!(
                "tests with {} ({round} of {})",
                side.name, args.runs
            ));
            plan.test(side)?;
        }
    }
    bar.finish_and_clear();
    let differing = report::differing(&sides);
    let text = match args.json {
        true => report::as_json(dir, &sides, &differing),
        false => report::as_text(dir, &sides, &differing, &plan),
    };
    let status = match differing.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    place.leave(args.keep.is_some());
    Ok((text, status))
}

fn bar(plan: &Plan, runs: u32) -> ProgressBar {
    let steps = 2 + u64::from(runs) * plan.count();
    let bar = ProgressBar::new(steps).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}  {msg}")
            .expect("the template is well-formed"),
    );
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// The directory of the copies. It is removed in the end unless it is to be kept.
struct Place(PathBuf);

impl Place {
    fn new(keep: Option<&Path>) -> Result<Place, String> {
        let name = format!("yamanote-try-{}", std::process::id());
        let path = match keep {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(name),
        };
        let made = std::fs::create_dir(&path).and_then(|()| path.canonicalize());
        made.map(Place)
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    fn leave(mut self, keep: bool) {
        if keep {
            self.0 = PathBuf::new();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.is_absolute() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
