//! What the environment has to say about a runtime.
#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsStr;
use std::io;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::thread;

use super::driver::Want;

/// Overrides [`Builder::driver`](super::Builder::driver) for every runtime of the process.
const DRIVER_VARIABLE: &str = "YAMANOTE_DRIVER";

/// Overrides [`Builder::inline_files`](super::Builder::inline_files) for every runtime of the process.
const INLINE_FILES_VARIABLE: &str = "YAMANOTE_INLINE_FILES";

/// The number of workers where the program does not say. Tokio's name, so that it works as it did.
const WORKERS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// Which driver a runtime is to use; see [`Builder::driver`](super::Builder::driver).
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
    /// io_uring or nothing: building the runtime fails where it is not to be had, or has no room for
    /// a ring for each worker. (A ring that is lost later, to a seccomp filter for example, is done
    /// without; [`driver_fallback_reason`](super::RuntimeMetrics::driver_fallback_reason) tells.)
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
            other => Err(unknown_driver(&format!("`{other}`"))),
        }
    }
}

fn unknown_driver(name: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("unknown driver {name}: expected `auto`, `uring` or `epoll`"),
    )
}

impl DriverChoice {
    /// The operator's word if there is one, else the program's.
    pub(super) fn or_environment(self) -> io::Result<Self> {
        match env::var_os(DRIVER_VARIABLE) {
            Some(value) => Self::from_variable(&value).map(|choice| choice.unwrap_or(self)),
            None => Ok(self),
        }
    }

    /// An empty variable is an unset one, as shells have it.
    fn from_variable(value: &OsStr) -> io::Result<Option<Self>> {
        if value.is_empty() {
            return Ok(None);
        }
        let choice = match value.to_str() {
            Some(name) => name.parse(),
            None => Err(unknown_driver(&format!("{value:?}"))),
        };
        choice
            .map(Some)
            .map_err(|error| io::Error::new(error.kind(), format!("{DRIVER_VARIABLE}: {error}")))
    }

    pub(super) fn want(self) -> Want {
        match self {
            DriverChoice::Auto => Want::Auto,
            DriverChoice::Uring => Want::Uring,
            DriverChoice::Epoll => Want::Epoll,
        }
    }
}

/// Whether files may be touched inline: the operator's word if there is one, else the program's.
pub(super) fn inline_files(program: bool) -> io::Result<bool> {
    match env::var_os(INLINE_FILES_VARIABLE) {
        Some(value) => inline_files_from_variable(&value).map(|inline| inline.unwrap_or(program)),
        None => Ok(program),
    }
}

/// An empty variable is an unset one.
fn inline_files_from_variable(value: &OsStr) -> io::Result<Option<bool>> {
    match value.to_str() {
        Some("") => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{INLINE_FILES_VARIABLE}: unknown value {value:?}: expected `on` or `off`"),
        )),
    }
}

/// Workers of a multi-thread runtime whose builder was not told a number.
///
/// # Panics
///
/// When the variable holds something else than a number above zero.
pub(super) fn default_worker_threads() -> usize {
    match env::var(WORKERS_VARIABLE) {
        Ok(value) => {
            let workers = value.parse().unwrap_or_else(|error| {
                panic!("\"{WORKERS_VARIABLE}\" must be usize, error: {error}, value: {value}")
            });
            assert!(workers > 0, "\"{WORKERS_VARIABLE}\" cannot be set to 0");
            workers
        }
        Err(env::VarError::NotPresent) => {
            thread::available_parallelism().map_or(1, NonZeroUsize::get)
        }
        Err(env::VarError::NotUnicode(value)) => {
            panic!("\"{WORKERS_VARIABLE}\" must be valid unicode, error: {value:?}")
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_driver_is_told_the_known_ones() {
        let error = "io_uring".parse::<DriverChoice>().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        for name in ["io_uring", "auto", "uring", "epoll"] {
            assert!(error.to_string().contains(name), "{error}");
        }
        let error = DriverChoice::from_variable(OsStr::new("iocp")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("YAMANOTE_DRIVER"), "{error}");
    }

    #[test]
    fn files_are_inline_or_not() {
        let parse = |value: &str| inline_files_from_variable(OsStr::new(value));
        assert_eq!(parse("on").unwrap(), Some(true));
        assert_eq!(parse("off").unwrap(), Some(false));
        assert_eq!(parse("").unwrap(), None);
        let error = parse("no").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        for word in ["YAMANOTE_INLINE_FILES", "no", "on", "off"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn an_empty_variable_says_nothing() {
        let choice = DriverChoice::from_variable(OsStr::new("")).unwrap();
        assert_eq!(choice, None);
        let choice = DriverChoice::from_variable(OsStr::new("epoll")).unwrap();
        assert_eq!(choice, Some(DriverChoice::Epoll));
    }
}
