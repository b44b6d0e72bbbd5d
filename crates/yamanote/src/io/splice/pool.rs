//! Empty pipes for the copies of this process.
//!
//! A copy takes one for as long as there are bytes in it, which is rarely longer than a poll, so
//! there are about as many pipes as threads that copy at the same moment. When the last copy that
//! splices is gone, the pipes are closed.
#![forbid(unsafe_code)]

use std::io;
use std::sync::{Mutex, MutexGuard};

use crate::sys::fork::Origin;
use crate::sys::splice::Pipe;
use crate::util::poison::unpoisoned;

/// What a pipe should have room for. The kernel's limit for an unprivileged process; with the
/// default of 64 KiB a copy costs nearly twice as much.
pub(super) const CAPACITY: usize = 1024 * 1024;

/// With less room than this it is not worth the calls.
const LEAST_CAPACITY: usize = 64 * 1024;

/// Pipes kept for reuse. An unprivileged user may have 64 of a megabyte (`pipe-user-pages-soft`).
const MOST_IDLE: usize = 16;

static POOL: Mutex<Pool> = Mutex::new(Pool {
    origin: None,
    copies: 0,
    idle: Vec::new(),
});

struct Pool {
    /// Where the rest was made; a forked child has its parent's pipes, and starts anew.
    origin: Option<Origin>,
    copies: usize,
    idle: Vec<Pipe>,
}

fn lock() -> MutexGuard<'static, Pool> {
    let mut pool = unpoisoned(POOL.lock());
    if !pool.origin.is_some_and(Origin::is_here) {
        *pool = Pool {
            origin: Some(Origin::here()),
            copies: 0,
            idle: Vec::new(),
        };
    }
    pool
}

/// The right of one copy to use the pool.
#[derive(Debug)]
pub(crate) struct PipePool(Origin);

impl PipePool {
    pub(crate) fn new() -> PipePool {
        lock().copies += 1;
        PipePool(Origin::here())
    }

    /// An empty pipe.
    ///
    /// # Errors
    ///
    /// Those of pipe2(2), and [`OutOfMemory`](io::ErrorKind::OutOfMemory) if this user's pipes use
    /// so much memory already that a new one would be too small.
    pub(crate) fn take(&self) -> io::Result<Pipe> {
        let idle = lock().idle.pop();
        if let Some(pipe) = idle {
            return Ok(pipe);
        }
        let pipe = Pipe::new(CAPACITY)?;
        if pipe.capacity() < LEAST_CAPACITY {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(pipe)
    }

    /// Takes back a pipe that is empty.
    pub(crate) fn give_back(&self, pipe: Pipe) {
        let mut pool = lock();
        if self.0.is_here() && pool.idle.len() < MOST_IDLE && pipe.capacity() >= CAPACITY {
            pool.idle.push(pipe);
        }
    }
}

impl Drop for PipePool {
    fn drop(&mut self) {
        if !self.0.is_here() {
            return;
        }
        let mut pool = lock();
        pool.copies -= 1;
        if pool.copies == 0 {
            let idle = std::mem::take(&mut pool.idle);
            drop(pool);
            drop(idle);
        }
    }
}
