//! `getsockopt` and `setsockopt`.

use super::{Asked, asked, told};
use crate::kernel::files::Errno;
use crate::raw;
use std::ffi::{c_int, c_void};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((getsockopt as *const (), setsockopt as *const ()));
}

/// Who is at the other end of a Unix socket: the process of this host, and its user.
fn credentials(it: &Asked) -> Result<Vec<u8>, Errno> {
    let socket = it.socket?;
    let process = it.me.inside(|kernel| kernel.socket_peer_process(socket))?;
    // SAFETY: no pointers.
    let (user, group) = unsafe {
        (
            raw::syscall(libc::SYS_geteuid, [0; 6]) as u32,
            raw::syscall(libc::SYS_getegid, [0; 6]) as u32,
        )
    };
    let nobody = (0, u32::MAX, u32::MAX);
    let (process, user, group) = process.map_or(nobody, |process| (process, user, group));
    let numbers = [
        process.to_ne_bytes(),
        user.to_ne_bytes(),
        group.to_ne_bytes(),
    ];
    Ok(numbers.concat())
}

fn value_of(it: &Asked, level: c_int, name: c_int) -> Result<Vec<u8>, Errno> {
    let socket = it.socket?;
    if (level, name) == (libc::SOL_SOCKET, libc::SO_PEERCRED) {
        return credentials(it);
    }
    it.me
        .inside(|kernel| kernel.socket_option(socket, level, name))
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut libc::socklen_t,
) -> c_int {
    if let Some(it) = asked(fd) {
        let answer = value_of(&it, level, name).map(|bytes| {
            // SAFETY: the caller passes a length, and so many writable bytes.
            unsafe {
                let room = bytes.len().min(*len as usize);
                value
                    .cast::<u8>()
                    .copy_from_nonoverlapping(bytes.as_ptr(), room);
                *len = room as libc::socklen_t;
            }
            0
        });
        return told(it.me, answer) as c_int;
    }
    let (fd, value, len) = (fd as usize, value as usize, len as usize);
    let args = [fd, level as usize, name as usize, value, len, 0];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_getsockopt, args) }) as c_int
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: libc::socklen_t,
) -> c_int {
    if let Some(it) = asked(fd) {
        let bytes: &[u8] = match value.is_null() {
            true => &[],
            // SAFETY: the caller passes so many readable bytes.
            false => unsafe { std::slice::from_raw_parts(value.cast(), len as usize) },
        };
        let answer = it.socket.and_then(|socket| {
            it.me
                .inside(|kernel| kernel.set_socket_option(socket, level, name, bytes))
        });
        return told(it.me, answer.map(|()| 0)) as c_int;
    }
    let (fd, value, len) = (fd as usize, value as usize, len as usize);
    let args = [fd, level as usize, name as usize, value, len, 0];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_setsockopt, args) }) as c_int
}
