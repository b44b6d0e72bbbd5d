//! A place that is filled at most once and read without a lock after that; or was full from the
//! beginning.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

pub(super) enum OncePlace<T> {
    /// Of a constant: a `OnceLock` cannot be made full in one.
    Given(T),
    Once(OnceLock<T>),
}

impl<T> OncePlace<T> {
    pub(super) const fn new() -> Self {
        OncePlace::Once(OnceLock::new())
    }

    pub(super) fn get(&self) -> Option<&T> {
        match self {
            OncePlace::Given(value) => Some(value),
            OncePlace::Once(value) => value.get(),
        }
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        match self {
            OncePlace::Given(value) => Some(value),
            OncePlace::Once(value) => value.get_mut(),
        }
    }

    pub(super) fn into_inner(self) -> Option<T> {
        match self {
            OncePlace::Given(value) => Some(value),
            OncePlace::Once(value) => value.into_inner(),
        }
    }

    /// Gives the value back if the place is full.
    pub(super) fn set(&self, value: T) -> Result<(), T> {
        match self {
            OncePlace::Given(_) => Err(value),
            OncePlace::Once(place) => place.set(value),
        }
    }
}
