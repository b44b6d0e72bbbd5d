//! Which of the two drivers a runtime asks for, and on which it runs.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::str::FromStr;

/// Which driver a runtime is to use; see [`Builder::driver`](crate::runtime::Builder::driver).
///
/// # Examples
///
/// ```
/// use yamanote::runtime::{Builder, DriverChoice};
///
/// // From a configuration file, say.
/// let choice: DriverChoice = "epoll".parse().unwrap();
/// let rt = Builder::new_current_thread().driver(choice).enable_all().build().unwrap();
/// # drop(rt);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriverChoice {
    /// io_uring where this kernel and this process may use it (Linux 5.19 or later), epoll
    /// otherwise. Results are the same on both.
    #[default]
    Auto,
    /// io_uring or nothing: building the runtime fails where io_uring cannot be had, or has no room
    /// for a ring for each worker. (If a ring is lost later, for example to a seccomp filter, the
    /// runtime does without;
    /// [`driver_fallback_reason`](crate::runtime::RuntimeMetrics::driver_fallback_reason) says
    /// why.)
    Uring,
    /// epoll, and a thread pool for files.
    Epoll,
}

impl FromStr for DriverChoice {
    type Err = io::Error;

    /// `auto`, `uring` or `epoll`; anything else is [`InvalidInput`](io::ErrorKind::InvalidInput).
    fn from_str(name: &str) -> io::Result<Self> {
        match name {
            "auto" => Ok(DriverChoice::Auto),
            "uring" => Ok(DriverChoice::Uring),
            "epoll" => Ok(DriverChoice::Epoll),
            other => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("unknown driver `{other}`: expected `auto`, `uring` or `epoll`"),
            )),
        }
    }
}

/// The driver a runtime really got.
///
/// What it asked for is a [`DriverChoice`]; with `Auto` the answer
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
