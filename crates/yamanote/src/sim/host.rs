//! One machine of a simulation.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use yamanote_sim::signals::{self, Effect, End};
use yamanote_sim::{HostId, Moment, Rng, Stream, hosts, with_rng};

use super::disk::Disk;
use super::ended::Kind;
use super::program::{Beginning, Flavour, Program};
use super::running::{self, Running, Tell};
use crate::signal::unix::SignalKind;
use crate::sync::Notify;
use crate::task::JoinHandle;
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
    /// Of the present life, or the last: told at a crash, or if its process ends before its
    /// program does.
    crash: Arc<Notify>,
    /// How long after its end a program is started again by itself.
    restarts_after: Option<RangeInclusive<Duration>>,
    /// Waits for that end.
    supervisor: Option<JoinHandle<()>>,
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
                restarts_after: None,
                supervisor: None,
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

    /// From its next start on, a supervisor looks after its program, as systemd does if it is told
    /// to: when the program ends by itself, it is [started](Self::start) again after a time in this
    /// range. That is for programs that end when their disk fails. What has crashed stays down.
    ///
    /// The handle that `start` returns tells of the first end.
    #[must_use = "it is the same host, to go on with"]
    pub fn restarts_after(self, range: RangeInclusive<Duration>) -> Host {
        self.lock().restarts_after = Some(range);
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
            let future = leave(tell, program());
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
            let future = leave(tell, future.take().expect("a host that is not restarted"));
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
        // What is left of a life that the machine has ended.
        inner.crash.notify_one();
        let program = inner.program.clone();
        inner.crash = Arc::default();
        let ended = Arc::new(Notify::new());
        let beginning = Beginning {
            name: self.state.name.clone(),
            program: program.expect("a host that is started has a program"),
            flavour: inner.flavour,
            crash: inner.crash.clone(),
            begun: Arc::default(),
            ended: ended.clone(),
        };
        let after = inner.restarts_after.clone();
        let supervisor = after.map(|after| crate::spawn(self.clone().supervise(ended, after)));
        let before = std::mem::replace(&mut inner.supervisor, supervisor);
        drop(inner);
        if let Some(before) = before {
            before.abort();
        }
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
        hosts::crash(self.state.id);
        if hosts::has_crashed(self.state.id) {
            self.lock().crash.notify_one();
        }
    }

    /// Crashes the host at the next such moment: when what a program has written is not synced. If
    /// there is none for a time, nothing happens. Whether there was one.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the host does not crash by this any more.
    pub async fn crash_at(&self, moment: Moment, within: Duration) -> bool {
        if !self.is_up() {
            return false;
        }
        let trap = Trap { host: self };
        hosts::crash_at(self.state.id, Some(moment));
        let end = yamanote_sim::now().saturating_add(within);
        while self.is_up() && yamanote_sim::now() < end {
            crate::time::sleep(LOOKS).await;
        }
        drop(trap);
        hosts::has_crashed(self.state.id)
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

    /// Sends a signal to the host's process.
    ///
    /// Whoever listens there by [`signal`](crate::signal::unix::signal) or
    /// [`ctrl_c`](crate::signal::ctrl_c) hears it; nobody else does. If nobody ever has listened
    /// since the program began, it does what it does by default: `SIGINT`, `SIGTERM`, `SIGKILL` and
    /// most others end the process, `SIGSTOP` and its like [pause](Self::pause) the host until
    /// `SIGCONT`, and `SIGPIPE`, `SIGCHLD`, `SIGWINCH` and `SIGURG` do nothing. Nothing happens if
    /// nothing runs.
    ///
    /// A process ends otherwise than by a [crash](Self::crash): the kernel closes its connections,
    /// so that peers are told, and the disk keeps all that was written, synced or not. Its futures
    /// are dropped where they wait. The [handle](Running) answers with
    /// [`Ended::signal`](super::Ended::signal). [`restart`](Self::restart) runs the program again;
    /// [`Sim::heal`](super::Sim::heal) does not.
    ///
    /// # Panics
    ///
    /// If there is no such signal.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use yamanote::signal::unix::SignalKind;
    /// use yamanote::sim::Sim;
    /// # async fn serve_until_told_to_stop() {}
    ///
    /// #[yamanote::sim::test]
    /// async fn it_stops_in_good_order(sim: Sim) {
    ///     let server = sim.host("server");
    ///     let run = server.start(serve_until_told_to_stop);
    ///     sim.sleep(Duration::from_secs(5)).await;
    ///     server.signal(SignalKind::terminate());
    ///     run.await.unwrap();
    /// }
    /// ```
    pub fn signal(&self, kind: SignalKind) {
        let effect = signals::send(self.state.id, kind.as_raw_value());
        if matches!(effect, Effect::Stopped | Effect::Continued) {
            // No pause that is on ends that one.
            self.lock().pauses += 1;
        }
    }

    /// Interrupts the host's program as the user does at a terminal: [`signal`](Self::signal) with
    /// `SIGINT`.
    pub fn ctrl_c(&self) {
        self.signal(SignalKind::interrupt());
    }

    /// Its process has ended before its program has.
    pub(super) fn has_ended(&self, how: End) {
        let (crash, program) = {
            let inner = self.lock();
            (inner.crash.clone(), inner.program.clone())
        };
        if let Some(program) = program {
            let kind = match how {
                End::Exit(code) => Kind::Exited(code),
                End::Signal(signal) => Kind::Signalled(signal),
            };
            program.give_up(self.name(), kind);
            program.tell();
        }
        crash.notify_one();
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

    /// Whether it has a program that can be started again.
    pub(super) fn is_repeatable(&self) -> bool {
        let inner = self.lock();
        inner.program.as_ref().is_some_and(|it| it.is_repeatable)
    }

    /// Starts it if it has crashed, or has ended and is supervised.
    pub(super) fn restart_if_down(&self) {
        let is_supervised = self.lock().restarts_after.is_some();
        let is_meant_to_be_up = is_supervised || hosts::has_crashed(self.state.id);
        if !self.is_up() && is_meant_to_be_up && self.is_repeatable() {
            self.begin();
        }
    }

    async fn supervise(self, ended: Arc<Notify>, after: RangeInclusive<Duration>) {
        ended.notified().await;
        let nanos = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (least, most) = (nanos(after.start()), nanos(after.end()));
        let wait = with_rng(Stream::Chaos, |rng: &mut Rng| rng.between(least, most));
        crate::time::sleep(Duration::from_nanos(wait)).await;
        if !self.is_up() && !hosts::has_crashed(self.state.id) && self.is_repeatable() {
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

/// Between two looks of [`Host::crash_at`].
const LOOKS: Duration = Duration::from_millis(1);

/// A host that is to crash; no more when this is dropped.
struct Trap<'a> {
    host: &'a Host,
}

impl Drop for Trap<'_> {
    fn drop(&mut self) {
        hosts::crash_at(self.host.id(), None);
        if hosts::has_crashed(self.host.id()) {
            self.host.lock().crash.notify_one();
        }
    }
}

/// A program, which leaves its value if it ends before its life.
async fn leave<F: Future>(tell: Tell<F::Output>, program: F) {
    let value = program.await;
    if hosts::is_alive(hosts::current_life()) {
        tell.leave(Ok(value));
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.state.name)
            .finish_non_exhaustive()
    }
}
