//! What a process is told of itself and its machine, and other processes, of which there are none.

use super::next::{Next, next};
use crate::me;
use crate::raw;
use std::ffi::c_int;
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
    super::others::keep();
}

/// How many processors a program sees.
const PROCESSORS: u32 = 4;

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
        // The kernel writes whole words.
        let number = match len {
            0 => libc::EINVAL,
            _ if len % size_of::<usize>() != 0 => libc::EINVAL,
            _ if set.is_null() => libc::EFAULT,
            _ if !is_known(process) => libc::ESRCH,
            _ => 0,
        };
        if number != 0 {
            raw::set_errno(number);
            return -1;
        }
        // SAFETY: the caller passes so many writable bytes, which are more than one.
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
        let number = match who {
            libc::RUSAGE_SELF | libc::RUSAGE_CHILDREN | libc::RUSAGE_THREAD => 0,
            _ => libc::EINVAL,
        };
        let number = match usage.is_null() {
            true if number == 0 => libc::EFAULT,
            _ => number,
        };
        if number != 0 {
            raw::set_errno(number);
            return -1;
        }
        // SAFETY: the caller passes a valid pointer, null apart, and a zeroed `rusage` is one.
        unsafe {
            usage.cast::<u8>().write_bytes(0, size_of::<libc::rusage>());
        }
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

/// Whether that is the number of the calling process or thread, as it is told in a world, or none.
pub(super) fn is_known(number: libc::pid_t) -> bool {
    number == 0 || number == getpid() || number == gettid()
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
