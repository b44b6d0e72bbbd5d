//! The `yamanote` tool.
#![forbid(unsafe_code)]

mod doctor;
mod mounts;
mod output;
mod race;
mod refusal;
mod serve;
mod simulate;
mod switch;
mod top;
mod trial;
mod version;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Tools around the Yamanote runtime.
#[derive(Parser)]
#[command(
    name = "yamanote",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        yamanote race --quick                   measure it against Tokio, here, in a minute\n  \
        yamanote serve                          serve this directory at http://127.0.0.1:8080\n  \
        yamanote doctor                         which driver works here, and why\n  \
        yamanote switch --mixed --dry-run       put it in the place of a project's Tokio\n  \
        yamanote sim                            a project's simulated tests, over many seeds\n  \
        yamanote top                            what a running program does, live\n  \
        YAMANOTE_DRIVER=epoll yamanote serve    the same without io_uring"
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Race(race::Args),
    #[command(hide = true)]
    RaceClient(race::client::Args),
    Serve(serve::Args),
    Sim(simulate::Args),
    Doctor(doctor::Args),
    Switch(switch::Args),
    Try(trial::Args),
    #[command(hide = true)]
    TryRunner(trial::runner::Args),
    Top(top::Args),
}

fn main() -> ExitCode {
    let mut command = Args::command();
    // Finding out the driver takes a system call or two, which other commands need not wait for.
    if std::env::args_os().any(|arg| arg == "--version" || arg == "-V") {
        command = command.version(version::text());
    }
    let args = command
        .try_get_matches()
        .and_then(|matches| Args::from_arg_matches(&matches));
    let args = match args {
        Ok(args) => args,
        // Help and version come this way too.
        Err(text) => return say(&text),
    };
    match args.command {
        Command::Race(args) => race::run(&args),
        Command::RaceClient(args) => race::client::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Sim(args) => simulate::run(&args),
        Command::Doctor(args) => doctor::run(args),
        Command::Switch(args) => switch::run(&args),
        Command::Try(args) => trial::run(&args),
        Command::TryRunner(args) => trial::runner::run(&args),
        Command::Top(args) => top::run(args),
    }
}

/// Prints clap's answer to the arguments, in colour where that is wanted.
fn say(text: &clap::Error) -> ExitCode {
    let status = ExitCode::from(u8::try_from(text.exit_code()).unwrap_or(1));
    match text.print().and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe && !text.use_stderr() => {
            output::complain(&format!("yamanote: standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => status,
    }
}
