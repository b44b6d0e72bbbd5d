//! `yamanote doctor`: what this machine offers to a runtime, or whether a project runs on Yamanote.
#![forbid(unsafe_code)]

pub mod binary;
mod files;
mod machine;
pub mod project;

use crate::output;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say which driver the runtime takes on this machine, and why.
///
/// Sets up a ring, asks the kernel what it knows, writes a temporary file through the runtime and
/// counts the operations that went through the ring. Exit status 0 if the runtime works, on either
/// driver.
///
/// With --binary it says which runtime a program was built with, Yamanote or Tokio. A process that
/// runs is named by `/proc/PID/exe`. Exit status 0 if it is Yamanote.
///
/// With --project it looks at a Cargo project instead: whether its Tokio is Yamanote, and if not,
/// what is in the way. Nothing is changed or downloaded. Exit status 0 if the next build runs on
/// Yamanote.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    yamanote doctor\n  \
    yamanote doctor --json | jq .driver\n  \
    YAMANOTE_DRIVER=epoll yamanote doctor\n  \
    yamanote doctor --project .\n  \
    yamanote doctor --binary /proc/1234/exe")]
pub struct Args {
    /// Print one JSON object instead of sentences
    #[arg(long)]
    json: bool,
    /// Look at the project in this directory, not at the machine
    #[arg(long, value_name = "PATH")]
    project: Option<PathBuf>,
    /// Look at this program, not at the machine
    #[arg(long, value_name = "FILE", conflicts_with = "project")]
    binary: Option<PathBuf>,
    /// What the project's builds pass to `cargo --config`: KEY=VALUE, or a file
    #[arg(long, value_name = "CONFIG", requires = "project")]
    config: Vec<String>,
}

pub fn run(args: Args) -> ExitCode {
    let (text, status) = match (&args.project, &args.binary) {
        (Some(path), _) => project::examine(path, &args.config, args.json),
        (None, Some(file)) => binary::examine(file, args.json),
        (None, None) => machine::examine(args.json),
    };
    output::print(&text, status)
}
