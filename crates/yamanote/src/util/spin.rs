//! Waiting without giving the processor away, for less time than a sleep costs.
#![forbid(unsafe_code)]

use std::time::Instant;

use crate::loom::hint::spin_loop;
use crate::simulation;

pub(crate) fn spin_until(end: Instant) {
    while Instant::now() < end {
        // In a simulation nobody else runs meanwhile, and a look takes time by itself.
        if !simulation::is_inside() {
            (0..8).for_each(|_| spin_loop());
        }
    }
}
