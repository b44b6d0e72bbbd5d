//! A lease in Redis: of several workers one at a time does the work, also when one of them is cut
//! off, or its answers are late.
//!
//! A worker has the lease for a time. It counts that time from before it asked, the server from
//! when it was asked: the worker stops before the server gives the lease to another.
#![forbid(unsafe_code)]

mod codec;
mod server;

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisResult, cmd};
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, timeout_at};

pub use server::serve;

/// Mistakes that people make, one of which can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Who has the lease writes until when, and the others look at their own clock on the wall.
    WallClock,
    /// The lease bears the worker's name, not one of its own: a late release ends the worker's
    /// next.
    SameToken,
    /// The work goes on when the lease is over.
    NoDeadline,
}

/// For how long a lease is given.
pub const TERM: Duration = Duration::from_millis(400);

pub struct Worker {
    client: Client,
    connection: Option<MultiplexedConnection>,
    name: String,
    bug: Option<Bug>,
}

/// A lease that the worker has.
struct Lease {
    token: String,
    until: Instant,
}

impl Worker {
    /// A worker that uses the server at that `host:port`.
    ///
    /// # Panics
    ///
    /// If that is no address.
    pub fn new(server: &str, name: &str, bug: Option<Bug>) -> Worker {
        Worker {
            client: Client::open(format!("redis://{server}")).expect("an address"),
            connection: None,
            name: name.to_owned(),
            bug,
        }
    }

    /// Does the work if the lease is to be had, and as long as it lasts: `work` is told until when.
    /// Whether it was done.
    pub async fn attempt<F: Future>(
        &mut self,
        work: impl FnOnce(Instant) -> F,
    ) -> Option<F::Output> {
        let lease = match self.acquire().await {
            Ok(Some(lease)) => lease,
            Ok(None) => return None,
            Err(_) => {
                self.connection = None;
                return None;
            }
        };
        let work = work(lease.until);
        let done = if self.bug == Some(Bug::NoDeadline) {
            Some(work.await)
        } else {
            timeout_at(lease.until, work).await.ok()
        };
        if self.release(&lease).await.is_err() {
            // It ends by itself.
            self.connection = None;
        }
        done
    }

    async fn connection(&mut self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let connection = self.client.get_multiplexed_async_connection().await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn acquire(&mut self) -> RedisResult<Option<Lease>> {
        let mut server = self.connection().await?;
        if self.bug == Some(Bug::WallClock) {
            return self.acquire_by_the_wall_clock(server).await;
        }
        let token = match self.bug {
            Some(Bug::SameToken) => self.name.clone(),
            _ => format!("{}-{:x}", self.name, fastrand::u64(..)),
        };
        let until = Instant::now() + TERM;
        let mut set = cmd("SET");
        let set = set.arg("lease").arg(&token).arg("NX").arg("PX");
        let answer: Option<String> = set
            .arg(TERM.as_millis() as u64)
            .query_async(&mut server)
            .await?;
        Ok(answer.map(|_| Lease { token, until }))
    }

    async fn acquire_by_the_wall_clock(
        &self,
        mut server: MultiplexedConnection,
    ) -> RedisResult<Option<Lease>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("it is later").as_millis();
        let until = Instant::now() + TERM;
        let old: Option<String> = cmd("GET").arg("lease").query_async(&mut server).await?;
        let mut set = cmd("SET");
        set.arg("lease");
        let token = format!("{} {}", now + TERM.as_millis(), self.name);
        set.arg(&token);
        match old.as_ref().map(|old| (old, old.split_once(' '))) {
            None => set.arg("NX"),
            Some((old, Some((end, _)))) if end.parse().is_ok_and(|end: u128| end < now) => {
                set.arg("IFEQ").arg(old)
            }
            Some(_) => return Ok(None),
        };
        let answer: Option<String> = set.query_async(&mut server).await?;
        Ok(answer.map(|_| Lease { token, until }))
    }

    /// Gives the lease back, if it is this one still.
    async fn release(&mut self, lease: &Lease) -> RedisResult<()> {
        let mut server = self.connection().await?;
        let mut delete = cmd("DELEX");
        let delete = delete.arg("lease").arg("IFEQ").arg(&lease.token);
        let _: i64 = delete.query_async(&mut server).await?;
        Ok(())
    }
}
