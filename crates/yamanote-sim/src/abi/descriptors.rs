//! Calls on descriptors, whatever they name.

use super::waiting::{self, in_kernel_form, simulated};
use super::{bytes, opening, paths, polling};
use crate::kernel::files::{Errno, FIRST, FileId, Object};
use crate::me::Me;
use std::ffi::{c_int, c_long, c_ulong};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        close as *const (),
        dup as *const (),
        dup2 as *const (),
        dup3 as *const (),
        fcntl as *const (),
        fcntl64 as *const (),
        ioctl as *const (),
        splice as *const (),
        tee as *const (),
        vmsplice as *const (),
        sendfile as *const (),
        sendfile64 as *const (),
        copy_file_range as *const (),
    ));
    bytes::keep();
    opening::keep();
    polling::keep();
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn call(number: c_long, args: [usize; 6]) -> isize {
    // SAFETY: as the caller promises.
    unsafe { waiting::call(on_descriptor, number, args) }
}

/// The world's answer to a call by number; `None` if it has none.
///
/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn answer(me: &Me, number: c_long, args: [usize; 6]) -> Option<isize> {
    // SAFETY: as the caller promises.
    let answer = unsafe {
        let of_descriptor = on_descriptor(me, number, args);
        of_descriptor
            .or_else(|| bytes::answer(me, number, args))
            .or_else(|| polling::answer(me, number, args))
            .or_else(|| opening::answer(me, number, args))
    };
    answer.map(in_kernel_form)
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn on_descriptor(me: &Me, number: c_long, args: [usize; 6]) -> Option<Result<usize, Errno>> {
    let fd = args[0] as c_int;
    let is_simulated = |fd: usize| simulated(fd as c_int).is_some();
    match number {
        libc::SYS_splice | libc::SYS_copy_file_range => {
            (is_simulated(args[0]) || is_simulated(args[2])).then_some(Err(libc::EINVAL))
        }
        libc::SYS_tee | libc::SYS_sendfile => {
            (is_simulated(args[0]) || is_simulated(args[1])).then_some(Err(libc::EINVAL))
        }
        libc::SYS_vmsplice => is_simulated(args[0]).then_some(Err(libc::EINVAL)),
        libc::SYS_close => {
            let (me, _) = simulated(fd)?;
            Some(me.inside(|kernel| kernel.close(fd)).map(|()| 0))
        }
        libc::SYS_dup => {
            let (me, _) = simulated(fd)?;
            let new = me.inside(|kernel| kernel.duplicate(fd, false, FIRST));
            Some(new.map(|new| new as usize))
        }
        libc::SYS_dup3 => {
            simulated(fd)?;
            Some(duplicate_to(me, fd, args[1] as c_int, args[2] as c_int))
        }
        libc::SYS_fcntl => {
            let (me, file) = simulated(fd)?;
            // SAFETY: as the caller promises.
            let lock = unsafe { paths::record_lock(me, file, args[1] as c_int, args[2]) };
            if lock.is_some() {
                return lock;
            }
            Some(control(me, fd, file, args[1] as c_int, args[2] as c_int))
        }
        libc::SYS_ioctl => {
            let (me, file) = simulated(fd)?;
            // SAFETY: as the caller promises.
            Some(unsafe { device_control(me, fd, file, args[1] as c_ulong, args[2]) })
        }
        _ => None,
    }
}

// --- descriptors

fn duplicate_to(me: &Me, old: c_int, new: c_int, flags: c_int) -> Result<usize, Errno> {
    if old == new || flags & !libc::O_CLOEXEC != 0 {
        return Err(libc::EINVAL);
    }
    me.inside(|kernel| kernel.duplicate_to(old, new, flags != 0))?;
    Ok(new as usize)
}

/// `fcntl`.
fn control(
    me: &Me,
    fd: c_int,
    file: FileId,
    command: c_int,
    argument: c_int,
) -> Result<usize, Errno> {
    const CHANGEABLE: c_int = libc::O_APPEND | libc::O_ASYNC | libc::O_DIRECT | libc::O_NOATIME;
    me.inside(|kernel| match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => {
            if argument < 0 {
                return Err(libc::EINVAL);
            }
            let closes_on_exec = command == libc::F_DUPFD_CLOEXEC;
            let new = kernel.duplicate(fd, closes_on_exec, argument.max(FIRST))?;
            Ok(new as usize)
        }
        libc::F_GETFD => Ok(usize::from(kernel.closes_on_exec(fd)?)),
        libc::F_SETFD => {
            kernel.set_closes_on_exec(fd, argument & libc::FD_CLOEXEC != 0)?;
            Ok(0)
        }
        libc::F_GETFL => {
            let file = kernel.file(file);
            let nonblocking = match file.is_nonblocking {
                true => libc::O_NONBLOCK,
                false => 0,
            };
            Ok((file.flags | nonblocking) as usize)
        }
        libc::F_SETFL => {
            let file = kernel.file_mut(file);
            file.is_nonblocking = argument & libc::O_NONBLOCK != 0;
            file.flags = (file.flags & !CHANGEABLE) | (argument & CHANGEABLE);
            Ok(0)
        }
        libc::F_GETPIPE_SZ => match kernel.file(file).object {
            Object::Pipe(_) => Ok(crate::kernel::pipe::CAPACITY),
            _ => Err(libc::EBADF),
        },
        _ => Err(libc::EINVAL),
    })
}

