//! Runs a program and says what happened, in which order. Included twice: once with `rt` meaning
//! Tokio, once with `rt` meaning Yamanote.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use super::rt;
use crate::program::{Body, Kind, Missed, Op, Phase, Program, SetEnd};
use futures_util::stream::{FuturesUnordered, StreamExt};
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::runtime::{Builder, LocalOptions, LocalRuntime, Runtime};
use rt::sync::{broadcast, mpsc, oneshot, watch};
use rt::task::{AbortHandle, JoinError, JoinHandle, JoinSet, LocalSet};
use send_wrapper::SendWrapper;

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// What a program may wait for in all at most, on a paused clock.
const ENOUGH: Duration = Duration::from_secs(3600);

thread_local! {
    static LOG: RefCell<String> = const { RefCell::new(String::new()) };
    static START: Cell<Option<rt::time::Instant>> = const { Cell::new(None) };
}

fn log(text: impl Display) {
    let _ = LOG.try_with(|log| {
        let mut log = log.borrow_mut();
        if !log.is_empty() {
            log.push(' ');
        }
        log.push_str(&text.to_string());
    });
}

/// Says so when it is dropped.
struct Dropped(String);

impl Drop for Dropped {
    fn drop(&mut self) {
        log(format_args!("{}~", self.0));
    }
}

/// The output of a task, which is seen to be dropped.
struct Output(#[allow(dead_code)] Dropped);

/// A runtime that has nothing to do and cannot be woken any more is stuck: its main future is told.
static STUCK: AtomicBool = AtomicBool::new(false);
static MAIN: Mutex<Option<Waker>> = Mutex::new(None);

/// Ready with the future, or when nothing can happen any more.
async fn until_stuck(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        *MAIN.lock().expect("not poisoned") = Some(cx.waker().clone());
        if STUCK.swap(false, SeqCst) {
            log("stuck");
            return Poll::Ready(());
        }
        future.as_mut().poll(cx)
    })
    .await;
    *MAIN.lock().expect("not poisoned") = None;
}

/// What a runtime's name is: says which crate is linked.
pub fn crate_name() -> &'static str {
    std::any::type_name::<Runtime>()
}

enum Host {
    Runtime(Runtime, Option<LocalSet>),
    Local(LocalRuntime),
}

impl Host {
    fn new(program: &Program) -> Host {
        let mut builder = Builder::new_current_thread();
        if program.io {
            builder.enable_io();
        }
        if program.paused {
            builder.enable_time().start_paused(true);
        }
        if let Some(interval) = program.event_interval {
            builder.event_interval(interval);
        }
        if let Some(interval) = program.global_queue_interval {
            builder.global_queue_interval(interval);
        }
        let paused = program.paused;
        builder.on_thread_park(move || {
            log("park");
            if paused {
                return;
            }
            let main = MAIN.lock().expect("not poisoned").take();
            if let Some(main) = main {
                STUCK.store(true, SeqCst);
                main.wake();
            }
        });
        builder.on_thread_unpark(|| log("unpark"));
        match program.kind {
            Kind::Runtime => Host::Runtime(builder.build().expect("a runtime"), None),
            Kind::LocalSet => {
                let runtime = builder.build().expect("a runtime");
                Host::Runtime(runtime, Some(LocalSet::new()))
            }
            Kind::LocalRuntime => {
                let options = LocalOptions::default();
                Host::Local(builder.build_local(options).expect("a runtime"))
            }
        }
    }

    fn block_on(&self, future: impl Future<Output = ()>) {
        match self {
            Host::Runtime(runtime, None) => runtime.block_on(future),
            Host::Runtime(runtime, Some(set)) => set.block_on(runtime, future),
            Host::Local(runtime) => runtime.block_on(future),
        }
    }

    fn handle(&self) -> &rt::runtime::Handle {
        match self {
            Host::Runtime(runtime, _) => runtime.handle(),
            Host::Local(runtime) => runtime.handle(),
        }
    }
}

/// Runs `program`; the log is what happened.
pub fn run(program: &Program) -> String {
    LOG.take();
    START.set(None);
    STUCK.store(false, SeqCst);
    let ended = catch_unwind(AssertUnwindSafe(|| run_inside(program)));
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        log(format_args!("panicked: {}", text.unwrap_or("?")));
    }
    *MAIN.lock().expect("not poisoned") = None;
    LOG.take()
}

