//! What the panic of a task does to the others.
#![forbid(unsafe_code)]

/// What a runtime, or a [`LocalSet`](crate::task::LocalSet), does when a spawned task panics; see
/// [`Builder::unhandled_panic`](super::Builder::unhandled_panic).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum UnhandledPanic {
    /// The panic is the task's [`JoinError`](crate::task::JoinError), and the other tasks go on.
    /// The default.
    Ignore,

    /// All other tasks are dropped, what is spawned later is dropped at once, and
    /// [`block_on`](super::Runtime::block_on) panics.
    ShutdownRuntime,
}
