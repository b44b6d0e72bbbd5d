//! The C library's names of calls with a path in a directory.

use super::super::next::{Next, next};
use super::c_names::{calls, six};
use super::status::SYS_FCHMODAT2;
use crate::me;
use libc::mode_t;
use std::ffi::{c_char, c_int, c_uint};
use std::hint::black_box;

pub(super) fn keep() {
    keep_calls();
    black_box((faccessat as *const (), fchmodat as *const ()));
}

type Path = *const c_char;

type Checked = unsafe extern "C" fn(c_int, Path, c_int, c_int) -> c_int;
type Changed = unsafe extern "C" fn(c_int, Path, mode_t, c_int) -> c_int;

static ACCESS: Next = Next::new(c"faccessat");
static CHANGE: Next = Next::new(c"fchmodat");

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn faccessat(dir: c_int, path: Path, mode: c_int, flags: c_int) -> c_int {
    let number = match flags {
        0 => libc::SYS_faccessat,
        // The C library does without the newer call, where the kernel does not have it.
        _ if me::current().is_none() => return next!(ACCESS, Checked, dir, path, mode, flags),
        _ => libc::SYS_faccessat2,
    };
    let args = six(&[dir as usize, path as usize, mode as usize, flags as usize]);
    // SAFETY: the arguments are the caller's.
    unsafe { super::call(number, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fchmodat(dir: c_int, path: Path, mode: mode_t, flags: c_int) -> c_int {
    let number = match flags {
        0 => libc::SYS_fchmodat,
        // As above.
        _ if me::current().is_none() => return next!(CHANGE, Changed, dir, path, mode, flags),
        _ => SYS_FCHMODAT2,
    };
    let args = six(&[dir as usize, path as usize, mode as usize, flags as usize]);
    // SAFETY: the arguments are the caller's.
    unsafe { super::call(number, args) as c_int }
}

calls! {
    openat(dir: c_int, path: Path, flags: c_int, mode: mode_t) -> c_int = libc::SYS_openat,
        [dir, path, flags, mode];
    openat64(dir: c_int, path: Path, flags: c_int, mode: mode_t) -> c_int = libc::SYS_openat,
        [dir, path, flags, mode];
    fstatat(dir: c_int, path: Path, stat: *mut libc::stat, flags: c_int) -> c_int =
        libc::SYS_newfstatat, [dir, path, stat, flags];
    fstatat64(dir: c_int, path: Path, stat: *mut libc::stat, flags: c_int) -> c_int =
        libc::SYS_newfstatat, [dir, path, stat, flags];
    statx(dir: c_int, path: Path, flags: c_int, mask: c_uint, place: *mut libc::statx) -> c_int =
        libc::SYS_statx, [dir, path, flags, mask, place];
    readlinkat(dir: c_int, path: Path, to: *mut c_char, len: usize) -> isize =
        libc::SYS_readlinkat, [dir, path, to, len];
    symlinkat(target: Path, dir: c_int, path: Path) -> c_int = libc::SYS_symlinkat,
        [target, dir, path];
    linkat(from: c_int, old: Path, to: c_int, new: Path, flags: c_int) -> c_int =
        libc::SYS_linkat, [from, old, to, new, flags];
    mkdirat(dir: c_int, path: Path, mode: mode_t) -> c_int = libc::SYS_mkdirat, [dir, path, mode];
    mknodat(dir: c_int, path: Path, mode: mode_t, device: libc::dev_t) -> c_int =
        libc::SYS_mknodat, [dir, path, mode, device];
    mkfifoat(dir: c_int, path: Path, mode: mode_t) -> c_int = libc::SYS_mknodat,
        [dir, path, mode | libc::S_IFIFO];
    unlinkat(dir: c_int, path: Path, flags: c_int) -> c_int = libc::SYS_unlinkat,
        [dir, path, flags];
    renameat(from: c_int, old: Path, to: c_int, new: Path) -> c_int = libc::SYS_renameat2,
        [from, old, to, new];
    renameat2(from: c_int, old: Path, to: c_int, new: Path, flags: c_uint) -> c_int =
        libc::SYS_renameat2, [from, old, to, new, flags];
    fchownat(dir: c_int, path: Path, user: c_uint, group: c_uint, flags: c_int) -> c_int =
        libc::SYS_fchownat, [dir, path, user, group, flags];
    utimensat(dir: c_int, path: Path, times: *const libc::timespec, flags: c_int) -> c_int =
        libc::SYS_utimensat, [dir, path, times, flags];
}