fn run_inside(program: &Program) {
    let host = Rc::new(Host::new(program));
    let world = Rc::new(World::new(program, &host));
    for (number, phase) in program.phases.iter().enumerate() {
        log(format_args!("| {number}"));
        run_phase(&host, &world, phase, program.paused);
    }
    log("| end");
    // Tasks that are left hold the world; it holds nothing that ends with it.
    let Ok(host) = Rc::try_unwrap(host) else {
        panic!("the runtime is shared");
    };
    match host {
        Host::Runtime(runtime, set) => {
            drop(runtime);
            log("| set");
            drop(set);
        }
        Host::Local(runtime) => drop(runtime),
    }
    world.clear();
}

fn run_phase(host: &Host, world: &Rc<World>, phase: &Phase, paused: bool) {
    for body in &phase.before {
        let future = SendWrapper::new(task(world, body, host.is_local()));
        let handle = host.handle().spawn(future);
        world.keep(body.id, handle);
    }
    if let Host::Runtime(_, Some(set)) = host {
        for body in &phase.local_before {
            world.keep(body.id, set.spawn_local(task(world, body, true)));
        }
    }
    let local = !matches!(host, Host::Runtime(_, None));
    once(sequence(world, "out".into(), &phase.outside, local));
    let main = traced(
        "main".into(),
        sequence(world, "main".into(), &phase.main, local),
    );
    match paused {
        true => host.block_on(async {
            if START.get().is_none() {
                START.set(Some(rt::time::Instant::now()));
            }
            if rt::time::timeout(ENOUGH, main).await.is_err() {
                log("stuck");
            }
        }),
        false => host.block_on(until_stuck(main)),
    }
}

impl Host {
    fn is_local(&self) -> bool {
        matches!(self, Host::Local(_))
    }
}

/// Everything tasks talk through.
struct World {
    runtime: rt::runtime::Handle,
    is_local: bool,
    set: Option<std::rc::Weak<Host>>,
    handles: RefCell<BTreeMap<u32, JoinHandle<Output>>>,
    aborts: RefCell<BTreeMap<u32, AbortHandle>>,
    places: [RefCell<Place>; 2],
    wakers: [Mutex<Option<Waker>>; 2],
    notifies: [Arc<rt::sync::Notify>; 2],
    senders: [RefCell<Option<mpsc::Sender<u32>>>; 2],
    receivers: [RefCell<Option<mpsc::Receiver<u32>>>; 2],
    unbounded_sender: mpsc::UnboundedSender<u32>,
    unbounded_receiver: RefCell<Option<mpsc::UnboundedReceiver<u32>>>,
    oneshot_senders: [RefCell<Option<oneshot::Sender<u32>>>; 2],
    oneshot_receivers: [RefCell<Option<oneshot::Receiver<u32>>>; 2],
    watch_sender: watch::Sender<u32>,
    watch_receiver: RefCell<Option<watch::Receiver<u32>>>,
    broadcast_sender: broadcast::Sender<u32>,
    broadcast_receivers: [RefCell<Option<broadcast::Receiver<u32>>>; 3],
    mutexes: [rt::sync::Mutex<u32>; 2],
    rwlock: rt::sync::RwLock<u32>,
    semaphore: rt::sync::Semaphore,
    barrier: rt::sync::Barrier,
    once: rt::sync::OnceCell<u32>,
    set_once: rt::sync::SetOnce<u32>,
    pipes: [[RefCell<Option<rt::io::DuplexStream>>; 2]; 2],
}

#[derive(Default)]
struct Place {
    let_go: bool,
}

fn some<T, const N: usize>(make: impl Fn() -> T) -> [RefCell<Option<T>>; N] {
    [(); N].map(|()| RefCell::new(Some(make())))
}

