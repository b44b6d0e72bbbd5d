//! What a runtime does, for whoever operates it. Always there, on a stable compiler, without a
//! flag.
//!
//! [`RuntimeMetrics::insight`](crate::runtime::RuntimeMetrics::insight) takes a [`Snapshot`];
//! [`Builder::on_stall`](crate::runtime::Builder::on_stall) is told of each [`Stall`].
#![forbid(unsafe_code)]

pub use crate::runtime::scheduler::poll_timer::PollTimes;
pub use crate::runtime::snapshot::{
    Blocking, Bucket, Files, Histogram, Io, Ring, Snapshot, Tasks, Timers, Worker,
};
pub use crate::runtime::stall::{Activity, Call};
pub use crate::runtime::stalls::Stall;
