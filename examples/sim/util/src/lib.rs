//! A service that does jobs later, over lines of text.
//!
//! A client says `after 250 name payload`; the service says `accepted name` at once (or `refused
//! name`, if the client has too many) and, when the time has come and a worker was free, `done
//! name` and the payload. `cancel name` is answered by
//! `cancelled name` or `late name`. When the service is told to stop it takes no more, does what it
//! has accepted, says `bye` to every client, and ends.
#![forbid(unsafe_code)]

mod client;
mod connection;
mod lines;
mod pool;

use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use client::Client;

/// Mistakes that people make, one of which can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A worker takes one job for each notification, and of two at once it may see one.
    LostWakeUp,
    /// A connection has a token of its own, not a child of the service's.
    LostCancellation,
    /// A line is read by a future that forgets what it has read when another branch is ready first.
    HalfALine,
}

const WORKERS: usize = 3;

/// Serves until it is told to stop and all that was accepted is done.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    stop: CancellationToken,
    bug: Option<Bug>,
) -> io::Result<()> {
    let tracker = TaskTracker::new();
    let pool = Arc::new(pool::Pool::new(bug));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| tokio::spawn(pool::work(pool.clone())))
        .collect();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, _) = accepted?;
        let stop = match bug {
            Some(Bug::LostCancellation) => CancellationToken::new(),
            _ => stop.child_token(),
        };
        tracker.spawn(connection::serve(stream, pool.clone(), stop, bug));
    }
    tracker.close();
    tracker.wait().await;
    for worker in workers {
        worker.abort();
    }
    Ok(())
}

/// What a job costs a worker.
const WORK: Duration = Duration::from_millis(5);
