//! Waiting for many descriptors at once: `poll` and `epoll`.

use super::time;
use super::waiting::{self, looked_in_vain, simulated};
use crate::kernel::Kernel;
use crate::kernel::files::{Errno, FileId};
use crate::kernel::thread::Key;
use crate::me::Me;
use crate::raw;
use std::ffi::{c_int, c_long};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        poll as *const (),
        ppoll as *const (),
        epoll_ctl as *const (),
        epoll_wait as *const (),
        epoll_pwait as *const (),
        epoll_pwait2 as *const (),
    ));
}

/// Descriptors that `poll` does not take any more: more than a process may have open.
const MOST: usize = (1 << 20) + 1;

/// Bytes of the kernel's set of signals.
const SET: usize = 8;

/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn answer(
    me: &Me,
    number: c_long,
    args: [usize; 6],
) -> Option<Result<usize, Errno>> {
    match number {
        // SAFETY: as the caller promises.
        libc::SYS_ppoll => unsafe {
            poll_here(me, args[0] as *mut _, args[1], args[2] as *const _)
        },
        libc::SYS_epoll_ctl => {
            let (me, epoll) = simulated(args[0] as c_int)?;
            let (operation, fd) = (args[1] as c_int, args[2] as c_int);
            // SAFETY: as the caller promises.
            Some(unsafe { change_epoll(me, epoll, operation, fd, args[3] as *const _) })
        }
        libc::SYS_epoll_pwait => {
            let (me, epoll) = simulated(args[0] as c_int)?;
            let limit = u64::try_from(args[3] as c_int).ok();
            let limit = limit.map(|ms| ms * 1_000_000);
            let most = args[2] as c_int;
            // SAFETY: as the caller promises.
            Some(unsafe { wait_for_events(me, epoll, args[1] as *mut _, most, limit) })
        }
        libc::SYS_epoll_pwait2 => {
            let (me, epoll) = simulated(args[0] as c_int)?;
            let most = args[2] as c_int;
            // SAFETY: as the caller promises.
            let answer = unsafe {
                let limit = time::limit(args[3] as *const _);
                limit.and_then(|limit| wait_for_events(me, epoll, args[1] as *mut _, most, limit))
            };
            Some(answer)
        }
        _ => None,
    }
}

// --- poll

/// `None`: there are none but real descriptors, which the real kernel is asked.
///
/// # Safety
///
/// The arguments are those of the call.
unsafe fn poll_here(
    me: &Me,
    start: *mut libc::pollfd,
    count: usize,
    timeout: *const libc::timespec,
) -> Option<Result<usize, Errno>> {
    // The kernel's is a number of 32 bits.
    let count = count as u32 as usize;
    let fds: &mut [libc::pollfd] = match (count, start.is_null()) {
        (0, _) => &mut [],
        (MOST.., _) => return Some(Err(libc::EINVAL)),
        (_, true) => return Some(Err(libc::EFAULT)),
        _ if !start.is_aligned() => return Some(Err(libc::EFAULT)),
        // SAFETY: as the caller promises; they are aligned and not null.
        (_, false) => unsafe { std::slice::from_raw_parts_mut(start, count) },
    };
    // SAFETY: as the caller promises.
    let limit = match unsafe { time::limit(timeout) } {
        Ok(limit) => limit,
        Err(error) => return Some(Err(error)),
    };
    let files: Vec<Option<FileId>> = fds
        .iter()
        .map(|entry| simulated(entry.fd).map(|(_, file)| file))
        .collect();
    let is_real = |(entry, file): (&libc::pollfd, &Option<FileId>)| entry.fd >= 0 && file.is_none();
    if files.iter().all(Option::is_none) && fds.iter().zip(&files).any(is_real) {
        return None;
    }
    let is_open: Vec<bool> = fds
        .iter()
        .zip(&files)
        .map(|(entry, file)| file.is_some() || entry.fd < 0 || is_really_open(entry.fd))
        .collect();
    let deadline = limit.map(|limit| me.inside(|kernel| kernel.now).saturating_add(limit));
    let answer = me.wait(deadline, |kernel| {
        let found = look(kernel, fds, &files, &is_open);
        if found == 0 {
            for file in files.iter().flatten() {
                kernel.wait_for(me.id(), Key::File(file.0));
            }
            // To be named in a report, if there are none.
            kernel.wait_for(me.id(), Key::Time);
        }
        (found > 0).then_some(found)
    });
    if answer.is_none() && limit == Some(0) {
        looked_in_vain(me);
    }
    Some(Ok(answer.unwrap_or(0)))
}

fn is_really_open(fd: c_int) -> bool {
    // SAFETY: no pointers.
    let flags = unsafe {
        let get = libc::F_GETFD as usize;
        raw::syscall(libc::SYS_fcntl, [fd as usize, get, 0, 0, 0, 0])
    };
    flags >= 0
}

/// Writes what is ready, and returns how many are. Real ones never are, unless they are not open.
fn look(
    kernel: &mut Kernel,
    fds: &mut [libc::pollfd],
    files: &[Option<FileId>],
    is_open: &[bool],
) -> usize {
    let always = libc::EPOLLERR as u32 | libc::EPOLLHUP as u32;
    let mut found = 0;
    for ((entry, file), is_open) in fds.iter_mut().zip(files).zip(is_open) {
        let asked = u32::from(entry.events as u16) | always;
        let ready = match file {
            Some(file) => kernel.poll_file(*file) & asked,
            None if *is_open => 0,
            None => u32::from(libc::POLLNVAL as u16),
        };
        // The bits are those of `epoll`.
        entry.revents = ready as i16;
        found += usize::from(ready != 0);
    }
    found
}

