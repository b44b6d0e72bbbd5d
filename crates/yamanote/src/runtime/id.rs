//! The runtime's number.
#![forbid(unsafe_code)]

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells a runtime, or a [`LocalSet`](crate::task::LocalSet), from every other of the process.
///
/// The numbers say nothing about the order in which runtimes were built, and mean nothing beyond
/// the process.
///
/// # Examples
///
/// ```
/// use yamanote::runtime::Runtime;
///
/// let a = Runtime::new().unwrap();
/// let b = Runtime::new().unwrap();
/// assert_ne!(a.handle().id(), b.handle().id());
/// ```
#[derive(Clone, Copy, Debug, Hash, Eq, PartialEq)]
pub struct Id(NonZeroU64);

impl Id {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: the number only has to be unique; nothing is published with it.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Id(NonZeroU64::new(number).expect("2^64 runtimes have been built"))
    }

    pub(super) fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
