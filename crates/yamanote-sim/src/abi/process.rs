//! What a process is told of itself and its machine, and other processes, of which there are none.

use super::next::{Next, next};
use crate::me;
use crate::raw;
use std::ffi::{c_int, c_long};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        sched_getaffinity as *const (),
        getrusage as *const (),
        getpid as *const (),
        gettid as *const (),
        fork as *const (),
        posix_spawn as *const (),
        posix_spawnp as *const (),
    ));
}

/// How many processors a program sees.
const PROCESSORS: u32 = 4;

/// The world's answer to a call by number.
pub(super) fn answer(number: c_long, args: [usize; 6]) -> Option<isize> {
    match number {
        libc::SYS_clone | libc::SYS_clone3 => Some(-libc::ENOSYS as isize),
        libc::SYS_getpid => Some(getpid() as isize),
        libc::SYS_pidfd_open => Some(-libc::ENOSYS as isize),
        libc::SYS_getrusage => {
            // SAFETY: the arguments are the caller's.
            Some(unsafe { getrusage(args[0] as c_int, args[1] as *mut libc::rusage) } as isize)
        }
        _ => None,
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sched_getaffinity(
    process: libc::pid_t,
    len: usize,
    set: *mut libc::cpu_set_t,
) -> c_int {
    if me::current().is_some() {
        // SAFETY: the caller passes so many writable bytes.
        unsafe {
            set.cast::<u8>().write_bytes(0, len);
            set.cast::<u8>().write((1 << PROCESSORS) - 1);
        }
        return 0;
    }
    // SAFETY: the arguments are the caller's.
    let answer = unsafe {
        raw::syscall(
            libc::SYS_sched_getaffinity,
            [process as usize, len, set as usize, 0, 0, 0],
        )
    };
    // The kernel says how much it wrote, the function clears the rest.
    if let Ok(written) = usize::try_from(answer) {
        // SAFETY: as above.
        unsafe { set.cast::<u8>().add(written).write_bytes(0, len - written) };
        return 0;
    }
    raw::answer(answer) as c_int
}

/// In a world nobody uses anything up.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrusage(who: c_int, usage: *mut libc::rusage) -> c_int {
    if me::current().is_some() {
        // SAFETY: the caller passes a valid pointer, and a zeroed `rusage` is one.
        unsafe { usage.write_bytes(0, 1) };
        return 0;
    }
    // SAFETY: the arguments are the caller's.
    let answer = unsafe {
        raw::syscall(
            libc::SYS_getrusage,
            [who as usize, usage as usize, 0, 0, 0, 0],
        )
    };
    raw::answer(answer) as c_int
}

/// Each host is a process.
#[unsafe(no_mangle)]
pub extern "C" fn getpid() -> libc::pid_t {
    match me::current() {
        Some(me) => 100 + me.life().host.0 as libc::pid_t,
        // SAFETY: no pointers.
        None => unsafe { raw::syscall(libc::SYS_getpid, [0; 6]) as libc::pid_t },
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn gettid() -> libc::pid_t {
    match me::current() {
        Some(me) => 1000 + me.id().0 as libc::pid_t,
        // SAFETY: no pointers.
        None => unsafe { raw::syscall(libc::SYS_gettid, [0; 6]) as libc::pid_t },
    }
}

type Fork = unsafe extern "C" fn() -> libc::pid_t;
type Spawn = unsafe extern "C" fn(
    *mut libc::pid_t,
    *const libc::c_char,
    *const libc::posix_spawn_file_actions_t,
    *const libc::posix_spawnattr_t,
    *const *mut libc::c_char,
    *const *mut libc::c_char,
) -> c_int;

static FORK: Next = Next::new(c"fork");
static SPAWN: Next = Next::new(c"posix_spawn");
static SPAWNP: Next = Next::new(c"posix_spawnp");

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fork() -> libc::pid_t {
    if me::current().is_some() {
        raw::set_errno(libc::EOPNOTSUPP);
        return -1;
    }
    next!(FORK, Fork,)
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawn(
    process: *mut libc::pid_t,
    path: *const libc::c_char,
    actions: *const libc::posix_spawn_file_actions_t,
    attributes: *const libc::posix_spawnattr_t,
    arguments: *const *mut libc::c_char,
    environment: *const *mut libc::c_char,
) -> c_int {
    if me::current().is_some() {
        return libc::EOPNOTSUPP;
    }
    next!(
        SPAWN,
        Spawn,
        process,
        path,
        actions,
        attributes,
        arguments,
        environment
    )
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawnp(
    process: *mut libc::pid_t,
    path: *const libc::c_char,
    actions: *const libc::posix_spawn_file_actions_t,
    attributes: *const libc::posix_spawnattr_t,
    arguments: *const *mut libc::c_char,
    environment: *const *mut libc::c_char,
) -> c_int {
    if me::current().is_some() {
        return libc::EOPNOTSUPP;
    }
    next!(
        SPAWNP,
        Spawn,
        process,
        path,
        actions,
        attributes,
        arguments,
        environment
    )
}
