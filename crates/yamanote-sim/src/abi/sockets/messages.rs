//! `send` and `recv`, in all their forms.

use super::{Asked, address, asked, told};
use crate::abi::bytes;
use crate::abi::refuse;
use crate::abi::waiting::{wait_on, write_all};
use crate::kernel::files::Errno;
use crate::kernel::net::Received;
use crate::kernel::net::address::Address;
use crate::raw;
use std::ffi::{c_int, c_uint, c_void};
use std::hint::black_box;
use std::io::{IoSlice, IoSliceMut};

pub(super) fn keep() {
    black_box((
        send as *const (),
        sendto as *const (),
        sendmsg as *const (),
        sendmmsg as *const (),
        recv as *const (),
        recvfrom as *const (),
        recvmsg as *const (),
        recvmmsg as *const (),
    ));
}

fn send_all(
    it: &Asked,
    bufs: &mut [IoSlice<'_>],
    to: Option<&Address>,
    flags: c_int,
) -> Result<usize, Errno> {
    let socket = it.socket?;
    if flags & libc::MSG_OOB != 0 {
        return Err(libc::EOPNOTSUPP);
    }
    let (deadline, is_stream) = it.me.inside(|kernel| {
        let deadline = kernel.socket_deadline(socket, true);
        (deadline, kernel.socket_is_stream(socket))
    });
    let is_nonblocking = it.is_nonblocking || flags & libc::MSG_DONTWAIT != 0;
    if is_stream {
        return write_all(
            it.me,
            it.file,
            is_nonblocking,
            deadline,
            bufs,
            |kernel, bufs| kernel.socket_send(socket, bufs, to),
        );
    }
    wait_on(it.me, it.file, is_nonblocking, deadline, |kernel| {
        kernel.socket_send(socket, bufs, to)
    })
}

fn receive(it: &Asked, bufs: &mut [IoSliceMut<'_>], flags: c_int) -> Result<Received, Errno> {
    let socket = it.socket?;
    if flags & libc::MSG_OOB != 0 {
        return Err(libc::EINVAL);
    }
    if flags & libc::MSG_ERRQUEUE != 0 {
        return Err(refuse(it.me, "recvmsg with MSG_ERRQUEUE"));
    }
    let deadline = it.me.inside(|kernel| kernel.socket_deadline(socket, false));
    let is_nonblocking = it.is_nonblocking || flags & libc::MSG_DONTWAIT != 0;
    let is_peek = flags & libc::MSG_PEEK != 0;
    let mut received = wait_on(it.me, it.file, is_nonblocking, deadline, |kernel| {
        kernel.socket_receive(socket, bufs, is_peek)
    })?;
    let is_all = flags & libc::MSG_WAITALL != 0 && !is_peek && !is_nonblocking;
    if !is_all || !it.me.inside(|kernel| kernel.socket_is_stream(socket)) {
        return Ok(received);
    }
    let mut rest = &mut *bufs;
    let mut last = received.len;
    while last > 0 {
        IoSliceMut::advance_slices(&mut rest, last);
        if rest.is_empty() {
            break;
        }
        let more = wait_on(it.me, it.file, false, deadline, |kernel| {
            kernel.socket_receive(socket, rest, false)
        });
        last = more.map_or(0, |more| more.len);
        received.len += last;
        received.full_len = received.len;
    }
    Ok(received)
}

/// What the C function answers.
fn length(received: &Received, flags: c_int) -> usize {
    match flags & libc::MSG_TRUNC {
        0 => received.len,
        _ => received.full_len,
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn send(fd: c_int, data: *const c_void, len: usize, flags: c_int) -> isize {
    // SAFETY: as the caller promises.
    unsafe { sendto(fd, data, len, flags, std::ptr::null(), 0) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendto(
    fd: c_int,
    data: *const c_void,
    len: usize,
    flags: c_int,
    to: *const libc::sockaddr,
    to_len: libc::socklen_t,
) -> isize {
    if let Some(it) = asked(fd) {
        // SAFETY: as the caller promises.
        let to = (!to.is_null()).then(|| unsafe { address::read(to, to_len) });
        let answer = to.transpose().and_then(|to| {
            // SAFETY: the caller passes so many readable bytes.
            let data = unsafe { bytes::bytes(data.cast(), len) }?;
            send_all(&it, &mut [IoSlice::new(data)], to.as_ref(), flags)
        });
        return told(it.me, answer);
    }
    let args = [
        fd as usize,
        data as usize,
        len,
        flags as usize,
        to as usize,
        to_len as usize,
    ];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_sendto, args) })
}

/// What is asked by control data of a message that is not simulated; `None`: nothing that anybody
/// could notice. Marks of packets are not carried, nor is the address that they come from, of which
/// a host has one.
///
/// # Safety
///
/// There are as many bytes of control data as the message says, if the pointer is not null.
unsafe fn refused_control(message: &libc::msghdr) -> Option<&'static str> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let start = message.msg_control.cast::<u8>();
    let (mut at, end) = (0usize, message.msg_controllen);
    while !start.is_null() && end.saturating_sub(at) >= HEADER {
        // SAFETY: as the caller promises, and there is room for a header.
        let header = unsafe { start.add(at).cast::<libc::cmsghdr>().read_unaligned() };
        match (header.cmsg_level, header.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => return Some("sendmsg with SCM_RIGHTS"),
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                return Some("sendmsg with SCM_CREDENTIALS");
            }
            (libc::IPPROTO_IP, libc::IP_TOS | libc::IP_TTL | libc::IP_PKTINFO)
            | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS | libc::IPV6_HOPLIMIT | libc::IPV6_PKTINFO) => {
            }
            (libc::SOL_UDP, libc::UDP_SEGMENT) => return Some("sendmsg with UDP_SEGMENT"),
            _ => return Some("sendmsg with control data"),
        }
        if header.cmsg_len < HEADER || header.cmsg_len > end - at {
            break;
        }
        at += header
            .cmsg_len
            .next_multiple_of(align_of::<libc::cmsghdr>());
    }
    None
}

