//! The server: accepts connections while there is a place for them, and ends in an orderly way.
#![forbid(unsafe_code)]

use super::address::Listeners;
use super::connection;
use super::connections::Connections;
use super::descriptors::Shares;
use super::log::Log;
use super::root::Root;
use super::shared::Shared;
use super::stop::Stop;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use yamanote::runtime::Handle;
use yamanote::sync::{Semaphore, watch};
use yamanote::task::JoinSet;
use yamanote::time::sleep;

/// How long running requests may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);

/// How long stopping may take before the user is told what it waits for.
const UNREMARKED: Duration = Duration::from_millis(200);

/// Directories listed at once; each needs a descriptor or two beyond those of its connection.
const LISTINGS: usize = 8;

/// How many requests are named when stopping waits for them.
const NAMED: usize = 5;

/// How the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every answer that was begun is complete, or its client has gone.
    Complete,
    /// This many connections were still open.
    CutOff(usize),
}

pub struct Server {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    stops: watch::Sender<bool>,
}

impl Server {
    pub fn new(root: Root, log: Log, shares: Shares, timeout: Duration) -> Server {
        Server {
            shared: Arc::new(Shared {
                root: Arc::new(root),
                log,
                connections: Connections::new(shares.connections),
                files: Arc::new(Semaphore::new(shares.files)),
                listings: Semaphore::new(LISTINGS),
                timeout,
            }),
            tasks: JoinSet::new(),
            stops: watch::Sender::new(false),
        }
    }

    /// Serves until Ctrl-C or SIGTERM.
    pub async fn run(mut self, hosts: &[(String, u16)], directory: &Path) -> io::Result<Outcome> {
        let listeners = Listeners::bind(hosts).await?;
        let mut stop = Stop::on_signals()?;
        let handle = Handle::current();
        for address in listeners.addresses()? {
            self.shared.log.announce(format!(
                "serving {} at http://{address} (driver {}, {} workers)",
                directory.display(),
                handle.driver(),
                handle.metrics().num_workers(),
            ));
        }
        yamanote::select! {
            () = self.accept_all(&listeners) => {}
            () = stop.asked() => {}
        }
        drop(listeners);
        Ok(self.finish(&mut stop).await)
    }

    async fn accept_all(&mut self, listeners: &Listeners) {
        let connections = Arc::clone(&self.shared.connections);
        loop {
            let accepted = listeners.accept().await;
            while self.tasks.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer)) => {
                    // Meanwhile the others wait in the kernel.
                    let place = connections.place().await;
                    let entry = connections.enter(peer, place);
                    let (shared, stops) = (Arc::clone(&self.shared), self.stops.subscribe());
                    self.tasks
                        .spawn(connection::serve(stream, peer, entry, shared, stops));
                }
                // The client is gone already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Other programs have taken the system's last descriptor, or its memory. Without
                // the pause this would spin.
                Err(error) => {
                    self.shared.log.complain(&format!(
                        "no connection can be accepted: {error}; trying again in a second"
                    ));
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Lets running requests end, as long as `GRACE` and the user allow.
    async fn finish(mut self, stop: &mut Stop) -> Outcome {
        self.stops.send_replace(true);
        let Server { shared, tasks, .. } = &mut self;
        let ended = async { while tasks.join_next().await.is_some() {} };
        yamanote::select! {
            biased;
            () = ended => {}
            () = stop.asked() => {}
            () = wait_aloud(shared) => {}
        }
        match tasks.len() {
            0 => Outcome::Complete,
            count => Outcome::CutOff(count),
        }
    }
}

/// Completes after `GRACE`, and meanwhile says what is waited for.
async fn wait_aloud(shared: &Shared) {
    sleep(UNREMARKED).await;
    let requests = shared.connections.requests();
    let mut waiting = match requests.len() {
        0 => "for connections to close".to_owned(),
        1 => "for 1 request to end".to_owned(),
        count => format!("for {count} requests to end"),
    };
    for (number, request) in requests.iter().take(NAMED).enumerate() {
        waiting.push_str(if number == 0 { ": " } else { ", " });
        waiting.push_str(request);
    }
    if requests.len() > NAMED {
        waiting.push_str(", ...");
    }
    shared.log.complain(&format!(
        "stopping; waiting up to {} s {waiting} (Ctrl-C again cuts off)",
        GRACE.as_secs()
    ));
    sleep(GRACE - UNREMARKED).await;
}
