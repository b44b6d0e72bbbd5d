//! `yamanote serve`: a static file server on the runtime's own sockets, files and timers.
#![forbid(unsafe_code)]

mod body;
mod connection;
mod log;
mod page;
mod range;
mod root;
mod rt;
mod service;
mod stop;

use log::AccessLog;
use root::Root;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use stop::Stop;
use yamanote::net::TcpListener;
use yamanote::runtime::{Builder, DriverChoice};

/// Serve the files of a directory over HTTP/1.1.
///
/// Answers GET and HEAD with content types, ETags, conditional requests and ranges; lists
/// directories that have no index.html. Nothing outside the directory is served. Ctrl-C stops
/// accepting and lets running requests end; a second one ends the program at once.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    yamanote serve .\n  \
    yamanote serve /srv/www --addr 0.0.0.0:80 --log\n  \
    yamanote serve . --addr 127.0.0.1:0 --driver epoll --workers 4")]
pub struct Args {
    /// The directory to serve
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR:PORT")]
    addr: SocketAddr,
    /// The driver: auto, uring or epoll (YAMANOTE_DRIVER overrides it)
    #[arg(long, default_value = "auto", value_name = "DRIVER")]
    driver: DriverChoice,
    /// Worker threads [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Write a line per request to standard output
    #[arg(long)]
    log: bool,
    /// Follow symbolic links that lead out of the directory
    #[arg(long)]
    follow_links_outside: bool,
}

/// How long running requests may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);

pub fn run(args: Args) -> ExitCode {
    let root = match Root::open(&args.directory, args.follow_links_outside) {
        Ok(root) => root,
        Err(error) => {
            eprintln!("yamanote serve: {}: {error}", args.directory.display());
            return ExitCode::from(2);
        }
    };
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().driver(args.driver);
    if let Some(workers) = args.workers {
        builder.worker_threads(usize::from(workers));
    }
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("yamanote serve: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(serve(args, Arc::new(root)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("yamanote serve: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args, root: Arc<Root>) -> io::Result<()> {
    let listener = TcpListener::bind(args.addr).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => " (another program has this port: choose one with --addr)",
            io::ErrorKind::PermissionDenied => " (ports below 1024 need a privilege)",
            io::ErrorKind::AddrNotAvailable => " (no interface of this machine has this address)",
            _ => "",
        };
        io::Error::new(error.kind(), format!("{}: {error}{hint}", args.addr))
    })?;
    let mut stop = Stop::on_signals()?;
    let log = Arc::new(AccessLog::new(args.log));
    let handle = yamanote::runtime::Handle::current();
    log.announce(&format!(
        "serving {} at http://{} (driver {}, {} workers)",
        args.directory.display(),
        listener.local_addr()?,
        handle.driver(),
        handle.metrics().num_workers(),
    ));
    let connections = connection::Connections::default();
    loop {
        let accepted = yamanote::select! {
            accepted = listener.accept() => accepted,
            () = stop.asked() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(stream, peer, Arc::clone(&root), Arc::clone(&log));
            }
            // Descriptors have run out, or the client is gone already. Accepting goes on when there
            // is room again; without the pause this would spin.
            Err(error) => {
                eprintln!("yamanote serve: accept: {error}");
                yamanote::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    yamanote::select! {
        () = connections.close() => {}
        () = yamanote::time::sleep(GRACE) => {
            eprintln!("yamanote serve: requests still running after {GRACE:?} are cut off");
        }
        () = stop.asked() => {}
    }
    log.flush();
    Ok(())
}
