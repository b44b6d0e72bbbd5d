//! What makes descriptors that are no sockets and have no paths.

use super::time::{self, BOOTED_NS};
use super::waiting::{self, simulated};
use crate::kernel::alarm::Alarm;
use crate::kernel::counter::Counter;
use crate::kernel::epoll::Epoll;
use crate::kernel::files::{Errno, FileId, Object};
use crate::me::Me;
use std::ffi::{c_int, c_long, c_uint};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        epoll_create as *const (),
        epoll_create1 as *const (),
        eventfd as *const (),
        pipe as *const (),
        pipe2 as *const (),
        timerfd_create as *const (),
        timerfd_settime as *const (),
        timerfd_gettime as *const (),
        signalfd as *const (),
        inotify_init as *const (),
        inotify_init1 as *const (),
    ));
}

/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn answer(
    me: &Me,
    number: c_long,
    args: [usize; 6],
) -> Option<Result<usize, Errno>> {
    let (first, second) = (args[0] as c_int, args[1] as c_int);
    Some(match number {
        libc::SYS_epoll_create1 => match first & !libc::EPOLL_CLOEXEC {
            0 => open(me, Object::Epoll(Epoll::default()), false, first != 0),
            _ => Err(libc::EINVAL),
        },
        libc::SYS_eventfd2 => open_counter(me, args[0] as c_uint, second),
        // SAFETY: as the caller promises.
        libc::SYS_pipe2 => unsafe { open_pipe(me, args[0] as *mut c_int, second) },
        libc::SYS_timerfd_create => open_alarm(me, first, second),
        libc::SYS_timerfd_settime => {
            let (me, file) = simulated(first)?;
            let (new, old) = (args[2] as *const _, args[3] as *mut _);
            // SAFETY: as the caller promises.
            unsafe { set_alarm(me, file, second, new, old) }
        }
        libc::SYS_timerfd_gettime => {
            let (me, file) = simulated(first)?;
            // SAFETY: as the caller promises.
            unsafe { get_alarm(me, file, args[1] as *mut _) }
        }
        libc::SYS_signalfd4 | libc::SYS_inotify_init1 => Err(libc::ENOSYS),
        _ => return None,
    })
}

fn open(
    me: &Me,
    object: Object,
    is_nonblocking: bool,
    closes_on_exec: bool,
) -> Result<usize, Errno> {
    let life = me.life();
    let (fd, _) =
        me.inside(|kernel| kernel.open_file(life, object, is_nonblocking, closes_on_exec))?;
    Ok(fd as usize)
}

fn open_counter(me: &Me, value: c_uint, flags: c_int) -> Result<usize, Errno> {
    if flags & !(libc::EFD_SEMAPHORE | libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) != 0 {
        return Err(libc::EINVAL);
    }
    let counter = Counter {
        value: value.into(),
        is_semaphore: flags & libc::EFD_SEMAPHORE != 0,
    };
    let is_nonblocking = flags & libc::EFD_NONBLOCK != 0;
    let closes_on_exec = flags & libc::EFD_CLOEXEC != 0;
    open(me, Object::Counter(counter), is_nonblocking, closes_on_exec)
}

/// # Safety
///
/// The pointer is that of the call.
unsafe fn open_pipe(me: &Me, ends: *mut c_int, flags: c_int) -> Result<usize, Errno> {
    if flags & !(libc::O_NONBLOCK | libc::O_CLOEXEC) != 0 {
        return Err(libc::EINVAL);
    }
    if ends.is_null() {
        return Err(libc::EFAULT);
    }
    let life = me.life();
    let is_nonblocking = flags & libc::O_NONBLOCK != 0;
    let closes_on_exec = flags & libc::O_CLOEXEC != 0;
    let (reader, writer) =
        me.inside(|kernel| kernel.open_pipe(life, is_nonblocking, closes_on_exec))?;
    // SAFETY: the caller passes a place for two.
    unsafe {
        ends.cast::<[c_int; 2]>().write_unaligned([reader, writer]);
    }
    Ok(0)
}

// --- timerfd

fn open_alarm(me: &Me, clock: c_int, flags: c_int) -> Result<usize, Errno> {
    let is_known = matches!(
        clock,
        libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC | libc::CLOCK_BOOTTIME
    );
    if !is_known || flags & !(libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) != 0 {
        return Err(libc::EINVAL);
    }
    let is_nonblocking = flags & libc::TFD_NONBLOCK != 0;
    let closes_on_exec = flags & libc::TFD_CLOEXEC != 0;
    let alarm = Object::Alarm(Alarm::new(clock));
    open(me, alarm, is_nonblocking, closes_on_exec)
}

