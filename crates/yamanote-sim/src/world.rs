//! A simulated machine from outside: how it begins, what watches it, how it ends.

use crate::abi::tsc;
use crate::baton::{Baton, Threads};
use crate::kernel::host::{HostId, Life};
use crate::kernel::order::Order;
use crate::kernel::thread::{State, ThreadId};
use crate::kernel::trace::{Record, Trace};
use crate::kernel::{Kernel, Labels};
use crate::me;
use crate::raw;
use std::cell::UnsafeCell;
use std::panic::Location;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a run is made from.
#[derive(Debug)]
pub struct Config {
    pub seed: u64,
    /// `None`: the seed chooses.
    pub order: Option<Order>,
    /// What is done with the events.
    pub record: Record,
    /// How long a thread may run in real time without a call to the simulated machine.
    pub patience: Duration,
    /// How long the run may take, in virtual time; `None`: for ever.
    pub limit: Option<Duration>,
    /// The number of the processor that all threads of the world share; `None`: the one that the
    /// run begins on. Runs side by side want one each.
    pub processor: Option<usize>,
    /// Which threads of the kernel run those of the world. Nothing that happens depends on it.
    pub threads: Threads,
}

impl Config {
    pub fn new(seed: u64) -> Config {
        Config {
            seed,
            order: None,
            record: Record::Hash,
            patience: Duration::from_secs(20),
            limit: None,
            processor: None,
            threads: Threads::Carried,
        }
    }
}

/// A simulated machine.
pub struct World {
    /// Of the thread that has the baton.
    kernel: UnsafeCell<Kernel>,
    /// Changes whenever something happens. Relaxed: it is only compared with itself.
    progress: AtomicU64,
    /// The thread that has made progress last. Relaxed, as what follows is: a watch reads it when
    /// there has been none for long.
    last: AtomicU32,
    /// The thread that has last begun to poll a task, and where that was spawned.
    poller: AtomicU32,
    polled: AtomicPtr<Location<'static>>,
    labels: Labels,
    /// 1 when the run is over, which wakes the watch.
    is_over: AtomicU32,
    patience: Duration,
    seed: u64,
    /// The end of the first thread is that of the world.
    ends_with_first: AtomicBool,
    has_ended_badly: AtomicBool,
}

// SAFETY: the kernel is used by the thread that has the baton, of which there is one.
unsafe impl Sync for World {}

impl World {
    /// # Safety
    ///
    /// The calling thread has the baton, and no other reference.
    #[allow(clippy::mut_from_ref, reason = "the baton is what a borrow would be")]
    pub(crate) unsafe fn kernel(&self) -> &mut Kernel {
        // SAFETY: as the caller promises.
        unsafe { &mut *self.kernel.get() }
    }

    pub(crate) fn count_progress(&self, thread: ThreadId) {
        self.last.store(thread.0, Relaxed);
        self.progress.fetch_add(1, Relaxed);
    }

    /// The thread polls a task that was spawned there.
    pub(crate) fn note_poll(&self, thread: ThreadId, spawned_at: &'static Location<'static>) {
        self.poller.store(thread.0, Relaxed);
        let place = std::ptr::from_ref(spawned_at).cast_mut();
        self.polled.store(place, Relaxed);
    }

    /// Which thread does not go on.
    fn describe_last(&self) -> String {
        let last = self.last.load(Relaxed);
        let labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((host, thread)) = labels.get(last as usize) else {
            return String::new();
        };
        let mut text = format!("host {host:?}, thread {last} {thread:?}");
        // SAFETY: null, or a location, which lives as long as the program.
        let polled = unsafe { self.polled.load(Relaxed).as_ref() };
        if let (Some(place), true) = (polled, self.poller.load(Relaxed) == last) {
            text.push_str(&format!(
                ": the last task that it polled was spawned at {place}"
            ));
        }
        text
    }

    /// What a program has to know that knows nothing of the simulation.
    fn about_others(&self) -> &'static str {
        match self.is_adopted() {
            false => "",
            true => {
                "\n(the simulation began when the first runtime was built: threads that are older \
                 are outside of it. What they wake in it is not heard, and they are waited for in \
                 real time)"
            }
        }
    }

    /// Nobody can run, and nothing is due: the run ends here, and with it the process, because
    /// threads that wait cannot be unwound.
    pub(crate) fn nobody_can_run(&self) -> ! {
        // SAFETY: the caller had the baton and nobody has got it since.
        let kernel = unsafe { self.kernel() };
        let why = kernel.why_nobody_runs();
        self.fail(&format!("{}{}", why.trim_end(), self.about_others()))
    }

    /// By the thread whose stack that is, which has said so.
    pub(crate) fn a_stack_has_overflowed(&self) -> ! {
        let place = self.describe_last();
        self.fail(&format!("a stack has overflowed\n  {place}"))
    }

    /// Ends the process with a message and the exit code of a failed test.
    pub(crate) fn fail(&self, message: &str) -> ! {
        if !self.has_ended_badly.swap(true, SeqCst) {
            let text = format!("simulation, seed {}: {message}\n", self.seed);
            raw::complain(text.as_bytes());
        }
        // SAFETY: no pointers. What would run at an ordinary exit may wait for threads that wait.
        unsafe {
            raw::syscall(libc::SYS_exit_group, [101, 0, 0, 0, 0, 0]);
        }
        unreachable!("the process has ended")
    }

    /// Looks whether the run goes on, from a thread that has no part in it.
    fn watch(&self) {
        /// Looks that have to find nothing new. A process that was stopped, or whose machine was,
        /// has found nothing new once when it goes on, however long that has taken.
        const LOOKS: u32 = 16;
        let mut seen = self.progress.load(Relaxed);
        let mut in_vain = 0;
        while !self.is_over_within(self.patience / LOOKS) {
            let now = self.progress.load(Relaxed);
            if now != seen {
                seen = now;
                in_vain = 0;
                continue;
            }
            in_vain += 1;
            if in_vain == LOOKS {
                self.fail(&format!(
                    "a thread has neither waited nor let others run for {:?} of real time: a loop \
                     without an end, or a call that the machine does not answer\n  {}{}",
                    self.patience,
                    self.describe_last(),
                    self.about_others()
                ));
            }
        }
    }

    /// Sleeps for so long, whatever signals come, or until the run is over.
    fn is_over_within(&self, time: Duration) -> bool {
        let begin = Instant::now();
        loop {
            // SeqCst: its partner is the store in `end`.
            if self.is_over.load(SeqCst) == 1 {
                return true;
            }
            let left = time.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return false;
            }
            let at_most = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            raw::sleep_while(&self.is_over, 0, Some(at_most));
        }
    }
}

