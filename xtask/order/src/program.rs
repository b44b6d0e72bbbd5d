//! Programs: what tasks do, as data that can be generated, printed, shrunk and interpreted.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// A runtime, and what is done with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The clock is paused. Only then are there timers.
    pub paused: bool,
    /// With sockets, so that it waits in another place.
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
    pub main: Vec<Op>,
}

/// A future with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    pub id: u32,
    pub ops: Vec<Op>,
}

/// What a future does next. Numbers that name something (a channel, a lock) are taken modulo how
/// many there are; those of tasks are the ids of their bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    Yield,
    /// Wakes itself and is pending once.
    WakeSelf,
    /// Spends so many units of the cooperative budget.
    Spend(u32),
    Unconstrained(Vec<Op>),

    Spawn(Body),
    /// On the `LocalSet` or `LocalRuntime` this runs in; on the runtime if there is none.
    SpawnLocal(Body),
    /// So many tasks that do the same.
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
    Panic,

    /// Pending until [`Op::Unpark`] of the same number.
    Park(u32),
    Unpark(u32),
    /// Wakes who parks there without letting it go.
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
    CloseReceiver(u32),
    DropSender(u32),
    SendUnbounded(u32),
    RecvUnbounded(u32),
    OneshotSend(u32),
    OneshotRecv(u32),
    OneshotClosed(u32),
    WatchSend,
    WatchChanged,
    BroadcastSend,
    BroadcastRecv(u32),
    Lock(u32, Vec<Op>),
    Read(Vec<Op>),
    Write(Vec<Op>),
    Acquire(u32, Vec<Op>),
    AddPermits(u32),
    Barrier,
    OnceCell(Vec<Op>),

    /// `select!` with `biased`.
    Select(Vec<Vec<Op>>),
    /// `join!`
    Both(Vec<Op>, Vec<Op>),

    /// Microseconds, here and below.
    Sleep(u64),
    Advance(u64),
    Timeout(u64, Vec<Op>),
    Interval(u64, u32),
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
            | Op::ThreadSpawn(body) => vec![&body.ops],
            Op::JoinSet { bodies, .. } | Op::AwaitSet { bodies } => {
                bodies.iter().map(|body| &body.ops).collect()
            }
            Op::RunUntil { bodies, ops } => {
                let bodies = bodies.iter().map(|body| &body.ops);
                bodies.chain([ops]).collect()
            }
            Op::Unconstrained(ops)
            | Op::Reserve(_, ops)
            | Op::Lock(_, ops)
            | Op::Read(ops)
            | Op::Write(ops)
            | Op::Acquire(_, ops)
            | Op::OnceCell(ops)
            | Op::Timeout(_, ops)
            | Op::Reset { ops, .. }
            | Op::DropSleep(_, ops) => vec![ops],
            Op::Select(branches) => branches.iter().collect(),
            Op::Both(first, second) => vec![first, second],
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
            | Op::ThreadSpawn(body) => vec![&mut body.ops],
            Op::JoinSet { bodies, .. } | Op::AwaitSet { bodies } => {
                bodies.iter_mut().map(|body| &mut body.ops).collect()
            }
            Op::RunUntil { bodies, ops } => {
                let bodies = bodies.iter_mut().map(|body| &mut body.ops);
                bodies.chain([ops]).collect()
            }
            Op::Unconstrained(ops)
            | Op::Reserve(_, ops)
            | Op::Lock(_, ops)
            | Op::Read(ops)
            | Op::Write(ops)
            | Op::Acquire(_, ops)
            | Op::OnceCell(ops)
            | Op::Timeout(_, ops)
            | Op::Reset { ops, .. }
            | Op::DropSleep(_, ops) => vec![ops],
            Op::Select(branches) => branches.iter_mut().collect(),
            Op::Both(first, second) => vec![first, second],
            _ => Vec::new(),
        }
    }
}
