//! Calls by number that are answered by the functions of their names: sockets, clocks, processes,
//! and those that a newer call has replaced.

use super::paths::c_names as paths;
use super::sockets::{calls, messages, options};
use super::{descriptors, opening, others, polling, process, random, time};
use crate::raw;
use std::ffi::{c_int, c_long, c_uint};

/// The world's answer, in the kernel's form; `None` if it has none.
///
/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn answer(number: c_long, args: [usize; 6]) -> Option<isize> {
    // SAFETY: as the caller promises.
    unsafe {
        of_process(number, args)
            .or_else(|| on_socket(number, args))
            .or_else(|| old(number, args))
    }
}

/// The answer of a C function, in the kernel's form.
fn kernels(answer: isize) -> isize {
    match answer {
        -1 => -(raw::errno() as isize),
        answer => answer,
    }
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn of_process(number: c_long, args: [usize; 6]) -> Option<isize> {
    if let Some(answer) = others::answer(number, args) {
        return Some(answer);
    }
    let [a, b, c, d, ..] = args;
    let (first, second) = (a as c_int, b as c_int);
    // SAFETY: as the caller promises.
    let answer = unsafe {
        match number {
            libc::SYS_clone | libc::SYS_clone3 => return Some(-libc::ENOSYS as isize),
            libc::SYS_pidfd_open => return Some(-libc::ENOSYS as isize),
            libc::SYS_getpid => process::getpid() as isize,
            libc::SYS_gettid => process::gettid() as isize,
            libc::SYS_getppid => process::getppid() as isize,
            libc::SYS_getcpu => process::getcpu(a as *mut _, b as *mut _) as isize,
            libc::SYS_getrusage => process::getrusage(first, b as *mut _) as isize,
            libc::SYS_sched_getaffinity => {
                match process::sched_getaffinity(first, b, c as *mut _) {
                    // How many bytes were written.
                    0 => return Some(b as isize),
                    answer => answer as isize,
                }
            }
            libc::SYS_getrandom => random::getrandom(a as *mut _, b, c as c_uint),
            libc::SYS_clock_gettime => time::clock_gettime(first, b as *mut _) as isize,
            libc::SYS_gettimeofday => time::gettimeofday(a as *mut _, b as *mut _) as isize,
            libc::SYS_nanosleep => time::nanosleep(a as *const _, b as *mut _) as isize,
            libc::SYS_clock_nanosleep => {
                let number = time::clock_nanosleep(first, second, c as *const _, d as *mut _);
                return Some(-(number as isize));
            }
            libc::SYS_sched_yield => time::sched_yield() as isize,
            _ => return None,
        }
    };
    Some(kernels(answer))
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn on_socket(number: c_long, args: [usize; 6]) -> Option<isize> {
    let [a, b, c, d, e, f] = args;
    let (fd, second, third, fourth) = (a as c_int, b as c_int, c as c_int, d as c_int);
    // SAFETY: as the caller promises.
    let answer = unsafe {
        match number {
            libc::SYS_socket => calls::socket(fd, second, third) as isize,
            libc::SYS_socketpair => calls::socketpair(fd, second, third, d as *mut _) as isize,
            libc::SYS_bind => calls::bind(fd, b as *const _, c as u32) as isize,
            libc::SYS_listen => calls::listen(fd, second) as isize,
            libc::SYS_connect => calls::connect(fd, b as *const _, c as u32) as isize,
            libc::SYS_accept => calls::accept(fd, b as *mut _, c as *mut _) as isize,
            libc::SYS_accept4 => calls::accept4(fd, b as *mut _, c as *mut _, fourth) as isize,
            libc::SYS_shutdown => calls::shutdown(fd, second) as isize,
            libc::SYS_getsockname => calls::getsockname(fd, b as *mut _, c as *mut _) as isize,
            libc::SYS_getpeername => calls::getpeername(fd, b as *mut _, c as *mut _) as isize,
            libc::SYS_sendto => {
                messages::sendto(fd, b as *const _, c, fourth, e as *const _, f as u32)
            }
            libc::SYS_recvfrom => {
                messages::recvfrom(fd, b as *mut _, c, fourth, e as *mut _, f as *mut _)
            }
            libc::SYS_sendmsg => messages::sendmsg(fd, b as *const _, third),
            libc::SYS_recvmsg => messages::recvmsg(fd, b as *mut _, third),
            libc::SYS_sendmmsg => messages::sendmmsg(fd, b as *mut _, c as c_uint, fourth) as isize,
            libc::SYS_recvmmsg => {
                messages::recvmmsg(fd, b as *mut _, c as c_uint, fourth, e as *mut _) as isize
            }
            libc::SYS_getsockopt => {
                options::getsockopt(fd, second, third, d as *mut _, e as *mut _) as isize
            }
            libc::SYS_setsockopt => {
                options::setsockopt(fd, second, third, d as *const _, e as u32) as isize
            }
            _ => return None,
        }
    };
    Some(kernels(answer))
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn old(number: c_long, args: [usize; 6]) -> Option<isize> {
    if number == libc::SYS_renameat {
        let (from, to) = (args[0] as c_int, args[2] as c_int);
        // SAFETY: as the caller promises.
        let answer = unsafe {
            super::paths::c_names_at::renameat(from, args[1] as *const _, to, args[3] as *const _)
        };
        return Some(kernels(answer as isize));
    }
    // SAFETY: as the caller promises.
    unsafe { old_here(number, args) }
}

/// Those that newer machines do not have.
///
/// # Safety
///
/// The arguments are those of the call.
#[cfg(target_arch = "x86_64")]
unsafe fn old_here(number: c_long, args: [usize; 6]) -> Option<isize> {
    let [a, b, c, d, ..] = args;
    let (first, second, third) = (a as c_int, b as c_int, c as u32);
    let (path, other) = (a as *const _, b as *const _);
    // SAFETY: as the caller promises.
    let answer = unsafe {
        match number {
            libc::SYS_open => paths::open(path, second, third),
            libc::SYS_creat => paths::creat(path, b as u32),
            libc::SYS_stat => paths::stat(path, b as *mut _),
            libc::SYS_lstat => paths::lstat(path, b as *mut _),
            libc::SYS_access => paths::access(path, second),
            libc::SYS_readlink => {
                return Some(kernels(paths::readlink(path, b as *mut _, c)));
            }
            libc::SYS_symlink => paths::symlink(path, other),
            libc::SYS_link => paths::link(path, other),
            libc::SYS_mkdir => paths::mkdir(path, b as u32),
            libc::SYS_mknod => paths::mknod(path, b as u32, c as _),
            libc::SYS_unlink => paths::unlink(path),
            libc::SYS_rmdir => paths::rmdir(path),
            libc::SYS_rename => paths::rename(path, other),
            libc::SYS_chmod => paths::chmod(path, b as u32),
            libc::SYS_chown => paths::chown(path, b as u32, third),
            libc::SYS_lchown => paths::lchown(path, b as u32, third),
            libc::SYS_utimes => paths::utimes(path, b as *const _),
            libc::SYS_poll => polling::poll(a as *mut _, b as libc::nfds_t, c as c_int),
            libc::SYS_epoll_create => opening::epoll_create(first),
            libc::SYS_epoll_wait => polling::epoll_wait(first, b as *mut _, c as c_int, d as c_int),
            libc::SYS_eventfd => opening::eventfd(a as c_uint, 0),
            libc::SYS_pipe => opening::pipe(a as *mut _),
            libc::SYS_dup2 => descriptors::dup2(first, second),
            libc::SYS_inotify_init => opening::inotify_init(),
            libc::SYS_fork | libc::SYS_vfork => return Some(-libc::ENOSYS as isize),
            libc::SYS_time => return Some(kernels(time::time(a as *mut _) as isize)),
            _ => return None,
        }
    };
    Some(kernels(answer as isize))
}

/// # Safety
///
/// None: there are none.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn old_here(_: c_long, _: [usize; 6]) -> Option<isize> {
    let _ = (paths::open, polling::poll, opening::pipe, descriptors::dup2);
    None
}
