//! The driver without a scheduler: its event loop, and operations on a simulated kernel and on this
//! one.

mod event_loop;
mod real;
mod simulation;
