//! The network between hosts, and sockets.
#![forbid(unsafe_code)]

use super::Kernel;
use super::files::Errno;
use super::host::Life;
use std::io::{IoSlice, IoSliceMut};

/// Numbers a socket of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SocketId(pub(crate) u32);

/// All of the network.
#[derive(Default)]
pub(crate) struct Net {}

impl Kernel {
    /// `EPOLL*` bits that hold now.
    pub(crate) fn socket_readiness(&self, _socket: SocketId) -> u32 {
        0
    }

    /// The last reference to the socket's file is gone.
    pub(crate) fn socket_close(&mut self, _socket: SocketId) {}

    /// `EAGAIN` when it would wait.
    pub(crate) fn socket_read(
        &mut self,
        _socket: SocketId,
        _bufs: &mut [IoSliceMut<'_>],
    ) -> Result<usize, Errno> {
        Err(libc::EBADF)
    }

    /// `EAGAIN` when it would wait; otherwise what there is room for.
    pub(crate) fn socket_write(
        &mut self,
        _socket: SocketId,
        _bufs: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        Err(libc::EBADF)
    }

    /// What `FIONREAD` shows.
    pub(crate) fn socket_available(&self, _socket: SocketId) -> usize {
        0
    }

    /// A host has crashed: what its sockets do reaches nobody any more.
    pub(crate) fn life_crashed(&mut self, _life: Life) {}
}
