//! Chance, for the program.

use crate::kernel::chance::Stream;
use crate::me;
use crate::raw;
use std::ffi::{c_int, c_uint, c_void};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((getrandom as *const (), getentropy as *const ()));
}

/// Fills `bytes` if the calling thread is in a world.
pub(super) fn fill(bytes: *mut u8, len: usize) -> bool {
    let Some(me) = me::current() else {
        return false;
    };
    // SAFETY: the caller of the C function passes so many writable bytes; `u8` has no invalid
    // values, and the kernel only writes them.
    let bytes = unsafe {
        bytes.write_bytes(0, len);
        std::slice::from_raw_parts_mut(bytes, len)
    };
    me.inside(|kernel| kernel.rng(Stream::Program).fill(bytes));
    true
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(bytes: *mut c_void, len: usize, flags: c_uint) -> isize {
    if fill(bytes.cast(), len) {
        return len as isize;
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
    // SAFETY: the arguments are the caller's.
    match unsafe { getrandom(bytes, len, 0) } {
        n if n == len as isize => 0,
        _ => -1,
    }
}
