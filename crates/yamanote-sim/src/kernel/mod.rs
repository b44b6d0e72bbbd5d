//! The state of a simulated machine, and what its threads ask of it.
//!
//! One thread of a world runs at a time, so nothing here is locked. A thread that has to wait says
//! for what ([`Kernel::wait_for`]), is blocked, and looks again when it has been woken. Time moves
//! when nobody can run, to the next thing that is due.
#![forbid(unsafe_code)]

pub(crate) mod alarm;
pub(crate) mod chance;
pub(crate) mod counter;
pub(crate) mod disk;
pub(crate) mod epoll;
pub(crate) mod files;
pub(crate) mod host;
pub(crate) mod net;
pub(crate) mod order;
pub(crate) mod pipe;
pub(crate) mod table;
pub(crate) mod thread;
pub(crate) mod timers;
pub(crate) mod trace;
pub(crate) mod trap;
mod waiters;

use self::chance::{Chance, Rng, Stream};
use self::host::{Host, HostId, Life};
use self::order::{Line, Order};
use self::thread::{Key, State, Thread, ThreadId};
use self::timers::{Timer, TimerId, Timers};
use self::trace::{Record, Trace};
use self::waiters::Waiters;
use crate::baton::{Baton, Threads};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a step of a runtime takes, in nanoseconds of virtual time.
const STEP_NS: u64 = 200;
/// What it takes to look at a clock: who looks until time has passed sees it pass.
const LOOK_NS: u64 = 20;

/// What would happen then does not: 292 years after the begin, of which a program that waits for
/// ever may name any.
const NEVER: u64 = i64::MAX as u64;

/// For how long nothing but the machine's own timers is to be due before that is a deadlock: longer
/// than any that TCP ends a connection with.
const HOPELESS_NS: u64 = 4 * 3600 * 1_000_000_000;

/// The host and the name of each thread, in the order of their numbers.
pub(crate) type Labels = Arc<Mutex<Vec<(String, String)>>>;

/// The state of a world. Whoever has the baton has it.
pub(crate) struct Kernel {
    /// Nanoseconds since the run began.
    pub(crate) now: u64,
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    pub(crate) hosts: Vec<Host>,
    pub(crate) threads: Vec<Thread>,
    pub(crate) files: files::Files,
    pub(crate) net: net::Net,
    pub(crate) disk: disk::Disk,
    /// Hosts and threads by name, for who watches from outside.
    pub(crate) labels: Labels,
    /// When a thread last began to run.
    last_run: u64,
    /// The host of threads to be made, if it is not their maker's.
    pub(crate) next_life: Option<Life>,
    run_by: Threads,
    line: Line,
    /// Threads that could run if their hosts were not paused.
    held: Vec<ThreadId>,
    waiters: Waiters,
    timers: Timers,
    /// Something may be due that is to happen before the present call returns.
    pub(crate) is_due_now: bool,
    /// Steps, and other calls, since the run began: what a watch outside looks at.
    pub(crate) steps: u64,
    /// Time does not move on beyond this.
    pub(crate) limit: u64,
}

impl Kernel {
    pub(crate) fn new(seed: u64, order: Option<Order>, record: Record, run_by: Threads) -> Kernel {
        let mut chance = Chance::new(seed);
        let order = order.unwrap_or_else(|| Order::drawn(chance.of(Stream::Order)));
        Kernel {
            now: 0,
            chance,
            trace: Trace::new(record),
            hosts: Vec::new(),
            threads: Vec::new(),
            files: files::Files::default(),
            net: net::Net::default(),
            disk: disk::Disk::default(),
            labels: Labels::default(),
            last_run: 0,
            next_life: None,
            run_by,
            line: Line::new(order),
            held: Vec::new(),
            waiters: Waiters::default(),
            timers: Timers::default(),
            is_due_now: false,
            steps: 0,
            limit: u64::MAX,
        }
    }

    // --- chance and trace

    pub(crate) fn rng(&mut self, stream: Stream) -> &mut Rng {
        self.chance.of(stream)
    }

    pub(crate) fn order(&self) -> Order {
        self.line.order()
    }

    /// Notes an event of `host`.
    pub(crate) fn note(
        &mut self,
        host: HostId,
        code: &'static str,
        numbers: &[u64],
        what: impl FnOnce() -> String,
    ) {
        self.trace.note(self.now, host, code, numbers, what);
    }

    // --- hosts

    pub(crate) fn add_host(&mut self, name: &str) -> HostId {
        let id = HostId(self.hosts.len() as u32);
        // The experiment's own is out of the way of the hosts'.
        let last = match id {
            HostId::DRIVER => 0xfffe,
            HostId(number) => number as u16,
        };
        let [high, low] = last.to_be_bytes();
        self.hosts.push(Host {
            name: name.to_owned(),
            address: Ipv4Addr::new(10, 0, high, low),
            life: 0,
            is_up: id == HostId::DRIVER,
            is_paused: false,
            skew_ns: 0,
            has_crashed: false,
            trap: None,
        });
        let address = self.host(id).address;
        self.note(id, "host", &[], || format!("name={name} address={address}"));
        id
    }

