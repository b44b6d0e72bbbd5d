//! Values at numbered places, which are found again in one step.
//!
//! A place is an index and a generation; once its value was taken out it never finds another one.
#![forbid(unsafe_code)]

use std::mem;

use crate::util::room::Room;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    index: u32,
    generation: u32,
}

pub(super) struct Slab<V> {
    entries: Vec<Entry<V>>,
    /// The first of the free entries, which are a list.
    free: Option<u32>,
    len: usize,
    /// Of the next value. Counted for the slab, not for an entry, so that entries may go.
    generation: u32,
}

struct Entry<V> {
    generation: u32,
    state: State<V>,
}

enum State<V> {
    Taken(V),
    /// And the next free one.
    Free(Option<u32>),
}

impl<V> Slab<V> {
    pub(super) const fn new() -> Slab<V> {
        Slab {
            entries: Vec::new(),
            free: None,
            len: 0,
            generation: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts in what `value` makes of the place. If that panics, nothing has changed.
    pub(super) fn insert(&mut self, value: impl FnOnce(Place) -> V) {
        let index = match self.free {
            Some(index) => index,
            None => u32::try_from(self.entries.len()).expect("a set of more than 2^32 tasks"),
        };
        let generation = self.generation;
        let state = State::Taken(value(Place { index, generation }));
        let taken = Entry { generation, state };
        match self.entries.get_mut(index as usize) {
            Some(entry) => match mem::replace(entry, taken).state {
                State::Free(next) => self.free = next,
                State::Taken(_) => unreachable!("a free entry was taken"),
            },
            None => self.entries.push(taken),
        }
        self.len += 1;
        // After 2^32 values a waker of the first might be taken for the last one's, and cause a
        // poll for nothing.
        self.generation = generation.wrapping_add(1);
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut V> {
        match self.entries.get_mut(place.index as usize)? {
            Entry {
                generation,
                state: State::Taken(value),
            } if *generation == place.generation => Some(value),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<V> {
        self.get_mut(place)?;
        let entry = &mut self.entries[place.index as usize];
        let State::Taken(value) = mem::replace(&mut entry.state, State::Free(self.free)) else {
            unreachable!("there was a value a moment ago");
        };
        self.free = Some(place.index);
        self.len -= 1;
        if self.len == 0 {
            self.entries.clear();
            self.entries.free_excess();
            self.free = None;
        }
        Some(value)
    }

    /// All values, in the order in which they were put in.
    pub(super) fn in_order(&self) -> Vec<&V> {
        let taken = self.entries.iter().filter_map(|entry| match &entry.state {
            State::Taken(value) => Some((self.age(entry), value)),
            State::Free(_) => None,
        });
        sorted(taken.collect())
    }

    /// Takes all values out, in the order in which they were put in.
    pub(super) fn take_all(&mut self) -> Vec<V> {
        self.free = None;
        self.len = 0;
        let entries = mem::take(&mut self.entries).into_iter();
        let taken = entries.filter_map(|entry| {
            let age = self.age(&entry);
            match entry.state {
                State::Taken(value) => Some((age, value)),
                State::Free(_) => None,
            }
        });
        sorted(taken.collect())
    }

    /// Smaller for what was put in earlier; generations are counted up, and around.
    fn age(&self, entry: &Entry<V>) -> u32 {
        entry.generation.wrapping_sub(self.generation)
    }
}

fn sorted<V>(mut values: Vec<(u32, V)>) -> Vec<V> {
    values.sort_unstable_by_key(|(age, _)| *age);
    values.into_iter().map(|(_, value)| value).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::util::rng::FastRand;
    use std::collections::HashMap;

    #[test]
    fn it_finds_what_a_map_finds() {
        let mut rng = FastRand::new(7);
        let mut slab = Slab::new();
        let mut map = HashMap::new();
        let mut places = Vec::new();
        for value in 0..5_000u32 {
            match rng.below(4) {
                0 | 1 => slab.insert(|place| {
                    assert!(!places.contains(&place), "a place is used once");
                    places.push(place);
                    map.insert(places.len() - 1, value);
                    value
                }),
                2 if !places.is_empty() => {
                    let which = rng.below(places.len() as u32) as usize;
                    assert_eq!(slab.remove(places[which]), map.remove(&which));
                }
                _ if value % 500 == 0 => {
                    let mut all = slab.take_all();
                    let mut expected: Vec<_> = map.drain().map(|(_, value)| value).collect();
                    all.sort();
                    expected.sort();
                    assert_eq!(all, expected);
                }
                _ => {}
            }
            assert_eq!(slab.len(), map.len());
            assert_eq!(slab.in_order().len(), map.len());
            let last = places.iter().enumerate().rev().take(8);
            for (which, place) in last {
                assert_eq!(
                    slab.get_mut(*place).map(|value| *value),
                    map.get(&which).copied()
                );
            }
        }
    }
}