impl World {
    fn new(program: &Program, host: &Rc<Host>) -> World {
        let channels = [(); 2].map(|()| mpsc::channel(program.capacity));
        let mut senders = some(|| None);
        let mut receivers = some(|| None);
        for (i, (sender, receiver)) in channels.into_iter().enumerate() {
            senders[i] = RefCell::new(Some(Some(sender)));
            receivers[i] = RefCell::new(Some(Some(receiver)));
        }
        let oneshots = [(); 2].map(|()| oneshot::channel());
        let [(send_a, receive_a), (send_b, receive_b)] = oneshots;
        let (unbounded_sender, unbounded_receiver) = mpsc::unbounded_channel();
        let (watch_sender, watch_receiver) = watch::channel(0);
        let (broadcast_sender, _) = broadcast::channel(program.capacity);
        World {
            runtime: host.handle().clone(),
            is_local: host.is_local(),
            set: matches!(**host, Host::Runtime(_, Some(_))).then(|| Rc::downgrade(host)),
            handles: RefCell::default(),
            aborts: RefCell::default(),
            places: Default::default(),
            wakers: Default::default(),
            notifies: Default::default(),
            senders: senders.map(|cell| RefCell::new(cell.into_inner().flatten())),
            receivers: receivers.map(|cell| RefCell::new(cell.into_inner().flatten())),
            unbounded_sender,
            unbounded_receiver: RefCell::new(Some(unbounded_receiver)),
            oneshot_senders: [RefCell::new(Some(send_a)), RefCell::new(Some(send_b))],
            oneshot_receivers: [RefCell::new(Some(receive_a)), RefCell::new(Some(receive_b))],
            watch_sender,
            watch_receiver: RefCell::new(Some(watch_receiver)),
            broadcast_receivers: some(|| broadcast_sender.subscribe()),
            broadcast_sender,
            mutexes: Default::default(),
            rwlock: Default::default(),
            semaphore: rt::sync::Semaphore::new(program.permits),
            barrier: rt::sync::Barrier::new(2),
            once: rt::sync::OnceCell::new(),
            set_once: rt::sync::SetOnce::new(),
            pipes: [(); 2].map(|()| {
                let (a, b) = rt::io::duplex(8);
                [RefCell::new(Some(a)), RefCell::new(Some(b))]
            }),
        }
    }

    fn keep(&self, id: u32, handle: JoinHandle<Output>) {
        let abort = handle.abort_handle();
        let before = self.aborts.borrow_mut().insert(id, abort);
        drop(before);
        let before = self.handles.borrow_mut().insert(id, handle);
        drop(before);
    }

    fn clear(&self) {
        drop(self.handles.take());
        self.aborts.take();
        for waker in &self.wakers {
            drop(waker.lock().expect("not poisoned").take());
        }
    }
}

/// Something that one future at a time uses; it comes back when that is dropped.
struct Borrowed<'a, T> {
    cell: &'a RefCell<Option<T>>,
    value: Option<T>,
}

fn borrow<T>(cell: &RefCell<Option<T>>) -> Option<Borrowed<'_, T>> {
    let value = cell.borrow_mut().take()?;
    Some(Borrowed {
        cell,
        value: Some(value),
    })
}

impl<T> Borrowed<'_, T> {
    fn get(&mut self) -> &mut T {
        self.value.as_mut().expect("until it is dropped")
    }
}

impl<T> Drop for Borrowed<'_, T> {
    fn drop(&mut self) {
        *self.cell.borrow_mut() = self.value.take();
    }
}

/// Polls a future once, without a task.
fn once(mut future: Boxed) {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let mut cx = Context::from_waker(Waker::noop());
        let is_ready = future.as_mut().poll(&mut cx).is_ready();
        drop(future);
        is_ready
    }));
    match polled {
        Ok(true) => (),
        Ok(false) => log("waits"),
        Err(_) => log("panics"),
    }
}

/// Does something when it is dropped.
struct Guard<'a> {
    here: &'a Here<'a>,
    ops: &'a [Op],
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        log(format_args!("{}^", self.here.name));
        once(self.here.named("^").run(self.ops));
    }
}

/// Says when it is polled.
async fn traced(name: String, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        log(format_args!("{name}:"));
        future.as_mut().poll(cx)
    })
    .await;
}

fn task(world: &Rc<World>, body: &Body, local: bool) -> impl Future<Output = Output> + 'static {
    let name = body.id.to_string();
    let ops = sequence(world, name.clone(), &body.ops, local);
    let guard = Dropped(name.clone());
    async move {
        let _guard = guard;
        if let Some(id) = rt::task::try_id() {
            log(format_args!("#{id}"));
        }
        traced(name.clone(), ops).await;
        Output(Dropped(format!("{name}!")))
    }
}