    pub(crate) fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0 as usize]
    }

    pub(crate) fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0 as usize]
    }

    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        let index = self.hosts.iter().position(|host| host.name == name)?;
        Some(HostId(index as u32))
    }

    /// Whether nothing that this life does reaches anybody any more.
    pub(crate) fn is_over(&self, life: Life) -> bool {
        let host = self.host(life.host);
        !host.is_up || host.life != life.number
    }

    /// The process that the life is ends, if it has not ended yet: what it had open is closed, and
    /// the disk keeps what was written. False if it had.
    pub(crate) fn end_life(
        &mut self,
        life: Life,
        code: &'static str,
        how: &[u64],
        what: impl FnOnce() -> String,
    ) -> bool {
        if self.is_over(life) {
            return false;
        }
        self.host_mut(life.host).is_up = false;
        let numbers: Vec<u64> = [u64::from(life.number)]
            .iter()
            .chain(how)
            .copied()
            .collect();
        self.note(life.host, code, &numbers, what);
        self.life_ended(life);
        true
    }

    /// The host's clock on the wall, in nanoseconds since 1970.
    pub(crate) fn wall_ns(&self, host: HostId) -> u64 {
        /// 2026-01-01T00:00:00Z.
        const BEGIN_NS: u64 = 1_767_225_600_000_000_000;
        (BEGIN_NS + self.now).saturating_add_signed(self.host(host).skew_ns)
    }

    // --- threads

    /// A thread that can run, once it is there.
    pub(crate) fn add_thread(&mut self, life: Life, name: String) -> ThreadId {
        let id = ThreadId(self.threads.len() as u32);
        let label = (self.host(life.host).name.clone(), name.clone());
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels.push(label);
        drop(labels);
        self.threads.push(Thread {
            life,
            name,
            state: State::Blocked,
            baton: Arc::new(Baton::new(self.run_by)),
            waits: Vec::new(),
            timeout: None,
            has_timed_out: false,
            handle: 0,
        });
        id
    }

    pub(crate) fn thread(&self, id: ThreadId) -> &Thread {
        &self.threads[id.0 as usize]
    }

    pub(crate) fn thread_mut(&mut self, id: ThreadId) -> &mut Thread {
        &mut self.threads[id.0 as usize]
    }

    pub(crate) fn name_thread(&mut self, id: ThreadId, name: String) {
        let mut labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels[id.0 as usize].1.clone_from(&name);
        drop(labels);
        self.thread_mut(id).name = name;
    }

    pub(crate) fn life_of(&self, id: ThreadId) -> Life {
        self.thread(id).life
    }

    // --- waiting

    /// To be called before a thread is blocked: a wake of `key` will wake it.
    pub(crate) fn wait_for(&mut self, thread: ThreadId, key: Key) {
        self.waiters.push(key, thread);
        self.thread_mut(thread).waits.push(key);
    }

    /// Wakes up to `most` of those that wait for `key`, first come, first served; returns how many.
    pub(crate) fn wake(&mut self, key: Key, most: usize) -> usize {
        let mut woken = 0;
        while woken < most {
            let Some(thread) = self.waiters.first(key) else {
                break;
            };
            self.make_ready(thread);
            woken += 1;
        }
        woken
    }

    /// Takes the thread out of every line it waits in.
    pub(crate) fn forget_waits(&mut self, thread: ThreadId) {
        let entry = &mut self.threads[thread.0 as usize];
        for key in entry.waits.drain(..) {
            self.waiters.remove(key, thread);
        }
        if let Some(timeout) = entry.timeout.take() {
            self.timers.call_off(timeout);
        }
    }

    pub(crate) fn make_ready(&mut self, thread: ThreadId) {
        self.forget_waits(thread);
        if self.thread(thread).state == State::Blocked {
            self.back_in_line(thread);
        }
    }

    /// Lets the threads of a host run, or not.
    pub(crate) fn set_paused(&mut self, host: HostId, is_paused: bool) {
        self.host_mut(host).is_paused = is_paused;
        let threads = &self.threads;
        let is_of_host = |thread: ThreadId| threads[thread.0 as usize].life.host == host;
        if is_paused {
            let taken = self.line.take(is_of_host);
            self.held.extend(taken);
        } else {
            let all = std::mem::take(&mut self.held);
            let (freed, held) = all.into_iter().partition(|thread| is_of_host(*thread));
            self.held = held;
            for thread in freed {
                self.back_in_line(thread);
            }
        }
    }

    /// The thread that runs will wait, at the longest until `deadline`.
    pub(crate) fn block(&mut self, thread: ThreadId, deadline: Option<u64>) {
        let entry = self.thread_mut(thread);
        entry.state = State::Blocked;
        entry.has_timed_out = false;
        if let Some(at) = deadline {
            let timeout = self.add_timer(at, Timer::Timeout(thread));
            self.thread_mut(thread).timeout = Some(timeout);
        }
    }

    // --- time

    fn add_timer(&mut self, at: u64, timer: Timer) -> TimerId {
        self.timers.add(at.max(self.now), timer)
    }

    /// Has `due` called at a time.
    pub(crate) fn at(
        &mut self,
        time_ns: u64,
        due: impl FnOnce(&mut Kernel) + Send + 'static,
    ) -> TimerId {
        self.add_timer(time_ns, Timer::Call(Box::new(due)))
    }

    pub(crate) fn call_off(&mut self, timer: TimerId) {
        self.timers.call_off(timer);
    }

    /// What a look at a clock costs.
    pub(crate) fn look_at_clock(&mut self) -> u64 {
        self.now += LOOK_NS;
        self.now
    }

    /// Has what is due now happen before a call returns.
    pub(crate) fn settle(&mut self) {
        while std::mem::take(&mut self.is_due_now) {
            self.fire_due();
        }
    }

    fn fire_due(&mut self) {
        while let Some(timer) = self.timers.take_due(self.now) {
            match timer {
                Timer::Timeout(thread) => {
                    self.make_ready(thread);
                    self.thread_mut(thread).has_timed_out = true;
                }
                Timer::Call(due) => due(self),
            }
        }
    }

    // --- who runs

    /// Takes the thread that runs next; moves time on if nobody can. `None`: nobody ever will.
    pub(crate) fn pick(&mut self) -> Option<ThreadId> {
        loop {
            self.fire_due();
            if let Some(next) = self.line.pick(self.chance.of(Stream::Order)) {
                self.last_run = self.now;
                self.thread_mut(next).state = State::Running;
                self.trace.mix(self.now, next.0.into());
                return Some(next);
            }
            let at = self.timers.next_at()?;
            let is_long = at.saturating_sub(self.last_run) > HOPELESS_NS;
            let is_in_vain = is_long && !self.timers.end_a_wait();
            if at > self.limit || at >= NEVER || is_in_vain {
                return None;
            }
            self.now = self.now.max(at);
        }
    }

    /// The thread that runs has done a step. True if it should let another run, before which it is
    /// in the line.
    pub(crate) fn step(&mut self, thread: ThreadId) -> bool {
        self.steps += 1;
        self.now += STEP_NS;
        self.fire_due();
        let yields = self.line.should_yield(self.chance.of(Stream::Order));
        if yields {
            self.back_in_line(thread);
        }
        yields
    }

    /// The thread that runs lets others go first.
    pub(crate) fn back_in_line(&mut self, thread: ThreadId) {
        self.thread_mut(thread).state = State::Ready;
        match self.host(self.life_of(thread).host).is_paused {
            true => self.held.push(thread),
            false => self.line.push(thread, self.chance.of(Stream::Order)),
        }
    }

    /// Which of `n` things that may happen in any order happens first: 0 is the one whose turn it
    /// is.
    pub(crate) fn choose(&mut self, n: usize) -> usize {
        match self.line.order() {
            Order::Fifo => 0,
            _ if n < 2 => 0,
            Order::Random { .. } | Order::Priorities => {
                self.rng(Stream::Order).below(n as u64) as usize
            }
        }
    }

    /// Why nobody runs any more.
    pub(crate) fn why_nobody_runs(&mut self) -> String {
        let idle = Duration::from_nanos(self.now - self.last_run);
        let next = self.timers.next_at().filter(|at| *at < NEVER);
        let why = match next {
            None => "deadlock: nobody can run, and nothing is due".to_owned(),
            Some(at) if at > self.limit => {
                let limit = Duration::from_nanos(self.limit);
                let idle = match idle.as_secs() {
                    0..10 => String::new(),
                    _ => format!(", and nobody has run in the last {idle:?}"),
                };
                format!("the run takes longer than {limit:?} of virtual time{idle}")
            }
            Some(_) => format!(
                "deadlock: nobody can run. For {idle:?} of virtual time nothing was due but timers \
                 of the machine, such as those by which TCP tries again, which wake nobody"
            ),
        };
        let waiting = self.describe_waiting();
        let connections = self.describe_connections();
        format!("{why}\n{waiting}{connections}")
    }

    /// Connections that do not get rid of their bytes.
    fn describe_connections(&self) -> String {
        let mut text = String::new();
        for it in self.tcp_connections() {
            if it.unsent > 0 || it.unread > 0 {
                let host = &self.host(it.host).name;
                let (local, peer, unsent, unread) = (it.local, it.peer, it.unsent, it.unread);
                let _ = writeln!(
                    text,
                    "  host {host:?}, connection {local} to {peer}: {unsent} bytes that the peer has \
                     not taken, {unread} that the program has not read"
                );
            }
        }
        text
    }

    /// Everybody who waits, and for what.
    pub(crate) fn describe_waiting(&self) -> String {
        let mut text = String::new();
        for (index, thread) in self.threads.iter().enumerate() {
            if thread.state == State::Blocked && !self.is_over(thread.life) {
                let host = &self.host(thread.life.host).name;
                let name = &thread.name;
                let _ = writeln!(
                    text,
                    "  host {host:?}, thread {index} {name:?} waits for {:?}",
                    thread.waits
                );
            }
        }
        if !self.line.is_empty() {
            text.push_str("  (others can run)\n");
        }
        text
    }
}
