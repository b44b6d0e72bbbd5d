//! The life of one thread of the pool.
#![forbid(unsafe_code)]

use super::Callback;
use super::books::Stage;
use super::pool::Pool;
use crate::util::contained::{contained, drop_payload};
use std::any::Any;
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

/// Starts a thread. A panic on the way, of the function that names it or of std, becomes an error,
/// because the caller has books to keep.
pub(super) fn start(pool: Arc<Pool>, number: u64) -> io::Result<JoinHandle<()>> {
    catch_unwind(AssertUnwindSafe(|| try_start(pool, number))).unwrap_or_else(|payload| {
        let text = match message(&*payload) {
            Some(message) => format!("starting a thread panicked: {message}"),
            None => "starting a thread panicked".to_owned(),
        };
        drop_payload(payload);
        Err(io::Error::other(text))
    })
}

fn try_start(pool: Arc<Pool>, number: u64) -> io::Result<JoinHandle<()>> {
    let name = (pool.config.thread_name)();
    if name.contains('\0') {
        // std would panic.
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "thread name may not contain interior null bytes",
        ));
    }
    let mut builder = Builder::new().name(name);
    if let Some(bytes) = pool.config.stack_size {
        builder = builder.stack_size(bytes);
    }
    let life = pool.life();
    builder.spawn(move || {
        POOL.set(Arc::as_ptr(&pool).addr());
        // Dropped last of all, also if something here panics.
        let end = EndOfThread {
            pool: &pool,
            number,
            stage: Cell::new(Stage::Coming),
        };
        match life {
            Some(life) => life(&mut || live(&pool, &end.stage)),
            None => live(&pool, &end.stage),
        }
    })
}

fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
}

fn live(pool: &Pool, stage: &Cell<Stage>) {
    call(&pool.config.after_start);
    while let Some((job, kind)) = pool.next_job(stage.get()) {
        stage.set(Stage::Busy(kind));
        job.run();
    }
    stage.set(Stage::Leaving);
    call(&pool.config.before_stop);
}

fn call(hook: &Option<Callback>) {
    if let Some(hook) = hook {
        contained(|| hook());
    }
}

struct EndOfThread<'a> {
    pool: &'a Pool,
    number: u64,
    stage: Cell<Stage>,
}

impl Drop for EndOfThread<'_> {
    fn drop(&mut self) {
        self.pool.thread_ends(self.number, self.stage.get());
    }
}
