//! What the runtime asks of the simulation that its thread may be part of. Without the feature
//! `sim` nobody is part of one, and all of this is nothing.
#![forbid(unsafe_code)]

#[cfg(feature = "sim")]
pub(crate) use yamanote_sim::{choose, is_inside, step};

#[cfg(not(feature = "sim"))]
pub(crate) use absent::{choose, is_inside, step};

#[cfg(not(feature = "sim"))]
mod absent {
    /// Whether the calling thread is part of a simulation.
    #[inline(always)]
    pub(crate) const fn is_inside() -> bool {
        false
    }

    /// A poll is about to begin: another thread may run before it.
    #[inline(always)]
    pub(crate) const fn step() {}

    /// Which of `n` things that may happen in any order happens first.
    #[inline(always)]
    pub(crate) const fn choose(_n: usize) -> usize {
        0
    }
}