/// # Safety
///
/// The argument is that of the call.
unsafe fn device_control(
    me: &Me,
    fd: c_int,
    file: FileId,
    request: c_ulong,
    argument: usize,
) -> Result<usize, Errno> {
    let place = argument as *mut c_int;
    let takes_place = matches!(request, libc::FIONBIO | libc::FIONREAD);
    if takes_place && place.is_null() {
        return Err(libc::EFAULT);
    }
    match request {
        libc::FIONBIO => {
            // SAFETY: the caller passes a valid pointer to a number.
            let is_nonblocking = unsafe { place.read_unaligned() } != 0;
            me.inside(|kernel| kernel.file_mut(file).is_nonblocking = is_nonblocking);
        }
        libc::FIONREAD => {
            let available = me.inside(|kernel| match kernel.file(file).object {
                Object::Pipe(end) => Ok(kernel.pipe_available(end)),
                Object::Socket(socket) => Ok(kernel.socket_available(socket)),
                Object::Epoll(_) => Err(libc::EINVAL),
                _ => Err(libc::ENOTTY),
            })?;
            // SAFETY: as above.
            unsafe { place.write_unaligned(c_int::try_from(available).unwrap_or(c_int::MAX)) };
        }
        libc::FIOCLEX => me.inside(|kernel| kernel.set_closes_on_exec(fd, true))?,
        libc::FIONCLEX => me.inside(|kernel| kernel.set_closes_on_exec(fd, false))?,
        _ => return Err(libc::ENOTTY),
    }
    Ok(0)
}

// --- the C library's names

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_close, [fd as usize, 0, 0, 0, 0, 0]) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup(fd: c_int) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_dup, [fd as usize, 0, 0, 0, 0, 0]) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup2(old: c_int, new: c_int) -> c_int {
    if old == new {
        // SAFETY: no pointers.
        return match unsafe { fcntl(old, libc::F_GETFD, 0) } {
            -1 => -1,
            _ => new,
        };
    }
    // SAFETY: the arguments are the caller's.
    unsafe { dup3(old, new, 0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    let args = [old as usize, new as usize, flags as usize, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_dup3, args) as c_int }
}

/// # Safety
///
/// As of the C function. (For the number of arguments see `syscall`.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int {
    let args = [fd as usize, command as usize, argument, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_fcntl, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fcntl64(fd: c_int, command: c_int, argument: usize) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { fcntl(fd, command, argument) }
}

/// # Safety
///
/// As of the C function. (For the number of arguments see `syscall`.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: usize) -> c_int {
    let args = [fd as usize, request as usize, argument, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_ioctl, args) as c_int }
}

/// A call that moves bytes between two descriptors, each with a place of its own or null.
///
/// # Safety
///
/// The arguments are those of such a call.
unsafe fn move_bytes(
    number: c_long,
    from: (c_int, *mut libc::loff_t),
    to: (c_int, *mut libc::loff_t),
    len: usize,
    flags: u32,
) -> isize {
    let (from, from_place) = (from.0 as usize, from.1 as usize);
    let (to, to_place) = (to.0 as usize, to.1 as usize);
    let args = [from, from_place, to, to_place, len, flags as usize];
    // SAFETY: as the caller promises.
    unsafe { call(number, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn splice(
    from: c_int,
    from_place: *mut libc::loff_t,
    to: c_int,
    to_place: *mut libc::loff_t,
    len: usize,
    flags: u32,
) -> isize {
    // SAFETY: the arguments are the caller's.
    unsafe {
        move_bytes(
            libc::SYS_splice,
            (from, from_place),
            (to, to_place),
            len,
            flags,
        )
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tee(from: c_int, to: c_int, len: usize, flags: u32) -> isize {
    let args = [from as usize, to as usize, len, flags as usize, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_tee, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmsplice(
    fd: c_int,
    vector: *const libc::iovec,
    count: usize,
    flags: u32,
) -> isize {
    let args = [fd as usize, vector as usize, count, flags as usize, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_vmsplice, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile(
    to: c_int,
    from: c_int,
    place: *mut libc::off_t,
    len: usize,
) -> isize {
    let args = [to as usize, from as usize, place as usize, len, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_sendfile, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendfile64(
    to: c_int,
    from: c_int,
    place: *mut libc::off_t,
    len: usize,
) -> isize {
    // SAFETY: the arguments are the caller's.
    unsafe { sendfile(to, from, place, len) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_place: *mut libc::off64_t,
    to: c_int,
    to_place: *mut libc::off64_t,
    len: usize,
    flags: u32,
) -> isize {
    // SAFETY: the arguments are the caller's.
    unsafe {
        move_bytes(
            libc::SYS_copy_file_range,
            (from, from_place),
            (to, to_place),
            len,
            flags,
        )
    }
}
