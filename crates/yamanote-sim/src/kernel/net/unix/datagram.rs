//! Datagrams.
#![forbid(unsafe_code)]

use super::{Message, cost};
use crate::kernel::Kernel;
use crate::kernel::files::{Errno, scatter, total};
use crate::kernel::net::address::Address;
use crate::kernel::net::{IN, OUT, Received, SocketId};
use std::io::{IoSlice, IoSliceMut};

impl Kernel {
    pub(super) fn datagram_receive(
        &mut self,
        id: SocketId,
        bufs: &mut [IoSliceMut<'_>],
        is_peek: bool,
    ) -> Result<Received, Errno> {
        let socket = self.socket_mut(id)?;
        socket.take_error()?;
        let is_shut = socket.shut.0;
        let datagram = self.datagram_mut(id).ok_or(libc::EINVAL)?;
        let Some(message) = datagram.queue.front() else {
            return match is_shut {
                true => Ok(Received {
                    len: 0,
                    full_len: 0,
                    from: None,
                }),
                false => Err(libc::EAGAIN),
            };
        };
        let received = Received {
            len: scatter(&message.data, bufs),
            full_len: message.data.len(),
            from: Some(Address::Unix(message.from.clone())),
        };
        if !is_peek {
            let (sender, cost) = (message.sender, cost(message.data.len()));
            datagram.queue.pop_front();
            let callers = std::mem::take(&mut datagram.callers);
            callers
                .into_iter()
                .for_each(|id| self.socket_changed(id, OUT));
            self.datagram_uncharge(sender, cost);
        }
        Ok(received)
    }

    /// A datagram has been received or is lost: its sender has that much room again.
    pub(super) fn datagram_uncharge(&mut self, sender: SocketId, cost: usize) {
        let was_writable = self.unix_readiness(sender) & OUT != 0;
        if let Some(datagram) = self.datagram_mut(sender) {
            datagram.charged -= cost;
        }
        if !was_writable && self.unix_readiness(sender) & OUT != 0 {
            self.socket_changed(sender, OUT);
        }
    }

    pub(super) fn datagram_send(
        &mut self,
        id: SocketId,
        bufs: &[IoSlice<'_>],
        to: Option<&Address>,
    ) -> Result<usize, Errno> {
        let socket = self.socket_mut(id)?;
        let is_shut = socket.shut.1;
        let (len, capacity) = (total(bufs), socket.send_capacity());
        if len > capacity.saturating_sub(32) {
            return Err(libc::EMSGSIZE);
        }
        socket.take_error()?;
        if is_shut {
            return Err(libc::EPIPE);
        }
        let from = self.unix_name(id)?;
        let target = match to {
            Some(Address::Unix(name)) => self.unix_named(id, name)?,
            Some(_) => return Err(libc::EINVAL),
            None => {
                let datagram = self.datagram_mut(id).ok_or(libc::EINVAL)?;
                datagram.peer.ok_or(libc::ENOTCONN)?
            }
        };
        if !self.net.sockets.contains(target) {
            if let Some(datagram) = self.datagram_mut(id) {
                datagram.peer = None;
            }
            return Err(libc::ECONNREFUSED);
        }
        let other = self.datagram(target).ok_or(libc::EPROTOTYPE)?;
        if other.peer.is_some_and(|peer| peer != id) {
            return Err(libc::EPERM);
        }
        if self.socket(target)?.shut.0 {
            return Err(libc::EPIPE);
        }
        let data = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        if self.datagram(id).is_some_and(|own| own.charged >= capacity) {
            return Err(libc::EAGAIN);
        }
        let other = self.datagram_mut(target).ok_or(libc::EPROTOTYPE)?;
        if other.is_full_for(id) {
            if !other.callers.contains(&id) {
                other.callers.push(id);
            }
            return Err(libc::EAGAIN);
        }
        other.queue.push_back(Message {
            sender: id,
            from,
            data,
        });
        if let Some(own) = self.datagram_mut(id) {
            own.charged += cost(len);
        }
        self.socket_changed(target, IN);
        Ok(len)
    }
}
