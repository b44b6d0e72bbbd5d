//! The kinds of runtime.
#![forbid(unsafe_code)]

/// The kinds of runtime; see [`Handle::runtime_flavor`](super::Handle::runtime_flavor).
///
/// # Examples
///
/// ```
/// use yamanote::runtime::{Handle, Runtime, RuntimeFlavor};
///
/// let rt = Runtime::new().unwrap();
/// let flavor = rt.block_on(async { Handle::current().runtime_flavor() });
/// assert_eq!(flavor, RuntimeFlavor::MultiThread);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// Tasks run on the threads that call [`Runtime::block_on`](super::Runtime::block_on), one at a
    /// time.
    CurrentThread,
    /// Tasks run on the runtime's own worker threads.
    MultiThread,
}

impl RuntimeFlavor {
    /// As in `#[main(flavor = "...")]`.
    pub(super) fn name(self) -> &'static str {
        match self {
            RuntimeFlavor::CurrentThread => "current_thread",
            RuntimeFlavor::MultiThread => "multi_thread",
        }
    }
}