// --- epoll

/// # Safety
///
/// The arguments are those of the call.
unsafe fn change_epoll(
    me: &Me,
    epoll: FileId,
    operation: c_int,
    fd: c_int,
    event: *const libc::epoll_event,
) -> Result<usize, Errno> {
    let (mut events, mut data) = (0, 0);
    if operation != libc::EPOLL_CTL_DEL {
        if event.is_null() {
            return Err(libc::EFAULT);
        }
        // SAFETY: the caller passes a valid pointer, null apart.
        let event = unsafe { event.read_unaligned() };
        (events, data) = (event.events, event.u64);
    }
    match simulated(fd) {
        Some((_, file)) if file == epoll => return Err(libc::EINVAL),
        Some(_) => {}
        // As for a file that cannot be watched: nothing would happen at it here.
        None if is_really_open(fd) => return Err(libc::EPERM),
        None => return Err(libc::EBADF),
    }
    me.inside(|kernel| match operation {
        libc::EPOLL_CTL_ADD => kernel.epoll_add(epoll, fd, events, data),
        libc::EPOLL_CTL_MOD => kernel.epoll_modify(epoll, fd, events, data),
        libc::EPOLL_CTL_DEL => kernel.epoll_delete(epoll, fd),
        _ => Err(libc::EINVAL),
    })?;
    Ok(0)
}

/// # Safety
///
/// There is a place for so many events.
unsafe fn wait_for_events(
    me: &Me,
    epoll: FileId,
    place: *mut libc::epoll_event,
    most: c_int,
    limit: Option<u64>,
) -> Result<usize, Errno> {
    let most = usize::try_from(most).unwrap_or(0);
    // So many that their bytes are no `int`, or none.
    if most == 0 || most > i32::MAX as usize / size_of::<libc::epoll_event>() {
        return Err(libc::EINVAL);
    }
    if place.is_null() {
        return Err(libc::EFAULT);
    }
    let deadline = me.inside(|kernel| {
        kernel.hold(epoll);
        limit.map(|limit| kernel.now.saturating_add(limit))
    });
    let mut found = Vec::new();
    let answer = me.wait(deadline, |kernel| {
        match kernel.epoll_take(epoll, most, &mut found) {
            Ok(()) if found.is_empty() => {
                kernel.wait_for(me.id(), Key::Events(epoll.0));
                None
            }
            answer => Some(answer),
        }
    });
    me.inside(|kernel| kernel.release(epoll));
    match answer {
        None if limit == Some(0) => looked_in_vain(me),
        None => {}
        Some(answer) => answer?,
    }
    for (at, (events, u64)) in found.iter().copied().enumerate() {
        // SAFETY: the caller passes a place for `most`, of which there are no more.
        unsafe {
            place
                .add(at)
                .write_unaligned(libc::epoll_event { events, u64 })
        };
    }
    Ok(found.len())
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
pub unsafe extern "C" fn poll(fds: *mut libc::pollfd, count: libc::nfds_t, ms: c_int) -> c_int {
    let timeout = libc::timespec {
        tv_sec: (ms / 1000).into(),
        tv_nsec: (ms % 1000 * 1_000_000).into(),
    };
    let timeout = match ms {
        ..0 => std::ptr::null(),
        _ => &raw const timeout,
    };
    // SAFETY: the arguments are the caller's, and the time is valid or null.
    unsafe { ppoll(fds, count, timeout, std::ptr::null()) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ppoll(
    fds: *mut libc::pollfd,
    count: libc::nfds_t,
    timeout: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    // The system call writes what is left there, the function does not.
    // SAFETY: the caller passes a valid pointer or null.
    let mut copy = (!timeout.is_null()).then(|| unsafe { timeout.read_unaligned() });
    let timeout = copy
        .as_mut()
        .map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let (fds, count) = (fds as usize, count as usize);
    let args = [fds, count, timeout as usize, mask as usize, SET, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_ppoll, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_ctl(
    epfd: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut libc::epoll_event,
) -> c_int {
    let (epfd, operation, fd) = (epfd as usize, operation as usize, fd as usize);
    let args = [epfd, operation, fd, event as usize, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_epoll_ctl, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_wait(
    epfd: c_int,
    events: *mut libc::epoll_event,
    most: c_int,
    ms: c_int,
) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { epoll_pwait(epfd, events, most, ms, std::ptr::null()) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_pwait(
    epfd: c_int,
    events: *mut libc::epoll_event,
    most: c_int,
    ms: c_int,
    mask: *const libc::sigset_t,
) -> c_int {
    let (events, most, ms) = (events as usize, most as usize, ms as usize);
    let args = [epfd as usize, events, most, ms, mask as usize, SET];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_epoll_pwait, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_pwait2(
    epfd: c_int,
    events: *mut libc::epoll_event,
    most: c_int,
    timeout: *const libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    let (events, most, timeout) = (events as usize, most as usize, timeout as usize);
    let args = [epfd as usize, events, most, timeout, mask as usize, SET];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_epoll_pwait2, args) as c_int }
}
