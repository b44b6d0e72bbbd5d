//! Reading and writing, by descriptors of any kind.

use super::paths;
use super::waiting::{self, simulated, wait_on, write_all};
use crate::kernel::files::{Errno, FileId, Object};
use crate::me::Me;
use std::ffi::{c_int, c_long, c_void};
use std::hint::black_box;
use std::io::{IoSlice, IoSliceMut};

pub(super) fn keep() {
    black_box((
        read as *const (),
        write as *const (),
        readv as *const (),
        writev as *const (),
        pread as *const (),
        pread64 as *const (),
        pwrite as *const (),
        pwrite64 as *const (),
    ));
    black_box((
        preadv as *const (),
        preadv64 as *const (),
        pwritev as *const (),
        pwritev64 as *const (),
        preadv2 as *const (),
        preadv64v2 as *const (),
        pwritev2 as *const (),
        pwritev64v2 as *const (),
    ));
}

/// Slices that a vector may have.
pub(super) const MOST: usize = 1024;
/// Bytes that a call moves at most; more may be asked for.
const MOST_BYTES: usize = 0x7fff_f000;

// --- the caller's memory

/// Behind the last address that a program may have.
const END: usize = match cfg!(target_arch = "x86_64") {
    true => 1 << 47,
    false => 1 << 52,
};

/// So many bytes from there on, as many as a call moves at most; an error if no program can have
/// them all.
fn range(start: *const u8, len: usize) -> Result<usize, Errno> {
    match (start as usize).checked_add(len) {
        _ if start.is_null() && len > 0 => Err(libc::EFAULT),
        Some(..=END) => Ok(len.min(MOST_BYTES)),
        _ => Err(libc::EFAULT),
    }
}

/// The caller's bytes.
///
/// # Safety
///
/// So many can be read there, if the pointer is not null.
pub(super) unsafe fn bytes<'a>(start: *const u8, len: usize) -> Result<&'a [u8], Errno> {
    match range(start, len)? {
        0 => Ok(&[]),
        // SAFETY: as the caller promises; it is not null.
        len => Ok(unsafe { std::slice::from_raw_parts(start, len) }),
    }
}

/// The caller's bytes, to be written only. They may never have been: the caller is another
/// function's body, to which this one is the kernel.
///
/// # Safety
///
/// So many can be written there, if the pointer is not null.
pub(super) unsafe fn bytes_mut<'a>(start: *mut u8, len: usize) -> Result<&'a mut [u8], Errno> {
    match range(start, len)? {
        0 => Ok(&mut []),
        // SAFETY: as the caller promises; it is not null.
        len => Ok(unsafe { std::slice::from_raw_parts_mut(start, len) }),
    }
}

/// Where the slices of a vector are, and how long: no more in all than a call moves.
///
/// # Safety
///
/// So many can be read there, if the pointer is not null.
unsafe fn vectors(start: *const libc::iovec, count: usize) -> Result<Vec<(*mut u8, usize)>, Errno> {
    if count > MOST {
        return Err(libc::EINVAL);
    }
    if start.is_null() && count > 0 {
        return Err(libc::EFAULT);
    }
    let mut room = MOST_BYTES;
    let part = |index: usize| {
        // SAFETY: as the caller promises.
        let part = unsafe { start.add(index).read_unaligned() };
        isize::try_from(part.iov_len).map_err(|_| libc::EINVAL)?;
        let len = room.min(range(part.iov_base.cast(), part.iov_len)?);
        room -= len;
        Ok((part.iov_base.cast(), len))
    };
    (0..count).map(part).collect()
}

/// What a vector names, to be read from.
///
/// # Safety
///
/// The vector is valid, and so is what it names.
pub(super) unsafe fn slices<'a>(
    start: *const libc::iovec,
    count: usize,
) -> Result<Vec<IoSlice<'a>>, Errno> {
    // SAFETY: as the caller promises.
    let vectors = unsafe { vectors(start, count) }?;
    vectors
        .iter()
        // SAFETY: as the caller promises.
        .map(|(start, len)| unsafe { bytes(*start, *len) }.map(IoSlice::new))
        .collect()
}

