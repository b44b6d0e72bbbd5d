//! What takes a path, and what is done with an open file on a disk.
//!
//! Each call is answered by its number; the C library's names are below in `c_names` and
//! `c_names_at`. A path that leads to what really is there goes to the real kernel, with that path.

pub(super) mod c_names;
pub(super) mod c_names_at;
pub(super) mod directories;
mod names;
mod open_files;
mod status;

pub(super) use self::open_files::record_lock;

use super::waiting::{self, in_kernel_form};
use crate::kernel::Kernel;
use crate::kernel::disk::{Ino, Stop};
use crate::kernel::files::{Errno, FileId};
use crate::kernel::host::Life;
use crate::me::Me;
use crate::raw;
use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

pub(super) fn keep() {
    c_names::keep();
    c_names_at::keep();
    directories::keep();
}

/// The world's answer to a call by number; `None` if it has none.
///
/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn answer(me: &Me, number: c_long, args: [usize; 6]) -> Option<isize> {
    // SAFETY: as the caller promises.
    unsafe { on_disk(me, number, args) }.map(in_kernel_form)
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn on_disk(me: &Me, number: c_long, args: [usize; 6]) -> Option<Result<usize, Errno>> {
    let before = raw::errno();
    // SAFETY: as the caller promises.
    let answer = unsafe {
        names::answer(me, number, args)
            .or_else(|| status::answer(me, number, args))
            .or_else(|| open_files::answer(me, number, args))
    };
    // A look at what is really there may have failed where this call has not.
    raw::set_errno(before);
    answer
}

/// Makes the call for one of the C library's names.
///
/// # Safety
///
/// The arguments are those of the call.
unsafe fn call(number: c_long, args: [usize; 6]) -> isize {
    // SAFETY: as the caller promises.
    unsafe { waiting::call(on_disk, number, args) }
}

/// The real kernel's answer.
///
/// # Safety
///
/// The arguments are those of the call.
unsafe fn really(number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    let answer = unsafe { raw::syscall(number, args) };
    usize::try_from(answer).map_err(|_| -answer as Errno)
}

/// A call on the disk takes its time.
fn take_time(me: &Me, life: Life, syncs: bool) {
    let until = me.inside(|kernel| kernel.disk_delay(life, syncs));
    me.sleep_until(until);
}

/// The caller's path.
///
/// # Safety
///
/// It is a C string, if it is not null.
unsafe fn path_at<'a>(path: usize) -> Result<&'a [u8], Errno> {
    match path {
        0 => Err(libc::EFAULT),
        // SAFETY: as the caller promises.
        _ => Ok(unsafe { CStr::from_ptr(path as *const c_char) }.to_bytes()),
    }
}

fn c_string(path: PathBuf) -> Result<CString, Errno> {
    CString::new(path.into_os_string().into_vec()).map_err(|_| libc::EINVAL)
}

/// Where a path begins: at the root, in the working directory, or in an open one. `None`: there is
/// a real directory open.
///
/// The place is good until another thread runs: it may remove what is nowhere open.
fn start(kernel: &mut Kernel, life: Life, dir: c_int, path: &[u8]) -> Result<Option<Ino>, Errno> {
    let dir = match path.first() {
        Some(b'/') => libc::AT_FDCWD,
        _ => dir,
    };
    kernel.disk_start(life, dir)
}

/// Where in the arguments of a call a path is.
#[derive(Clone, Copy)]
enum At {
    /// A directory, and after it the path.
    Dir(usize),
    /// A path alone.
    Path(usize),
}

impl At {
    fn dir(self, args: [usize; 6]) -> c_int {
        match self {
            At::Dir(index) => args[index] as c_int,
            At::Path(_) => libc::AT_FDCWD,
        }
    }

    fn path_index(self) -> usize {
        match self {
            At::Dir(index) => index + 1,
            At::Path(index) => index,
        }
    }
}

/// Answers a call with one path.
///
/// # Safety
///
/// The arguments are those of the call.
unsafe fn by_path(
    me: &Me,
    number: c_long,
    mut args: [usize; 6],
    at: At,
    answer: impl FnOnce(&mut Kernel, Life, Ino, &[u8]) -> Result<usize, Stop>,
) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    let path = unsafe { path_at(args[at.path_index()]) }?;
    let life = me.life();
    let dir = at.dir(args);
    if me
        .inside(|kernel| start(kernel, life, dir, path))?
        .is_none()
    {
        // SAFETY: as the caller promises.
        return unsafe { really(number, args) };
    }
    take_time(me, life, false);
    let answer = me.inside(|kernel| {
        // Once more: another thread may have run.
        let begin = start(kernel, life, dir, path)?.ok_or(libc::EBADF)?;
        answer(kernel, life, begin, path)
    });
    match answer {
        Ok(n) => Ok(n),
        Err(Stop::Errno(number)) => Err(number),
        Err(Stop::Real(path)) => {
            let path = c_string(path)?;
            args[at.path_index()] = path.as_ptr() as usize;
            if let At::Dir(index) = at {
                args[index] = libc::AT_FDCWD as usize;
            }
            // SAFETY: as the caller promises; the path is a C string.
            unsafe { really(number, args) }
        }
    }
}