/// # Safety
///
/// The message is one of a call to send, or null.
unsafe fn send_message(
    it: &Asked,
    message: *const libc::msghdr,
    flags: c_int,
) -> Result<usize, Errno> {
    it.socket?;
    if message.is_null() {
        return Err(libc::EFAULT);
    }
    // SAFETY: as the caller promises.
    let message = unsafe { &message.read_unaligned() };
    if message.msg_iovlen > bytes::MOST {
        return Err(libc::EMSGSIZE);
    }
    // SAFETY: as the caller promises.
    let mut bufs = unsafe { bytes::slices(message.msg_iov, message.msg_iovlen) }?;
    let name = message.msg_name.cast::<libc::sockaddr>();
    let has_name = !name.is_null() && message.msg_namelen > 0;
    // SAFETY: as the caller promises.
    let to = has_name.then(|| unsafe { address::read(name, message.msg_namelen) });
    // SAFETY: as the caller promises.
    if let Some(what) = unsafe { refused_control(message) } {
        return Err(refuse(it.me, what));
    }
    send_all(it, &mut bufs, to.transpose()?.as_ref(), flags)
}

/// Control data that asks for what is not simulated is refused.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmsg(fd: c_int, message: *const libc::msghdr, flags: c_int) -> isize {
    if let Some(it) = asked(fd) {
        // SAFETY: the caller passes a valid message.
        let answer = unsafe { send_message(&it, message, flags) };
        return told(it.me, answer);
    }
    let args = [fd as usize, message as usize, flags as usize, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_sendmsg, args) })
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendmmsg(
    fd: c_int,
    messages: *mut libc::mmsghdr,
    count: c_uint,
    flags: c_int,
) -> c_int {
    if let Some(it) = asked(fd) {
        let mut done = 0;
        while done < count.min(bytes::MOST as c_uint) {
            let entry = messages.wrapping_add(done as usize);
            // The header is what an entry begins with.
            // SAFETY: the caller passes so many valid messages.
            match unsafe { send_message(&it, entry.cast(), flags) } {
                // SAFETY: as above.
                Ok(len) => unsafe { (&raw mut (*entry).msg_len).write_unaligned(len as c_uint) },
                Err(error) if done == 0 => return told(it.me, Err(error)) as c_int,
                Err(_) => break,
            }
            done += 1;
        }
        return done as c_int;
    }
    let (fd, messages) = (fd as usize, messages as usize);
    let args = [fd, messages, count as usize, flags as usize, 0, 0];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_sendmmsg, args) }) as c_int
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recv(fd: c_int, data: *mut c_void, len: usize, flags: c_int) -> isize {
    let nobody = std::ptr::null_mut();
    // SAFETY: as the caller promises.
    unsafe { recvfrom(fd, data, len, flags, nobody, std::ptr::null_mut()) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvfrom(
    fd: c_int,
    data: *mut c_void,
    len: usize,
    flags: c_int,
    from: *mut libc::sockaddr,
    from_len: *mut libc::socklen_t,
) -> isize {
    if let Some(it) = asked(fd) {
        // SAFETY: the caller passes so many writable bytes.
        let data = unsafe { bytes::bytes_mut(data.cast(), len) };
        let received = data.and_then(|data| {
            let mut bufs = [IoSliceMut::new(data)];
            receive(&it, &mut bufs, flags)
        });
        let answer = received.map(|received| {
            // SAFETY: as the caller promises.
            unsafe { address::write(received.from.as_ref(), from, from_len) };
            length(&received, flags)
        });
        return told(it.me, answer);
    }
    let (from, from_len) = (from as usize, from_len as usize);
    let args = [
        fd as usize,
        data as usize,
        len,
        flags as usize,
        from,
        from_len,
    ];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_recvfrom, args) })
}

