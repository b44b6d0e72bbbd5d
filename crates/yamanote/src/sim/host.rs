//! One machine of a simulation.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use yamanote_sim::{HostId, hosts};

use super::disk::Disk;
use super::ended::Kind;
use super::program::{Beginning, Flavour, Program};
use super::running::{self, Running};
use crate::sync::Notify;
use crate::util::poison::unpoisoned;

/// A machine of a simulation: see [`Sim::host`](super::Sim::host). A handle: clones are the same
/// host.
#[derive(Clone)]
pub struct Host {
    state: Arc<State>,
}

struct State {
    id: HostId,
    name: String,
    allows_panics: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    program: Option<Arc<Program>>,
    flavour: Flavour,
    /// Of the present life.
    crash: Arc<Notify>,
    /// It has crashed since it last began.
    has_crashed: bool,
    /// Counts pauses, so that the end of one ends no other.
    pauses: u64,
}

impl Host {
    pub(super) fn new(name: &str) -> Host {
        let state = State {
            id: hosts::add(name),
            name: name.to_owned(),
            allows_panics: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                program: None,
                flavour: Flavour::MultiThread { workers: 2 },
                crash: Arc::default(),
                has_crashed: false,
                pauses: 0,
            }),
        };
        Host {
            state: Arc::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        unpoisoned(self.state.inner.lock())
    }

    pub(super) fn id(&self) -> HostId {
        self.state.id
    }

    pub(super) fn tolerates_panics(&self) -> bool {
        // Relaxed: one thread of a simulation runs at a time.
        self.state.allows_panics.load(Relaxed)
    }

    /// Its name, which other hosts find it by.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Its address.
    pub fn ip(&self) -> Ipv4Addr {
        hosts::address(self.state.id)
    }

    /// Whether it runs a program.
    pub fn is_up(&self) -> bool {
        hosts::is_up(self.state.id)
    }

    // --- what it runs

    /// From its next start on, its program runs on a multi-thread runtime with so many workers. The
    /// default is two.
    #[must_use = "it is the same host, to go on with"]
    pub fn worker_threads(self, workers: usize) -> Host {
        assert!(workers > 0, "a runtime has a worker");
        self.lock().flavour = Flavour::MultiThread { workers };
        self
    }

    /// From its next start on, its program runs on a current-thread runtime.
    #[must_use = "it is the same host, to go on with"]
    pub fn current_thread(self) -> Host {
        self.lock().flavour = Flavour::CurrentThread;
        self
    }

    /// A panic on this host does not fail the run: it is a task's own affair, as it is outside.
    #[must_use = "it is the same host, to go on with"]
    pub fn allow_panics(self) -> Host {
        self.state.allows_panics.store(true, Relaxed);
        self
    }

    /// Starts the host with a program: the closure is called, and its future is run to its end, on
    /// a runtime of its own. A [restart](Self::restart) calls the closure again.
    ///
    /// Returns at once; the handle waits for the program's end. When the program has ended, so have
    /// its tasks, as at the end of a process.
    ///
    /// # Panics
    ///
    /// If the host is up.
    #[track_caller]
    pub fn start<P, F>(&self, mut program: P) -> Running<F::Output>
    where
        P: FnMut() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let (tell, running) = running::pair();
        let end = tell.clone();
        let begin = Box::new(move || {
            let tell = tell.clone();
            let future = program();
            let future = async move { tell.leave(Ok(future.await)) };
            Box::pin(future) as std::pin::Pin<Box<dyn Future<Output = ()>>>
        });
        self.replace(Program::new(begin, true, end));
        running
    }

    /// As [`start`](Self::start), for a future that is run once: a client, for one. The host cannot
    /// be restarted with it.
    ///
    /// # Panics
    ///
    /// If the host is up.
    #[track_caller]
    pub fn run<F>(&self, future: F) -> Running<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (tell, running) = running::pair();
        let end = tell.clone();
        let mut future = Some(future);
        let begin = Box::new(move || {
            let tell = tell.clone();
            let future = future.take().expect("a host that is not restarted");
            let future = async move { tell.leave(Ok(future.await)) };
            Box::pin(future) as std::pin::Pin<Box<dyn Future<Output = ()>>>
        });
        self.replace(Program::new(begin, false, end));
        running
    }

    #[track_caller]
    fn replace(&self, program: Arc<Program>) {
        assert!(!self.is_up(), "host {:?} is up", self.name());
        let before = self.lock().program.replace(program);
        if let Some(before) = before {
            before.give_up(self.name(), Kind::Replaced);
            before.tell();
        }
        self.begin();
    }

    /// Returns what is told when the program has begun.
    #[track_caller]
    fn begin(&self) -> Arc<Notify> {
        let mut inner = self.lock();
        let program = inner.program.clone();
        inner.crash = Arc::default();
        inner.has_crashed = false;
        let beginning = Beginning {
            name: self.state.name.clone(),
            program: program.expect("a host that is started has a program"),
            flavour: inner.flavour,
            crash: inner.crash.clone(),
            begun: Arc::default(),
        };
        drop(inner);
        let begun = beginning.begun.clone();
        beginning.start(self.state.id);
        begun
    }

    // --- what happens to it

    /// Ends all that runs there, at once. Nothing happens if nothing runs.
    ///
    /// To others the host is gone: connections are reset, or silent if the seed says so. Its
    /// futures are dropped where they wait, so their destructors run, but nothing that they do
    /// reaches the network or the disk. What was not synced may be lost.
    ///
    /// A thread that waits outside of the runtime never runs again.
    pub fn crash(&self) {
        if self.is_up() {
            hosts::crash(self.state.id);
            let mut inner = self.lock();
            inner.has_crashed = true;
            inner.crash.notify_one();
        }
    }

    /// Runs the host's program again, from its beginning. A host that is up crashes before.
    ///
    /// The future is ready when the program has begun; the host is started whether or not it is
    /// awaited to its end, but not before it is polled.
    ///
    /// # Panics
    ///
    /// If the host has never had a program, or one that can be [run](Self::run) only once.
    pub async fn restart(&self) {
        let program = self.lock().program.clone();
        let is_repeatable = program.as_ref().map(|program| program.is_repeatable);
        match is_repeatable {
            None => panic!("host {:?} was never started", self.name()),
            Some(false) => panic!("the program of host {:?} runs only once", self.name()),
            Some(true) => {}
        }
        self.crash();
        self.begin().notified().await;
    }

    /// Crashes the host, and restarts it after a time.
    ///
    /// # Panics
    ///
    /// As [`restart`](Self::restart).
    pub async fn bounce(&self, down_for: Duration) {
        self.crash();
        crate::time::sleep(down_for).await;
        self.restart().await;
    }

    /// Nothing runs there for a time, and then goes on as if nothing had been, but for the clocks.
    /// Returns at once. A longer pause that is on ends with this one.
    pub fn pause(&self, time: Duration) {
        let number = {
            let mut inner = self.lock();
            inner.pauses += 1;
            inner.pauses
        };
        hosts::set_paused(self.state.id, true);
        let host = self.clone();
        crate::spawn(async move {
            crate::time::sleep(time).await;
            host.end_pause(number);
        });
    }

    fn end_pause(&self, number: u64) {
        if self.lock().pauses == number {
            hosts::set_paused(self.state.id, false);
        }
    }

    /// Ends a [pause](Self::pause).
    pub fn resume(&self) {
        self.hold(false);
    }

    /// As a pause without a length; the last word counts.
    pub(super) fn hold(&self, is_paused: bool) {
        self.lock().pauses += 1;
        hosts::set_paused(self.state.id, is_paused);
    }

    /// Starts it if it has crashed, and has something that can be run again.
    pub(super) fn restart_if_crashed(&self) {
        let inner = self.lock();
        let program = inner.program.as_ref();
        if inner.has_crashed && program.is_some_and(|it| it.is_repeatable) {
            drop(inner);
            self.begin();
        }
    }

    /// Its disk.
    pub fn disk(&self) -> Disk {
        Disk::new(self.state.id)
    }

    /// A real directory for the host, which is not simulated: for what needs a file that programs
    /// outside of the simulation can see, or `mmap`.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn dir(&self) -> io::Result<PathBuf> {
        yamanote_sim::disk::dir(self.state.id)
    }

    /// Puts the host's wall clock (`SystemTime`) ahead of the others' by so many nanoseconds, or
    /// behind if they are negative. What measures time (`Instant`, timers) is not moved.
    pub fn skew(&self, nanoseconds: i64) {
        hosts::set_skew(self.state.id, nanoseconds);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.state.name)
            .finish_non_exhaustive()
    }
}
