//! Threads for work that blocks, and for whatever else of the runtime needs a thread.
//!
//! [`BlockingPool`] belongs to the runtime and ends the pool; everybody else holds a [`Spawner`]. A
//! thread is started when there is a job and no idle thread, up to a limit, and ends when it has
//! been idle for long enough. `books` decides which thread does what, `pool` acts on that, `thread`
//! is one thread's life, `handles` who joins it, `job` what it is given to do.
#![forbid(unsafe_code)]

mod pool;

mod books;

mod handles;

mod thread;

mod job;

pub(crate) use pool::{BlockingPool, Spawner};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::runtime::task::Hook;

/// A hook of the runtime's builder.
pub(crate) type Callback = Arc<dyn Fn() + Send + Sync>;

/// Runs a thread's whole life, given as a closure, inside the runtime's context.
pub(crate) type Life = Box<dyn FnOnce(&mut dyn FnMut()) + Send>;

/// Gives a [`Life`] to each thread that is started. The life keeps the context alive, because a
/// thread may begin when the runtime is gone already; this does not, because the context keeps the
/// pool.
pub(crate) type Wrap = Arc<dyn Fn() -> Life + Send + Sync>;

/// The pool's settings.
pub(crate) struct Config {
    /// Threads for blocking jobs, beside the scheduler's workers.
    pub(crate) max_threads: usize,
    /// How long a thread stays without work.
    pub(crate) keep_alive: Duration,
    /// `None` for std's default.
    pub(crate) stack_size: Option<usize>,
    pub(crate) thread_name: Arc<dyn Fn() -> String + Send + Sync>,
    /// Called in each new thread, inside the runtime's context.
    pub(crate) after_start: Option<Callback>,
    /// Called in each thread before it ends, inside the runtime's context.
    pub(crate) before_stop: Option<Callback>,
    /// Told of each blocking job that is over.
    pub(crate) terminated: Option<Hook>,
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
