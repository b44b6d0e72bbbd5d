//! The life of one thread of the pool.
#![forbid(unsafe_code)]

use super::Callback;
use super::pool::{From, Mode, Pool};
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

thread_local! {
    /// The address of the pool this thread belongs to; 0 for none.
    static POOL: Cell<usize> = const { Cell::new(0) };
}

/// True on a thread of `pool`.
pub(super) fn is_of(pool: &Arc<Pool>) -> bool {
    POOL.try_with(Cell::get) == Ok(Arc::as_ptr(pool).addr())
}

pub(super) fn start(pool: Arc<Pool>, number: u64) -> io::Result<JoinHandle<()>> {
    // User code, and this thread has books to keep.
    let name = catch_unwind(AssertUnwindSafe(|| (pool.config.thread_name)()))
        .map_err(|_| io::Error::other("the builder's thread_name function panicked"))?;
    let mut builder = Builder::new().name(name);
    if let Some(bytes) = pool.config.stack_size {
        builder = builder.stack_size(bytes);
    }
    builder.spawn(move || {
        POOL.set(Arc::as_ptr(&pool).addr());
        // Last of all, also if something here should panic.
        let ends = Ends {
            pool: &pool,
            number,
            was_told: Cell::new(false),
        };
        match pool.wrap() {
            Some(wrap) => wrap(&mut || live(&pool, &ends.was_told)),
            None => live(&pool, &ends.was_told),
        }
    })
}

fn live(pool: &Pool, was_told_to_end: &Cell<bool>) {
    call(&pool.config.after_start);
    let mut from = From::Start;
    while let Some((job, mode)) = pool.next_job(from) {
        from = match job.is_worker() {
            true => From::Worker,
            false => From::Blocking,
        };
        match mode {
            Mode::Normal => job.run(),
            Mode::Shutdown => job.run_at_shutdown(),
        }
    }
    was_told_to_end.set(true);
    call(&pool.config.before_stop);
}

/// Calls a hook. Its panic was printed by the panic hook and is nobody else's business.
fn call(hook: &Option<Callback>) {
    if let Some(hook) = hook {
        let _ = catch_unwind(AssertUnwindSafe(|| hook()));
    }
}

struct Ends<'a> {
    pool: &'a Pool,
    number: u64,
    was_told: Cell<bool>,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.pool.thread_ends(self.number, self.was_told.get());
    }
}
