//! Who runs next, of those that can.
#![forbid(unsafe_code)]

use super::chance::Rng;
use super::thread::ThreadId;
use std::collections::VecDeque;

/// How a run orders what may happen in any order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// First come, first served: a thread runs until it waits, at most for a number of steps; tasks
    /// run as the runtime orders them.
    Fifo,
    /// Whoever can run may be next. A thread goes on after a step with this probability, in 256ths.
    Random { stay: u8 },
    /// Threads have priorities, which change at a few random steps: Burckhardt, Kothari, Musuvathi,
    /// Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs" (2010).
    Priorities,
}

impl Order {
    /// One that the seed chooses.
    pub fn drawn(rng: &mut Rng) -> Order {
        match rng.below(4) {
            0 => Order::Priorities,
            1 => Order::Random { stay: 128 },
            2 => Order::Random { stay: 224 },
            _ => Order::Random { stay: 250 },
        }
    }
}

/// Steps for which one thread may run while others could.
const LONGEST_TURN: u32 = 256;
/// One in so many steps changes a priority.
const STEPS_PER_CHANGE: u64 = 128;

/// The threads that can run and do not.
#[derive(Debug)]
pub(super) struct Line {
    order: Order,
    ready: VecDeque<(ThreadId, u64)>,
    /// Steps of the thread that runs, since it was picked.
    turn: u32,
}

impl Line {
    pub(super) fn new(order: Order) -> Line {
        Line {
            order,
            ready: VecDeque::new(),
            turn: 0,
        }
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    pub(super) fn push(&mut self, thread: ThreadId, rng: &mut Rng) {
        let priority = match self.order {
            Order::Priorities => rng.next(),
            Order::Fifo | Order::Random { .. } => 0,
        };
        self.ready.push_back((thread, priority));
    }

    /// Takes out those for which `f` is true, in order.
    pub(super) fn take(&mut self, f: impl Fn(ThreadId) -> bool) -> Vec<ThreadId> {
        let taken = self.ready.iter().map(|(thread, _)| *thread);
        let taken: Vec<ThreadId> = taken.filter(|thread| f(*thread)).collect();
        self.ready.retain(|(thread, _)| !f(*thread));
        taken
    }

    /// Takes the one that runs next.
    pub(super) fn pick(&mut self, rng: &mut Rng) -> Option<ThreadId> {
        if self.ready.is_empty() {
            return None;
        }
        self.turn = 0;
        let index = match self.order {
            Order::Fifo => 0,
            Order::Random { .. } if self.ready.len() == 1 => 0,
            Order::Random { .. } => rng.below(self.ready.len() as u64) as usize,
            Order::Priorities => {
                let highest = self
                    .ready
                    .iter()
                    .enumerate()
                    .max_by_key(|(_, ready)| ready.1);
                highest.map_or(0, |(index, _)| index)
            }
        };
        self.ready.remove(index).map(|(thread, _)| thread)
    }

    /// Whether the thread that runs should let another go first, after a step.
    pub(super) fn should_yield(&mut self, rng: &mut Rng) -> bool {
        self.turn += 1;
        if self.ready.is_empty() {
            return false;
        }
        match self.order {
            _ if self.turn >= LONGEST_TURN => true,
            Order::Fifo => false,
            Order::Random { stay } => rng.below(256) >= u64::from(stay),
            Order::Priorities => rng.below(STEPS_PER_CHANGE) == 0,
        }
    }
}
