//! The `yamanote` tool.
#![forbid(unsafe_code)]

mod doctor;
mod serve;
mod version;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// Tools around the Yamanote runtime.
#[derive(Parser)]
#[command(
    name = "yamanote",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        yamanote serve                          serve this directory at http://127.0.0.1:8080\n  \
        yamanote doctor                         which driver works here, and why\n  \
        YAMANOTE_DRIVER=epoll yamanote serve    the same without io_uring"
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Doctor(doctor::Args),
}

fn main() -> ExitCode {
    let mut command = Args::command();
    // Finding the driver out takes a system call or two, which other commands need not wait for.
    if std::env::args_os().any(|arg| arg == "--version" || arg == "-V") {
        command = command.version(version::text());
    }
    let args = Args::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    match args.command {
        Command::Serve(args) => serve::run(args),
        Command::Doctor(args) => doctor::run(args),
    }
}
