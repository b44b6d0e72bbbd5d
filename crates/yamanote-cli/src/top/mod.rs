//! `yamanote top`: what a running program's runtimes do, live.
#![forbid(unsafe_code)]

mod client;
mod figures;
mod find;
mod screen;
mod snapshot;
mod text;
mod view;

use crate::output;
use client::Answer;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use view::{Arrangement, History, Sort, View};

/// Show what a running program does: its workers, tasks, rings, timers and threads.
///
/// The program must have a console: it was started with YAMANOTE_CONSOLE=1, or builds its runtime
/// with Builder::console(true). Without PID it is the only such program of this user, or one to be
/// chosen from a list. If standard output is no terminal, the view is printed once, as text.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    YAMANOTE_CONSOLE=1 my-server &\n  \
    yamanote top $!\n  \
    yamanote top --once --filter src/client.rs\n  \
    yamanote top --json | jq '.runtimes[].workers[].polls'")]
pub struct Args {
    /// The process to look into
    pid: Option<u32>,
    /// The console's socket, if it is not where consoles are looked for
    #[arg(long, value_name = "PATH", conflicts_with = "pid")]
    socket: Option<PathBuf>,
    /// Seconds from one look to the next; rates are counted over this time
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// Print the view once, as text
    #[arg(long)]
    once: bool,
    /// Print one snapshot as JSON, as the program gives it (docs/console.md)
    #[arg(long, conflicts_with = "once")]
    json: bool,
    /// What tasks are sorted by
    #[arg(long, value_name = "COLUMN", default_value = "count")]
    sort: Sort,
    /// Show only tasks whose place or name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
}

pub fn run(args: Args) -> ExitCode {
    let arrangement = Arrangement {
        sort: args.sort,
        is_reversed: false,
        filter: args.filter.clone(),
    };
    let result = find_console(&args).and_then(|path| match (args.json, args.once) {
        (true, _) => client::ask(&path).map(|answer| format!("{}\n", answer.text)),
        (_, once) if once || !io::stdout().is_terminal() => {
            look(&path, args.interval, &arrangement)
        }
        _ => screen::run(path, args.interval, arrangement).map(|()| String::new()),
    });
    match result {
        Ok(text) => output::print(&text, ExitCode::SUCCESS),
        Err(error) => {
            output::complain(&format!("yamanote top: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn find_console(args: &Args) -> Result<PathBuf, String> {
    match (&args.socket, args.pid) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(pid)) => find::of_process(pid),
        (None, None) => find::only_one(choose),
    }
}

/// Lets the user choose; without a terminal it is an error that lists them.
fn choose(programs: &[find::Program]) -> Result<usize, String> {
    let list: String = programs
        .iter()
        .map(|program| format!("  {:>8}  {}\n", program.pid, program.name))
        .collect();
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(format!(
            "several programs have a console; name one:\n{}",
            list.trim_end()
        ));
    }
    let question = format!("Several programs have a console:\n{list}PID: ");
    output::print(&question, ExitCode::SUCCESS);
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| format!("standard input: {error}"))?;
    let answer = line.trim();
    programs
        .iter()
        .position(|program| program.pid.to_string() == answer)
        .ok_or_else(|| format!("{answer:?} is not one of them"))
}

/// Two snapshots, so that there are rates.
fn look(
    path: &std::path::Path,
    interval: Duration,
    arrangement: &Arrangement,
) -> Result<String, String> {
    let first: Answer = client::ask(path)?;
    thread::sleep(interval);
    let second = client::ask(path)?;
    let mut history = History::default();
    history.add(first.snapshot);
    let view = View::new(&history, &second.snapshot, arrangement);
    Ok(text::render(&view))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds")?;
    match (0.05..=3600.0).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err("expected between 0.05 and 3600 seconds".to_owned()),
    }
}
