//! Chance, for the program.

use super::bytes;
use super::waiting::in_kernel_form;
use crate::kernel::chance::Stream;
use crate::kernel::files::Errno;
use crate::me::{self, Me};
use crate::raw;
use std::ffi::{c_int, c_uint, c_void};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((getrandom as *const (), getentropy as *const ()));
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn fill(me: &Me, place: *mut u8, len: usize, flags: c_uint) -> Result<usize, Errno> {
    const KNOWN: c_uint = libc::GRND_NONBLOCK | libc::GRND_RANDOM | libc::GRND_INSECURE;
    const BOTH: c_uint = libc::GRND_RANDOM | libc::GRND_INSECURE;
    if flags & !KNOWN != 0 || flags & BOTH == BOTH {
        return Err(libc::EINVAL);
    }
    // SAFETY: as the caller promises.
    let bytes = unsafe { bytes::bytes_mut(place, len) }?;
    me.inside(|kernel| kernel.rng(Stream::Program).fill(bytes));
    Ok(bytes.len())
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(bytes: *mut c_void, len: usize, flags: c_uint) -> isize {
    if let Some(me) = me::current() {
        // SAFETY: the arguments are the caller's.
        return raw::answer(in_kernel_form(unsafe {
            fill(me, bytes.cast(), len, flags)
        }));
    }
    // SAFETY: the arguments are the caller's.
    let answer = unsafe {
        raw::syscall(
            libc::SYS_getrandom,
            [bytes as usize, len, flags as usize, 0, 0, 0],
        )
    };
    raw::answer(answer)
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getentropy(bytes: *mut c_void, len: usize) -> c_int {
    if len > 256 {
        raw::set_errno(libc::EIO);
        return -1;
    }
    let mut done = 0;
    while done < len {
        // SAFETY: the arguments are the caller's, less what is there already.
        match unsafe { getrandom(bytes.wrapping_byte_add(done), len - done, 0) } {
            // A signal, before the real kernel has any chance at all.
            -1 if raw::errno() == libc::EINTR => {}
            -1 => return -1,
            n => done += n as usize,
        }
    }
    0
}
