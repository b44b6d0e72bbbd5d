//! Threads for work that blocks, and for whatever else of the runtime needs a thread.
//!
//! [`BlockingPool`] belongs to the runtime and ends the pool; [`Spawner`] is what everybody else
//! holds. A thread is started when there is a job and no idle thread, up to a limit, and ends when it
//! has been idle for long enough. `books` says who does what, `pool` acts on it, `thread` is one
//! thread's life, `job` what it is given to do.
#![forbid(unsafe_code)]

mod pool;

mod books;

mod thread;

mod job;

pub(crate) use pool::{BlockingPool, Spawner};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A hook of the runtime's builder.
pub(crate) type Callback = Arc<dyn Fn() + Send + Sync>;

/// Runs a thread's whole life, given as a closure, inside the runtime's context.
pub(crate) type Life = Box<dyn FnOnce(&mut dyn FnMut()) + Send>;

/// Asked for a [`Life`] by whoever starts a thread. The life keeps the context alive, for a thread may
/// begin when the runtime is gone already; this does not, for the context keeps the pool.
pub(crate) type Wrap = Arc<dyn Fn() -> Life + Send + Sync>;

/// What the pool is told once.
pub(crate) struct Config {
    /// Threads for blocking jobs; the scheduler's workers come on top.
    pub(crate) max_threads: usize,
    /// How long a thread stays without work.
    pub(crate) keep_alive: Duration,
    /// `None`: what std takes.
    pub(crate) stack_size: Option<usize>,
    pub(crate) thread_name: Arc<dyn Fn() -> String + Send + Sync>,
    /// Called in each new thread, inside the runtime's context.
    pub(crate) after_start: Option<Callback>,
    /// Called in each thread before it ends, inside the runtime's context.
    pub(crate) before_stop: Option<Callback>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("max_threads", &self.max_threads)
            .field("keep_alive", &self.keep_alive)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
