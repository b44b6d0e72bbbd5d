//! `yamanote race`: Yamanote and Tokio on the same work, from the same source, on this machine.
//!
//! The catalogue of what is measured is in `rows`. `subjects` builds one program with each runtime
//! from the sources in `race/`, and proves what is in it; `contest` runs them in turn, one process
//! per run, and for a server a `client` beside it. What comes out is a `report`, which `compare`
//! turns into verdicts, and `text`, `markdown` and `page` into something to look at.
#![forbid(unsafe_code)]

pub mod client;
mod compare;
mod contest;
mod cores;
mod machine;
mod markdown;
mod page;
mod place;
mod process;
mod report;
mod rows;
mod subjects;
mod text;

use crate::output;
use contest::{Contest, Times};
use cores::Cores;
use indicatif::{ProgressBar, ProgressStyle};
use report::{Contestant, Report};
use rows::{Flavor, ROWS, Row, Variant};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Measure Yamanote against Tokio 1.54.1, from the same source, on this machine.
///
/// Builds one program with each runtime and runs them in turn, one process per run. In each pair
/// Tokio runs twice: what its two runs differ by is the noise, and what differs by less is called
/// equal. Every answer is checked. Prints a table, and writes race.json with all figures and
/// race.html with plots.
///
/// A cost is Yamanote / Tokio, lower is better; CPU is user and system time of the whole process.
/// Run it on an idle machine: without --quick it takes about half an hour.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    yamanote race --quick                       a choice of rows in a minute\n  \
    yamanote race --only echo --pairs 9         rows whose title contains it\n  \
    yamanote race --peers --flavor current_thread\n  \
    yamanote race --from target/race/race.json --markdown\n  \
    yamanote race --from their.json --out .     the page of another machine's race\n  \
    yamanote race --profile yamanote --only 'lone yield' --flavor current_thread \\\n      \
      --wrap 'perf stat -e instructions:u'\n\n\
    YAMANOTE_DRIVER=epoll yamanote race ...     the same without io_uring")]
pub struct Args {
    /// A choice of rows, shorter and with three pairs: within a minute, once it is built
    #[arg(long)]
    quick: bool,
    /// Only rows whose title contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Only this flavour
    #[arg(long, value_name = "FLAVOUR")]
    flavor: Option<Flavor>,
    /// Pairs of runs per row [default: 5, with --quick 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=101))]
    pairs: Option<u32>,
    /// Multiply the work and the time of every run
    #[arg(long, value_parser = positive)]
    scale: Option<f64>,
    /// Beside current_thread monoio and compio too, each in its own API: a thread per core, no
    /// tasks that are `Send`
    #[arg(long, conflicts_with = "profile")]
    peers: bool,
    /// The rows with a stopped clock, which need a build with Tokio's `test-util`
    #[arg(long)]
    paused: bool,
    /// Print the titles of the rows and measure nothing
    #[arg(long)]
    list: bool,
    /// Print the table as Markdown
    #[arg(long)]
    markdown: bool,
    /// Print the report as JSON instead of a table
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Where the report is written [default: target/race in the source tree]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the files of the rows are, 70 MB [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the report of an earlier race and measure nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "only", "list", "profile"])]
    from: Option<PathBuf>,
    /// Run each row once on one runtime, with its output, for a profiler
    #[arg(long, value_name = "RUNTIME")]
    profile: Option<Profiled>,
    /// Start the programs by this command
    #[arg(long, value_name = "COMMAND", default_value = "")]
    wrap: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Profiled {
    Yamanote,
    Tokio,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= 1000.0 => Ok(number),
        _ => Err("a number above 0 and up to 1000".to_owned()),
    }
}

