//! What everything above may use and what knows nothing of the runtime: the cooperative budget, a
//! random number generator, a pipe of bytes, the tracing of leaf polls, a batch of wakers.

pub(crate) mod coop;
pub(crate) mod rng;
pub(crate) mod spsc;
pub(crate) mod trace;
pub(crate) mod wake_list;
