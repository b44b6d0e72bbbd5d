//! Clocks, and sleeps.

use super::waiting::in_kernel_form;
use crate::kernel::files::Errno;
use crate::me::{self, Me};
use crate::raw;
use std::ffi::{c_int, c_long, c_uint};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        clock_gettime as *const (),
        gettimeofday as *const (),
        time as *const (),
        nanosleep as *const (),
        clock_nanosleep as *const (),
        usleep as *const (),
        sleep as *const (),
        sched_yield as *const (),
    ));
}

const NS: u64 = 1_000_000_000;

/// What a clock of that number shows; `None` for one that the real kernel is asked.
fn look(me: &Me, clock: libc::clockid_t) -> Option<u64> {
    me.inside(|kernel| {
        let now = kernel.look_at_clock();
        match clock {
            libc::CLOCK_REALTIME
            | libc::CLOCK_REALTIME_COARSE
            | libc::CLOCK_REALTIME_ALARM
            | libc::CLOCK_TAI => Some(kernel.wall_ns(kernel.life_of(me.id()).host)),
            // A day after the boot: a program may look back from now.
            libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_BOOTTIME
            | libc::CLOCK_BOOTTIME_ALARM => Some(now + BOOTED_NS),
            libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID => Some(now),
            // A thread's, by its number, which here is not the kernel's.
            _ if clock < 0 => Some(now),
            _ => None,
        }
    })
}

/// What the monotonic clocks show when a run begins.
pub(super) const BOOTED_NS: u64 = 86_400 * NS;

pub(super) fn to_timespec(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (ns / NS) as libc::time_t,
        tv_nsec: (ns % NS) as c_long,
    }
}

/// Nanoseconds; `None` if it is none that a call would take.
///
/// # Safety
///
/// The pointer is valid or null.
pub(super) unsafe fn from_timespec(time: *const libc::timespec) -> Option<u64> {
    // SAFETY: as the caller promises.
    let time = (!time.is_null()).then(|| unsafe { time.read_unaligned() })?;
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let ns = u64::try_from(time.tv_nsec).ok().filter(|ns| *ns < NS)?;
    Some(seconds.saturating_mul(NS).saturating_add(ns))
}

/// A time limit in nanoseconds; `None`: without.
///
/// # Safety
///
/// The pointer is valid or null.
pub(super) unsafe fn limit(time: *const libc::timespec) -> Result<Option<u64>, Errno> {
    if time.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller promises.
    let limit = unsafe { from_timespec(time) };
    limit.map(Some).ok_or(libc::EINVAL)
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if let Some(ns) = me::current().and_then(|me| look(me, clock)) {
        if time.is_null() {
            raw::set_errno(libc::EFAULT);
            return -1;
        }
        // SAFETY: the caller passes a valid pointer, null apart.
        unsafe { time.write_unaligned(to_timespec(ns)) };
        return 0;
    }
    if me::is_of_a_world() {
        // The C library would read the time stamp counter, which is trapped.
        // SAFETY: the arguments are the caller's.
        let answer = unsafe {
            let args = [clock as usize, time as usize, 0, 0, 0, 0];
            raw::syscall(libc::SYS_clock_gettime, args)
        };
        return raw::answer(answer) as c_int;
    }
    super::next::next!(
        NEXT_CLOCK_GETTIME,
        unsafe extern "C" fn(libc::clockid_t, *mut libc::timespec) -> c_int,
        clock,
        time
    )
}

