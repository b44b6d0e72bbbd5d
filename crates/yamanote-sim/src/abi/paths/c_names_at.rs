//! The C library's names of calls with a path in a directory.

use super::c_names::calls;
use libc::mode_t;
use std::ffi::{c_char, c_int, c_uint};

pub(super) fn keep() {
    keep_calls();
}

type Path = *const c_char;

/// With flags it is another call.
fn chmod_number(flags: c_int) -> std::ffi::c_long {
    match flags {
        0 => libc::SYS_fchmodat,
        _ => 452,
    }
}

fn access_number(flags: c_int) -> std::ffi::c_long {
    match flags {
        0 => libc::SYS_faccessat,
        _ => libc::SYS_faccessat2,
    }
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
    faccessat(dir: c_int, path: Path, mode: c_int, flags: c_int) -> c_int =
        access_number(flags), [dir, path, mode, flags];
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
    fchmodat(dir: c_int, path: Path, mode: mode_t, flags: c_int) -> c_int =
        chmod_number(flags), [dir, path, mode, flags];
    fchownat(dir: c_int, path: Path, user: c_uint, group: c_uint, flags: c_int) -> c_int =
        libc::SYS_fchownat, [dir, path, user, group, flags];
    utimensat(dir: c_int, path: Path, times: *const libc::timespec, flags: c_int) -> c_int =
        libc::SYS_utimensat, [dir, path, times, flags];
}
