//! `getsockopt` and `setsockopt`.

use super::{Asked, asked, told};
use crate::abi::bytes::bytes;
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
/// The length is valid or null, and says how many bytes are writable, if there are any.
unsafe fn tell_value(
    it: &Asked,
    (level, name): (c_int, c_int),
    value: *mut u8,
    len: *mut libc::socklen_t,
) -> Result<usize, Errno> {
    it.socket?;
    if len.is_null() {
        return Err(libc::EFAULT);
    }
    // SAFETY: as the caller promises.
    let room = unsafe { len.read_unaligned() } as c_int;
    let room = usize::try_from(room).map_err(|_| libc::EINVAL)?;
    let bytes = value_of(it, level, name)?;
    let room = bytes.len().min(room);
    if value.is_null() && room > 0 {
        return Err(libc::EFAULT);
    }
    // SAFETY: as the caller promises.
    unsafe {
        if room > 0 {
            value.copy_from_nonoverlapping(bytes.as_ptr(), room);
        }
        len.write_unaligned(room as libc::socklen_t);
    }
    Ok(0)
}

/// The value that an option is set to, as far as any option looks at it.
///
/// # Safety
///
/// So many bytes can be read there, if the pointer is not null.
unsafe fn value_at<'a>(value: *const u8, len: libc::socklen_t) -> Result<&'a [u8], Errno> {
    /// More than the longest has.
    const MOST: usize = 256;
    let len = usize::try_from(len as c_int).map_err(|_| libc::EINVAL)?;
    if value.is_null() && len < size_of::<c_int>() {
        // Too short for a number, which is found out first.
        return Ok(&[]);
    }
    // SAFETY: as the caller promises.
    unsafe { bytes(value, len.min(MOST)) }
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
        // SAFETY: the caller passes a length, and so many writable bytes.
        let answer = unsafe { tell_value(&it, (level, name), value.cast(), len) };
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
        let answer = it.socket.and_then(|socket| {
            // SAFETY: the caller passes so many readable bytes.
            let bytes = unsafe { value_at(value.cast(), len) }?;
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
