//! Marks in a program that a simulation looks at. Outside of one they cost a load, and do nothing.
//!
//! - [`always!`](crate::always) claims that something holds whenever the line is reached. In a
//!   simulation a claim that does not hold fails the run; elsewhere it is not even evaluated.
//! - [`sometimes!`](crate::sometimes) claims that something holds in some run. The report of a test
//!   names those that held in none: the test never got where it was meant to get. A mark whose line
//!   no run has reached is not known, so is not named: let the line be reached, and the condition
//!   say whether it was interesting.
//! - [`buggify`] is true now and then, in a simulation: for a delay, an early return, a small
//!   buffer, whatever is allowed, rare, and makes rare things frequent. (FoundationDB's word.)
//!
//! ```
//! use yamanote_marks::{always, buggify, sometimes};
//!
//! fn push(queue: &mut Vec<u32>, value: u32) -> Result<(), u32> {
//!     let limit = if buggify(0.1) { 1 } else { 1024 };
//!     sometimes!(queue.len() >= limit, "the queue is full");
//!     if queue.len() >= limit {
//!         return Err(value);
//!     }
//!     queue.push(value);
//!     always!(queue.len() <= 1024, "the queue is bounded");
//!     Ok(())
//! }
//! assert_eq!(push(&mut Vec::new(), 7), Ok(()));
//! ```
//!
//! This crate has no dependencies, so that a program may have marks wherever it is built.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::panic::Location;
use std::sync::OnceLock;

/// What a simulation is told and asked.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Observer {
    /// Whether the calling thread is part of it.
    pub is_inside: fn() -> bool,
    /// A claim was come by, and whether it holds.
    pub see: fn(Kind, &'static str, &'static Location<'static>, bool),
    /// Whether something rare happens at a place, which has this probability.
    pub draw: fn(&'static Location<'static>, f64) -> bool,
}

/// What is claimed.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// That it holds whenever the line is reached.
    Always,
    /// That it holds in some run.
    Sometimes,
}

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// From now on it is told. The first one stays.
#[doc(hidden)]
pub fn observe(observer: Observer) {
    let _ = OBSERVER.set(observer);
}

#[doc(hidden)]
#[inline]
pub fn is_inside() -> bool {
    OBSERVER.get().is_some_and(|it| (it.is_inside)())
}

#[doc(hidden)]
#[track_caller]
pub fn see(kind: Kind, name: &'static str, holds: bool) {
    if let Some(observer) = OBSERVER.get() {
        (observer.see)(kind, name, Location::caller(), holds);
    }
}

/// True with probability `p`, in a simulation; false elsewhere.
///
/// The seed first decides whether this line takes part in the run at all, which one in four does.
/// So some runs see a lot of one kind, and each kind is seen without the others. When the
/// simulation heals, it is false again.
#[inline]
#[track_caller]
pub fn buggify(p: f64) -> bool {
    match OBSERVER.get() {
        Some(observer) if (observer.is_inside)() => (observer.draw)(Location::caller(), p),
        _ => false,
    }
}

/// Claims that a condition holds whenever the line is reached. `always!(condition, "name")`.
///
/// # Panics
///
/// In a simulation, if it does not.
#[macro_export]
macro_rules! always {
    ($condition:expr, $name:expr $(,)?) => {
        if $crate::is_inside() {
            let holds: bool = $condition;
            $crate::see($crate::Kind::Always, $name, holds);
            if !holds {
                ::core::panic!("always!: {}: {}", $name, ::core::stringify!($condition));
            }
        }
    };
}

/// Claims that a condition holds in some run when the line is reached. `sometimes!(condition,
/// "name")`.
#[macro_export]
macro_rules! sometimes {
    ($condition:expr, $name:expr $(,)?) => {
        if $crate::is_inside() {
            $crate::see($crate::Kind::Sometimes, $name, $condition);
        }
    };
}
