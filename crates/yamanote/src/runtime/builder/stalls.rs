//! The settings of the watchdog.
#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Builder;
use crate::runtime::config;
use crate::runtime::handle::Handle;
use crate::runtime::stall::{Registration, Rouser, Watchdog};
use crate::runtime::stalls::{Audience, Listener, Stall};
use crate::simulation;
use crate::sys::stack;

/// What the program wants.
#[derive(Clone)]
pub(super) struct Wishes {
    after: Duration,
    backtrace: bool,
    listener: Option<Listener>,
}

impl Wishes {
    pub(super) fn new() -> Wishes {
        Wishes {
            after: Duration::from_millis(200),
            backtrace: false,
            listener: None,
        }
    }
}

/// What is to be done.
pub(super) struct Plan {
    watchdog: &'static Watchdog,
    limit: Duration,
    with_stacks: bool,
    asked_for: bool,
}

impl Builder {
    /// How long a task may hold its worker up in one poll before that is called a stall. The
    /// default is 200 ms; zero turns the watchdog off.
    ///
    /// A task must not block: the tasks that wait for its worker wait too, and where all workers
    /// are blocked, or the only one is, so is everything. A stall is noticed after one to two of
    /// these limits, counted in [`RuntimeMetrics::stalls`](crate::runtime::RuntimeMetrics::stalls),
    /// and told to [`on_stall`](Self::on_stall), with the line where the task was spawned and what
    /// its thread is doing.
    ///
    /// All runtimes of the process share one thread for this, `yamanote-stalls`. It looks once in
    /// each limit while tasks run, and sleeps while none does. A poll costs nothing more for it. A
    /// thread that was kept from running, because the machine is busy, is not called stalled until
    /// it has computed for half the limit.
    ///
    /// The environment variable `YAMANOTE_STALL_MS` (milliseconds; `0` is off) overrides this for
    /// every runtime of the process. If it asks for the watchdog, and nobody listens
    /// ([`on_stall`](Self::on_stall), a subscriber of `tracing`), stalls are written to the
    /// standard error. An empty variable counts as unset.
    ///
    /// With the feature `tracing` each report is an event, of the level WARN and the target
    /// `yamanote::stall`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use yamanote::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread()
    ///     .stall_after(Duration::from_millis(50))
    ///     .on_stall(|stall| eprintln!("{stall}"))
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    pub fn stall_after(&mut self, limit: Duration) -> &mut Self {
        self.stalls.after = limit;
        self
    }

    /// Calls `f` when a stall is noticed, and again when it is over; see
    /// [`stall_after`](Self::stall_after).
    ///
    /// It is called on the watchdog's thread, outside of any runtime, so it works also when all
    /// workers are held up. While it runs nobody watches. A panic of `f` ends there.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::thread;
    /// use std::time::Duration;
    /// use yamanote::runtime::Builder;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let rt = Builder::new_current_thread()
    ///     .stall_after(Duration::from_millis(20))
    ///     .on_stall(move |stall| tell.send(stall.to_string()).unwrap())
    ///     .build()
    ///     .unwrap();
    /// # if std::env::var_os("YAMANOTE_STALL_MS").is_none() {
    /// rt.block_on(async {
    ///     // A sleep of the thread, where one of the task was meant.
    ///     thread::sleep(Duration::from_millis(200));
    /// });
    /// println!("{}", told.recv().unwrap());
    /// # }
    /// ```
    pub fn on_stall<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&Stall) + Send + Sync + 'static,
    {
        self.stalls.listener = Some(Arc::new(f));
        self
    }

    /// Whether the report of a stall has the stack of the thread that is held up. The default is
    /// `false`.
    ///
    /// With it the function that blocks is named, where the line of the spawn only says which task
    /// it is: [`Stall::stack`], and what a [`Stall`] is written as. Names of functions and lines
    /// need the feature `stall-backtrace`; without it the report has addresses for `addr2line`.
    ///
    /// # Mistakes to avoid
    ///
    /// A thread can be asked for its stack only by a signal (SIGURG), which interrupts what it
    /// waits in. Most system calls go on by themselves, and std goes on with the others (a sleep,
    /// for one). But `poll`, `epoll_wait`, and reads and writes of a socket with a time-out end
    /// with the error [`Interrupted`](io::ErrorKind::Interrupted), which a library may take for a
    /// failure; a thread that computes is not affected. Who handles SIGURG gets it too. Hence it is
    /// for looking for a fault, and off by default. A thread that does not answer within a second
    /// is reported without a stack; nobody watches meanwhile.
    ///
    /// The environment variable `YAMANOTE_STALL_BACKTRACE` (`1` or `0`) overrides this for every
    /// runtime of the process; `1` also has stalls that nobody listens to written to the standard
    /// error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::thread;
    /// use std::time::Duration;
    /// use yamanote::runtime::Builder;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let rt = Builder::new_current_thread()
    ///     .stall_after(Duration::from_millis(20))
    ///     .stall_backtrace(true)
    ///     .on_stall(move |stall| drop(tell.send(stall.clone())))
    ///     .build()
    ///     .unwrap();
    /// # if std::env::var_os("YAMANOTE_STALL_MS").is_none() {
    /// rt.block_on(async { thread::sleep(Duration::from_millis(500)) });
    /// let stall = told.recv().unwrap();
    /// println!("{stall}");
    /// println!("{} calls", stall.stack().unwrap().addresses().len());
    /// # }
    /// ```
    pub fn stall_backtrace(&mut self, is_wanted: bool) -> &mut Self {
        self.stalls.backtrace = is_wanted;
        self
    }

    /// `None` if nobody is to be watched.
    pub(super) fn plan_watch(&self) -> io::Result<Option<Plan>> {
        let asked = config::stall_limit()?;
        let asked_for_stacks = config::stall_backtrace()?;
        let limit = asked.unwrap_or(self.stalls.after);
        let with_stacks = asked_for_stacks.unwrap_or(self.stalls.backtrace);
        // In a simulation a poll takes no time, and one without end is noticed by the simulation.
        if limit.is_zero() || simulation::is_inside() {
            return Ok(None);
        }
        let watchdog = Watchdog::here();
        if with_stacks && watchdog.is_some() {
            stack::prepare()?;
        }
        Ok(watchdog.map(|watchdog| Plan {
            watchdog,
            limit,
            with_stacks,
            asked_for: asked.is_some() || asked_for_stacks == Some(true),
        }))
    }
}

impl Plan {
    /// What the workers are to have.
    pub(super) fn rouser(&self) -> &'static Rouser {
        self.watchdog.rouser()
    }

    /// From now on the runtime's workers, which have not begun, are watched.
    pub(super) fn begin(self, wishes: &Wishes, handle: &Handle) -> Registration {
        let parts = handle.parts();
        let audience = Audience {
            runtime: parts.id,
            runtime_name: parts.name.as_deref().map(Arc::from),
            stalls: parts.stalls.clone(),
            listener: wishes.listener.clone(),
            uses_stderr: self.asked_for,
        };
        let settings = audience.settings(self.limit, self.with_stacks);
        self.watchdog.watch(parts.scheduler.workers(), settings)
    }
}