/// What a vector names, to be written to.
///
/// # Safety
///
/// The vector is valid, and so is what it names.
pub(super) unsafe fn slices_mut<'a>(
    start: *const libc::iovec,
    count: usize,
) -> Result<Vec<IoSliceMut<'a>>, Errno> {
    // SAFETY: as the caller promises.
    let vectors = unsafe { vectors(start, count) }?;
    vectors
        .iter()
        // SAFETY: as the caller promises.
        .map(|(start, len)| unsafe { bytes_mut(*start, *len) }.map(IoSliceMut::new))
        .collect()
}

// --- the calls by number

/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn answer(
    _me: &Me,
    number: c_long,
    args: [usize; 6],
) -> Option<Result<usize, Errno>> {
    let is_vector = match number {
        libc::SYS_read | libc::SYS_pread64 | libc::SYS_write | libc::SYS_pwrite64 => false,
        libc::SYS_readv
        | libc::SYS_preadv
        | libc::SYS_preadv2
        | libc::SYS_writev
        | libc::SYS_pwritev
        | libc::SYS_pwritev2 => true,
        _ => return None,
    };
    let Some((me, file)) = simulated(args[0] as c_int) else {
        // A real file: what the real page cache has must not decide what a program does.
        let has_flags = matches!(number, libc::SYS_preadv2 | libc::SYS_pwritev2);
        let may_not_wait = has_flags && args[5] as c_int & libc::RWF_NOWAIT != 0;
        return may_not_wait.then_some(Err(libc::EOPNOTSUPP));
    };
    let how = match how(number, args) {
        Ok(how) => how,
        Err(error) => return Some(Err(error)),
    };
    let (start, count) = (args[1], args[2]);
    let is_read = matches!(
        number,
        libc::SYS_read | libc::SYS_pread64 | libc::SYS_readv | libc::SYS_preadv | libc::SYS_preadv2
    );
    // SAFETY: the pointers are the caller's, as it promises.
    let answer = unsafe {
        match (is_read, is_vector) {
            (true, false) => bytes_mut(start as *mut u8, count)
                .and_then(|buf| read_from(me, file, &mut [IoSliceMut::new(buf)], how)),
            (true, true) => slices_mut(start as *const _, count)
                .and_then(|mut bufs| read_from(me, file, &mut bufs, how)),
            (false, false) => bytes(start as *const u8, count)
                .and_then(|buf| write_to(me, file, &mut [IoSlice::new(buf)], how)),
            (false, true) => slices(start as *const _, count)
                .and_then(|mut bufs| write_to(me, file, &mut bufs, how)),
        }
    };
    Some(answer)
}

/// Where a call reads or writes, and how.
#[derive(Clone, Copy)]
struct How {
    /// `None`: at the cursor, or the only place there is.
    at: Option<u64>,
    may_not_wait: bool,
}

fn how(number: c_long, args: [usize; 6]) -> Result<How, Errno> {
    let place = args[3] as i64;
    let at = match number {
        libc::SYS_pread64 | libc::SYS_pwrite64 | libc::SYS_preadv | libc::SYS_pwritev => {
            Some(u64::try_from(place).map_err(|_| libc::EINVAL)?)
        }
        libc::SYS_preadv2 | libc::SYS_pwritev2 if place != -1 => {
            Some(u64::try_from(place).map_err(|_| libc::EINVAL)?)
        }
        _ => None,
    };
    let flags = match number {
        libc::SYS_preadv2 | libc::SYS_pwritev2 => args[5] as c_int,
        _ => 0,
    };
    match flags & !libc::RWF_NOWAIT {
        0 => Ok(How {
            at,
            may_not_wait: flags != 0,
        }),
        _ => Err(libc::EOPNOTSUPP),
    }
}

/// What a call has to know of the file: whether it is on a disk, and whether the call may not wait.
fn begin(me: &Me, file: FileId, how: How, forbidding: c_int) -> Result<(bool, bool), Errno> {
    me.inside(|kernel| {
        let file = kernel.file(file);
        let is_on_disk = matches!(file.object, Object::Disk(_));
        match is_on_disk {
            false if how.at.is_some() => Err(libc::ESPIPE),
            _ if file.flags & libc::O_ACCMODE == forbidding => Err(libc::EBADF),
            // No file system here promises that; the caller asks again without.
            true if how.may_not_wait => Err(libc::EOPNOTSUPP),
            _ => Ok((is_on_disk, file.is_nonblocking || how.may_not_wait)),
        }
    })
}

