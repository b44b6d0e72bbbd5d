//! Directories that are read, and the C library's functions that answer with a path.

use super::super::descriptors::close;
use super::super::next::{Next, next};
use super::super::waiting::simulated;
use super::{c_names_at, start, take_time};
use crate::kernel::disk::{Listed, Stop};
use crate::me;
use crate::raw;
use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::hint::black_box;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub(super) fn keep() {
    black_box((
        opendir as *const (),
        fdopendir as *const (),
        readdir as *const (),
        readdir64 as *const (),
        readdir_r as *const (),
        readdir64_r as *const (),
        telldir as *const (),
        seekdir as *const (),
        closedir as *const (),
        dirfd as *const (),
        rewinddir as *const (),
        getcwd as *const (),
        realpath as *const (),
    ));
}

/// What tells a directory of ours from the C library's, which begins with a descriptor.
const MARK: [u64; 2] = [0x594d_4e54_4449_5221, 0x9e37_79b9_7f4a_7c15];

/// An open directory that is read.
#[repr(C)]
struct Reader {
    mark: [u64; 2],
    fd: c_int,
    /// Read at the first look, and all at once.
    names: Option<Vec<Listed>>,
    next: usize,
    shown: libc::dirent64,
}

/// A directory of ours.
///
/// # Safety
///
/// It is an open directory, or null. The answer must not be used after another thread of the world
/// has run, which may use it too.
unsafe fn ours<'a>(dir: *mut libc::DIR) -> Option<&'a mut Reader> {
    let dir = dir.cast::<Reader>();
    if dir.is_null() {
        return None;
    }
    // SAFETY: an open directory of the C library is longer than a mark.
    let mark = unsafe { dir.cast::<[u64; 2]>().read_unaligned() };
    // SAFETY: made by `to_reader`.
    (mark == MARK).then(|| unsafe { &mut *dir })
}

fn to_reader(fd: c_int) -> *mut libc::DIR {
    let reader = Reader {
        mark: MARK,
        fd,
        names: None,
        next: 0,
        // SAFETY: numbers, of which zero is one.
        shown: unsafe { std::mem::zeroed() },
    };
    Box::into_raw(Box::new(reader)).cast()
}

type Open = unsafe extern "C" fn(*const c_char) -> *mut libc::DIR;
type OpenAt = unsafe extern "C" fn(c_int) -> *mut libc::DIR;
type Read = unsafe extern "C" fn(*mut libc::DIR) -> *mut libc::dirent64;
type ReadR =
    unsafe extern "C" fn(*mut libc::DIR, *mut libc::dirent64, *mut *mut libc::dirent64) -> c_int;
type Tell = unsafe extern "C" fn(*mut libc::DIR) -> c_long;
type Seek = unsafe extern "C" fn(*mut libc::DIR, c_long);
type Close = unsafe extern "C" fn(*mut libc::DIR) -> c_int;
type Rewind = unsafe extern "C" fn(*mut libc::DIR);
type Cwd = unsafe extern "C" fn(*mut c_char, usize) -> *mut c_char;
type RealPath = unsafe extern "C" fn(*const c_char, *mut c_char) -> *mut c_char;