static NEXT_CLOCK_GETTIME: super::next::Next = super::next::Next::new(c"clock_gettime");

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut libc::timeval, zone: *mut libc::c_void) -> c_int {
    if let Some(ns) = me::current().and_then(|me| look(me, libc::CLOCK_REALTIME)) {
        let now = libc::timeval {
            tv_sec: (ns / NS) as libc::time_t,
            tv_usec: (ns % NS / 1000) as libc::suseconds_t,
        };
        if !time.is_null() {
            // SAFETY: the caller passes a valid pointer, null apart.
            unsafe { time.write_unaligned(now) };
        }
        return 0;
    }
    // SAFETY: the arguments are the caller's.
    let answer = unsafe {
        raw::syscall(
            libc::SYS_gettimeofday,
            [time as usize, zone as usize, 0, 0, 0, 0],
        )
    };
    raw::answer(answer) as c_int
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(place: *mut libc::time_t) -> libc::time_t {
    let mut now = to_timespec(0);
    // SAFETY: the pointer is valid.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    // SAFETY: the caller passes a valid pointer or none.
    if let Some(place) = unsafe { place.as_mut() } {
        *place = now.tv_sec;
    }
    now.tv_sec
}

fn sleep_for(me: &Me, ns: u64) {
    let deadline = me.inside(|kernel| kernel.now).saturating_add(ns);
    me.sleep_until(deadline);
}

/// What a sleep is told of its length.
///
/// # Safety
///
/// The pointer is valid or null.
unsafe fn length(time: *const libc::timespec) -> Result<u64, Errno> {
    // SAFETY: as the caller promises.
    unsafe { limit(time) }?.ok_or(libc::EFAULT)
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nanosleep(
    time: *const libc::timespec,
    rest: *mut libc::timespec,
) -> c_int {
    if let Some(me) = me::current() {
        // SAFETY: the caller passes a valid pointer.
        let slept = unsafe { length(time) }.map(|ns| sleep_for(me, ns));
        return raw::answer(in_kernel_form(slept.map(|()| 0))) as c_int;
    }
    // SAFETY: the arguments are the caller's.
    let answer = unsafe {
        raw::syscall(
            libc::SYS_nanosleep,
            [time as usize, rest as usize, 0, 0, 0, 0],
        )
    };
    raw::answer(answer) as c_int
}

/// Returns the error number.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_nanosleep(
    clock: libc::clockid_t,
    flags: c_int,
    time: *const libc::timespec,
    rest: *mut libc::timespec,
) -> c_int {
    if clock == libc::CLOCK_THREAD_CPUTIME_ID {
        // By the C library, not by the kernel.
        return libc::EINVAL;
    }
    if let Some(me) = me::current() {
        let Some(shown) = look(me, clock) else {
            return libc::EINVAL;
        };
        // SAFETY: the caller passes a valid pointer.
        let ns = match unsafe { length(time) } {
            Ok(ns) => ns,
            Err(number) => return number,
        };
        let ns = match flags & libc::TIMER_ABSTIME {
            0 => ns,
            _ => ns.saturating_sub(shown),
        };
        sleep_for(me, ns);
        return 0;
    }
    // SAFETY: the arguments are the caller's.
    let answer = unsafe {
        let (time, rest) = (time as usize, rest as usize);
        raw::syscall(
            libc::SYS_clock_nanosleep,
            [clock as usize, flags as usize, time, rest, 0, 0],
        )
    };
    -answer as c_int
}

/// # Safety
///
/// None that matters: there are no pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn usleep(us: c_uint) -> c_int {
    let time = to_timespec(u64::from(us) * 1000);
    // SAFETY: the pointer is valid.
    unsafe { nanosleep(&raw const time, std::ptr::null_mut()) }
}

/// # Safety
///
/// None that matters: there are no pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    let mut time = to_timespec(u64::from(seconds) * NS);
    let place = &raw mut time;
    // SAFETY: the pointer is valid.
    match unsafe { nanosleep(place, place) } {
        0 => 0,
        // A signal has come: what is left.
        _ => time.tv_sec as c_uint,
    }
}

/// Lets another thread of the world run.
///
/// # Safety
///
/// None that matters: there are no pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sched_yield() -> c_int {
    if let Some(me) = me::current() {
        me.switch_if(|kernel| {
            kernel.look_at_clock();
            kernel.back_in_line(me.id());
            true
        });
        return 0;
    }
    // SAFETY: no pointers.
    raw::answer(unsafe { raw::syscall(libc::SYS_sched_yield, [0; 6]) }) as c_int
}
