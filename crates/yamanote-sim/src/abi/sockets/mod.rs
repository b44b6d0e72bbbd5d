//! Sockets, and the names of hosts.

mod address;
pub(super) mod calls;
mod interfaces;
pub(super) mod messages;
pub(super) mod names;
pub(super) mod options;

use super::waiting::{in_kernel_form, looked_in_vain, simulated};
use crate::kernel::files::{Errno, FileId};
use crate::kernel::net::SocketId;
use crate::me::Me;
use crate::raw;
use std::ffi::c_int;

pub(super) fn keep() {
    calls::keep();
    interfaces::keep();
    messages::keep();
    names::keep();
    options::keep();
}

/// A simulated descriptor, and who asks.
struct Asked {
    me: &'static Me,
    file: FileId,
    socket: Result<SocketId, Errno>,
    is_nonblocking: bool,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.me.inside(|kernel| kernel.release(self.file));
    }
}

/// What a call on a descriptor is about, whose file stays open until the call is over; `None`: the
/// real kernel answers it.
fn asked(fd: c_int) -> Option<Asked> {
    let (me, file) = simulated(fd)?;
    me.inside(|kernel| {
        kernel.hold(file);
        Some(Asked {
            me,
            file,
            socket: kernel.socket_of(file),
            is_nonblocking: kernel.file(file).is_nonblocking,
        })
    })
}

/// Leaves `errno` and the answer as the C library would. Who gets an error lets others run now and
/// then, and time pass, for it may ask again and again.
fn told(me: &Me, answer: Result<usize, Errno>) -> isize {
    if !matches!(answer, Ok(_) | Err(libc::EAGAIN)) {
        looked_in_vain(me);
    }
    raw::answer(in_kernel_form(answer))
}
