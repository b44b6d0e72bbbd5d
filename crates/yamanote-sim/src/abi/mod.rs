//! The C library's functions that a world answers, under the C library's names.
//!
//! A program that links this crate has one function of each name, and it is the one here: for its
//! own calls, those of `std` and those of every crate. On a thread that is in no world, and for
//! what is not simulated, each makes the system call itself, or calls the C library's function,
//! which it finds by `dlsym`. What a library calls by an instruction of its own is not seen.

use crate::kernel::files::Errno;
use crate::me::Me;

mod by_number;
mod bytes;
mod descriptors;
mod ending;
#[cfg(target_arch = "x86_64")]
mod faults;
mod fortified;
pub(crate) mod futex;
mod next;
mod opening;
mod others;
mod paths;
mod polling;
mod process;
mod random;
mod sockets;
mod thread;
mod time;
#[cfg(target_arch = "x86_64")]
pub(crate) mod tsc;
mod waiting;

/// Elsewhere a program reads the real counter.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) mod tsc {
    pub(crate) fn begin() -> bool {
        false
    }

    pub(crate) fn give_back() -> bool {
        true
    }
}

/// The answer to a call, or to a use of it, that the machine does not have: the trace names it.
fn refuse(me: &Me, call: &'static str) -> Errno {
    me.inside(|kernel| {
        let host = kernel.life_of(me.id()).host;
        kernel.note(host, "refused", &[], || call.to_owned());
    });
    libc::EOPNOTSUPP
}

/// Makes sure that the linker takes these functions: whoever calls this refers to all of them.
pub(crate) fn keep() {
    descriptors::keep();
    ending::keep();
    #[cfg(target_arch = "x86_64")]
    faults::keep();
    fortified::keep();
    futex::keep();
    paths::keep();
    process::keep();
    random::keep();
    sockets::keep();
    thread::keep();
    time::keep();
}
