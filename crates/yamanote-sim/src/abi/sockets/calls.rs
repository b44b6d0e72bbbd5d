//! `socket`, `bind`, `listen`, `connect`, `accept`, `shutdown`, and the names of both ends.

use super::{address, asked, told};
use crate::abi::waiting::wait_on;
use crate::kernel::Kernel;
use crate::kernel::files::Errno;
use crate::kernel::net::SocketId;
use crate::kernel::net::address::Address;
use crate::me;
use crate::raw;
use std::ffi::{c_int, c_long};
use std::hint::black_box;

pub(super) fn keep() {
    black_box((
        socket as *const (),
        socketpair as *const (),
        bind as *const (),
        listen as *const (),
        connect as *const (),
        accept as *const (),
        accept4 as *const (),
        shutdown as *const (),
        getsockname as *const (),
        getpeername as *const (),
    ));
}

const FLAGS: c_int = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;

fn flags_of(flags: c_int) -> (bool, bool) {
    (
        flags & libc::SOCK_NONBLOCK != 0,
        flags & libc::SOCK_CLOEXEC != 0,
    )
}

/// Asks the real kernel.
///
/// # Safety
///
/// As of the call.
unsafe fn real(number: c_long, args: [usize; 4]) -> c_int {
    let [a, b, c, d] = args;
    // SAFETY: as the caller promises.
    raw::answer(unsafe { raw::syscall(number, [a, b, c, d, 0, 0]) }) as c_int
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if let Some(me) = me::current() {
        let life = me.life();
        let what = (domain, kind & !FLAGS, protocol);
        let fd = me.inside(|kernel| kernel.socket_open(life, what, flags_of(kind)));
        return told(me, fd.map(|fd| fd as usize)) as c_int;
    }
    // SAFETY: no pointers.
    unsafe {
        real(
            libc::SYS_socket,
            [domain as usize, kind as usize, protocol as usize, 0],
        )
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socketpair(
    domain: c_int,
    kind: c_int,
    protocol: c_int,
    ends: *mut c_int,
) -> c_int {
    if let Some(me) = me::current() {
        let life = me.life();
        let what = (domain, kind & !FLAGS, protocol);
        if ends.is_null() {
            return told(me, Err(libc::EFAULT)) as c_int;
        }
        let pair = me.inside(|kernel| kernel.socket_pair(life, what, flags_of(kind)));
        let answer = pair.map(|(a, b)| {
            // SAFETY: the caller passes room for two.
            unsafe { ends.cast::<[c_int; 2]>().write_unaligned([a, b]) };
            0
        });
        return told(me, answer) as c_int;
    }
    // SAFETY: the arguments are the caller's.
    unsafe {
        let (domain, kind, protocol) = (domain as usize, kind as usize, protocol as usize);
        real(
            libc::SYS_socketpair,
            [domain, kind, protocol, ends as usize],
        )
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bind(
    fd: c_int,
    place: *const libc::sockaddr,
    len: libc::socklen_t,
) -> c_int {
    if let Some(it) = asked(fd) {
        let answer = it.socket.and_then(|socket| {
            // SAFETY: as the caller promises.
            let address = unsafe { address::read(place, len) }?;
            it.me.inside(|kernel| kernel.socket_bind(socket, address))
        });
        return told(it.me, answer.map(|()| 0)) as c_int;
    }
    // SAFETY: the arguments are the caller's.
    unsafe {
        real(
            libc::SYS_bind,
            [fd as usize, place as usize, len as usize, 0],
        )
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn listen(fd: c_int, backlog: c_int) -> c_int {
    if let Some(it) = asked(fd) {
        let answer = it
            .socket
            .and_then(|socket| it.me.inside(|kernel| kernel.socket_listen(socket, backlog)));
        return told(it.me, answer.map(|()| 0)) as c_int;
    }
    // SAFETY: no pointers.
    unsafe { real(libc::SYS_listen, [fd as usize, backlog as usize, 0, 0]) }
}

fn connect_to(it: &super::Asked, to: &Address) -> Result<(), Errno> {
    let socket = it.socket?;
    let (first, deadline) = it.me.inside(|kernel| {
        let deadline = kernel.socket_deadline(socket, true);
        (kernel.socket_connect(socket, to), deadline)
    });
    if it.is_nonblocking {
        return first;
    }
    match first {
        // A Unix listener has no room.
        Err(libc::EAGAIN) => wait_on(it.me, it.file, false, deadline, |kernel| {
            kernel.socket_connect(socket, to)
        }),
        Err(libc::EINPROGRESS | libc::EALREADY) => {
            let answer = wait_on(it.me, it.file, false, deadline, |kernel| {
                kernel.socket_outcome(socket)
            });
            match answer {
                Err(libc::EAGAIN) => Err(libc::EINPROGRESS),
                answer => answer,
            }
        }
        answer => answer,
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn connect(
    fd: c_int,
    place: *const libc::sockaddr,
    len: libc::socklen_t,
) -> c_int {
    if let Some(it) = asked(fd) {
        // SAFETY: as the caller promises.
        let to = unsafe { address::read(place, len) };
        let answer = to.and_then(|to| connect_to(&it, &to));
        return told(it.me, answer.map(|()| 0)) as c_int;
    }
    // SAFETY: the arguments are the caller's.
    unsafe {
        real(
            libc::SYS_connect,
            [fd as usize, place as usize, len as usize, 0],
        )
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accept(
    fd: c_int,
    place: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { accept4(fd, place, len, 0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn accept4(
    fd: c_int,
    place: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
    flags: c_int,
) -> c_int {
    if let Some(it) = asked(fd) {
        let answer = it.socket.and_then(|socket| {
            if flags & !FLAGS != 0 {
                return Err(libc::EINVAL);
            }
            let deadline = it.me.inside(|kernel| kernel.socket_deadline(socket, false));
            wait_on(it.me, it.file, it.is_nonblocking, deadline, |kernel| {
                kernel.socket_accept(socket, flags_of(flags))
            })
        });
        let answer = answer.map(|(fd, peer)| {
            // SAFETY: as the caller promises.
            unsafe { address::write(Some(&peer), place, len) };
            fd as usize
        });
        return told(it.me, answer) as c_int;
    }
    // SAFETY: the arguments are the caller's.
    unsafe {
        real(
            libc::SYS_accept4,
            [fd as usize, place as usize, len as usize, flags as usize],
        )
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shutdown(fd: c_int, how: c_int) -> c_int {
    if let Some(it) = asked(fd) {
        let answer = it
            .socket
            .and_then(|socket| it.me.inside(|kernel| kernel.socket_shutdown(socket, how)));
        return told(it.me, answer.map(|()| 0)) as c_int;
    }
    // SAFETY: no pointers.
    unsafe { real(libc::SYS_shutdown, [fd as usize, how as usize, 0, 0]) }
}

/// Tells a name of the socket: the world what `name_of` says, the real kernel by the call of that
/// number.
///
/// # Safety
///
/// The pointers are those of such a call.
unsafe fn tell_name(
    fd: c_int,
    (place, len): (*mut libc::sockaddr, *mut libc::socklen_t),
    name_of: impl FnOnce(&Kernel, SocketId) -> Result<Address, Errno>,
    number: c_long,
) -> c_int {
    if let Some(it) = asked(fd) {
        let answer = it
            .socket
            .and_then(|socket| it.me.inside(|kernel| name_of(kernel, socket)));
        let answer = answer.map(|name| {
            // SAFETY: as the caller promises.
            unsafe { address::write(Some(&name), place, len) };
            0
        });
        return told(it.me, answer) as c_int;
    }
    // SAFETY: as the caller promises.
    unsafe { real(number, [fd as usize, place as usize, len as usize, 0]) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockname(
    fd: c_int,
    place: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { tell_name(fd, (place, len), Kernel::socket_name, libc::SYS_getsockname) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getpeername(
    fd: c_int,
    place: *mut libc::sockaddr,
    len: *mut libc::socklen_t,
) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe { tell_name(fd, (place, len), Kernel::socket_peer, libc::SYS_getpeername) }
}
