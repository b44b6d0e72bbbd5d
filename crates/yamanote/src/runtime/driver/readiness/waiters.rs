//! The tasks that wait for one source: a waker for each direction, and a list of any length.
#![forbid(unsafe_code)]

use std::task::Waker;

use super::interest::{Direction, Interest};
use super::ready::Ready;
use crate::util::wake_list::WakeList;

/// Wakers go in and come out here; none is cloned, dropped or woken inside.
#[derive(Debug)]
pub(super) struct Waiters {
    reader: Option<Waker>,
    writer: Option<Waker>,
    places: Vec<Entry>,
    /// Head of the chain of vacant places, or `NONE`.
    first_vacant: u32,
}

/// A place among the waiters, from [`Waiters::join`] to [`Waiters::leave`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(u32);

#[derive(Debug)]
enum Entry {
    Vacant {
        next: u32,
    },
    /// The waker is gone once it has been collected; the place stays until its owner leaves.
    Waiting {
        interest: Interest,
        waker: Option<Waker>,
    },
}

const NONE: u32 = u32::MAX;

impl Waiters {
    pub(super) const fn new() -> Self {
        Waiters {
            reader: None,
            writer: None,
            places: Vec::new(),
            first_vacant: NONE,
        }
    }

    /// Remembers `waker` for `direction`, and returns the one that is no longer needed.
    pub(super) fn set(&mut self, direction: Direction, waker: Waker) -> Option<Waker> {
        exchange(self.direction(direction), waker)
    }

    pub(super) fn take(&mut self, direction: Direction) -> Option<Waker> {
        self.direction(direction).take()
    }

    fn direction(&mut self, direction: Direction) -> &mut Option<Waker> {
        match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        }
    }

    pub(super) fn join(&mut self, interest: Interest, waker: Waker) -> Place {
        let entry = Entry::Waiting {
            interest,
            waker: Some(waker),
        };
        match self.places.get_mut(self.first_vacant as usize) {
            Some(place) => {
                let index = self.first_vacant;
                match std::mem::replace(place, entry) {
                    Entry::Vacant { next } => self.first_vacant = next,
                    Entry::Waiting { .. } => unreachable!("a waiter in the chain of vacant places"),
                }
                Place(index)
            }
            None => {
                self.places.push(entry);
                Place(self.places.len() as u32 - 1)
            }
        }
    }

    /// Waits on with another waker; returns the one that is no longer needed.
    pub(super) fn renew(&mut self, place: Place, waker: Waker) -> Option<Waker> {
        match &mut self.places[place.0 as usize] {
            Entry::Waiting { waker: current, .. } => exchange(current, waker),
            Entry::Vacant { .. } => unreachable!("a waiter without a place"),
        }
    }

    pub(super) fn leave(&mut self, place: Place) -> Option<Waker> {
        let vacant = Entry::Vacant {
            next: self.first_vacant,
        };
        self.first_vacant = place.0;
        match std::mem::replace(&mut self.places[place.0 as usize], vacant) {
            Entry::Waiting { waker, .. } => waker,
            Entry::Vacant { .. } => unreachable!("a waiter left twice"),
        }
    }

    /// Moves the wakers of all whose wait ends with `ready` to `wakers`.
    pub(super) fn collect(&mut self, ready: Ready, wakers: &mut WakeList) {
        for direction in [Direction::Read, Direction::Write] {
            if ready.satisfies(direction.interest()) {
                move_to(wakers, self.direction(direction));
            }
        }
        for entry in &mut self.places {
            match entry {
                Entry::Waiting { interest, waker } if ready.satisfies(*interest) => {
                    move_to(wakers, waker);
                }
                _ => {}
            }
        }
    }
}

fn move_to(wakers: &mut WakeList, waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        wakers.push(waker);
    }
}

/// Puts `new` into `current` unless it would wake the same task; returns the spare one.
fn exchange(current: &mut Option<Waker>, new: Waker) -> Option<Waker> {
    match current {
        Some(waker) if waker.will_wake(&new) => Some(new),
        _ => current.replace(new),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again() {
        let mut waiters = Waiters::new();
        let a = waiters.join(Interest::READABLE, Waker::noop().clone());
        let b = waiters.join(Interest::WRITABLE, Waker::noop().clone());
        assert!(waiters.leave(a).is_some());
        let c = waiters.join(Interest::ERROR, Waker::noop().clone());
        assert_eq!((a.0, b.0, c.0), (0, 1, 0));

        let mut wakers = WakeList::new();
        waiters.collect(Ready::WRITABLE, &mut wakers);
        assert_eq!(wakers.len(), 1);
        assert!(waiters.leave(b).is_none(), "collected");
        assert!(waiters.leave(c).is_some());
        assert_eq!(waiters.places.len(), 2);
    }
}
