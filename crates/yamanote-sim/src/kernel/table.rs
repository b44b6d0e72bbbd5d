//! Tables of what is numbered in the order in which it is made.
#![forbid(unsafe_code)]

use std::marker::PhantomData;

/// A number that is given once, counting from 0.
pub(crate) trait Number: Copy {
    fn of(index: u32) -> Self;
    fn index(self) -> u32;
}

/// What there is of each number. It takes four bytes for a number that was there, and finds one by
/// two looks.
pub(crate) struct Table<N, T> {
    /// By number: where in `values` it is, or [`NONE`].
    places: Vec<u32>,
    values: Vec<Option<T>>,
    free: Vec<u32>,
    number: PhantomData<N>,
}

const NONE: u32 = u32::MAX;

impl<N, T> Default for Table<N, T> {
    fn default() -> Self {
        Table {
            places: Vec::new(),
            values: Vec::new(),
            free: Vec::new(),
            number: PhantomData,
        }
    }
}

impl<N: Number, T> Table<N, T> {
    fn place(&self, number: N) -> Option<usize> {
        let place = self.places.get(number.index() as usize)?;
        (*place != NONE).then_some(*place as usize)
    }

    pub(crate) fn get(&self, number: N) -> Option<&T> {
        self.values[self.place(number)?].as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: N) -> Option<&mut T> {
        let place = self.place(number)?;
        self.values[place].as_mut()
    }

    pub(crate) fn contains(&self, number: N) -> bool {
        self.place(number).is_some()
    }

    /// Of a number that was never there.
    pub(crate) fn insert(&mut self, number: N, value: T) {
        let index = number.index() as usize;
        debug_assert!(index >= self.places.len(), "numbers are given once");
        self.places.resize(index + 1, NONE);
        let place = self.free.pop().unwrap_or_else(|| {
            self.values.push(None);
            self.values.len() as u32 - 1
        });
        self.values[place as usize] = Some(value);
        self.places[index] = place;
    }

    pub(crate) fn remove(&mut self, number: N) -> Option<T> {
        let place = self.place(number)?;
        self.places[number.index() as usize] = NONE;
        self.free.push(place as u32);
        self.values[place].take()
    }

    /// All, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (N, &T)> {
        let numbers = (0..self.places.len() as u32).map(N::of);
        numbers.filter_map(|number| Some((number, self.get(number)?)))
    }
}
