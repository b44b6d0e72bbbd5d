//! The names under which C code calls the same functions if it was compiled with `_FORTIFY_SOURCE`,
//! which compilers of some distributions do by themselves: with the size of the caller's buffer, as
//! far as the compiler knows it. A call that could write beyond it ends the process.

use super::paths::{c_names, c_names_at, directories};
use super::sockets::{messages, names};
use super::{bytes, polling};
use crate::raw;
use std::ffi::{c_char, c_int, c_void};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        __read_chk as *const (),
        __pread_chk as *const (),
        __pread64_chk as *const (),
        __recv_chk as *const (),
        __recvfrom_chk as *const (),
        __poll_chk as *const (),
        __ppoll_chk as *const (),
        __readlink_chk as *const (),
        __readlinkat_chk as *const (),
        __getcwd_chk as *const (),
        __realpath_chk as *const (),
        __gethostname_chk as *const (),
    ));
    black_box((
        __open_2 as *const (),
        __open64_2 as *const (),
        __openat_2 as *const (),
        __openat64_2 as *const (),
    ));
}

/// Ends the process if `wanted` bytes may be too many.
fn check(wanted: usize, room: usize) {
    if wanted > room {
        raw::complain(b"*** buffer overflow detected ***: terminated\n");
        std::process::abort();
    }
}

/// Ends the process if a file might be made with a mode that was not passed.
fn check_flags(flags: c_int) {
    if flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE {
        raw::complain(
            b"*** invalid open call: O_CREAT or O_TMPFILE without mode ***: terminated\n",
        );
        std::process::abort();
    }
}

/// Each function: its name, its arguments, the one that is checked, the one that says how much room
/// there is, and the function that it is besides.
macro_rules! fortified {
    ($(
        $name:ident($($arg:ident: $type:ty),*) -> $answer:ty,
            $wanted:expr => $room:ident: $room_type:ty,
            $function:path [$($passed:ident),*];
    )*) => {$(
        /// # Safety
        ///
        /// As of the C function.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type,)* $room: $room_type) -> $answer {
            check($wanted, $room);
            // SAFETY: the arguments are the caller's.
            unsafe { $function($($passed),*) }
        }
    )*};
}

const POLLFD: usize = size_of::<libc::pollfd>();

fortified! {
    __read_chk(fd: c_int, to: *mut c_void, len: usize) -> isize,
        len => room: usize, bytes::read [fd, to, len];
    __pread_chk(fd: c_int, to: *mut c_void, len: usize, at: i64) -> isize,
        len => room: usize, bytes::pread [fd, to, len, at];
    __pread64_chk(fd: c_int, to: *mut c_void, len: usize, at: i64) -> isize,
        len => room: usize, bytes::pread64 [fd, to, len, at];
    __readlink_chk(path: *const c_char, to: *mut c_char, len: usize) -> isize,
        len => room: usize, c_names::readlink [path, to, len];
    __readlinkat_chk(dir: c_int, path: *const c_char, to: *mut c_char, len: usize) -> isize,
        len => room: usize, c_names_at::readlinkat [dir, path, to, len];
    __getcwd_chk(to: *mut c_char, len: usize) -> *mut c_char,
        len => room: usize, directories::getcwd [to, len];
    __gethostname_chk(to: *mut c_char, len: usize) -> c_int,
        len => room: usize, names::gethostname [to, len];
    __realpath_chk(path: *const c_char, to: *mut c_char) -> *mut c_char,
        libc::PATH_MAX as usize => room: usize, directories::realpath [path, to];
    __poll_chk(fds: *mut libc::pollfd, count: libc::nfds_t, ms: c_int) -> c_int,
        (count as usize).saturating_mul(POLLFD) => room: usize, polling::poll [fds, count, ms];
    __ppoll_chk(
        fds: *mut libc::pollfd,
        count: libc::nfds_t,
        timeout: *const libc::timespec,
        mask: *const libc::sigset_t
    ) -> c_int,
        (count as usize).saturating_mul(POLLFD) => room: usize,
        polling::ppoll [fds, count, timeout, mask];
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __recv_chk(
    fd: c_int,
    to: *mut c_void,
    len: usize,
    room: usize,
    flags: c_int,
) -> isize {
    check(len, room);
    // SAFETY: the arguments are the caller's.
    unsafe { messages::recv(fd, to, len, flags) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __recvfrom_chk(
    fd: c_int,
    to: *mut c_void,
    len: usize,
    room: usize,
    flags: c_int,
    from: *mut libc::sockaddr,
    from_len: *mut libc::socklen_t,
) -> isize {
    check(len, room);
    // SAFETY: the arguments are the caller's.
    unsafe { messages::recvfrom(fd, to, len, flags, from, from_len) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __open_2(path: *const c_char, flags: c_int) -> c_int {
    check_flags(flags);
    // SAFETY: the arguments are the caller's.
    unsafe { c_names::open(path, flags, 0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __open64_2(path: *const c_char, flags: c_int) -> c_int {
    check_flags(flags);
    // SAFETY: the arguments are the caller's.
    unsafe { c_names::open64(path, flags, 0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __openat_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    check_flags(flags);
    // SAFETY: the arguments are the caller's.
    unsafe { c_names_at::openat(dir, path, flags, 0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __openat64_2(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    check_flags(flags);
    // SAFETY: the arguments are the caller's.
    unsafe { c_names_at::openat64(dir, path, flags, 0) }
}
