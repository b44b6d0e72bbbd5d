//! Which of the two drivers a runtime runs on.
#![forbid(unsafe_code)]

use std::fmt;

/// The driver a runtime really got.
///
/// What it asked for is a [`DriverChoice`](crate::runtime::DriverChoice); with `Auto` the answer
/// depends on the kernel and on what the process is allowed to use.
///
/// # Examples
///
/// ```
/// use yamanote::runtime::Runtime;
///
/// let rt = Runtime::new().unwrap();
/// println!("running on {}", rt.handle().driver());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriverKind {
    /// One io_uring per worker; readiness of sockets through epoll.
    Uring,
    /// epoll for readiness, a thread pool for files.
    Epoll,
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DriverKind::Uring => "uring",
            DriverKind::Epoll => "epoll",
        })
    }
}
