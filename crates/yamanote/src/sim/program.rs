//! What a host runs, and the thread that it begins on.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yamanote_sim::{HostId, Life, hosts};

use super::ended::{Ended, Kind, panic_text};
use super::running::Tell;
use crate::runtime::{Builder, Runtime};
use crate::sync::Notify;
use crate::util::poison::unpoisoned;
use crate::util::spans::HostSpan;

/// Begins a program; called again for each life.
pub(super) type Begin = Box<dyn FnMut() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Who waits for the end of a program.
pub(super) trait End: Send + Sync {
    /// There will be no value.
    fn give_up(&self, ended: Ended);

    /// It has ended, if it has left a value.
    fn tell(&self);
}

impl<T: Send> End for Tell<T> {
    fn give_up(&self, ended: Ended) {
        self.leave(Err(ended));
    }

    fn tell(&self) {
        Tell::tell(self);
    }
}

/// What a host is given to run.
pub(super) struct Program {
    begin: Mutex<Begin>,
    end: Box<dyn End>,
    /// Whether it can be begun more than once.
    pub(super) is_repeatable: bool,
}

impl Program {
    pub(super) fn new(begin: Begin, is_repeatable: bool, end: impl End + 'static) -> Arc<Program> {
        Arc::new(Program {
            begin: Mutex::new(begin),
            end: Box::new(end),
            is_repeatable,
        })
    }

    pub(super) fn tell(&self) {
        self.end.tell();
    }

    pub(super) fn give_up(&self, host: &str, kind: Kind) {
        let host = host.to_owned();
        self.end.give_up(Ended { host, kind });
    }
}

/// The runtime that a program gets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Flavour {
    CurrentThread,
    MultiThread { workers: usize },
}

impl Flavour {
    /// Its threads are in `span`.
    fn build(self, span: HostSpan) -> io::Result<Runtime> {
        let mut builder = match self {
            Flavour::CurrentThread => Builder::new_current_thread(),
            Flavour::MultiThread { .. } => Builder::new_multi_thread(),
        };
        if let Flavour::MultiThread { workers } = self {
            builder.worker_threads(workers);
        }
        builder.on_thread_start(move || span.enter_for_good());
        builder.enable_all().build()
    }
}

/// What a host's present life is made of, as its first thread sees it.
pub(super) struct Beginning {
    pub(super) name: String,
    pub(super) program: Arc<Program>,
    pub(super) flavour: Flavour,
    /// Told at the crash.
    pub(super) crash: Arc<Notify>,
    /// Told when the program has begun.
    pub(super) begun: Arc<Notify>,
    /// Told when it has ended by itself.
    pub(super) ended: Arc<Notify>,
}

/// For how long the end of a program waits for what runs on the blocking pool.
const LAST_JOBS: Duration = Duration::from_secs(1);

impl Beginning {
    /// Starts the host.
    pub(super) fn start(self, host: HostId) -> Life {
        hosts::start(host, move || self.live())
    }

    fn live(self) {
        let life = hosts::current_life();
        let span = HostSpan::new(&self.name);
        span.enter_for_good();
        let runtime = match self.flavour.build(span) {
            Ok(runtime) => runtime,
            Err(error) => panic!("host {:?} has no runtime: {error}", self.name),
        };
        let crashed = AtomicBool::new(false);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let program = unpoisoned(self.program.begin.lock())();
                let program = tell_after_first_poll(program, &self.begun);
                crate::select! {
                    biased;
                    () = self.crash.notified() => crashed.store(true, Relaxed),
                    () = program => {}
                }
            });
        }));
        if let Err(panic) = ended {
            let message = panic_text(&*panic).to_owned();
            if hosts::is_alive(life) {
                self.program.give_up(&self.name, Kind::Panicked(message));
            }
        }
        match crashed.into_inner() {
            true => runtime.shutdown_background(),
            false => runtime.shutdown_timeout(LAST_JOBS),
        }
        let by_itself = hosts::is_alive(life);
        hosts::end(life);
        self.program.tell();
        if by_itself {
            self.ended.notify_one();
        }
    }
}

async fn tell_after_first_poll(mut future: Pin<Box<dyn Future<Output = ()>>>, told: &Notify) {
    let mut is_first = true;
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if std::mem::take(&mut is_first) {
            told.notify_one();
        }
        polled
    })
    .await;
}
