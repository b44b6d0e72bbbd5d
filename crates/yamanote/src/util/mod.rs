//! What everything above may use and what knows nothing of the runtime: the cooperative budget,
//! whether this thread may block, what only one thread may look at, locks whose poison is
//! forgotten, a random number generator, the text of a shutdown error, a pipe of bytes, a thread
//! that blocks on a future, the tracing of leaf polls, what is told to a subscriber of `tracing`,
//! numbers for whoever wants to look, durations as numbers, a batch of wakers, panics that end here
//! or come later, how much room an empty queue keeps, a writer of JSON.

pub(crate) mod contained;
pub(crate) mod coop;
pub(crate) mod counter;
pub(crate) mod defer;
pub(crate) mod entered;
pub(crate) mod first_panic;
pub(crate) mod json;
pub(crate) mod linked_list;
pub(crate) mod nanos;
mod on_leaf;
pub(crate) mod owner_cell;
pub(crate) mod poison;
pub(crate) mod polite_lock;
pub(crate) mod rng;
pub(crate) mod room;
pub(crate) mod shutdown_text;
pub(crate) mod spans;
pub(crate) mod spin;
pub(crate) mod spsc;
pub(crate) mod thread_park;
pub(crate) mod trace;
pub(crate) mod wake_list;
