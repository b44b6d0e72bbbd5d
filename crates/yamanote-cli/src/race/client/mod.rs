//! The client of the servers that race: its own process, one thread, epoll, no runtime.
//!
//! It connects, asks one question on each connection, and then keeps one under way on each: first
//! uncounted, then for the measured time. Every byte of every answer is checked. What the server
//! used meanwhile is read from outside, by the clock of its process.
#![forbid(unsafe_code)]

mod backend;
mod bulk;
mod connect;
mod exchange;
mod load;
mod script;
mod server;

use super::rows::Script;
use crate::output;
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The client of `yamanote race`.
#[derive(clap::Args, Clone)]
#[command(hide = true)]
pub struct Args {
    #[arg(long)]
    script: Script,
    /// Where the server listens, on 127.0.0.1
    #[arg(long)]
    port: u16,
    /// The server
    #[arg(long)]
    pid: i32,
    #[arg(long)]
    connections: usize,
    /// Of a message or of a piece of the file, in bytes
    #[arg(long)]
    size: usize,
    /// The file that the server sends from
    #[arg(long)]
    file: PathBuf,
    #[arg(long)]
    warm_up_ms: u64,
    #[arg(long)]
    measure_ms: u64,
}

impl Args {
    fn warm_up(&self) -> Duration {
        Duration::from_millis(self.warm_up_ms)
    }

    fn measured(&self) -> Duration {
        Duration::from_millis(self.measure_ms)
    }
}

pub fn run(args: Args) -> ExitCode {
    let found = match args.script {
        Script::Bulk => bulk::run(&args),
        Script::Idle | Script::Memory => wait(&args),
        _ => load::run(&args),
    };
    match found {
        Ok(found) => output::print(&format!("{found}\n"), ExitCode::SUCCESS),
        Err(error) => {
            output::complain(&format!("the client: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Connections that exist and do nothing.
fn wait(args: &Args) -> io::Result<Value> {
    let before = server::resident(args.pid)?;
    let load = load::Load::connected(args)?;
    // The server puts away what it used to accept them.
    std::thread::sleep(args.warm_up());
    let start = server::Usage::of(args.pid)?;
    std::thread::sleep(args.measured());
    let used = server::Usage::of(args.pid)?.since(&start);
    let after = server::resident(args.pid)?;
    drop(load);
    Ok(json!({
        "ops": used.wall.as_secs_f64(),
        "cpu_ns": used.cpu.as_nanos() as f64,
        "wall_ns": used.wall.as_nanos() as f64,
        "switches": used.switches,
        "bytes_per_op": after.saturating_sub(before) as f64 / args.connections as f64,
        "peak_rss_bytes": server::peak(args.pid)?,
    }))
}
