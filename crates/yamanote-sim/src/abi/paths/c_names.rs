//! The C library's names of calls with a path in the working directory, or with a descriptor.

use super::super::next::{Next, next};
use super::super::waiting::simulated;
use super::c_names_at as at;
use crate::me;
use crate::raw;
use libc::{AT_FDCWD, mode_t, off_t};
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::hint::black_box;

/// Defines C functions, each of which is a call by number, and `keep`, which refers to all of them.
macro_rules! calls {
    ($(
        $name:ident($($arg:ident: $type:ty),*) -> $answer:ty = $number:expr, [$($value:expr),*];
    )*) => {
        $(
            /// # Safety
            ///
            /// As of the C function.
            #[unsafe(no_mangle)]
            #[allow(clippy::unnecessary_cast, reason = "the types are the machine's")]
            pub unsafe extern "C" fn $name($($arg: $type),*) -> $answer {
                let args = super::c_names::six(&[$($value as usize),*]);
                // SAFETY: the arguments are the caller's.
                unsafe { super::call($number, args) as $answer }
            }
        )*

        fn keep_calls() {
            $(std::hint::black_box($name as *const ());)*
        }
    };
}
pub(super) use calls;

pub(super) fn six(given: &[usize]) -> [usize; 6] {
    std::array::from_fn(|index| given.get(index).copied().unwrap_or(0))
}

pub(super) fn keep() {
    keep_calls();
    black_box((
        posix_fallocate as *const (),
        posix_fallocate64 as *const (),
        posix_fadvise as *const (),
        posix_fadvise64 as *const (),
        statvfs as *const (),
        statvfs64 as *const (),
        fstatvfs as *const (),
        fstatvfs64 as *const (),
        sync as *const (),
        utimes as *const (),
    ));
}

type Path = *const c_char;
type Stat = *mut libc::stat;

/// Where a path is relative to.
const HERE: c_int = AT_FDCWD;
const CREATES: c_int = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
const NOT_FOLLOWED: c_int = libc::AT_SYMLINK_NOFOLLOW;