/// Until when the call waits at most: a socket may have a limit.
fn deadline(me: &Me, file: FileId, writes: bool) -> Option<u64> {
    me.inside(|kernel| {
        let socket = kernel.socket_of(file).ok()?;
        kernel.socket_deadline(socket, writes)
    })
}

fn read_from(me: &Me, file: FileId, bufs: &mut [IoSliceMut<'_>], how: How) -> Result<usize, Errno> {
    let (is_on_disk, is_nonblocking) = begin(me, file, how, libc::O_WRONLY)?;
    if is_on_disk {
        return paths::read(me, file, bufs, how.at);
    }
    let deadline = deadline(me, file, false);
    wait_on(me, file, is_nonblocking, deadline, |kernel| {
        kernel.read_file(file, bufs)
    })
}

fn write_to(me: &Me, file: FileId, bufs: &mut [IoSlice<'_>], how: How) -> Result<usize, Errno> {
    let (is_on_disk, is_nonblocking) = begin(me, file, how, libc::O_RDONLY)?;
    if is_on_disk {
        return paths::write(me, file, bufs, how.at);
    }
    let deadline = deadline(me, file, true);
    write_all(me, file, is_nonblocking, deadline, bufs, |kernel, bufs| {
        kernel.write_file(file, bufs)
    })
}

// --- the C library's names

/// # Safety
///
/// The arguments are those of the call.
unsafe fn call(number: c_long, args: [usize; 6]) -> isize {
    // SAFETY: as the caller promises.
    unsafe { waiting::call(answer, number, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(fd: c_int, buf: *mut c_void, len: usize) -> isize {
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_read, [fd as usize, buf as usize, len, 0, 0, 0]) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, buf: *const c_void, len: usize) -> isize {
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_write, [fd as usize, buf as usize, len, 0, 0, 0]) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pread(fd: c_int, buf: *mut c_void, len: usize, at: i64) -> isize {
    let args = [fd as usize, buf as usize, len, at as usize, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_pread64, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pread64(fd: c_int, buf: *mut c_void, len: usize, at: i64) -> isize {
    // SAFETY: the arguments are the caller's.
    unsafe { pread(fd, buf, len, at) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, buf: *const c_void, len: usize, at: i64) -> isize {
    let args = [fd as usize, buf as usize, len, at as usize, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_pwrite64, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, buf: *const c_void, len: usize, at: i64) -> isize {
    // SAFETY: the arguments are the caller's.
    unsafe { pwrite(fd, buf, len, at) }
}

/// The calls that take a vector: the name, that with 64, and the number.
macro_rules! with_vector {
    ($($name:ident $number:ident ($($extra:ident: $type:ty),*) [$($arg:expr),*];)*) => {$(
        /// # Safety
        ///
        /// As of the C function.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            fd: c_int,
            vector: *const libc::iovec,
            count: c_int,
            $($extra: $type),*
        ) -> isize {
            // A negative count is too many.
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let args = [fd as usize, vector as usize, count, $($arg),*];
            // SAFETY: the arguments are the caller's.
            unsafe { call(libc::$number, args) }
        }
    )*};
}

with_vector! {
    readv SYS_readv () [0, 0, 0];
    writev SYS_writev () [0, 0, 0];
    preadv SYS_preadv (at: i64) [at as usize, 0, 0];
    preadv64 SYS_preadv (at: i64) [at as usize, 0, 0];
    pwritev SYS_pwritev (at: i64) [at as usize, 0, 0];
    pwritev64 SYS_pwritev (at: i64) [at as usize, 0, 0];
    preadv2 SYS_preadv2 (at: i64, flags: c_int) [at as usize, 0, flags as usize];
    preadv64v2 SYS_preadv2 (at: i64, flags: c_int) [at as usize, 0, flags as usize];
    pwritev2 SYS_pwritev2 (at: i64, flags: c_int) [at as usize, 0, flags as usize];
    pwritev64v2 SYS_pwritev2 (at: i64, flags: c_int) [at as usize, 0, flags as usize];
}
