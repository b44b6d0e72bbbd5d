//! `cargo xtask loom`: the model-checked tests of the runtime's protocols.
//!
//! They are the library's tests whose names begin with `loom_`, built with `--cfg loom` into a
//! target directory of their own, in release mode. Every order with at most two preemptions is
//! explored, or with as many as a model itself names or `LOOM_MAX_PREEMPTIONS` says: most races
//! need no more (Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007), and without a
//! bound some of the models take hours.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::{Command, ExitCode};

pub fn run(root: &Path, args: &[String]) -> ExitCode {
    let preemptions = std::env::var("LOOM_MAX_PREEMPTIONS").unwrap_or_else(|_| "2".to_owned());
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["test", "--release", "--package", "yamanote", "--lib"])
        .args(["--target-dir", "target/loom"])
        .arg("loom_")
        .args(args)
        .env("RUSTFLAGS", "--cfg loom")
        .env("LOOM_MAX_PREEMPTIONS", preemptions)
        .status()
        .expect("cargo can be started");
    match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
