//! Whether the shim really waits with the driver that was asked for.
#![forbid(unsafe_code)]

use std::path::Path;
use std::time::Duration;

use super::options::SIM;
use crate::process;

/// Runs the probe with `driver`: both its runtimes must name that driver, and submit to a ring
/// where it is io_uring, and only there. On file systems without direct reads the latter is not
/// seen.
pub fn check(probe: &Path, directory: &Path, scratch: &Path, driver: &str) -> Result<(), String> {
    let mut command = std::process::Command::new(probe);
    command
        .current_dir(directory)
        .env("YAMANOTE_DRIVER", driver);
    std::fs::create_dir_all(scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let ended = process::run(
        &mut command,
        &scratch.join("probe"),
        Duration::from_secs(60),
    )
    .map_err(|error| format!("{}: {error}", probe.display()))?;
    let says = || format!("{} ({})", ended.output.trim(), ended.how());
    if !ended.status.is_some_and(|status| status.success()) {
        return Err(format!(
            "no runtime with driver {driver} can be built on this machine: {}{}",
            says(),
            match driver {
                "uring" => "\nits column is missing; `--driver epoll` compares without it",
                _ => "",
            }
        ));
    }
    // The simulated machine has epoll only. That it is simulated is seen from the answer: elsewhere
    // there is no driver of that name.
    let driver = if driver == SIM { "epoll" } else { driver };
    let lines: Vec<&str> = ended.output.lines().collect();
    let is_right = |line: &&str| match line.split_once(' ') {
        Some((name, "unknown")) => name == driver,
        Some((name, operations)) => name == driver && (operations == "0") == (driver != "uring"),
        None => false,
    };
    match lines.len() == 2 && lines.iter().all(is_right) {
        true => Ok(()),
        false => Err(format!(
            "YAMANOTE_DRIVER={driver} is not what runtimes use: {}",
            says()
        )),
    }
}
