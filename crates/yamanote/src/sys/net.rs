//! Receiving from a socket into memory that may be uninitialized.

use std::io;
use std::mem::MaybeUninit;

use socket2::SockRef;

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

/// Reads from the socket without taking the bytes out of it.
#[derive(Debug)]
pub(crate) struct Peek<'a>(pub(crate) &'a mio::net::TcpStream);

// SAFETY: as for the stream itself; MSG_PEEK changes only what the kernel keeps.
unsafe impl ReadUninit for Peek<'_> {
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        SockRef::from(self.0).peek(buf)
    }
}