/// Held by the run of this process.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `experiment` as the first thread of a new world, outside every host, and returns its answer
/// when it has one. Threads that wait then wait for ever: a process has as a rule one run. It never
/// has two at a time: they would meet at the locks of what is global.
pub fn run<R: Send + 'static>(
    config: Config,
    experiment: impl FnOnce() -> R + Send + 'static,
) -> (std::thread::Result<R>, Trace) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    crate::pin::to_one_processor(config.processor);
    let (world, first) = World::new(config);
    let watch = world.clone().be_watched();
    let place = world.clone();
    // On a thread of its own: what is drawn for a thread once, its hash keys, is drawn in the
    // world.
    let thread = std::thread::Builder::new().name("sim".to_owned());
    let spawned = thread.spawn(move || {
        first.join(place);
        let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(experiment));
        let trace = me::current().expect("joined above").end_run();
        (answer, trace)
    });
    let ended = spawned.expect("a thread can be had").join();
    world.end();
    let _ = watch.join();
    ended.expect("the experiment's panic was caught")
}

/// Programs that were adopted.
static ADOPTIONS: AtomicU32 = AtomicU32::new(0);

/// The calling thread becomes the only one of the only host of a new world, until it ends. For a
/// program that is to be simulated without knowing it.
///
/// # Panics
///
/// If the thread is in a world.
pub fn adopt(config: Config) {
    assert!(me::current().is_none(), "this thread is simulated already");
    let (world, first) = World::new(config);
    world.ends_with_first.store(true, SeqCst);
    drop(world.clone().be_watched());
    first.join(world);
    let me = me::current().expect("joined above");
    me.inside(|kernel| {
        let host = kernel.add_host("localhost");
        // Relaxed: only the number matters. Lives of worlds side by side are told apart by it.
        let number = ADOPTIONS.fetch_add(1, Relaxed);
        let entry = kernel.host_mut(host);
        (entry.is_up, entry.life) = (true, number);
        kernel.thread_mut(me.id()).life = Life { host, number };
    });
}

/// The thread that has the baton when a world begins.
struct First(ThreadId, Arc<Baton>);

impl First {
    fn join(self, world: Arc<World>) {
        me::join_world(world, self.0, self.1, true);
        if !tsc::begin() {
            crate::note_as(HostId::DRIVER, "tsc", "the counter is the real one");
        }
    }
}

impl World {
    fn new(config: Config) -> (Arc<World>, First) {
        crate::abi::keep();
        let threads = config.threads.possible();
        let mut kernel = Kernel::new(config.seed, config.order, config.record, threads);
        let limit = config.limit.map(|limit| limit.as_nanos().try_into());
        kernel.limit = limit.and_then(Result::ok).unwrap_or(u64::MAX);
        let host = kernel.add_host("sim");
        debug_assert_eq!(host, HostId::DRIVER);
        let first = kernel.add_thread(Life { host, number: 0 }, "sim".to_owned());
        kernel.thread_mut(first).state = State::Running;
        let baton = kernel.thread(first).baton.clone();
        let labels = kernel.labels.clone();
        let world = Arc::new(World {
            kernel: UnsafeCell::new(kernel),
            progress: AtomicU64::new(0),
            last: AtomicU32::new(0),
            poller: AtomicU32::new(0),
            polled: AtomicPtr::default(),
            labels,
            is_over: AtomicU32::new(0),
            ends_with_first: AtomicBool::new(false),
            patience: config.patience,
            seed: config.seed,
            has_ended_badly: AtomicBool::new(false),
        });
        (world, First(first, baton))
    }

    /// By a thread outside of it.
    fn be_watched(self: Arc<Self>) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || self.watch())
    }

    /// Nobody runs in it any more.
    fn end(&self) {
        // SeqCst: its partner is the load in `is_over_within`.
        self.is_over.store(1, SeqCst);
        raw::wake_all(&self.is_over);
    }

    /// Whether it is a program that knows nothing of it, whose process is the real one.
    pub(crate) fn is_adopted(&self) -> bool {
        // SeqCst, without need of an order: written before any thread has joined.
        self.ends_with_first.load(SeqCst)
    }

    /// The thread of that number leaves. True if that is the end of the world.
    pub(crate) fn ends_with(&self, thread: ThreadId) -> bool {
        // SeqCst: written before the first thread has joined, which is this one.
        let ends = thread == ThreadId(0) && self.ends_with_first.load(SeqCst);
        if ends {
            self.end();
        }
        ends
    }
}

impl me::Me {
    /// Takes the trace, and leaves the world without handing on the baton.
    fn end_run(&self) -> Trace {
        let trace = self.inside(|kernel| std::mem::take(&mut kernel.trace));
        me::abandon();
        trace
    }
}
