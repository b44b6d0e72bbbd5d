//! `Barrier`: tasks that wait for one another.
//!
//! Arrivals are counted and never taken back: the count divided by `n` is the generation, its last
//! arrival the leader. The leader says in a second word how many generations are complete, and that
//! is what the others wait for. No lock, unless somebody waits.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;

use crate::loom::sync::atomic::AtomicU64;
use crate::loom::sync::atomic::Ordering::{AcqRel, Acquire};
use crate::sync::Notify;
use crate::sync::cooperative::cooperative;
use crate::util::coop;
use crate::util::spans::{self, Resource, op_update, resource, state_update};

/// Lets `n` tasks wait until all of them have arrived, again and again.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use yamanote::sync::Barrier;
///
/// # #[yamanote::main]
/// # async fn main() {
/// let barrier = Arc::new(Barrier::new(4));
/// let tasks: Vec<_> = (0..4)
///     .map(|_| {
///         let barrier = barrier.clone();
///         yamanote::spawn(async move { barrier.wait().await.is_leader() })
///     })
///     .collect();
/// let mut leaders = 0;
/// for task in tasks {
///     leaders += usize::from(task.await.unwrap());
/// }
/// assert_eq!(leaders, 1);
/// # }
/// ```
pub struct Barrier {
    n: u64,
    arrived: AtomicU64,
    /// The number of generations that are complete.
    complete: AtomicU64,
    completed: Notify,
    resource: Resource,
}

impl Barrier {
    /// For `n` tasks. Zero is taken as one: nobody waits then.
    #[track_caller]
    pub fn new(n: usize) -> Barrier {
        let n = n.max(1);
        let resource = resource!(
            "tokio::sync::barrier",
            Location::caller(),
            concrete_type = "Barrier",
            kind = "Sync",
        );
        resource.in_scope(|| {
            state_update!(Resource::NONE, size = n);
            state_update!(Resource::NONE, arrived = 0);
        });
        Barrier {
            n: n as u64,
            arrived: AtomicU64::new(0),
            complete: AtomicU64::new(0),
            completed: Notify::new(),
            resource,
        }
    }

    /// Waits until `n` tasks, including this one, have arrived. All of them then see everything
    /// that each did before.
    ///
    /// The last to arrive does not wait; it is the leader of this round. The barrier can be used
    /// for the next round at once.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: once the future was polled the task has arrived, and is counted even if the
    /// future is dropped.
    pub async fn wait(&self) -> BarrierWaitResult {
        let arrive = || self.arrive_and_wait();
        spans::async_op(&self.resource, "Barrier::wait", "poll", false, arrive).await
    }

    async fn arrive_and_wait(&self) -> BarrierWaitResult {
        // AcqRel: each arrival sees what those before did, so the leader sees all.
        let arrival = self.arrived.fetch_add(1, AcqRel);
        let generation = arrival / self.n;
        state_update!(Resource::NONE, arrived = 1, arrived.op = "add");
        op_update!(arrived = true);
        if arrival % self.n == self.n - 1 {
            // A later generation's leader may have been faster. Pairs with the Acquire below.
            self.complete.fetch_max(generation + 1, AcqRel);
            self.completed.notify_waiters();
            op_update!(is_leader = true);
            return BarrierWaitResult(true);
        }
        if generation > 0 {
            // With Tokio a task that waits in a later round spends one unit more, and so may have
            // to yield.
            poll_fn(|cx| coop::poll_proceed(cx).map(|unit| unit.made_progress())).await;
        }
        cooperative(async {
            loop {
                // First register, then look: the call may be another generation's.
                let completed = self.completed.notified();
                if self.complete.load(Acquire) > generation {
                    return BarrierWaitResult(false);
                }
                completed.await;
            }
        })
        .await
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("n", &self.n)
            .field("arrived", &(self.arrived.load(Acquire) % self.n))
            .finish_non_exhaustive()
    }
}

/// What [`Barrier::wait`] returns: whether this task is the round's leader.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use yamanote::sync::Barrier;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// let barrier = Arc::new(Barrier::new(3));
/// let tasks: Vec<_> = (0..3)
///     .map(|_| {
///         let barrier = barrier.clone();
///         yamanote::spawn(async move { barrier.wait().await.is_leader() })
///     })
///     .collect();
/// let mut leaders = 0;
/// for task in tasks {
///     leaders += usize::from(task.await.unwrap());
/// }
/// assert_eq!(leaders, 1);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// `true` for exactly one task of a round, the one that arrived last.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}