calls! {
    open(path: Path, flags: c_int, mode: mode_t) -> c_int = libc::SYS_openat,
        [HERE, path, flags, mode];
    open64(path: Path, flags: c_int, mode: mode_t) -> c_int = libc::SYS_openat,
        [HERE, path, flags, mode];
    creat(path: Path, mode: mode_t) -> c_int = libc::SYS_openat, [HERE, path, CREATES, mode];
    creat64(path: Path, mode: mode_t) -> c_int = libc::SYS_openat, [HERE, path, CREATES, mode];
    stat(path: Path, stat: Stat) -> c_int = libc::SYS_newfstatat, [HERE, path, stat];
    stat64(path: Path, stat: Stat) -> c_int = libc::SYS_newfstatat, [HERE, path, stat];
    lstat(path: Path, stat: Stat) -> c_int = libc::SYS_newfstatat,
        [HERE, path, stat, NOT_FOLLOWED];
    lstat64(path: Path, stat: Stat) -> c_int = libc::SYS_newfstatat,
        [HERE, path, stat, NOT_FOLLOWED];
    fstat(fd: c_int, stat: Stat) -> c_int = libc::SYS_fstat, [fd, stat];
    fstat64(fd: c_int, stat: Stat) -> c_int = libc::SYS_fstat, [fd, stat];
    access(path: Path, mode: c_int) -> c_int = libc::SYS_faccessat, [HERE, path, mode];
    readlink(path: Path, to: *mut c_char, len: usize) -> isize = libc::SYS_readlinkat,
        [HERE, path, to, len];
    symlink(target: Path, path: Path) -> c_int = libc::SYS_symlinkat, [target, HERE, path];
    link(old: Path, new: Path) -> c_int = libc::SYS_linkat, [HERE, old, HERE, new];
    mkdir(path: Path, mode: mode_t) -> c_int = libc::SYS_mkdirat, [HERE, path, mode];
    mknod(path: Path, mode: mode_t, device: libc::dev_t) -> c_int = libc::SYS_mknodat,
        [HERE, path, mode, device];
    mkfifo(path: Path, mode: mode_t) -> c_int = libc::SYS_mknodat,
        [HERE, path, mode | libc::S_IFIFO];
    unlink(path: Path) -> c_int = libc::SYS_unlinkat, [HERE, path];
    rmdir(path: Path) -> c_int = libc::SYS_unlinkat, [HERE, path, libc::AT_REMOVEDIR];
    rename(old: Path, new: Path) -> c_int = libc::SYS_renameat2, [HERE, old, HERE, new];
    chmod(path: Path, mode: mode_t) -> c_int = libc::SYS_fchmodat, [HERE, path, mode];
    fchmod(fd: c_int, mode: mode_t) -> c_int = libc::SYS_fchmod, [fd, mode];
    chown(path: Path, user: c_uint, group: c_uint) -> c_int = libc::SYS_fchownat,
        [HERE, path, user, group];
    lchown(path: Path, user: c_uint, group: c_uint) -> c_int = libc::SYS_fchownat,
        [HERE, path, user, group, NOT_FOLLOWED];
    fchown(fd: c_int, user: c_uint, group: c_uint) -> c_int = libc::SYS_fchown,
        [fd, user, group];
    futimens(fd: c_int, times: *const libc::timespec) -> c_int = libc::SYS_utimensat,
        [fd, 0, times];
    truncate(path: Path, len: off_t) -> c_int = libc::SYS_truncate, [path, len];
    truncate64(path: Path, len: off_t) -> c_int = libc::SYS_truncate, [path, len];
    ftruncate(fd: c_int, len: off_t) -> c_int = libc::SYS_ftruncate, [fd, len];
    ftruncate64(fd: c_int, len: off_t) -> c_int = libc::SYS_ftruncate, [fd, len];
    fallocate(fd: c_int, mode: c_int, from: off_t, len: off_t) -> c_int = libc::SYS_fallocate,
        [fd, mode, from, len];
    fallocate64(fd: c_int, mode: c_int, from: off_t, len: off_t) -> c_int = libc::SYS_fallocate,
        [fd, mode, from, len];
    lseek(fd: c_int, offset: off_t, whence: c_int) -> off_t = libc::SYS_lseek,
        [fd, offset, whence];
    lseek64(fd: c_int, offset: off_t, whence: c_int) -> off_t = libc::SYS_lseek,
        [fd, offset, whence];
    fsync(fd: c_int) -> c_int = libc::SYS_fsync, [fd];
    fdatasync(fd: c_int) -> c_int = libc::SYS_fdatasync, [fd];
    syncfs(fd: c_int) -> c_int = libc::SYS_syncfs, [fd];
    sync_file_range(fd: c_int, from: off_t, len: off_t, flags: c_uint) -> c_int =
        libc::SYS_sync_file_range, [fd, from, len, flags];
    readahead(fd: c_int, from: off_t, len: usize) -> isize = libc::SYS_readahead, [fd, from, len];
    flock(fd: c_int, operation: c_int) -> c_int = libc::SYS_flock, [fd, operation];
    statfs(path: Path, place: *mut libc::statfs) -> c_int = libc::SYS_statfs, [path, place];
    statfs64(path: Path, place: *mut libc::statfs) -> c_int = libc::SYS_statfs, [path, place];
    fstatfs(fd: c_int, place: *mut libc::statfs) -> c_int = libc::SYS_fstatfs, [fd, place];
    fstatfs64(fd: c_int, place: *mut libc::statfs) -> c_int = libc::SYS_fstatfs, [fd, place];
    chdir(path: Path) -> c_int = libc::SYS_chdir, [path];
    fchdir(fd: c_int) -> c_int = libc::SYS_fchdir, [fd];
    mmap(at: *mut c_void, len: usize, access: c_int, flags: c_int, fd: c_int, from: off_t)
        -> *mut c_void = libc::SYS_mmap, [at, len, access, flags, fd, from];
    mmap64(at: *mut c_void, len: usize, access: c_int, flags: c_int, fd: c_int, from: off_t)
        -> *mut c_void = libc::SYS_mmap, [at, len, access, flags, fd, from];
    umask(mask: mode_t) -> mode_t = libc::SYS_umask, [mask];
}

/// The error number of a call, which some functions return and do not leave in `errno`.
fn number_of(call: impl FnOnce() -> isize) -> c_int {
    let before = raw::errno();
    match call() {
        -1 => {
            let number = raw::errno();
            raw::set_errno(before);
            number
        }
        _ => 0,
    }
}

type Fallocate = unsafe extern "C" fn(c_int, off_t, off_t) -> c_int;

