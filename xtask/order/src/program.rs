//! Programs: what tasks do, as data that can be generated, printed, shrunk and interpreted.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// A runtime, and what is done with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The clock is paused. Only then are there timers.
    pub paused: bool,
    /// With sockets, so that the runtime waits in another place.
    pub io: bool,
    pub event_interval: Option<u32>,
    pub global_queue_interval: Option<u32>,
    pub kind: Kind,
    pub capacity: usize,
    pub permits: usize,
    pub phases: Vec<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    /// `Runtime::block_on`.
    Runtime,
    /// `LocalSet::block_on`, of one set for all phases.
    LocalSet,
    /// `LocalRuntime::block_on`.
    LocalRuntime,
}

/// One `block_on`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Spawned on the runtime before, from outside.
    pub before: Vec<Body>,
    /// Spawned into the `LocalSet` before, if there is one.
    pub local_before: Vec<Body>,
    /// What happens then, outside any runtime, up to the point where it would wait.
    pub outside: Vec<Op>,
    pub main: Vec<Op>,
}

/// A future with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    pub id: u32,
    pub ops: Vec<Op>,
}

/// What a future does next. Numbers that name something (a channel, a lock) are taken modulo the
/// number of such things; those of tasks are the ids of their bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    Yield,
    /// Wakes itself and is pending once.
    WakeSelf,
    /// Spends this many units of the cooperative budget.
    Spend(u32),
    Unconstrained(Vec<Op>),

    Spawn(Body),
    /// On the `LocalSet` or `LocalRuntime` this runs in; on the runtime if there is none.
    SpawnLocal(Body),
    /// This many tasks that do the same.
    SpawnMany(u32, Body),
    Join(u32),
    Abort(u32),
    Detach(u32),
    JoinSet {
        bodies: Vec<Body>,
        joined: u32,
        end: SetEnd,
    },
    /// `LocalSet::run_until`.
    RunUntil {
        bodies: Vec<Body>,
        ops: Vec<Op>,
    },
    /// Awaits a `LocalSet`.
    AwaitSet {
        bodies: Vec<Body>,
    },
    /// `LocalSet::spawn_local` on the set of the program.
    SpawnIntoSet(Body),
    /// `LocalSet::enter`, `spawn_local`, and `run_until` after that was left.
    EnterSet {
        bodies: Vec<Body>,
        ops: Vec<Op>,
    },
    /// A future that is polled here once, and handed to a new task.
    HandOver(Body),
    /// Awaits a task whose handle others may also hold; the last one to poll it is woken.
    JoinShared(u32),
    /// Polls the handle of a task once.
    PeekTask(u32),
    Panic,
    /// The first operations run, up to the point where they would wait, when the guard of the
    /// others is dropped.
    Guard(Vec<Op>, Vec<Op>),

    /// Pending until [`Op::Unpark`] of the same number.
    Park(u32),
    Unpark(u32),
    /// Wakes the future that parks there without releasing it.
    WakeInVain(u32),
    ThreadUnpark(u32),
    ThreadNotify(u32),
    ThreadSpawn(Body),

    NotifyOne(u32),
    NotifyLast(u32),
    NotifyWaiters(u32),
    Notified(u32),
    Send(u32),
    TrySend(u32),
    Reserve(u32, Vec<Op>),
    Recv(u32),
    RecvMany(u32),
    TryRecv(u32),
    CloseReceiver(u32),
    DropSender(u32),
    /// `Sender::closed`.
    SenderClosed(u32),
    ReserveMany(u32, u32),
    SendUnbounded(u32),
    RecvUnbounded(u32),
    OneshotSend(u32),
    OneshotRecv(u32),
    OneshotClosed(u32),
    WatchSend,
    WatchChanged,
    /// Waits for the value this many sends later.
    WatchFor(u32),
    DropWatch,
    WatchClosed,
    BroadcastSend,
    BroadcastRecv(u32),
    DropBroadcast(u32),
    BroadcastClosed,
    /// `Notified::enable`, then these, then it is awaited.
    Enabled(u32, Vec<Op>),
    Lock(u32, Vec<Op>),
    Read(Vec<Op>),
    Write(Vec<Op>),
    /// As `Write`, then `downgrade`.
    Downgrade(Vec<Op>),
    Acquire(u32, Vec<Op>),
    AddPermits(u32),
    ForgetPermit,
    CloseSemaphore,
    Barrier,
    OnceCell(Vec<Op>),
    SetOnce,
    WaitOnce,
    /// This many bytes through a pipe in memory.
    PipeWrite(u32, u32),
    PipeRead(u32, u32),
    PipeEnd(u32),
    /// This many KiB, from `repeat` to `sink`.
    Copy(u32),

    /// `select!` with `biased`.
    Select(Vec<Vec<Op>>),
    /// `join!`
    Both(Vec<Op>, Vec<Op>),
    /// `join!` with `biased`.
    BothBiased(Vec<Op>, Vec<Op>),
    /// `try_join!`; the second fails.
    TryBoth(Vec<Op>, Vec<Op>),
    /// `FuturesUnordered`.
    Unordered(Vec<Vec<Op>>),

    /// Microseconds, here and below.
    Sleep(u64),
    Advance(u64),
    Timeout(u64, Vec<Op>),
    Interval(u64, u32),
    /// An interval whose ticks are missed. It starts after the first time.
    Ticks {
        first: u64,
        period: u64,
        missed: Missed,
        ticks: u32,
        ops: Vec<Op>,
    },
    /// Counted from the start.
    SleepUntil(u64),
    SendTimeout(u32, u64),
    /// A sleep that is polled (or not), moved, and awaited.
    Reset {
        polled: bool,
        first: u64,
        then: u64,
        ops: Vec<Op>,
    },
    /// A sleep that is polled once, and dropped after these.
    DropSleep(u64, Vec<Op>),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Missed {
    Burst,
    Delay,
    Skip,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum SetEnd {
    Drop,
    Shutdown,
    AbortAndJoin,
    Detach,
    JoinAll,
}

impl Op {
    /// The lists of operations in it.
    pub fn inner(&self) -> Vec<&Vec<Op>> {
        match self {
            Op::Spawn(body)
            | Op::SpawnLocal(body)
            | Op::SpawnMany(_, body)
            | Op::SpawnIntoSet(body)
            | Op::HandOver(body)
            | Op::ThreadSpawn(body) => vec![&body.ops],
            Op::JoinSet { bodies, .. } | Op::AwaitSet { bodies } => {
                bodies.iter().map(|body| &body.ops).collect()
            }
            Op::RunUntil { bodies, ops } | Op::EnterSet { bodies, ops } => {
                let bodies = bodies.iter().map(|body| &body.ops);
                bodies.chain([ops]).collect()
            }
            Op::Unconstrained(ops)
            | Op::Reserve(_, ops)
            | Op::Lock(_, ops)
            | Op::Read(ops)
            | Op::Write(ops)
            | Op::Downgrade(ops)
            | Op::Enabled(_, ops)
            | Op::Ticks { ops, .. }
            | Op::Acquire(_, ops)
            | Op::OnceCell(ops)
            | Op::Timeout(_, ops)
            | Op::Reset { ops, .. }
            | Op::DropSleep(_, ops) => vec![ops],
            Op::Select(branches) | Op::Unordered(branches) => branches.iter().collect(),
            Op::Both(first, second)
            | Op::BothBiased(first, second)
            | Op::TryBoth(first, second)
            | Op::Guard(first, second) => vec![first, second],
            _ => Vec::new(),
        }
    }

    /// As [`inner`](Self::inner), to be changed.
    pub fn inner_mut(&mut self) -> Vec<&mut Vec<Op>> {
        match self {
            Op::Spawn(body)
            | Op::SpawnLocal(body)
            | Op::SpawnMany(_, body)
            | Op::SpawnIntoSet(body)
            | Op::HandOver(body)
            | Op::ThreadSpawn(body) => vec![&mut body.ops],
            Op::JoinSet { bodies, .. } | Op::AwaitSet { bodies } => {
                bodies.iter_mut().map(|body| &mut body.ops).collect()
            }
            Op::RunUntil { bodies, ops } | Op::EnterSet { bodies, ops } => {
                let bodies = bodies.iter_mut().map(|body| &mut body.ops);
                bodies.chain([ops]).collect()
            }
            Op::Unconstrained(ops)
            | Op::Reserve(_, ops)
            | Op::Lock(_, ops)
            | Op::Read(ops)
            | Op::Write(ops)
            | Op::Downgrade(ops)
            | Op::Enabled(_, ops)
            | Op::Ticks { ops, .. }
            | Op::Acquire(_, ops)
            | Op::OnceCell(ops)
            | Op::Timeout(_, ops)
            | Op::Reset { ops, .. }
            | Op::DropSleep(_, ops) => vec![ops],
            Op::Select(branches) | Op::Unordered(branches) => branches.iter_mut().collect(),
            Op::Both(first, second)
            | Op::BothBiased(first, second)
            | Op::TryBoth(first, second)
            | Op::Guard(first, second) => vec![first, second],
            _ => Vec::new(),
        }
    }
}