fn sequence(world: &Rc<World>, name: String, ops: &[Op], local: bool) -> Boxed {
    let (world, ops) = (world.clone(), ops.to_vec());
    Box::pin(async move {
        for (i, op) in ops.iter().enumerate() {
            let here = Here {
                world: &world,
                name: format!("{name}.{i}"),
                local,
            };
            here.step(op).await;
        }
    })
}

fn how<T>(result: Result<T, JoinError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) if error.is_panic() => "panicked",
        Err(_) => "cancelled",
    }
}

/// Where an operation stands.
struct Here<'a> {
    world: &'a Rc<World>,
    name: String,
    local: bool,
}

impl Here<'_> {
    fn done(&self, what: impl Display) {
        // Outside of a runtime time goes on.
        let is_inside = rt::runtime::Handle::try_current().is_ok();
        match START.get().filter(|_| is_inside) {
            Some(start) => log(format_args!(
                "{}={what}@{}",
                self.name,
                start.elapsed().as_micros()
            )),
            None => log(format_args!("{}={what}", self.name)),
        }
    }

    fn run(&self, ops: &[Op]) -> Boxed {
        sequence(self.world, self.name.clone(), ops, self.local)
    }

    /// In a runtime's context. Spawning elsewhere panics; in Tokio after it has taken an id, and it is
    /// by their ids that tasks are dropped with their runtime.
    fn can_spawn(&self) -> bool {
        let is_inside = rt::runtime::Handle::try_current().is_ok();
        if !is_inside {
            self.done("outside");
        }
        is_inside
    }

    fn spawn(&self, body: &Body) {
        if !self.can_spawn() {
            return;
        }
        let future = task(self.world, body, self.world.is_local);
        self.world
            .keep(body.id, rt::spawn(SendWrapper::new(future)));
    }

    fn spawn_local(&self, body: &Body) {
        if !self.local {
            return self.spawn(body);
        }
        let future = task(self.world, body, true);
        self.world.keep(body.id, rt::task::spawn_local(future));
    }

    async fn step(&self, op: &Op) {
        let world = self.world;
        match op {
            Op::Yield => {
                rt::task::yield_now().await;
                self.done("");
            }
            Op::WakeSelf => {
                let mut woken = false;
                poll_fn(|cx| {
                    if woken {
                        return Poll::Ready(());
                    }
                    woken = true;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
                self.done("");
            }
            Op::Spend(units) => {
                for _ in 0..*units {
                    rt::task::coop::consume_budget().await;
                }
                self.done("");
            }
            Op::Unconstrained(ops) => {
                rt::task::unconstrained(self.run(ops)).await;
                self.done("");
            }
            Op::Spawn(body) => self.spawn(body),
            Op::SpawnLocal(body) => self.spawn_local(body),
            Op::SpawnMany(many, body) => {
                for _ in 0..*many {
                    self.spawn(body);
                }
            }
            Op::SpawnIntoSet(body) => {
                let host = world.set.as_ref().and_then(|host| host.upgrade());
                if let Some(Host::Runtime(_, Some(set))) = host.as_deref() {
                    world.keep(body.id, set.spawn_local(task(world, body, true)));
                }
            }
            Op::ThreadSpawn(body) => {
                let future = SendWrapper::new(task(world, body, world.is_local));
                let runtime = world.runtime.clone();
                let handle = thread::spawn(move || runtime.spawn(future));
                world.keep(body.id, handle.join().expect("no panic"));
            }
            Op::Join(id) => {
                let handle = world.handles.borrow_mut().remove(id);
                if let Some(handle) = handle {
                    let result = handle.await;
                    self.done(how(result));
                }
            }
            Op::Abort(id) => {
                let handle = world.aborts.borrow().get(id).cloned();
                if let Some(handle) = handle {
                    handle.abort();
                    self.done("");
                }
            }
            Op::Detach(id) => {
                let handle = world.handles.borrow_mut().remove(id);
                drop(handle);
            }
            Op::JoinSet {
                bodies,
                joined,
                end,
            } => self.join_set(bodies, *joined, *end).await,
            Op::RunUntil { bodies, ops } => {
                let set = LocalSet::new();
                for body in bodies {
                    world.keep(body.id, set.spawn_local(task(world, body, true)));
                }
                let inside = sequence(world, self.name.clone(), ops, true);
                set.run_until(inside).await;
                self.done("");
            }
            Op::AwaitSet { bodies } => {
                let set = LocalSet::new();
                for body in bodies {
                    world.keep(body.id, set.spawn_local(task(world, body, true)));
                }
                set.await;
                self.done("");
            }
            Op::EnterSet { bodies, ops } => {
                let set = LocalSet::new();
                let entered = set.enter();
                for body in bodies {
                    let future = task(world, body, true);
                    world.keep(body.id, rt::task::spawn_local(future));
                }
                drop(entered);
                let inside = sequence(world, self.name.clone(), ops, true);
                set.run_until(inside).await;
                self.done("");
            }
            Op::HandOver(body) => {
                let mut future = Box::pin(task(world, body, world.is_local));
                let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
                self.done(polled.is_ready());
                // Who yields inside what `block_on` polls last is never woken by Tokio.
                rt::task::yield_now().await;
                if polled.is_pending() && self.can_spawn() {
                    world.keep(body.id, rt::spawn(SendWrapper::new(future)));
                }
            }
            Op::JoinShared(id) => {
                let result = poll_fn(|cx| self.poll_task(*id, cx)).await;
                self.done(result.map_or("gone", how));
            }
            Op::PeekTask(id) => {
                let polled = poll_fn(|cx| Poll::Ready(self.poll_task(*id, cx))).await;
                self.done(polled.is_ready());
            }
            Op::Guard(action, ops) => {
                let _guard = Guard {
                    here: self,
                    ops: action,
                };
                self.run(ops).await;
                self.done("");
            }
            Op::Panic => {
                // Without the hook, which would print it.
                if self.name.starts_with("main") {
                    return;
                }
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            Op::Select(branches) => self.select(branches).await,
            Op::Both(first, second) => {
                let first = self.named("a").run(first);
                let second = self.named("b").run(second);
                rt::join!(first, second);
                self.done("");
            }
            Op::BothBiased(first, second) => {
                let first = self.named("a").run(first);
                let second = self.named("b").run(second);
                rt::join!(biased; first, second);
                self.done("");
            }
            Op::TryBoth(first, second) => {
                let first = self.named("a").run(first);
                let second = self.named("b").run(second);
                let result = rt::try_join!(
                    async {
                        first.await;
                        Ok(())
                    },
                    async {
                        second.await;
                        Err::<(), ()>(())
                    },
                );
                self.done(result.is_ok());
            }
            Op::Unordered(branches) => {
                let named = |(i, ops): (usize, &Vec<Op>)| {
                    let here = self.named(["a", "b", "c", "d", "e"][i]);
                    let future = traced(here.name.clone(), here.run(ops));
                    async move {
                        future.await;
                        i
                    }
                };
                let mut set: FuturesUnordered<_> = branches.iter().enumerate().map(named).collect();
                while let Some(i) = set.next().await {
                    self.done(i);
                }
            }
            Op::Sleep(..)
            | Op::Ticks { .. }
            | Op::SleepUntil(..)
            | Op::SendTimeout(..)
            | Op::Advance(..)
            | Op::Timeout(..)
            | Op::Interval(..)
            | Op::Reset { .. }
            | Op::DropSleep(..) => self.time(op).await,
            _ => self.talk(op).await,
        }
    }

    /// Polls the handle of a task where it lies; `Ready(None)` if it is not there.
    fn poll_task(&self, id: u32, cx: &mut Context<'_>) -> Poll<Option<Result<Output, JoinError>>> {
        let handles = &self.world.handles;
        let handle = handles.borrow_mut().remove(&id);
        let Some(mut handle) = handle else {
            return Poll::Ready(None);
        };
        match Pin::new(&mut handle).poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => {
                let before = handles.borrow_mut().insert(id, handle);
                drop(before);
                Poll::Pending
            }
        }
    }

    fn named(&self, suffix: &str) -> Here<'_> {
        Here {
            world: self.world,
            name: format!("{}{suffix}", self.name),
            local: self.local,
        }
    }

    async fn select(&self, branches: &[Vec<Op>]) {
        let run = |i: usize| {
            let ops = branches.get(i).map_or(&[][..], Vec::as_slice);
            self.named(["a", "b", "c"][i]).run(ops)
        };
        let which = rt::select! {
            biased;
            () = run(0), if !branches.is_empty() => "a",
            () = run(1), if branches.len() > 1 => "b",
            () = run(2), if branches.len() > 2 => "c",
            else => "none",
        };
        self.done(which);
    }

    async fn join_set(&self, bodies: &[Body], joined: u32, end: SetEnd) {
        if !self.can_spawn() {
            return;
        }
        let mut set = JoinSet::new();
        for body in bodies {
            let future = task(self.world, body, self.world.is_local);
            let abort = set.spawn(SendWrapper::new(future));
            self.world.aborts.borrow_mut().insert(body.id, abort);
        }
        for _ in 0..joined {
            match set.join_next().await {
                Some(result) => self.done(how(result)),
                None => self.done("none"),
            }
        }
        match end {
            SetEnd::Drop => drop(set),
            SetEnd::Shutdown => set.shutdown().await,
            SetEnd::AbortAndJoin => {
                set.abort_all();
                while let Some(result) = set.join_next().await {
                    self.done(how(result));
                }
            }
            SetEnd::Detach => set.detach_all(),
            SetEnd::JoinAll => {
                while let Some(result) = set.join_next().await {
                    self.done(how(result));
                }
            }
        }
        self.done("");
    }

    async fn time(&self, op: &Op) {
        let micros = Duration::from_micros;
        match op {
            Op::Sleep(time) => rt::time::sleep(micros(*time)).await,
            Op::Advance(time) => rt::time::advance(micros(*time)).await,
            Op::Timeout(time, ops) => {
                let result = rt::time::timeout(micros(*time), self.run(ops)).await;
                self.done(if result.is_ok() { "in time" } else { "late" });
            }
            Op::Interval(period, ticks) => {
                let mut interval = rt::time::interval(micros(*period));
                for _ in 0..*ticks {
                    interval.tick().await;
                    self.done("tick");
                }
            }
            Op::Ticks {
                first,
                period,
                missed,
                ticks,
                ops,
            } => {
                let first = rt::time::Instant::now() + micros(*first);
                let mut interval = rt::time::interval_at(first, micros(*period));
                interval.set_missed_tick_behavior(match missed {
                    Missed::Burst => rt::time::MissedTickBehavior::Burst,
                    Missed::Delay => rt::time::MissedTickBehavior::Delay,
                    Missed::Skip => rt::time::MissedTickBehavior::Skip,
                });
                for _ in 0..*ticks {
                    let at = interval.tick().await;
                    let start = START.get().unwrap_or(at);
                    self.done(at.duration_since(start).as_micros());
                    self.run(ops).await;
                }
            }
            Op::SleepUntil(time) => {
                let start = START.get().unwrap_or_else(rt::time::Instant::now);
                rt::time::sleep_until(start + micros(*time)).await;
            }
            Op::SendTimeout(which, time) => {
                let sender = self.world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    let sent = sender.send_timeout(5, micros(*time)).await;
                    self.done(sent.is_ok());
                }
            }
            Op::Reset {
                polled,
                first,
                then,
                ops,
            } => {
                let mut sleep = pin!(rt::time::sleep(micros(*first)));
                if *polled {
                    poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                }
                self.run(ops).await;
                let then = rt::time::Instant::now() + micros(*then);
                sleep.as_mut().reset(then);
                self.done(sleep.is_elapsed());
                sleep.await;
            }
            Op::DropSleep(time, ops) => {
                let mut sleep = pin!(rt::time::sleep(micros(*time)));
                poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                self.run(ops).await;
                self.done(sleep.is_elapsed());
            }
            _ => unreachable!("not of time"),
        }
        self.done("");
    }

    async fn talk(&self, op: &Op) {
        let world = self.world;
        let at = |which: &u32| *which as usize;
        match op {
            Op::Park(which) => self.park(at(which)).await,
            Op::Unpark(which) => {
                world.places[at(which)].borrow_mut().let_go = true;
                wake(&world.wakers[at(which)]);
            }
            Op::WakeInVain(which) => wake(&world.wakers[at(which)]),
            Op::ThreadUnpark(which) => {
                world.places[at(which)].borrow_mut().let_go = true;
                let waker = world.wakers[at(which)].lock().expect("no panic").clone();
                let thread = thread::spawn(move || waker.map(Waker::wake));
                thread.join().expect("no panic");
            }
            Op::ThreadNotify(which) => {
                let notify = world.notifies[at(which)].clone();
                let thread = thread::spawn(move || notify.notify_one());
                thread.join().expect("no panic");
            }
            Op::NotifyOne(which) => world.notifies[at(which)].notify_one(),
            Op::NotifyLast(which) => world.notifies[at(which)].notify_last(),
            Op::NotifyWaiters(which) => world.notifies[at(which)].notify_waiters(),
            Op::Notified(which) => world.notifies[at(which)].notified().await,
            Op::WatchSend => world.watch_sender.send_modify(|value| *value += 1),
            Op::WatchChanged => {
                if let Some(mut receiver) = borrow(&world.watch_receiver) {
                    let _ = receiver.get().changed().await;
                    let value = *receiver.get().borrow_and_update();
                    self.done(value);
                }
            }
            Op::BroadcastSend => {
                let sent = world.broadcast_sender.send(7).is_ok();
                self.done(sent);
            }
            Op::BroadcastRecv(which) => {
                if let Some(mut receiver) = borrow(&world.broadcast_receivers[at(which)]) {
                    let result = receiver.get().recv().await;
                    self.done(format_args!("{result:?}"));
                }
            }
            Op::Lock(which, ops) => {
                let mut value = world.mutexes[at(which)].lock().await;
                *value += 1;
                self.done(*value);
                self.run(ops).await;
            }
            Op::Read(ops) => {
                let value = world.rwlock.read().await;
                self.done(*value);
                self.run(ops).await;
            }
            Op::Write(ops) => {
                let mut value = world.rwlock.write().await;
                *value += 1;
                self.done(*value);
                self.run(ops).await;
            }
            Op::Acquire(permits, ops) => {
                let permit = world.semaphore.acquire_many(*permits).await;
                self.done(permit.is_ok());
                self.run(ops).await;
            }
            Op::Downgrade(ops) => {
                let mut value = world.rwlock.write().await;
                *value += 1;
                let value = value.downgrade();
                self.done(*value);
                self.run(ops).await;
            }
            Op::WatchFor(later) => {
                if let Some(mut receiver) = borrow(&world.watch_receiver) {
                    let wanted = *receiver.get().borrow() + later;
                    let result = receiver.get().wait_for(|value| *value >= wanted).await;
                    self.done(result.is_ok());
                }
            }
            Op::DropWatch => {
                let receiver = world.watch_receiver.take();
                drop(receiver);
            }
            Op::WatchClosed => world.watch_sender.closed().await,
            Op::DropBroadcast(which) => {
                let receiver = world.broadcast_receivers[at(which)].take();
                drop(receiver);
            }
            Op::BroadcastClosed => world.broadcast_sender.closed().await,
            Op::Enabled(which, ops) => {
                let mut notified = pin!(world.notifies[at(which)].notified());
                let is_notified = notified.as_mut().enable();
                self.done(is_notified);
                self.run(ops).await;
                notified.await;
            }
            Op::ForgetPermit => {
                if let Ok(permit) = world.semaphore.try_acquire() {
                    permit.forget();
                    self.done("forgotten");
                }
            }
            Op::CloseSemaphore => world.semaphore.close(),
            Op::SetOnce => {
                let is_first = world.set_once.set(1).is_ok();
                self.done(is_first);
            }
            Op::WaitOnce => {
                world.set_once.wait().await;
            }
            Op::PipeWrite(which, bytes) => {
                if let Some(mut pipe) = borrow(&world.pipes[at(which)][0]) {
                    let bytes = vec![1; *bytes as usize];
                    let result = pipe.get().write_all(&bytes).await;
                    self.done(result.is_ok());
                }
            }
            Op::PipeRead(which, bytes) => {
                if let Some(mut pipe) = borrow(&world.pipes[at(which)][1]) {
                    let mut bytes = vec![0; *bytes as usize];
                    let result = pipe.get().read_exact(&mut bytes).await;
                    self.done(result.is_ok());
                }
            }
            Op::PipeEnd(which) => {
                let pipe = world.pipes[at(which)][0].take();
                drop(pipe);
            }
            Op::Copy(kib) => {
                let mut source = rt::io::repeat(1).take(u64::from(*kib) * 1024);
                let copied = rt::io::copy(&mut source, &mut rt::io::sink()).await;
                self.done(copied.is_ok());
            }
            Op::AddPermits(permits) => world.semaphore.add_permits(*permits as usize),
            Op::Barrier => {
                let leads = world.barrier.wait().await.is_leader();
                self.done(leads);
            }
            Op::OnceCell(ops) => {
                let init = async {
                    self.run(ops).await;
                    1
                };
                world.once.get_or_init(|| init).await;
            }
            _ => return self.channel(op).await,
        }
        self.done("");
    }

    async fn park(&self, which: usize) {
        let world = self.world;
        poll_fn(|cx| {
            if std::mem::take(&mut world.places[which].borrow_mut().let_go) {
                return Poll::Ready(());
            }
            let waker = Some(cx.waker().clone());
            let before =
                std::mem::replace(&mut *world.wakers[which].lock().expect("no panic"), waker);
            drop(before);
            Poll::Pending
        })
        .await;
    }

    async fn channel(&self, op: &Op) {
        let world = self.world;
        match op {
            Op::Send(which) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    let sent = sender.send(1).await.is_ok();
                    self.done(sent);
                }
            }
            Op::TrySend(which) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    self.done(sender.try_send(2).is_ok());
                }
            }
            Op::Reserve(which, ops) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    if let Ok(permit) = sender.reserve().await {
                        self.run(ops).await;
                        permit.send(3);
                    }
                }
            }
            Op::Recv(which) => {
                if let Some(mut receiver) = borrow(&world.receivers[*which as usize]) {
                    let value = receiver.get().recv().await;
                    self.done(format_args!("{value:?}"));
                }
            }
            Op::RecvMany(which) => {
                if let Some(mut receiver) = borrow(&world.receivers[*which as usize]) {
                    let mut values = Vec::new();
                    receiver.get().recv_many(&mut values, 2).await;
                    self.done(format_args!("{values:?}"));
                }
            }
            Op::TryRecv(which) => {
                if let Some(mut receiver) = borrow(&world.receivers[*which as usize]) {
                    self.done(receiver.get().try_recv().is_ok());
                }
            }
            Op::SenderClosed(which) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    sender.closed().await;
                }
            }
            Op::ReserveMany(which, many) => {
                let sender = world.senders[*which as usize].borrow().clone();
                if let Some(sender) = sender {
                    match sender.reserve_many(*many as usize).await {
                        Ok(mut permits) => permits.next().into_iter().for_each(|p| p.send(6)),
                        Err(_) => self.done("refused"),
                    }
                }
            }
            Op::CloseReceiver(which) => {
                if let Some(mut receiver) = borrow(&world.receivers[*which as usize]) {
                    receiver.get().close();
                }
            }
            Op::DropSender(which) => {
                let sender = world.senders[*which as usize].take();
                drop(sender);
            }
            Op::SendUnbounded(many) => {
                for i in 0..*many {
                    let _ = world.unbounded_sender.send(i);
                }
            }
            Op::RecvUnbounded(many) => {
                if let Some(mut receiver) = borrow(&world.unbounded_receiver) {
                    for _ in 0..*many {
                        receiver.get().recv().await;
                    }
                }
            }
            Op::OneshotSend(which) => {
                let sender = world.oneshot_senders[*which as usize].take();
                if let Some(sender) = sender {
                    let sent = sender.send(4).is_ok();
                    self.done(sent);
                }
            }
            Op::OneshotRecv(which) => {
                let receiver = world.oneshot_receivers[*which as usize].take();
                if let Some(receiver) = receiver {
                    let value = receiver.await.is_ok();
                    self.done(value);
                }
            }
            Op::OneshotClosed(which) => {
                if let Some(mut sender) = borrow(&world.oneshot_senders[*which as usize]) {
                    sender.get().closed().await;
                }
            }
            _ => unreachable!("no other operation is left"),
        }
        self.done("");
    }
}

fn wake(waker: &Mutex<Option<Waker>>) {
    let waker = waker.lock().expect("no panic").clone();
    if let Some(waker) = waker {
        waker.wake();
    }
}
