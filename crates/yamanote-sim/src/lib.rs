//! A simulated machine: the threads, clocks, chance, sockets and files of a process, under a seed.
//!
//! This is what [`yamanote::sim`](https://docs.rs/yamanote) stands on; use that. It works below the
//! runtime: the program is linked with functions of the C library's names (`clock_gettime`,
//! `syscall`, `pthread_create`, `socket`, `open`, ...), which a [`World`] answers for the threads
//! that are in it, and the real kernel for all others. So the application, `std`, every crate and
//! the runtime itself run as they are.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
// Newer compilers know that `open` takes any number of arguments, as do `fcntl`, `ioctl` and
// `syscall`. A function that does cannot be defined in Rust; on these machines integers and
// pointers are passed in the same places either way.
#![allow(unknown_lints)]
#![allow(invalid_runtime_symbol_definitions)]

mod abi;
mod baton;
mod kernel;
mod me;
mod pin;
mod raw;
mod world;

pub mod disk;
pub mod hosts;
pub mod net;
pub mod processes;
pub mod signals;

pub use baton::Threads;
pub use kernel::chance::{Rng, Stream};
pub use kernel::host::{HostId, Life};
pub use kernel::order::Order;
pub use kernel::trace::{Event, Listener, Record, Trace};
pub use kernel::trap::Moment;
pub use world::{Config, World, adopt, run};

use std::panic::Location;
use std::time::Duration;

/// Whether the calling thread is in a world.
#[inline]
pub fn is_inside() -> bool {
    me::current().is_some()
}

/// A runtime has done a step, the poll of a task for one: another thread may run now.
#[inline]
pub fn step() {
    if let Some(me) = me::current() {
        me.switch_if(|kernel| kernel.step(me.id()));
    }
}

/// As [`step`], before the poll of a task that was spawned there.
#[inline]
pub fn step_before(spawned_at: &'static Location<'static>) {
    if let Some(me) = me::current() {
        step();
        me.world().note_poll(me.id(), spawned_at);
    }
}

/// Which of `n` things that may happen in any order happens first; 0, the one whose turn it is,
/// outside of a world.
#[inline]
pub fn choose(n: usize) -> usize {
    match me::current() {
        Some(me) => me.inside(|kernel| kernel.choose(n)),
        None => 0,
    }
}

/// Time since the run began.
///
/// # Panics
///
/// Outside of a world.
pub fn now() -> Duration {
    Duration::from_nanos(inside().inside(|kernel| kernel.now))
}

/// A number that two runs share if the same things have happened so far in both.
///
/// # Panics
///
/// Outside of a world.
pub fn trace_hash() -> u64 {
    inside().inside(|kernel| kernel.trace.hash())
}

/// A number of a stream of chance.
///
/// # Panics
///
/// Outside of a world.
pub fn with_rng<R>(stream: Stream, f: impl FnOnce(&mut Rng) -> R) -> R {
    inside().inside(|kernel| f(kernel.rng(stream)))
}

/// Notes an event in the trace, as of the host of this thread. Nothing outside of a world.
pub fn note(what: &str) {
    if let Some(me) = me::current() {
        let host = me.life().host;
        me.inside(|kernel| kernel.note(host, "note", &[], || what.to_owned()));
    }
}

/// Simulated descriptors that are open, of all hosts.
///
/// # Panics
///
/// Outside of a world.
pub fn open_descriptors() -> usize {
    inside().inside(|kernel| kernel.files.open_descriptors())
}

/// As [`note`], of any host and any kind.
pub fn note_as(host: HostId, code: &'static str, what: &str) {
    if let Some(me) = me::current() {
        me.inside(|kernel| kernel.note(host, code, &[], || what.to_owned()));
    }
}

fn inside() -> &'static me::Me {
    me::current().expect("there is no simulation on this thread")
}
