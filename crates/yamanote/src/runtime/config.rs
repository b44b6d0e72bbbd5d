//! What the environment says about a runtime.
#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsStr;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::thread;
use std::time::Duration;

use super::console::{Address, Choice};
use super::driver::{DriverChoice, unknown_driver};
use crate::simulation;

/// Overrides [`Builder::driver`](super::Builder::driver) for every runtime of the process.
const DRIVER_VARIABLE: &str = "YAMANOTE_DRIVER";

/// What that variable says for a program that is to run on a simulated machine.
const SIMULATED: &str = "sim";

/// Overrides [`Builder::inline_files`](super::Builder::inline_files) for every runtime of the
/// process.
const INLINE_FILES_VARIABLE: &str = "YAMANOTE_INLINE_FILES";

/// Overrides [`Builder::kernel_copies`](super::Builder::kernel_copies) for every runtime of the
/// process.
const KERNEL_COPIES_VARIABLE: &str = "YAMANOTE_KERNEL_COPIES";

/// Overrides [`Builder::stall_after`](super::Builder::stall_after) for every runtime of the
/// process.
const STALL_VARIABLE: &str = "YAMANOTE_STALL_MS";

/// Overrides [`Builder::console`](super::Builder::console) for every runtime of the process.
const CONSOLE_VARIABLE: &str = "YAMANOTE_CONSOLE";

/// The number of workers if the program does not say. Tokio's name, so that it works as it did.
const WORKERS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// Puts the calling thread on a simulated machine if the operator says so.
pub(super) fn simulate_if_asked() -> io::Result<()> {
    match env::var_os(DRIVER_VARIABLE) {
        Some(value) if value == SIMULATED => simulation::adopt(),
        _ => Ok(()),
    }
}

impl DriverChoice {
    /// What the operator says, or else what the program says.
    pub(super) fn or_environment(self) -> io::Result<Self> {
        match env::var_os(DRIVER_VARIABLE) {
            Some(value) if value == SIMULATED => Ok(DriverChoice::Auto),
            Some(value) => Self::from_variable(&value).map(|choice| choice.unwrap_or(self)),
            None => Ok(self),
        }
    }

    /// An empty variable counts as unset, as in shells.
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
}

/// Whether files may be touched inline: what the operator says, or else what the program says.
pub(super) fn inline_files(program: bool) -> io::Result<bool> {
    on_or_off(INLINE_FILES_VARIABLE, program)
}

/// Whether copies may leave the moving of bytes to the kernel, by the same rule.
pub(super) fn kernel_copies(program: bool) -> io::Result<bool> {
    on_or_off(KERNEL_COPIES_VARIABLE, program)
}

/// How long a poll may take, by the operator. Zero: nobody watches.
pub(super) fn stall_limit() -> io::Result<Option<Duration>> {
    match env::var_os(STALL_VARIABLE) {
        Some(value) => from_millis(STALL_VARIABLE, &value),
        None => Ok(None),
    }
}

/// An empty variable counts as unset.
fn from_millis(variable: &str, value: &OsStr) -> io::Result<Option<Duration>> {
    if value.is_empty() {
        return Ok(None);
    }
    let millis = value.to_str().and_then(|value| value.parse().ok());
    match millis {
        Some(millis) => Ok(Some(Duration::from_millis(millis))),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{variable}: {value:?} is no number of milliseconds (0 is off)"),
        )),
    }
}

fn on_or_off(variable: &str, program: bool) -> io::Result<bool> {
    match env::var_os(variable) {
        Some(value) => from_switch(variable, &value).map(|on| on.unwrap_or(program)),
        None => Ok(program),
    }
}

/// An empty variable counts as unset.
fn from_switch(variable: &str, value: &OsStr) -> io::Result<Option<bool>> {
    match value.to_str() {
        Some("") => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{variable}: unknown value {value:?}: expected `on` or `off`"),
        )),
    }
}

/// Whether and where there is to be a console: what the operator says, or else what the program
/// says.
pub(super) fn console(program: Option<&Address>) -> io::Result<Choice> {
    // Nobody could look into a simulated process.
    if simulation::is_inside() {
        return Ok(Choice {
            address: None,
            is_demanded: false,
        });
    }
    let operator = match env::var_os(CONSOLE_VARIABLE) {
        Some(value) => console_from_variable(&value)?,
        None => None,
    };
    Ok(Choice {
        address: operator.unwrap_or_else(|| program.cloned()),
        is_demanded: program.is_some(),
    })
}

/// An empty variable counts as unset.
fn console_from_variable(value: &OsStr) -> io::Result<Option<Option<Address>>> {
    match value.to_str() {
        Some("") => Ok(None),
        Some("1" | "on") => Ok(Some(Some(Address::Usual))),
        Some("0" | "off") => Ok(Some(None)),
        _ if value.as_bytes().contains(&b'/') => Ok(Some(Some(Address::At(value.into())))),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{CONSOLE_VARIABLE}: unknown value {value:?}: expected `1`, `0` or a path with a \
                 `/`"
            ),
        )),
    }
}

/// Workers of a multi-thread runtime whose builder was given no number.
///
/// # Panics
///
/// When the variable holds anything but a number above zero.
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
    fn the_error_of_an_unknown_driver_names_the_known_ones() {
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
    fn a_switch_is_on_or_off() {
        let parse = |value: &str| from_switch(INLINE_FILES_VARIABLE, OsStr::new(value));
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
    fn a_time_is_a_number_of_milliseconds() {
        let parse = |value: &str| from_millis(STALL_VARIABLE, OsStr::new(value));
        assert_eq!(parse("50").unwrap(), Some(Duration::from_millis(50)));
        assert_eq!(parse("0").unwrap(), Some(Duration::ZERO));
        assert_eq!(parse("").unwrap(), None);
        for wrong in ["off", "-1", "1.5", "1s"] {
            let error = parse(wrong).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("YAMANOTE_STALL_MS"), "{error}");
        }
    }

    #[test]
    fn a_console_is_wanted_or_not_or_at_a_path() {
        let parse = |value: &str| console_from_variable(OsStr::new(value));
        let at = |path: &str| Some(Some(Address::At(path.into())));
        for on in ["1", "on"] {
            assert_eq!(parse(on).unwrap(), Some(Some(Address::Usual)));
        }
        for off in ["0", "off"] {
            assert_eq!(parse(off).unwrap(), Some(None));
        }
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("/run/a.sock").unwrap(), at("/run/a.sock"));
        assert_eq!(parse("./1").unwrap(), at("./1"));
        let error = parse("yes").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        for word in ["YAMANOTE_CONSOLE", "yes", "`1`", "path"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let choice = DriverChoice::from_variable(OsStr::new("")).unwrap();
        assert_eq!(choice, None);
        let choice = DriverChoice::from_variable(OsStr::new("epoll")).unwrap();
        assert_eq!(choice, Some(DriverChoice::Epoll));
    }
}
