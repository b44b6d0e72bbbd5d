//! Random programs.
#![forbid(unsafe_code)]

use fastrand::Rng;

use crate::program::{Body, Kind, Missed, Op, Phase, Program, SetEnd};

/// Lengths of time in microseconds that differ in whole milliseconds, in the entry of a timer
/// wheel, or in neither.
const TIMES: [u64; 20] = [
    0, 1, 400, 500, 999, 1000, 1001, 1500, 2000, 2500, 3000, 5000, 10_000, 62_500, 63_000, 64_000,
    65_000, 100_000, 127_500, 4_096_000,
];

/// The program of a number: always the same.
pub fn program(seed: u64) -> Program {
    let mut rng = Rng::with_seed(seed);
    let paused = rng.bool();
    let kind = match rng.u32(..6) {
        0..3 => Kind::Runtime,
        3 | 4 => Kind::LocalSet,
        _ => Kind::LocalRuntime,
    };
    let interval = |rng: &mut Rng| match rng.u32(..4) {
        0 | 1 => None,
        2 => Some(rng.u32(1..4)),
        _ => Some(rng.u32(1..12)),
    };
    let event_interval = interval(&mut rng);
    let global_queue_interval = interval(&mut rng);
    let io = rng.bool();
    let (capacity, permits) = (rng.usize(1..3), rng.usize(1..4));
    let mut maker = Maker {
        size: rng.u32(8..60),
        rng,
        paused,
        kind,
        next_id: 1,
    };
    let phases = (0..maker.rng.u32(1..4)).map(|_| maker.phase()).collect();
    Program {
        paused,
        io,
        event_interval,
        global_queue_interval,
        kind,
        capacity,
        permits,
        phases,
    }
}

struct Maker {
    rng: Rng,
    paused: bool,
    kind: Kind,
    next_id: u32,
    /// Operations that may still be made.
    size: u32,
}

impl Maker {
    fn phase(&mut self) -> Phase {
        let before = match self.rng.u32(..3) {
            0 => self.bodies(4),
            _ => Vec::new(),
        };
        let local_before = match (self.kind, self.rng.bool()) {
            (Kind::LocalSet, true) => self.bodies(3),
            _ => Vec::new(),
        };
        Phase {
            before,
            local_before,
            outside: match self.rng.u32(..4) {
                0 => self.ops(3, 1),
                _ => Vec::new(),
            },
            main: self.ops(9, 3),
        }
    }

    fn bodies(&mut self, most: usize) -> Vec<Body> {
        (0..self.rng.usize(1..=most))
            .map(|_| self.body(2))
            .collect()
    }

    fn body(&mut self, depth: u32) -> Body {
        let id = self.next_id;
        self.next_id += 1;
        Body {
            id,
            ops: self.ops(5, depth),
        }
    }

    fn ops(&mut self, most: usize, depth: u32) -> Vec<Op> {
        let wanted = self.rng.usize(..=most);
        let mut ops = Vec::new();
        while ops.len() < wanted && self.size > 0 {
            self.size -= 1;
            ops.push(self.op(depth));
        }
        ops
    }

    fn time(&mut self) -> u64 {
        match self.rng.u32(..4) {
            0 => self.rng.u64(..200_000),
            _ => self.rng.choice(TIMES).expect("there are some"),
        }
    }

    /// The id of a task that is there, or will be.
    fn task(&mut self) -> u32 {
        self.rng.u32(1..=self.next_id)
    }

    fn op(&mut self, depth: u32) -> Op {
        match self.rng.u32(..100) {
            0..14 => self.yielding(),
            14..34 if depth > 0 => self.spawning(depth - 1),
            34..46 => match self.rng.u32(..12) {
                0..7 => Op::Join(self.task()),
                7 => Op::Abort(self.task()),
                8 => Op::Detach(self.task()),
                9 => Op::PeekTask(self.task()),
                _ => Op::JoinShared(self.task()),
            },
            46..58 if depth > 0 => self.combining(depth - 1),
            58..72 if self.paused => self.timing(depth),
            58..62 => self.waking(),
            _ => self.talking(depth),
        }
    }

    fn yielding(&mut self) -> Op {
        match self.rng.u32(..8) {
            0..5 => Op::Yield,
            5 => Op::WakeSelf,
            6 => Op::Spend(self.rng.choice([1, 127, 128, 129, 300]).expect("some")),
            _ => Op::Yield,
        }
    }

    fn spawning(&mut self, depth: u32) -> Op {
        match self.rng.u32(..28) {
            0..9 => Op::Spawn(self.body(depth)),
            9..14 => Op::SpawnLocal(self.body(depth)),
            14 => {
                let many = self.rng.u32(2..130);
                let mut body = self.body(0);
                body.ops.truncate(2);
                Op::SpawnMany(many, body)
            }
            15..17 => Op::JoinSet {
                bodies: self.bodies(4),
                joined: self.rng.u32(..4),
                end: self
                    .rng
                    .choice([
                        SetEnd::Drop,
                        SetEnd::Shutdown,
                        SetEnd::AbortAndJoin,
                        SetEnd::Detach,
                        SetEnd::JoinAll,
                    ])
                    .expect("some"),
            },
            17..19 => Op::RunUntil {
                bodies: self.bodies(3),
                ops: self.ops(5, depth),
            },
            19 => Op::AwaitSet {
                bodies: self.bodies(3),
            },
            20 => Op::SpawnIntoSet(self.body(depth)),
            21 => Op::ThreadSpawn(self.body(depth)),
            22 => Op::Panic,
            23 => Op::EnterSet {
                bodies: self.bodies(2),
                ops: self.ops(3, depth),
            },
            24 | 25 => Op::HandOver(self.body(depth)),
            26 => Op::Guard(self.ops(2, depth), self.ops(3, depth)),
            _ => Op::Spawn(self.body(depth)),
        }
    }

