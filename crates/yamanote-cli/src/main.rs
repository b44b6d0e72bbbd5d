//! The `yamanote` tool.
#![forbid(unsafe_code)]

mod serve;
mod version;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tools around the Yamanote runtime.
#[derive(Parser)]
#[command(
    name = "yamanote",
    version = version::short(),
    long_version = version::long(),
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        yamanote serve .                        serve this directory at http://127.0.0.1:8080\n  \
        YAMANOTE_DRIVER=epoll yamanote serve .  the same without io_uring"
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Serve(args) => serve::run(args),
    }
}
