//! Channels, locks and signals between tasks.
//!
//! Nothing here knows a runtime: a task waits by leaving its waker, so everything works under any
//! executor, and across runtimes.