/// # Safety
///
/// The message is one of a call to receive, or null.
unsafe fn receive_message(
    it: &Asked,
    place: *mut libc::msghdr,
    flags: c_int,
) -> Result<usize, Errno> {
    it.socket?;
    if place.is_null() {
        return Err(libc::EFAULT);
    }
    // SAFETY: as the caller promises.
    let mut message = unsafe { place.read_unaligned() };
    if message.msg_iovlen > bytes::MOST {
        return Err(libc::EMSGSIZE);
    }
    // SAFETY: as the caller promises.
    let mut bufs = unsafe { bytes::slices_mut(message.msg_iov, message.msg_iovlen) }?;
    let received = receive(it, &mut bufs, flags)?;
    let name = message.msg_name.cast::<libc::sockaddr>();
    // SAFETY: as the caller promises.
    unsafe { address::write(received.from.as_ref(), name, &raw mut message.msg_namelen) };
    message.msg_controllen = 0;
    message.msg_flags = match received.len < received.full_len {
        true => libc::MSG_TRUNC,
        false => 0,
    };
    // SAFETY: as the caller promises.
    unsafe { place.write_unaligned(message) };
    Ok(length(&received, flags))
}

/// There is no control data.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvmsg(fd: c_int, message: *mut libc::msghdr, flags: c_int) -> isize {
    if let Some(it) = asked(fd) {
        // SAFETY: the caller passes a valid message.
        let answer = unsafe { receive_message(&it, message, flags) };
        return told(it.me, answer);
    }
    let args = [fd as usize, message as usize, flags as usize, 0, 0, 0];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_recvmsg, args) })
}

/// The time limit, which the real kernel looks at only between messages, is not looked at.
///
/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvmmsg(
    fd: c_int,
    messages: *mut libc::mmsghdr,
    count: c_uint,
    flags: c_int,
    limit: *mut libc::timespec,
) -> c_int {
    if let Some(it) = asked(fd) {
        let mut done = 0;
        let mut flags = flags;
        while done < count.min(bytes::MOST as c_uint) {
            let entry = messages.wrapping_add(done as usize);
            // The header is what an entry begins with.
            // SAFETY: the caller passes so many valid messages.
            match unsafe { receive_message(&it, entry.cast(), flags) } {
                // SAFETY: as above.
                Ok(len) => unsafe { (&raw mut (*entry).msg_len).write_unaligned(len as c_uint) },
                Err(error) if done == 0 => return told(it.me, Err(error)) as c_int,
                Err(_) => break,
            }
            if flags & libc::MSG_WAITFORONE != 0 {
                flags |= libc::MSG_DONTWAIT;
            }
            done += 1;
        }
        return done as c_int;
    }
    let (fd, messages) = (fd as usize, messages as usize);
    let args = [
        fd,
        messages,
        count as usize,
        flags as usize,
        limit as usize,
        0,
    ];
    // SAFETY: the arguments are the caller's.
    raw::answer(unsafe { raw::syscall(libc::SYS_recvmmsg, args) }) as c_int
}
