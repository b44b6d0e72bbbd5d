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
use super::driver::DriverChoice;
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

/// Overrides [`Builder::stall_backtrace`](super::Builder::stall_backtrace) for every runtime of the
/// process.
const STALL_BACKTRACE_VARIABLE: &str = "YAMANOTE_STALL_BACKTRACE";

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
        Ok(read(DRIVER_VARIABLE, driver)?.unwrap_or(self))
    }
}

/// Whether files may be touched inline: what the operator says, or else what the program says.
pub(super) fn inline_files(program: bool) -> io::Result<bool> {
    Ok(read(INLINE_FILES_VARIABLE, on_or_off)?.unwrap_or(program))
}

/// Whether copies may leave the moving of bytes to the kernel, by the same rule.
pub(super) fn kernel_copies(program: bool) -> io::Result<bool> {
    Ok(read(KERNEL_COPIES_VARIABLE, on_or_off)?.unwrap_or(program))
}

/// How long a poll may take, by the operator. Zero: nobody watches.
pub(super) fn stall_limit() -> io::Result<Option<Duration>> {
    read(STALL_VARIABLE, millis)
}

/// Whether threads that stall are asked for their stacks, by the operator.
pub(super) fn stall_backtrace() -> io::Result<Option<bool>> {
    read(STALL_BACKTRACE_VARIABLE, on_or_off)
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
    let operator = read(CONSOLE_VARIABLE, console_address)?;
    Ok(Choice {
        address: operator.unwrap_or_else(|| program.cloned()),
        is_demanded: program.is_some(),
    })
}

/// What the operator says with a variable of the environment.
fn read<T>(
    variable: &str,
    parse: impl FnOnce(&OsStr) -> Result<T, String>,
) -> io::Result<Option<T>> {
    understand(variable, &env::var_os(variable).unwrap_or_default(), parse)
}

/// An empty variable counts as unset, as in shells.
fn understand<T>(
    variable: &str,
    value: &OsStr,
    parse: impl FnOnce(&OsStr) -> Result<T, String>,
) -> io::Result<Option<T>> {
    if value.is_empty() {
        return Ok(None);
    }
    parse(value)
        .map(Some)
        .map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, format!("{variable}: {why}")))
}

fn driver(value: &OsStr) -> Result<DriverChoice, String> {
    if value == SIMULATED {
        return Ok(DriverChoice::Auto);
    }
    let choice = value.to_string_lossy().parse();
    choice.map_err(|error: io::Error| error.to_string())
}

fn on_or_off(value: &OsStr) -> Result<bool, String> {
    match value.to_str() {
        Some("on" | "1") => Ok(true),
        Some("off" | "0") => Ok(false),
        _ => Err(format!("unknown value {value:?}: expected `on` or `off`")),
    }
}

fn millis(value: &OsStr) -> Result<Duration, String> {
    let millis = value.to_str().and_then(|value| value.parse().ok());
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("{value:?} is no number of milliseconds (0 is off)"))
}

/// `None`: there is to be no console.
fn console_address(value: &OsStr) -> Result<Option<Address>, String> {
    match value.to_str() {
        Some("1" | "on") => Ok(Some(Address::Usual)),
        Some("0" | "off") => Ok(None),
        _ if value.as_bytes().contains(&b'/') => Ok(Some(Address::At(value.into()))),
        _ => Err(format!(
            "unknown value {value:?}: expected `1`, `0` or a path with a `/`"
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

    #[track_caller]
    fn assert_refused<T: std::fmt::Debug>(result: io::Result<Option<T>>, words: &[&str]) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        for word in words {
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn the_error_of_an_unknown_driver_names_the_known_ones() {
        let parse = |value: &str| understand(DRIVER_VARIABLE, OsStr::new(value), driver);
        assert_eq!(parse("epoll").unwrap(), Some(DriverChoice::Epoll));
        let names = ["YAMANOTE_DRIVER", "io_uring", "auto", "uring", "epoll"];
        assert_refused(parse("io_uring"), &names);
        let error = "io_uring".parse::<DriverChoice>().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_switch_is_on_or_off() {
        let parse = |value: &str| understand(INLINE_FILES_VARIABLE, OsStr::new(value), on_or_off);
        assert_eq!(parse("on").unwrap(), Some(true));
        assert_eq!(parse("off").unwrap(), Some(false));
        assert_eq!(
            (parse("1").unwrap(), parse("0").unwrap()),
            (Some(true), Some(false))
        );
        assert_refused(parse("no"), &["YAMANOTE_INLINE_FILES", "no", "on", "off"]);
    }

    #[test]
    fn a_time_is_a_number_of_milliseconds() {
        let parse = |value: &str| understand(STALL_VARIABLE, OsStr::new(value), millis);
        assert_eq!(parse("50").unwrap(), Some(Duration::from_millis(50)));
        assert_eq!(parse("0").unwrap(), Some(Duration::ZERO));
        for wrong in ["off", "-1", "1.5", "1s"] {
            assert_refused(parse(wrong), &["YAMANOTE_STALL_MS", wrong]);
        }
    }

    #[test]
    fn a_console_is_wanted_or_not_or_at_a_path() {
        let parse = |value: &str| understand(CONSOLE_VARIABLE, OsStr::new(value), console_address);
        let at = |path: &str| Some(Some(Address::At(path.into())));
        for on in ["1", "on"] {
            assert_eq!(parse(on).unwrap(), Some(Some(Address::Usual)));
        }
        for off in ["0", "off"] {
            assert_eq!(parse(off).unwrap(), Some(None));
        }
        assert_eq!(parse("/run/a.sock").unwrap(), at("/run/a.sock"));
        assert_eq!(parse("./1").unwrap(), at("./1"));
        assert_refused(parse("yes"), &["YAMANOTE_CONSOLE", "yes", "`1`", "path"]);
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let parse = |_: &OsStr| -> Result<(), String> { unreachable!("there is nothing to read") };
        assert_eq!(understand("ANY", OsStr::new(""), parse).unwrap(), None);
    }
}
