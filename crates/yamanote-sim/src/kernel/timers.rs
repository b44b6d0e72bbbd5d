//! What is due, and when.
#![forbid(unsafe_code)]

use super::thread::ThreadId;
use super::{Kernel, NEVER};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Something that happens at its time.
type Due = Box<dyn FnOnce(&mut Kernel) + Send>;

pub(super) enum Timer {
    /// Ends the wait of that thread.
    Timeout(ThreadId),
    Call(Due),
}

/// Names a timer, to call it off. None is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerId {
    number: u64,
    place: usize,
}

/// All timers: by time, and those of one time as they were made.
#[derive(Default)]
pub(super) struct Timers {
    /// Time, number and place. One that was called off stays until it is its turn, or until there
    /// are more of those than of others.
    line: BinaryHeap<Reverse<(u64, u64, usize)>>,
    places: Vec<Option<(u64, Timer)>>,
    free: Vec<usize>,
    next: u64,
}

impl Timers {
    pub(super) fn add(&mut self, at: u64, timer: Timer) -> TimerId {
        let number = self.next;
        self.next += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some((number, timer));
        self.line.push(Reverse((at, number, place)));
        TimerId { number, place }
    }

    /// Nothing, if it was its turn already.
    pub(super) fn call_off(&mut self, timer: TimerId) {
        if !self.is_there(timer.number, timer.place) {
            return;
        }
        self.take(timer.place);
        let living = self.places.len() - self.free.len();
        if self.line.len() > 2 * living + 64 {
            let mut line = std::mem::take(&mut self.line);
            line.retain(|Reverse((_, number, place))| self.is_there(*number, *place));
            self.line = line;
        }
    }

    fn is_there(&self, number: u64, place: usize) -> bool {
        let found = self.places[place].as_ref();
        found.is_some_and(|(other, _)| *other == number)
    }

    fn take(&mut self, place: usize) -> Option<Timer> {
        let (_, timer) = self.places[place].take()?;
        self.free.push(place);
        Some(timer)
    }

    /// When the next is due.
    pub(super) fn next_at(&mut self) -> Option<u64> {
        loop {
            let Reverse((at, number, place)) = *self.line.peek()?;
            if self.is_there(number, place) {
                return Some(at);
            }
            self.line.pop();
        }
    }

    /// Takes the next, if it is due.
    pub(super) fn take_due(&mut self, now: u64) -> Option<Timer> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse((_, _, place)) = self.line.pop()?;
        self.take(place)
    }

    /// Whether a thread will run, if only because it has waited long enough.
    pub(super) fn end_a_wait(&self) -> bool {
        self.line.iter().any(|Reverse((at, number, place))| {
            let is_wait = || matches!(self.places[*place], Some((_, Timer::Timeout(_))));
            *at < NEVER && self.is_there(*number, *place) && is_wait()
        })
    }
}
