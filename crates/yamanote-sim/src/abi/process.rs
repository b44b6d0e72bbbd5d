//! What a process is told of itself and its machine, and other processes, of which there are none.

use super::next::{Next, next};
use crate::me;
use crate::raw;
use std::ffi::{c_int, c_uint, c_void};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        sched_getaffinity as *const (),
        getrusage as *const (),
        getpid as *const (),
        gettid as *const (),
        getppid as *const (),
        sched_getcpu as *const (),
        getcpu as *const (),
        fork as *const (),
        posix_spawn as *const (),
        posix_spawnp as *const (),
        system as *const (),
        popen as *const (),
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

/// Nobody has started it: it is as with the first process of a container.
#[unsafe(no_mangle)]
pub extern "C" fn getppid() -> libc::pid_t {
    match me::current() {
        Some(_) => 0,
        // SAFETY: no pointers.
        None => unsafe { raw::syscall(libc::SYS_getppid, [0; 6]) as libc::pid_t },
    }
}

/// In a world all threads are on the first.
#[unsafe(no_mangle)]
pub extern "C" fn sched_getcpu() -> c_int {
    let mut processor = 0;
    // SAFETY: the place is valid.
    match unsafe { getcpu(&mut processor, std::ptr::null_mut()) } {
        0 => processor as c_int,
        error => error,
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getcpu(processor: *mut c_uint, node: *mut c_uint) -> c_int {
    if me::current().is_some() {
        for place in [processor, node] {
            if !place.is_null() {
                // SAFETY: the caller passes valid pointers, null apart.
                unsafe { place.write_unaligned(0) };
            }
        }
        return 0;
    }
    let args = [processor as usize, node as usize, 0, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_getcpu, args) }) as c_int
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
    if let Some(me) = me::current() {
        raw::set_errno(super::refuse(me, "fork"));
        return -1;
    }
    next!(FORK, Fork,)
}

type System = unsafe extern "C" fn(*const libc::c_char) -> c_int;
type Popen = unsafe extern "C" fn(*const libc::c_char, *const libc::c_char) -> *mut libc::FILE;

static SYSTEM: Next = Next::new(c"system");
static POPEN: Next = Next::new(c"popen");

/// In a world there is no shell.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn system(command: *const libc::c_char) -> c_int {
    match me::current() {
        None => next!(SYSTEM, System, command),
        // Asks whether there is one.
        Some(_) if command.is_null() => 0,
        Some(me) => {
            raw::set_errno(super::refuse(me, "system"));
            -1
        }
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn popen(
    command: *const libc::c_char,
    mode: *const libc::c_char,
) -> *mut libc::FILE {
    let Some(me) = me::current() else {
        return next!(POPEN, Popen, command, mode);
    };
    raw::set_errno(super::refuse(me, "popen"));
    std::ptr::null_mut()
}

/// One of the two functions that start a program, outside of every world.
///
/// # Safety
///
/// As of the C function.
unsafe fn spawn(
    function: &Next,
    process: *mut libc::pid_t,
    program: *const libc::c_char,
    [actions, attributes]: [*const c_void; 2],
    [arguments, environment]: [*const *mut libc::c_char; 2],
) -> c_int {
    if let Some(me) = me::current() {
        return super::refuse(me, "posix_spawn");
    }
    next!(
        function,
        Spawn,
        process,
        program,
        actions.cast(),
        attributes.cast(),
        arguments,
        environment
    )
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
    let how = [actions.cast(), attributes.cast()];
    // SAFETY: the arguments are the caller's.
    unsafe { spawn(&SPAWN, process, path, how, [arguments, environment]) }
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
    let how = [actions.cast(), attributes.cast()];
    // SAFETY: the arguments are the caller's.
    unsafe { spawn(&SPAWNP, process, path, how, [arguments, environment]) }
}
