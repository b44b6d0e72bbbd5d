//! What the tests of this workspace share: the driver matrix, capabilities, leak checks.
//!
//! - [`matrix!`] runs one test body on every driver and flavour, and asserts that it really got
//!   that driver.
//! - [`require`] asks for something that a machine may lack, and records the skip.
//! - [`Snapshot`] compares descriptors and threads before and after; [`CountingWaker`] and
//!   [`CountingAlloc`] count wakers and heap.
//! - [`in_own_process`] runs such a test alone in a process; [`deny_syscall`] takes a system call
//!   away from it, [`inject`] lets one fail at any time, [`Scarcity`] takes descriptors away;
//!   [`ignore_signals`] and [`block_signals`] set signals as an unkind parent would.
//! - [`Holdup`] keeps workers in a poll; [`limit_file_size`] lets writes fail;
//!   [`see_mounts_alone`] keeps mounts from others.
//! - [`rounds`] says how often to repeat what is repeated often.

mod alloc;
mod capability;
mod deny;
mod holdup;
mod inheritance;
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
mod inject;
mod matrix;
mod pipe;
mod process;
mod registry;
mod rounds;
mod scarcity;
mod snapshot;
pub mod temp;
mod waker;
mod watchdog;

pub use alloc::CountingAlloc;
pub use capability::{Capability, require};
pub use deny::{deny_syscall, try_deny_syscall};
pub use holdup::Holdup;
pub use inheritance::{block_signals, ignore_signals};
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
pub use inject::{Injection, inject};
pub use matrix::{Driver, Setup, run_alone, run_here};
pub use pipe::pipe;
pub use process::{in_own_process, limit_file_size, raise_descriptor_limit, see_mounts_alone};
pub use registry::registry_tokio;
pub use rounds::rounds;
pub use scarcity::Scarcity;
pub use snapshot::Snapshot;
pub use temp::TempDir;
pub use waker::{CountingWaker, WakerCall, hooked_waker};
pub use watchdog::{sleeps, wait_until, watchdog};
