//! What `--version` says: the tool, the driver `auto` takes here, the kernel.
#![forbid(unsafe_code)]

use crate::refusal;
use yamanote::runtime::Builder;

/// The tool's version, the driver and the kernel.
pub fn text() -> String {
    let driver = Builder::new_current_thread().build().map_or_else(
        |error| format!("no driver: {}", refusal::explain(&error)),
        |runtime| format!("driver {}", runtime.handle().driver()),
    );
    format!(
        "{} ({driver}, Linux {})",
        env!("CARGO_PKG_VERSION"),
        kernel()
    )
}

/// The kernel's release, such as `6.18.4`.
pub fn kernel() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}
