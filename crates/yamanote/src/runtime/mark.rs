//! The mark that this runtime leaves in the programs that are built with it.
#![forbid(unsafe_code)]

/// In every program that builds a runtime of this library, also after `strip` and link-time
/// optimization. `yamanote doctor --binary` looks for it, and `strings` finds it. The semicolon
/// ends the version, whatever stands beside it in the program.
pub const MARK: &str = concat!(
    "This program runs on Yamanote ",
    env!("CARGO_PKG_VERSION"),
    ";"
);

/// Keeps the mark in the program: what is used is not removed.
pub(crate) fn keep() {
    std::hint::black_box(MARK);
}