/// # Safety
///
/// The pointers are those of the call.
unsafe fn set_alarm(
    me: &Me,
    file: FileId,
    flags: c_int,
    new: *const libc::itimerspec,
    old: *mut libc::itimerspec,
) -> Result<usize, Errno> {
    if flags & !(libc::TFD_TIMER_ABSTIME | libc::TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(libc::EINVAL);
    }
    // SAFETY: the caller passes a valid pointer or null.
    let new = (!new.is_null()).then(|| unsafe { new.read_unaligned() });
    let new = new.ok_or(libc::EFAULT)?;
    // SAFETY: both are references.
    let (value, interval) = unsafe {
        let value = time::from_timespec(&raw const new.it_value);
        (value, time::from_timespec(&raw const new.it_interval))
    };
    let value = value.ok_or(libc::EINVAL)?;
    let interval = interval.ok_or(libc::EINVAL)?;
    if !old.is_null() {
        // SAFETY: as the caller promises.
        unsafe { get_alarm(me, file, old) }?;
    }
    let host = me.life().host;
    me.inside(|kernel| {
        let now = kernel.now;
        let is_absolute = flags & libc::TFD_TIMER_ABSTIME != 0;
        let shown = match kernel.alarm(file)?.clock {
            _ if !is_absolute => 0,
            libc::CLOCK_REALTIME => kernel.wall_ns(host),
            _ => now + BOOTED_NS,
        };
        let due = now.saturating_add(value.saturating_sub(shown));
        kernel.alarm_set(file, (value > 0).then_some(due), interval)?;
        Ok(0)
    })
}

/// # Safety
///
/// The pointer is that of the call.
unsafe fn get_alarm(me: &Me, file: FileId, place: *mut libc::itimerspec) -> Result<usize, Errno> {
    if place.is_null() {
        return Err(libc::EFAULT);
    }
    let (left, interval) = me.inside(|kernel| kernel.alarm_left(file))?;
    let shown = libc::itimerspec {
        it_interval: time::to_timespec(interval),
        it_value: time::to_timespec(left),
    };
    // SAFETY: the caller passes a valid pointer, null apart.
    unsafe { place.write_unaligned(shown) };
    Ok(0)
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
pub unsafe extern "C" fn epoll_create(size: c_int) -> c_int {
    if size <= 0 {
        crate::raw::set_errno(libc::EINVAL);
        return -1;
    }
    // SAFETY: no pointers.
    unsafe { epoll_create1(0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn epoll_create1(flags: c_int) -> c_int {
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_epoll_create1, [flags as usize, 0, 0, 0, 0, 0]) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn eventfd(value: c_uint, flags: c_int) -> c_int {
    let args = [value as usize, flags as usize, 0, 0, 0, 0];
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_eventfd2, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pipe(ends: *mut c_int) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { pipe2(ends, 0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pipe2(ends: *mut c_int, flags: c_int) -> c_int {
    let args = [ends as usize, flags as usize, 0, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_pipe2, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timerfd_create(clock: c_int, flags: c_int) -> c_int {
    let args = [clock as usize, flags as usize, 0, 0, 0, 0];
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_timerfd_create, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timerfd_settime(
    fd: c_int,
    flags: c_int,
    new: *const libc::itimerspec,
    old: *mut libc::itimerspec,
) -> c_int {
    let args = [
        fd as usize,
        flags as usize,
        new as usize,
        old as usize,
        0,
        0,
    ];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_timerfd_settime, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timerfd_gettime(fd: c_int, place: *mut libc::itimerspec) -> c_int {
    let args = [fd as usize, place as usize, 0, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_timerfd_gettime, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn signalfd(fd: c_int, mask: *const libc::sigset_t, flags: c_int) -> c_int {
    /// Bytes of the kernel's set of signals.
    const SET: usize = 8;
    let args = [fd as usize, mask as usize, SET, flags as usize, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_signalfd4, args) as c_int }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inotify_init() -> c_int {
    // SAFETY: no pointers.
    unsafe { inotify_init1(0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn inotify_init1(flags: c_int) -> c_int {
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_inotify_init1, [flags as usize, 0, 0, 0, 0, 0]) as c_int }
}