pub fn run(args: &Args) -> ExitCode {
    match race(args) {
        Ok((text, status)) => output::print(&text, status),
        Err(why) => {
            output::complain(&format!("yamanote race: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// What to print, and the exit status: 0 unless a row failed.
fn race(args: &Args) -> Result<(String, ExitCode), String> {
    if let Some(file) = &args.from {
        let report = read(file)?;
        return finish(args, &report);
    }
    let rows = args.rows();
    if rows.is_empty() {
        return Err(format!(
            "no row's title contains {:?}; --list names them",
            args.only
        ));
    }
    if args.list {
        return Ok((list(&rows), ExitCode::SUCCESS));
    }
    let root = subjects::source_tree()?;
    let mut contest = args.contest(&root)?;
    if args.profile.is_some() {
        for (row, variant) in &rows {
            contest.profile(row, *variant)?;
        }
        return Ok((String::new(), ExitCode::SUCCESS));
    }
    let mut report = args.empty_report(&root, &contest);
    measure(&mut contest, &rows, &mut report);
    let proofs = contest.subjects.into_iter().map(|subject| subject.proof);
    report.proofs = proofs.collect();
    finish(args, &report)
}

impl Args {
    fn rows(&self) -> Vec<(&'static Row, Variant)> {
        let with_variants = |row: &'static Row| {
            let variants = row.variants(self.quick).iter();
            variants.map(move |variant| (row, *variant))
        };
        ROWS.iter()
            .filter(|row| row.title.contains(&self.only))
            .filter(|row| row.is_quick || !self.quick)
            .filter(|row| row.is_paused == self.paused)
            .flat_map(with_variants)
            .filter(|(_, variant)| self.flavor.is_none_or(|only| only == variant.flavor))
            .collect()
    }

    fn contest(&self, root: &Path) -> Result<Contest, String> {
        let wanted = match self.profile {
            Some(Profiled::Yamanote) => vec![Contestant::Yamanote],
            Some(Profiled::Tokio) => vec![Contestant::Tokio],
            None if self.peers => vec![
                Contestant::Tokio,
                Contestant::Yamanote,
                Contestant::Monoio,
                Contestant::Compio,
            ],
            None => vec![Contestant::Tokio, Contestant::Yamanote],
        };
        let mut built = Vec::new();
        for contestant in wanted {
            built.push(subjects::build(root, contestant, self.paused)?);
        }
        let dir = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let place = place::Place::create(&dir);
        let scale = self.scale.unwrap_or(1.0);
        let time = |long: u64, quick: u64| {
            let millis = if self.quick { quick } else { long };
            Duration::from_millis(millis).mul_f64(scale)
        };
        Ok(Contest {
            subjects: built,
            place: place.map_err(|error| format!("{}: {error}", dir.display()))?,
            cores: Cores::read().map_err(|error| format!("the cores of this process: {error}"))?,
            pairs: self.pairs.unwrap_or(if self.quick { 3 } else { 5 }),
            scale: scale * if self.quick { 0.25 } else { 1.0 },
            times: Times {
                warm_up: time(200, 100),
                measured: time(900, 300),
                idle: time(3000, 500),
            },
            wrapper: self.wrap.split_whitespace().map(str::to_owned).collect(),
            descriptors: raise_descriptors(),
            left_out: Vec::new(),
        })
    }

    fn empty_report(&self, root: &Path, contest: &Contest) -> Report {
        let args = std::env::args().skip(1).map(|arg| match arg.contains(' ') {
            true => format!("'{arg}'"),
            false => arg,
        });
        Report {
            date: httpdate::fmt_http_date(SystemTime::now()),
            command: format!("yamanote {}", args.collect::<Vec<_>>().join(" ")),
            machine: machine::look(root, contest.place.dir()),
            proofs: Vec::new(),
            pairs: contest.pairs,
            placement: contest.cores.in_words(),
            rows: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

/// As many as this process may allow itself, and with it those that it starts.
fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    now.unwrap_or(u64::MAX)
}

fn measure(contest: &mut Contest, rows: &[(&Row, Variant)], report: &mut Report) {
    let runs = rows
        .iter()
        .map(|(row, variant)| contest.runs(row, *variant));
    let bar = ProgressBar::new(runs.sum()).with_style(
        ProgressStyle::with_template("{bar:30} {percent:>3} %  {eta} left  {msg}")
            .expect("the template is well-formed"),
    );
    bar.enable_steady_tick(Duration::from_millis(500));
    for (row, variant) in rows {
        bar.set_message(format!("{} ({})", row.title, variant.flavor.name()));
        match contest.measure(row, *variant, || bar.inc(1)) {
            Ok(measured) => report.rows.push(measured),
            Err(skipped) => contest.left_out.push(skipped),
        }
        for skipped in contest.left_out.drain(..) {
            bar.suspend(|| output::complain(&text::skipped(&skipped)));
            report.skipped.push(skipped);
        }
    }
    bar.finish_and_clear();
}

fn list(rows: &[(&Row, Variant)]) -> String {
    let mut text = String::new();
    let mut last = "";
    for (row, _) in rows {
        if row.title != last {
            text += &format!("{}\n", row.title);
            last = row.title;
        }
    }
    text
}

fn read(file: &Path) -> Result<Report, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Writes the report, and tells it.
fn finish(args: &Args, report: &Report) -> Result<(String, ExitCode), String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())? + "\n";
    let written = match (&args.out, &args.from) {
        (None, Some(_)) => String::new(),
        (Some(out), _) => write(out, report, &json)?,
        (None, None) => write(&subjects::source_tree()?.join("target/race"), report, &json)?,
    };
    let text = match args {
        Args { json: true, .. } => json,
        Args { markdown: true, .. } => markdown::of(report),
        _ => text::of(report) + &written,
    };
    let is_failure = report.skipped.iter().any(|skipped| skipped.is_failure);
    match is_failure {
        true => Ok((text, ExitCode::FAILURE)),
        false => Ok((text, ExitCode::SUCCESS)),
    }
}

/// Writes the files, and returns the sentence that says where.
fn write(out: &Path, report: &Report, json: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", out.display());
    std::fs::create_dir_all(out).map_err(failed)?;
    let (figures, page) = (out.join("race.json"), out.join("race.html"));
    std::fs::write(&figures, json).map_err(failed)?;
    std::fs::write(&page, page::of(report)).map_err(failed)?;
    Ok(format!(
        "\nAll figures: {}\nA page with plots: {}\n",
        figures.display(),
        page.display()
    ))
}
