//! The nightly toolchain, which has Miri, the sanitizers and the sources of std.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

/// The nightly cargo, in the repository.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo"])
        .current_dir(root)
        // Cargo, which started us, says there which compiler we come from.
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// Installs what is missing of `components`.
pub fn install(components: &[&str]) -> Result<(), String> {
    let missing = match installed() {
        Ok(list) => components.iter().any(|component| {
            // A line is the name, and for most the target behind it.
            !list.lines().any(|line| line.starts_with(component))
        }),
        Err(_) => true,
    };
    if !missing {
        return Ok(());
    }
    let components = components.join(",");
    println!("installing the nightly toolchain with {components}");
    let status = Command::new("rustup")
        .args(["toolchain", "install", "nightly", "--profile", "minimal"])
        .args(["--component", &components])
        .status()
        .map_err(|error| no_rustup(&error))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!(
            "the nightly toolchain with {components} is not here and rustup cannot install it"
        )),
    }
}

fn installed() -> Result<String, String> {
    let output = Command::new("rustup")
        .args(["component", "list", "--toolchain", "nightly", "--installed"])
        .output()
        .map_err(|error| no_rustup(&error))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err("there is no nightly toolchain".to_owned()),
    }
}

fn no_rustup(error: &std::io::Error) -> String {
    format!("rustup is needed for the nightly toolchain and cannot be started: {error}")
}