static FALLOCATE: Next = Next::new(c"posix_fallocate");

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate(fd: c_int, from: off_t, len: off_t) -> c_int {
    if simulated(fd).is_none() {
        // Where the file system cannot do it, the C library writes.
        return next!(FALLOCATE, Fallocate, fd, from, len);
    }
    // SAFETY: no pointers.
    number_of(|| unsafe { fallocate(fd, 0, from, len) } as isize)
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fallocate64(fd: c_int, from: off_t, len: off_t) -> c_int {
    // SAFETY: no pointers.
    unsafe { posix_fallocate(fd, from, len) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fadvise(fd: c_int, from: off_t, len: off_t, advice: c_int) -> c_int {
    let args = six(&[fd as usize, from as usize, len as usize, advice as usize]);
    // SAFETY: no pointers.
    number_of(|| unsafe { super::call(libc::SYS_fadvise64, args) })
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_fadvise64(
    fd: c_int,
    from: off_t,
    len: off_t,
    advice: c_int,
) -> c_int {
    // SAFETY: no pointers.
    unsafe { posix_fadvise(fd, from, len, advice) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sync() {
    // SAFETY: no pointers.
    unsafe { super::call(libc::SYS_sync, [0; 6]) };
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn utimes(path: Path, times: *const libc::timeval) -> c_int {
    let time = |index| {
        // SAFETY: the caller passes two times.
        let time = unsafe { times.add(index).read_unaligned() };
        libc::timespec {
            tv_sec: time.tv_sec,
            // What is no part of a second is none as nanoseconds either.
            tv_nsec: match time.tv_usec {
                0..1_000_000 => time.tv_usec * 1000,
                _ => -1,
            },
        }
    };
    if times.is_null() {
        // SAFETY: the arguments are the caller's.
        return unsafe { at::utimensat(HERE, path, std::ptr::null(), 0) };
    }
    let times = [time(0), time(1)];
    // SAFETY: the arguments are the caller's, and the times are two.
    unsafe { at::utimensat(HERE, path, times.as_ptr(), 0) }
}

// --- statvfs, which the C library makes of statfs

type Statvfs = unsafe extern "C" fn(Path, *mut libc::statvfs) -> c_int;
type Fstatvfs = unsafe extern "C" fn(c_int, *mut libc::statvfs) -> c_int;

static STATVFS: Next = Next::new(c"statvfs");
static FSTATVFS: Next = Next::new(c"fstatvfs");

/// # Safety
///
/// The place is the caller's.
unsafe fn convert(answer: c_int, from: &libc::statfs, place: *mut libc::statvfs) -> c_int {
    if answer != 0 {
        return answer;
    }
    // SAFETY: numbers, of which zero is one.
    let mut to: libc::statvfs = unsafe { std::mem::zeroed() };
    to.f_bsize = from.f_bsize as _;
    to.f_frsize = from.f_frsize as _;
    to.f_blocks = from.f_blocks;
    to.f_bfree = from.f_bfree;
    to.f_bavail = from.f_bavail;
    to.f_files = from.f_files;
    to.f_ffree = from.f_ffree;
    to.f_favail = from.f_ffree;
    to.f_namemax = from.f_namelen as _;
    if place.is_null() {
        raw::set_errno(libc::EFAULT);
        return -1;
    }
    // SAFETY: as the caller promises.
    unsafe { place.write_unaligned(to) };
    0
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statvfs(path: Path, place: *mut libc::statvfs) -> c_int {
    if me::current().is_none() {
        return next!(STATVFS, Statvfs, path, place);
    }
    // SAFETY: numbers, of which zero is one; the arguments are the caller's.
    unsafe {
        let mut found = std::mem::zeroed();
        convert(statfs(path, &raw mut found), &found, place)
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statvfs64(path: Path, place: *mut libc::statvfs) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { statvfs(path, place) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fstatvfs(fd: c_int, place: *mut libc::statvfs) -> c_int {
    if simulated(fd).is_none() {
        return next!(FSTATVFS, Fstatvfs, fd, place);
    }
    // SAFETY: numbers, of which zero is one; the arguments are the caller's.
    unsafe {
        let mut found = std::mem::zeroed();
        convert(fstatfs(fd, &raw mut found), &found, place)
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fstatvfs64(fd: c_int, place: *mut libc::statvfs) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { fstatvfs(fd, place) }
}
