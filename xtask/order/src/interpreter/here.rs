//! Where an operation stands, and what it does: with tasks here, with time, with what they share in
//! files of their own.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

use super::host::Host;
use super::log::{Dropped, Output, START, log, traced};
use super::rt;
use super::world::World;
use crate::program::{Body, Op, SetEnd};
use futures_util::stream::{FuturesUnordered, StreamExt};
use rt::task::{JoinError, JoinSet, LocalSet};
use send_wrapper::SendWrapper;

pub(super) type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// Polls a future once, without a task.
pub(super) fn once(mut future: Boxed) {
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

pub(super) fn task(
    world: &Rc<World>,
    body: &Body,
    local: bool,
) -> impl Future<Output = Output> + 'static {
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

pub(super) fn sequence(world: &Rc<World>, name: String, ops: &[Op], local: bool) -> Boxed {
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
pub(super) struct Here<'a> {
    pub(super) world: &'a Rc<World>,
    pub(super) name: String,
    pub(super) local: bool,
}

impl Here<'_> {
    pub(super) fn done(&self, what: impl Display) {
        // Outside a runtime, time goes on.
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

    pub(super) fn run(&self, ops: &[Op]) -> Boxed {
        sequence(self.world, self.name.clone(), ops, self.local)
    }

    /// In a runtime's context. Spawning elsewhere panics; in Tokio after it has taken an id, and
    /// the ids give the order in which tasks are dropped with their runtime.
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
                // A future that yields inside what `block_on` polls last is never woken by Tokio.
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

    pub(super) fn named(&self, suffix: &str) -> Here<'_> {
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
}
