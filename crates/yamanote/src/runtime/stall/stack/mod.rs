//! The calls that a stuck thread is in.
//!
//! Their names are looked up when they are written: `named` does so with the feature
//! `stall-backtrace`; without it `unnamed` writes what another program finds the names by.
#![forbid(unsafe_code)]

#[cfg(feature = "stall-backtrace")]
mod named;

mod unnamed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "stall-backtrace")]
use self::named as names;
#[cfg(not(feature = "stall-backtrace"))]
use self::unnamed as names;
use crate::sys::stack;

/// How long a thread is waited for that is asked for its stack.
const PATIENCE: Duration = Duration::from_secs(1);

/// The calls that the thread of a worker was in when a stall was noticed; see
/// [`Builder::stall_backtrace`](crate::runtime::Builder::stall_backtrace).
///
/// [`Display`](fmt::Display) writes them, the innermost first, down to the poll of the task: with
/// the feature `stall-backtrace` as functions and lines of the source, which may take a second for
/// the first stack of a process, and else as places in the files that the program was loaded from.
#[derive(Debug, Clone)]
pub struct Stack(Option<Arc<[usize]>>);

impl Stack {
    /// Of a thread of this process. Waits for the thread, for a moment.
    pub(super) fn of(thread: i32) -> Stack {
        Stack(stack::of(thread, PATIENCE).map(Arc::from))
    }

    /// The address of each call, the innermost first: one that lies within the call instruction, or
    /// where the thread was. Empty if the thread did not answer.
    pub fn addresses(&self) -> &[usize] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.addresses().is_empty() {
            return f.write_str("its stack is not known: the thread does not answer");
        }
        let mut lines = Vec::new();
        // Below that there is only ourselves.
        let mut is_in_task = true;
        for &address in self.addresses() {
            names::tell(address, &mut |name| {
                is_in_task &= !name.contains("src/runtime/task/run.rs:");
                if is_in_task {
                    lines.push(format!("{:4}: {name}", lines.len()));
                }
            });
        }
        f.write_str(&lines.join("\n"))
    }
}
