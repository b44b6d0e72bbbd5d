//! `yamanote serve`: a static file server on the runtime's own sockets, files, signals and timers.
#![forbid(unsafe_code)]

mod address;
mod body;
mod conditions;
mod connection;
mod connections;
mod content_type;
mod date;
mod descriptors;
mod listing;
mod log;
mod page;
mod range;
mod root;
mod server;
mod service;
mod shared;
mod stop;

use crate::refusal;
use address::Address;
use log::Log;
use root::Root;
use server::{Outcome, Server};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use yamanote::runtime::{Builder, DriverChoice};

/// Serve the files of a directory over HTTP/1.1.
///
/// Answers GET and HEAD with content types, ETags, conditional requests and ranges; lists
/// directories that have no index.html. Nothing outside the directory is served. Ctrl-C stops
/// accepting and lets running requests end; a second one cuts them off.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    yamanote serve                              this directory, at http://127.0.0.1:8080\n  \
    yamanote serve /srv/www --port 9000 --log\n  \
    yamanote serve --addr localhost             at both addresses of that name, 127.0.0.1 and [::1]\n  \
    yamanote serve --addr 0.0.0.0:80            for other machines, too\n  \
    yamanote serve --addr '[::1]' --port 0 --driver epoll --workers 4\n\n\
    Exit status: 0 when every request was answered in full, 1 when some were cut off or the server\n\
    could not start, 2 for wrong arguments.")]
pub struct Args {
    /// The directory to serve
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Name or address to listen on, with or without a port; may be given several times
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST[:PORT]")]
    addr: Vec<Address>,
    /// Port to listen on; 0 takes a free one [default: 8080]
    #[arg(long, short, value_name = "PORT")]
    port: Option<u16>,
    /// The driver: auto, uring or epoll (YAMANOTE_DRIVER overrides it)
    #[arg(long, default_value = "auto", value_name = "DRIVER")]
    driver: DriverChoice,
    /// Worker threads [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Connections served at once; more wait for their turn [default: what the limit on open files
    /// leaves room for, at most 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: Option<u32>,
    /// Seconds after which a client that sends no request, or takes no bytes of its answer, is
    /// disconnected
    #[arg(long, default_value = "30", value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout: u32,
    /// Write a line per request to standard output
    #[arg(long)]
    log: bool,
    /// Follow symbolic links that lead out of the directory
    #[arg(long)]
    follow_links_outside: bool,
}

pub fn run(args: Args) -> ExitCode {
    let log = Log::new(args.log);
    let status = start(args, &log);
    log.flush();
    status
}

fn start(args: Args, log: &Log) -> ExitCode {
    let addresses = match address::with_ports(&args.addr, args.port) {
        Ok(addresses) => addresses,
        Err(why) => {
            log.complain(&why);
            return ExitCode::from(2);
        }
    };
    let root = match Root::open(&args.directory, args.follow_links_outside) {
        Ok(root) => root,
        Err(error) => {
            let hint = root::hint(&error);
            log.complain(&format!("{}: {error}{hint}", args.directory.display()));
            return ExitCode::from(2);
        }
    };
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().driver(args.driver);
    if let Some(workers) = args.workers {
        builder.worker_threads(usize::from(workers));
    }
    let limit = descriptors::raise_limit();
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = refusal::explain(&error);
            log.complain(&format!("the runtime does not start: {why}"));
            return ExitCode::FAILURE;
        }
    };
    let workers = runtime.metrics().num_workers();
    let shares = descriptors::shares(limit, workers, args.connections);
    let timeout = Duration::from_secs(args.timeout.into());
    let server = Server::new(root, log.clone(), shares, timeout);
    let result = runtime.block_on(server.run(&addresses, &args.directory));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::CutOff(count)) => {
            let connections = if count == 1 {
                "connection was"
            } else {
                "connections were"
            };
            log.complain(&format!("{count} {connections} cut off"));
            ExitCode::FAILURE
        }
        Err(error) => {
            log.complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