    fn combining(&mut self, depth: u32) -> Op {
        match self.rng.u32(..12) {
            0..4 => Op::Select(self.branches(4, depth)),
            4..7 => Op::Both(self.ops(3, depth), self.ops(3, depth)),
            7 => Op::BothBiased(self.ops(3, depth), self.ops(3, depth)),
            8 => Op::TryBoth(self.ops(3, depth), self.ops(3, depth)),
            9 | 10 => Op::Unordered(self.branches(6, depth)),
            _ => Op::Unconstrained(self.ops(3, depth)),
        }
    }

    fn branches(&mut self, below: u32, depth: u32) -> Vec<Vec<Op>> {
        (0..self.rng.u32(1..below))
            .map(|_| self.ops(3, depth))
            .collect()
    }

    fn timing(&mut self, depth: u32) -> Op {
        let depth = depth.saturating_sub(1);
        match self.rng.u32(..20) {
            16 | 17 => Op::Ticks {
                first: self.time(),
                period: self.time().max(1),
                missed: self
                    .rng
                    .choice([Missed::Burst, Missed::Delay, Missed::Skip])
                    .expect("some"),
                ticks: self.rng.u32(1..5),
                ops: self.ops(2, depth),
            },
            18 => Op::SleepUntil(self.time()),
            19 => Op::SendTimeout(self.rng.u32(..2), self.time()),
            0..7 => Op::Sleep(self.time()),
            7..9 => Op::Advance(self.time()),
            9..12 => Op::Timeout(self.time(), self.ops(3, depth)),
            12 => Op::Interval(self.time().max(1), self.rng.u32(1..4)),
            13 | 14 => Op::Reset {
                polled: self.rng.bool(),
                first: self.time(),
                then: self.time(),
                ops: self.ops(2, depth),
            },
            _ => Op::DropSleep(self.time(), self.ops(2, depth)),
        }
    }

    fn waking(&mut self) -> Op {
        let which = self.rng.u32(..2);
        match self.rng.u32(..8) {
            0..3 => Op::Park(which),
            3 | 4 => Op::Unpark(which),
            5 => Op::WakeInVain(which),
            6 => Op::ThreadUnpark(which),
            _ => Op::ThreadNotify(which),
        }
    }

    fn talking(&mut self, depth: u32) -> Op {
        let which = self.rng.u32(..2);
        let depth = depth.saturating_sub(1);
        match self.rng.u32(..96) {
            0..5 => Op::NotifyOne(which),
            5 => Op::NotifyLast(which),
            6 | 7 => Op::NotifyWaiters(which),
            8..12 => Op::Notified(which),
            12..17 => Op::Send(which),
            17 => Op::TrySend(which),
            18 => Op::Reserve(which, self.ops(2, depth)),
            19..23 => Op::Recv(which),
            23 => Op::RecvMany(which),
            24 => Op::CloseReceiver(which),
            25 => Op::DropSender(which),
            26..29 => Op::SendUnbounded(self.rng.choice([1, 1, 2, 200]).expect("some")),
            29..32 => Op::RecvUnbounded(self.rng.choice([1, 1, 2, 200]).expect("some")),
            32 | 33 => Op::OneshotSend(which),
            34 | 35 => Op::OneshotRecv(which),
            36 => Op::OneshotClosed(which),
            37 | 38 => Op::WatchSend,
            39 | 40 => Op::WatchChanged,
            41 | 42 => Op::BroadcastSend,
            43..46 => Op::BroadcastRecv(self.rng.u32(..3)),
            46..49 => Op::Lock(which, self.ops(3, depth)),
            49 | 50 => Op::Read(self.ops(3, depth)),
            51 | 52 => Op::Write(self.ops(3, depth)),
            53..56 => Op::Acquire(self.rng.u32(1..4), self.ops(3, depth)),
            56 => Op::AddPermits(1),
            57 | 58 => Op::Barrier,
            59 => Op::OnceCell(self.ops(2, depth)),
            60 => Op::TryRecv(which),
            61 => Op::SenderClosed(which),
            62 | 63 => Op::ReserveMany(which, self.rng.u32(1..4)),
            64 => Op::WatchFor(self.rng.u32(1..4)),
            65 => Op::DropWatch,
            66 => Op::WatchClosed,
            67 => Op::DropBroadcast(self.rng.u32(..3)),
            68 => Op::BroadcastClosed,
            69 | 70 => Op::Enabled(which, self.ops(2, depth)),
            71 | 72 => Op::Downgrade(self.ops(3, depth)),
            73 => Op::ForgetPermit,
            74 => Op::CloseSemaphore,
            75 => Op::SetOnce,
            76 | 77 => Op::WaitOnce,
            78..82 => Op::PipeWrite(which, self.rng.choice([1, 3, 8, 9, 20, 600]).expect("some")),
            82..86 => Op::PipeRead(which, self.rng.choice([1, 3, 8, 9, 20, 600]).expect("some")),
            86 => Op::PipeEnd(which),
            87 => Op::Copy(self.rng.choice([1, 9, 1024, 3000]).expect("some")),
            _ => self.waking(),
        }
    }
}
