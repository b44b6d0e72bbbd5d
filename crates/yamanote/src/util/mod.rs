//! What everything above may use and what knows nothing of the runtime: the cooperative budget, a
//! random number generator, the text that tells of a shutdown, a pipe of bytes, the tracing of leaf
//! polls, a batch of wakers.

pub(crate) mod coop;
pub(crate) mod rng;
pub(crate) mod shutdown_text;
pub(crate) mod spsc;
pub(crate) mod trace;
pub(crate) mod wake_list;