static OPEN: Next = Next::new(c"opendir");
static OPEN_AT: Next = Next::new(c"fdopendir");
static READ: Next = Next::new(c"readdir64");
static READ_R: Next = Next::new(c"readdir64_r");
static TELL: Next = Next::new(c"telldir");
static SEEK: Next = Next::new(c"seekdir");
static CLOSE: Next = Next::new(c"closedir");
static FD: Next = Next::new(c"dirfd");
static REWIND: Next = Next::new(c"rewinddir");
static CWD: Next = Next::new(c"getcwd");
static REAL_PATH: Next = Next::new(c"realpath");

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn opendir(path: *const c_char) -> *mut libc::DIR {
    if me::current().is_none() {
        return next!(OPEN, Open, path);
    }
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the arguments are the caller's.
    unsafe {
        let fd = c_names_at::openat(libc::AT_FDCWD, path, flags, 0);
        match fd {
            -1 => std::ptr::null_mut(),
            _ => {
                let dir = fdopendir(fd);
                if dir.is_null() {
                    let number = raw::errno();
                    close(fd);
                    raw::set_errno(number);
                }
                dir
            }
        }
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdopendir(fd: c_int) -> *mut libc::DIR {
    let Some((me, file)) = simulated(fd) else {
        return next!(OPEN_AT, OpenAt, fd);
    };
    let found = me.inside(|kernel| {
        let (host, ino) = kernel.disk_inode(file).map_err(|_| libc::ENOTDIR)?;
        kernel.disk_of(host).tree.expect_dir_at(ino)
    });
    match found {
        Ok(()) => to_reader(fd),
        Err(number) => {
            raw::set_errno(number);
            std::ptr::null_mut()
        }
    }
}

/// The names in a directory of ours.
fn list(fd: c_int) -> Result<Vec<Listed>, c_int> {
    let (me, file) = simulated(fd).ok_or(libc::EBADF)?;
    super::on_file(me, file, false, |kernel| kernel.disk_list(file))
}

/// The next entry of a directory of ours; `None` at the end.
///
/// # Safety
///
/// It is one of ours.
unsafe fn next_entry(dir: *mut libc::DIR) -> Result<Option<*mut libc::dirent64>, c_int> {
    let reader = dir.cast::<Reader>();
    // No reference lives while the names are asked for.
    // SAFETY: as the caller promises.
    if unsafe { (*reader).names.is_none() } {
        // SAFETY: as above.
        let names = list(unsafe { (*reader).fd })?;
        // SAFETY: as above.
        unsafe { (*reader).names = Some(names) };
    }
    // SAFETY: as above; no other thread runs from here on.
    let reader = unsafe { &mut *reader };
    let names = reader.names.as_deref().unwrap_or_default();
    let Some(listed) = names.get(reader.next) else {
        return Ok(None);
    };
    reader.next += 1;
    let shown = &mut reader.shown;
    shown.d_ino = listed.ino;
    shown.d_off = reader.next as i64;
    shown.d_reclen = size_of::<libc::dirent64>() as u16;
    shown.d_type = listed.kind;
    // A name has at most 255 bytes, and there is room for one more.
    let name = listed.name.iter().chain([&0]);
    for (to, from) in shown.d_name.iter_mut().zip(name) {
        *to = *from as c_char;
    }
    Ok(Some(&raw mut reader.shown))
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readdir64(dir: *mut libc::DIR) -> *mut libc::dirent64 {
    // SAFETY: the arguments are the caller's.
    if unsafe { ours(dir) }.is_none() {
        return next!(READ, Read, dir);
    }
    let before = raw::errno();
    // SAFETY: it is one of ours.
    let entry = unsafe { next_entry(dir) };
    // Whether it has changed is how the end is told from an error.
    raw::set_errno(entry.as_ref().err().copied().unwrap_or(before));
    entry.ok().flatten().unwrap_or(std::ptr::null_mut())
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readdir(dir: *mut libc::DIR) -> *mut libc::dirent64 {
    // SAFETY: the arguments are the caller's. The two kinds of entries are one here.
    unsafe { readdir64(dir) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readdir64_r(
    dir: *mut libc::DIR,
    place: *mut libc::dirent64,
    result: *mut *mut libc::dirent64,
) -> c_int {
    // SAFETY: the arguments are the caller's.
    if unsafe { ours(dir) }.is_none() {
        return next!(READ_R, ReadR, dir, place, result);
    }
    let before = raw::errno();
    // SAFETY: it is one of ours.
    let entry = unsafe { next_entry(dir) };
    raw::set_errno(before);
    let number = entry.as_ref().err().copied().unwrap_or(0);
    // SAFETY: the caller passes a place for an entry, and one for its address.
    unsafe {
        *result = match entry {
            Ok(Some(entry)) => {
                place.copy_from_nonoverlapping(entry, 1);
                place
            }
            _ => std::ptr::null_mut(),
        };
    }
    number
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readdir_r(
    dir: *mut libc::DIR,
    place: *mut libc::dirent64,
    result: *mut *mut libc::dirent64,
) -> c_int {
    // SAFETY: the arguments are the caller's. The two kinds of entries are one here.
    unsafe { readdir64_r(dir, place, result) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn telldir(dir: *mut libc::DIR) -> c_long {
    // SAFETY: the arguments are the caller's.
    match unsafe { ours(dir) } {
        Some(reader) => reader.next as c_long,
        None => next!(TELL, Tell, dir),
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn seekdir(dir: *mut libc::DIR, place: c_long) {
    // SAFETY: the arguments are the caller's.
    match unsafe { ours(dir) } {
        Some(reader) => reader.next = usize::try_from(place).unwrap_or(0),
        None => next!(SEEK, Seek, dir, place),
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn closedir(dir: *mut libc::DIR) -> c_int {
    // SAFETY: the arguments are the caller's.
    let Some(reader) = (unsafe { ours(dir) }) else {
        return next!(CLOSE, Close, dir);
    };
    // SAFETY: made by `to_reader`, and the caller uses it no more.
    let mut reader = unsafe { Box::from_raw(std::ptr::from_mut(reader)) };
    reader.mark = [0; 2];
    // SAFETY: no pointers.
    unsafe { close(reader.fd) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dirfd(dir: *mut libc::DIR) -> c_int {
    // SAFETY: the arguments are the caller's.
    match unsafe { ours(dir) } {
        Some(reader) => reader.fd,
        None => next!(FD, Close, dir),
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rewinddir(dir: *mut libc::DIR) {
    // SAFETY: the arguments are the caller's.
    match unsafe { ours(dir) } {
        Some(reader) => {
            reader.names = None;
            reader.next = 0;
        }
        None => next!(REWIND, Rewind, dir),
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getcwd(into: *mut c_char, len: usize) -> *mut c_char {
    if me::current().is_none() {
        return next!(CWD, Cwd, into, len);
    }
    let mut path = [0u8; libc::PATH_MAX as usize];
    let args = [path.as_mut_ptr() as usize, path.len(), 0, 0, 0, 0];
    if len == 0 && !into.is_null() {
        raw::set_errno(libc::EINVAL);
        return std::ptr::null_mut();
    }
    // SAFETY: the pointer and the length are right.
    let n = unsafe { super::call(libc::SYS_getcwd as c_long, args) };
    let Ok(n) = usize::try_from(n) else {
        return std::ptr::null_mut();
    };
    if len > 0 && len < n {
        raw::set_errno(libc::ERANGE);
        return std::ptr::null_mut();
    }
    // SAFETY: the arguments are the caller's.
    unsafe { hand_out(&path[..n], into, len) }
}

/// Copies a C string to where the caller wants it, or to new memory if that is null.
///
/// # Safety
///
/// There is so much room.
unsafe fn hand_out(path: &[u8], into: *mut c_char, room: usize) -> *mut c_char {
    let into = match into.is_null() {
        // SAFETY: of any length.
        true => unsafe { libc::malloc(path.len().max(room)) }.cast(),
        false if room < path.len() => {
            raw::set_errno(libc::ERANGE);
            return std::ptr::null_mut();
        }
        false => into,
    };
    if !into.is_null() {
        // SAFETY: as the caller promises, or made so above.
        unsafe { into.copy_from_nonoverlapping(path.as_ptr().cast(), path.len()) };
    }
    into
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpath(path: *const c_char, into: *mut c_char) -> *mut c_char {
    let (Some(me), false) = (me::current(), path.is_null()) else {
        return next!(REAL_PATH, RealPath, path, into);
    };
    // SAFETY: the arguments are the caller's.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let life = me.life();
    take_time(me, life, false);
    let found = me.inside(|kernel| {
        let start = start(kernel, life, libc::AT_FDCWD, path)?;
        let start = start.ok_or(libc::ENOENT)?;
        kernel.tree(life)?.real_path(start, path)
    });
    let found = match found {
        Err(Stop::Real(path)) => canonical(&path),
        Err(Stop::Errno(number)) => Err(number),
        Ok(path) => Ok(path),
    };
    match found.and_then(|path| CString::new(path).map_err(|_| libc::EINVAL)) {
        // SAFETY: the arguments are the caller's: there is room for the longest path.
        Ok(path) => unsafe { hand_out(path.to_bytes_with_nul(), into, libc::PATH_MAX as usize) },
        Err(number) => {
            raw::set_errno(number);
            std::ptr::null_mut()
        }
    }
}

/// What the C library says of a real path.
fn canonical(path: &Path) -> Result<Vec<u8>, c_int> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| libc::EINVAL)?;
    let found = next!(REAL_PATH, RealPath, path.as_ptr(), std::ptr::null_mut());
    if found.is_null() {
        return Err(raw::errno());
    }
    // SAFETY: a C string that the C library has made, for the caller to free.
    unsafe {
        let bytes = CStr::from_ptr(found).to_bytes().to_vec();
        libc::free(found.cast());
        Ok(bytes)
    }
}