/// Answers a call with two paths, each after a directory.
///
/// # Safety
///
/// The arguments are those of the call.
unsafe fn by_two_paths(
    me: &Me,
    number: c_long,
    mut args: [usize; 6],
    answer: impl FnOnce(&mut Kernel, Life, (Ino, &[u8]), (Ino, &[u8])) -> Result<(), Stop>,
) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    let (old, new) = unsafe { (path_at(args[1])?, path_at(args[3])?) };
    let life = me.life();
    let dirs = (args[0] as c_int, args[2] as c_int);
    let both = |kernel: &mut Kernel| {
        let from = start(kernel, life, dirs.0, old)?;
        Ok::<_, Errno>((from, start(kernel, life, dirs.1, new)?))
    };
    match me.inside(both)? {
        (Some(_), Some(_)) => {}
        // SAFETY: as the caller promises.
        (None, None) => return unsafe { really(number, args) },
        _ => return Err(libc::EXDEV),
    }
    take_time(me, life, false);
    let places = |kernel: &mut Kernel| match both(kernel)? {
        (Some(from), Some(to)) => Ok((from, to)),
        _ => Err(libc::EBADF),
    };
    let answer = me.inside(|kernel| {
        let (from, to) = places(kernel)?;
        answer(kernel, life, (from, old), (to, new))
    });
    match answer {
        Ok(()) => Ok(0),
        Err(Stop::Errno(number)) => Err(number),
        Err(Stop::Real(_)) => {
            let (old, new) = me.inside(|kernel| {
                let (from, to) = places(kernel)?;
                let tree = kernel.tree(life)?;
                Ok::<_, Errno>((tree.real_place(from, old)?, tree.real_place(to, new)?))
            })?;
            let (Some(old), Some(new)) = (old, new) else {
                return Err(libc::EXDEV);
            };
            let (old, new) = (c_string(old)?, c_string(new)?);
            (args[0], args[2]) = (libc::AT_FDCWD as usize, libc::AT_FDCWD as usize);
            (args[1], args[3]) = (old.as_ptr() as usize, new.as_ptr() as usize);
            // SAFETY: as the caller promises; the paths are C strings.
            unsafe { really(number, args) }
        }
    }
}

/// A call on an open file, which stays open meanwhile.
fn on_file<R>(me: &Me, file: FileId, syncs: bool, f: impl FnOnce(&mut Kernel) -> R) -> R {
    let life = me.inside(|kernel| {
        kernel.hold(file);
        kernel.life_of(me.id())
    });
    take_time(me, life, syncs);
    me.inside(|kernel| {
        let answer = f(kernel);
        kernel.release(file);
        answer
    })
}

/// Reads from an open file on a disk; takes the time that takes.
pub(super) fn read(
    me: &Me,
    file: FileId,
    bufs: &mut [IoSliceMut<'_>],
    at: Option<u64>,
) -> Result<usize, Errno> {
    on_file(me, file, false, |kernel| kernel.disk_read(file, bufs, at))
}

/// Writes to an open file on a disk; takes the time that takes.
pub(super) fn write(
    me: &Me,
    file: FileId,
    bufs: &[IoSlice<'_>],
    at: Option<u64>,
) -> Result<usize, Errno> {
    on_file(me, file, false, |kernel| kernel.disk_write(file, bufs, at))
}
