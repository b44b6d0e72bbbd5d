//! An asynchronous runtime for Linux, made for io_uring, with Tokio's public API.
#![deny(missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "yamanote runs on Linux only; on other systems depend on tokio itself \
     (for example with [target.'cfg(target_os = \"linux\")'.dependencies])"
);

// L0
mod loom;
#[doc(hidden)]
pub mod macros;
mod util;
// L1
pub mod buf;
mod sync;
mod sys;
// L2-L4
pub mod runtime;
// L5
pub mod io;
pub mod task;
pub mod time;
// L6
pub mod fs;
pub mod net;

pub use task::spawn;
pub use yamanote_macros::{main, test};
