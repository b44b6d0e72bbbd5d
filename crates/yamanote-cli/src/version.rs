//! What `--version` says: the tool, the driver `auto` takes here, the kernel.
#![forbid(unsafe_code)]

use crate::refusal;
use yamanote::runtime::Builder;

/// The tool's version, the driver and the kernel.
pub fn text() -> String {
    let driver = match driver() {
        Ok(driver) => format!("driver {driver}"),
        Err(why) => format!("no driver: {why}"),
    };
    format!(
        "{} ({driver}, Linux {})",
        env!("CARGO_PKG_VERSION"),
        kernel()
    )
}

/// The driver that a runtime takes here, or why there is none.
pub fn driver() -> Result<String, String> {
    match Builder::new_current_thread().build() {
        Ok(runtime) => Ok(runtime.handle().driver().to_string()),
        Err(error) => Err(refusal::explain(&error)),
    }
}

/// The kernel's release, such as `6.18.4`.
pub fn kernel() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}
