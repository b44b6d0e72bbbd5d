//! `cargo xtask loom`: the model-checked tests of the runtime's protocols.
//!
//! They are the library's tests whose names begin with `loom_`, built with `--cfg loom` into a
//! target directory of their own, in release mode: a model is explored in full, or to the bound of
//! preemptions it names.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::{Command, ExitCode};

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["test", "--release", "--package", "yamanote", "--lib"])
        .args(["--target-dir", "target/loom"])
        .arg("loom_")
        .args(args)
        .env("RUSTFLAGS", "--cfg loom")
        .status()
        .expect("cargo can be started");
    match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
