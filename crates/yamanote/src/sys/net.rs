//! Receiving from sockets and pipes into memory that may be uninitialized, and the process at the
//! other end of a Unix socket.

use std::cell::OnceCell;
use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{SockAddr, SockRef};

/// A source whose reads may go to uninitialized memory.
///
/// # Safety
///
/// If [`read_uninit`](ReadUninit::read_uninit) returns `Ok(n)`, then
///
/// - `n` is at most the length of the buffer, and
/// - the first `n` bytes of the buffer are initialized.
///
/// In every case bytes that were initialized before still are.
pub(crate) unsafe trait ReadUninit {
    /// Reads once, without waiting if the source is non-blocking.
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize>;
}

// SAFETY: recv(2) writes what it counts to the start of the buffer, and never more than its length.
unsafe impl ReadUninit for mio::net::TcpStream {
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        SockRef::from(self).recv(buf)
    }
}

// SAFETY: as for a TCP stream.
unsafe impl ReadUninit for mio::net::UnixStream {
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        SockRef::from(self).recv(buf)
    }
}

// SAFETY: read(2) writes what it counts to the start of the buffer, and never more than its length.
unsafe impl ReadUninit for mio::unix::pipe::Receiver {
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        // SAFETY: the buffer is valid for writes of its length through the call.
        let read = unsafe { libc::read(self.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }
}

/// recv(2) on a socket of any kind, as a source of reads.
#[derive(Debug)]
pub(crate) struct Receive<'a> {
    socket: SockRef<'a>,
    flags: c_int,
}

impl<'a> Receive<'a> {
    /// Takes what it reads out of the socket.
    pub(crate) fn take(socket: &'a impl AsFd) -> Self {
        Receive {
            socket: SockRef::from(socket),
            flags: 0,
        }
    }

    /// Leaves what it reads in the socket.
    pub(crate) fn peek(socket: &'a impl AsFd) -> Self {
        Receive {
            socket: SockRef::from(socket),
            flags: libc::MSG_PEEK,
        }
    }

    /// Notes the sender's address too.
    pub(crate) fn with_sender(self) -> ReceiveFrom<'a> {
        ReceiveFrom {
            receive: self,
            sender: OnceCell::new(),
        }
    }
}

// SAFETY: as for a TCP stream; MSG_PEEK changes only what the kernel keeps. Without MSG_TRUNC a
// datagram that was cut off counts as long as the buffer.
unsafe impl ReadUninit for Receive<'_> {
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        self.socket.recv_with_flags(buf, self.flags)
    }
}

/// recvfrom(2) on a socket of any kind, as a source of one read.
#[derive(Debug)]
pub(crate) struct ReceiveFrom<'a> {
    receive: Receive<'a>,
    sender: OnceCell<SockAddr>,
}

impl ReceiveFrom<'_> {
    /// The sender of what was read.
    ///
    /// # Panics
    ///
    /// If there was no successful read.
    pub(crate) fn into_sender(self) -> SockAddr {
        self.sender.into_inner().expect("a read has succeeded")
    }
}

// SAFETY: as for `Receive`.
unsafe impl ReadUninit for ReceiveFrom<'_> {
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        let Receive { socket, flags } = &self.receive;
        let (received, sender) = socket.recv_from_with_flags(buf, *flags)?;
        let _ = self.sender.set(sender);
        Ok(received)
    }
}

/// The process that connected or listened at the other end of a Unix socket (`SO_PEERCRED`), as
/// noted by the kernel at that moment.
pub(crate) fn peer_credentials(socket: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    let mut credentials = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: three integers, valid for writes of the length that is passed beside them.
    let result: c_int = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &mut length,
        )
    };
    match result {
        0 => Ok(credentials),
        _ => Err(io::Error::last_os_error()),
    }
}
