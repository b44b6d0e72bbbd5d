//! What is done to processes by their numbers, which in a world are not the real kernel's: there it
//! would be done to whoever has such a number really.

use super::process::{getpid, is_known};
use crate::me;
use crate::raw;
use std::ffi::{c_int, c_long, c_uint};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        kill as *const (),
        killpg as *const (),
        tgkill as *const (),
        sigqueue as *const (),
        setpriority as *const (),
        sched_setaffinity as *const (),
        sched_setscheduler as *const (),
        sched_setparam as *const (),
    ));
}

/// The world's answer to a call by number.
pub(super) fn answer(number: c_long, args: [usize; 6]) -> Option<isize> {
    let number = match number {
        libc::SYS_kill | libc::SYS_rt_sigqueueinfo => signal(args[0] as c_int, args[1] as c_int),
        libc::SYS_tgkill | libc::SYS_rt_tgsigqueueinfo => {
            signal(args[0] as c_int, args[2] as c_int)
        }
        libc::SYS_tkill if is_known(args[0] as c_int) => signal(0, args[1] as c_int),
        libc::SYS_tkill => libc::ESRCH,
        libc::SYS_setpriority | libc::SYS_ioprio_set => unheeded(args[1] as c_int),
        libc::SYS_sched_setaffinity
        | libc::SYS_sched_setscheduler
        | libc::SYS_sched_setparam
        | libc::SYS_sched_setattr => unheeded(args[0] as c_int),
        _ => return None,
    };
    Some(-(number as isize))
}

/// The error number of sending a signal: a process can send one to itself.
fn signal(process: libc::pid_t, signal: c_int) -> c_int {
    match process {
        ..=-1 if signal != 0 => libc::EOPNOTSUPP,
        ..=-1 => 0,
        1.. if process != getpid() => libc::ESRCH,
        _ if signal != 0 => super::ending::to_itself(signal),
        _ => 0,
    }
}

/// The error number of what is allowed and has no effect.
fn unheeded(process: libc::pid_t) -> c_int {
    match is_known(process) {
        true => 0,
        false => libc::ESRCH,
    }
}

/// Makes the call of that number, in a world by [`answer`].
///
/// # Safety
///
/// The arguments are those of the call.
unsafe fn call(number: c_long, args: [usize; 6]) -> c_int {
    if me::current().is_some() {
        if let Some(answer) = answer(number, args) {
            return raw::answer(answer) as c_int;
        }
    }
    // SAFETY: as the caller promises.
    raw::answer(unsafe { raw::syscall(number, args) }) as c_int
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kill(process: libc::pid_t, signal: c_int) -> c_int {
    let args = [process as usize, signal as usize, 0, 0, 0, 0];
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_kill, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn killpg(group: libc::pid_t, signal: c_int) -> c_int {
    if group < 0 {
        raw::set_errno(libc::EINVAL);
        return -1;
    }
    // SAFETY: no pointers.
    unsafe { kill(-group, signal) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tgkill(process: libc::pid_t, thread: libc::pid_t, signal: c_int) -> c_int {
    let (process, thread) = (process as usize, thread as usize);
    // SAFETY: no pointers.
    unsafe {
        call(
            libc::SYS_tgkill,
            [process, thread, signal as usize, 0, 0, 0],
        )
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigqueue(
    process: libc::pid_t,
    signal: c_int,
    value: libc::sigval,
) -> c_int {
    /// As the C library fills it in: numbers first, and the value behind the sender's.
    #[repr(C)]
    struct Info {
        number: c_int,
        error: c_int,
        code: c_int,
        padding: c_int,
        process: libc::pid_t,
        user: libc::uid_t,
        value: usize,
        rest: [u64; 12],
    }
    const { assert!(size_of::<Info>() == size_of::<libc::siginfo_t>()) };
    const SI_QUEUE: c_int = -1;
    // SAFETY: no pointers.
    let (own, user) = unsafe {
        (
            raw::syscall(libc::SYS_getpid, [0; 6]),
            raw::syscall(libc::SYS_getuid, [0; 6]),
        )
    };
    let info = Info {
        number: signal,
        error: 0,
        code: SI_QUEUE,
        padding: 0,
        process: own as libc::pid_t,
        user: user as libc::uid_t,
        value: value.sival_ptr as usize,
        rest: [0; 12],
    };
    let place = &raw const info as usize;
    let args = [process as usize, signal as usize, place, 0, 0, 0];
    // SAFETY: the pointer is valid.
    unsafe { call(libc::SYS_rt_sigqueueinfo, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setpriority(which: c_uint, who: libc::id_t, priority: c_int) -> c_int {
    let args = [which as usize, who as usize, priority as usize, 0, 0, 0];
    // SAFETY: no pointers.
    unsafe { call(libc::SYS_setpriority, args) }
}

/// In a world all threads stay where they are.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sched_setaffinity(
    process: libc::pid_t,
    len: usize,
    set: *const libc::cpu_set_t,
) -> c_int {
    let args = [process as usize, len, set as usize, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_sched_setaffinity, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sched_setscheduler(
    process: libc::pid_t,
    policy: c_int,
    parameter: *const libc::sched_param,
) -> c_int {
    let args = [
        process as usize,
        policy as usize,
        parameter as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_sched_setscheduler, args) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sched_setparam(
    process: libc::pid_t,
    parameter: *const libc::sched_param,
) -> c_int {
    let args = [process as usize, parameter as usize, 0, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    unsafe { call(libc::SYS_sched_setparam, args) }
}
