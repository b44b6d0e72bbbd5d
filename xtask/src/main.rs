//! The project's own tasks: `cargo xtask <task>`.
#![forbid(unsafe_code)]

mod api;
mod conformance;
mod examples;
mod hostile;
mod loom;
mod miri;
mod mutants;
mod nightly;
mod order;
mod process;
mod sanitize;
mod source;
mod test;
mod tidy;
mod toolchain;

use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
Tasks of this repository.

Usage: cargo xtask <task>

Tasks:
  tidy            check what a program can check of the rules in ARCHITECTURE.md and CONTRIBUTING.md
  test [ARGS]     run every test of the workspace and count what ran and what was skipped;
                  ARGS are passed to `cargo test`
  test --hostile [NAME...]
                  run the tests of these files, or all, as an unkind parent would start them:
                  signals blocked and ignored, unprivileged, umask 077, few descriptors, ...
  examples        run crates of others on this runtime, on both drivers
                  (--driver uring or --driver epoll: on one; --measure: a proxy among them
                  beside itself on the real Tokio)
  loom [ARGS]     explore the models of the runtime's protocols (loom)
  mutants [OPTIONS]
                  plant bugs in a copy of the tree; a test must find each (--help)
  api [OPTIONS]   compare the shim's public API with the real Tokio's (--help)
  conformance [OPTIONS]
                  run Tokio's own released tests with the shim and with the real Tokio (--help)
  miri [OPTIONS]  interpret tests of the unsafe rooms and of whole runtimes (Miri; --help)
  sanitize address|thread
                  run the tests under AddressSanitizer or ThreadSanitizer (--help)
  order [OPTIONS] run random programs with the real Tokio and with Yamanote and compare the order in
                  which things happen (--help)
  nightly         what takes too long for every change: more seeds, longer orders, more preemptions
  help            print this
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next();
    let rest: Vec<String> = args.collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace");
    match task.as_deref() {
        Some("api") => api::run(root, &rest),
        Some("conformance") => conformance::run(root, &rest),
        Some("tidy") if rest.is_empty() => tidy::run(root),
        Some("examples") => examples::run(root, &rest),
        Some("loom") => loom::run(root, &rest),
        Some("miri") => miri::run(root, &rest),
        Some("sanitize") => sanitize::run(root, &rest),
        Some("mutants") => mutants::run(root, &rest),
        Some("order") => order::run(root, &rest),
        Some("nightly") if rest.is_empty() => nightly::run(root),
        Some("test") if rest.first().is_some_and(|arg| arg == "--hostile") => {
            hostile::run(root, &rest[1..])
        }
        Some("test") => test::run(root, &rest),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some(_) => {
            eprint!("cargo xtask: no such task, or too many arguments\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}
