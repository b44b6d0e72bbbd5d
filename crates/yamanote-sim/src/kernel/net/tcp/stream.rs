//! What a program reads and writes.
#![forbid(unsafe_code)]

use super::State;
use crate::kernel::Kernel;
use crate::kernel::files::{Errno, room, scatter, total};
use crate::kernel::net::SocketId;
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};

/// Copies the first bytes of a queue; takes them from it unless they are only looked at.
pub(in crate::kernel::net) fn read_from(
    bytes: &mut VecDeque<u8>,
    bufs: &mut [IoSliceMut<'_>],
    is_peek: bool,
) -> usize {
    let len = room(bufs).min(bytes.len());
    let (first, second) = bytes.as_slices();
    let mut done = scatter(&first[..len.min(first.len())], bufs);
    if done < len {
        let mut skip = done;
        for buf in &mut *bufs {
            let here = skip.min(buf.len());
            skip -= here;
            let from = done - first.len();
            let n = (buf.len() - here).min(len - done);
            buf[here..here + n].copy_from_slice(&second[from..from + n]);
            done += n;
        }
    }
    if !is_peek {
        bytes.drain(..len);
    }
    len
}

/// Appends up to `most` bytes to a queue.
pub(in crate::kernel::net) fn write_to(
    bytes: &mut VecDeque<u8>,
    bufs: &[IoSlice<'_>],
    most: usize,
) -> usize {
    let mut done = 0;
    for buf in bufs {
        let n = buf.len().min(most - done);
        bytes.extend(&buf[..n]);
        done += n;
    }
    done
}

impl Kernel {
    pub(in crate::kernel::net) fn tcp_read(
        &mut self,
        id: SocketId,
        bufs: &mut [IoSliceMut<'_>],
        is_peek: bool,
    ) -> Result<usize, Errno> {
        if self.socket(id)?.is_cut_off {
            return Err(libc::ECONNRESET);
        }
        let tcp = self.tcp_mut(id).ok_or(libc::EBADF)?;
        if tcp.state == State::Listen {
            return Err(libc::ENOTCONN);
        }
        if !tcp.receiver.bytes.is_empty() {
            let len = read_from(&mut tcp.receiver.bytes, bufs, is_peek);
            if !is_peek {
                self.tcp_widen(id);
            }
            return Ok(len);
        }
        if tcp.is_done {
            return Ok(0);
        }
        let state = tcp.seen_state();
        let socket = self.socket_mut(id)?;
        socket.take_error()?;
        match state {
            _ if socket.shut.0 => Ok(0),
            State::Closed => Err(libc::ENOTCONN),
            _ => Err(libc::EAGAIN),
        }
    }

    /// Tells the peer of room, when it is enough to be worth a segment.
    fn tcp_widen(&mut self, id: SocketId) {
        let Some(tcp) = self.tcp(id) else { return };
        let is_open = matches!(
            tcp.state,
            State::Established | State::FinWait1 | State::FinWait2
        );
        let gained = tcp.receiver.new_edge() - tcp.receiver.edge;
        let worth = (tcp.receiver.capacity as u64 / 2).min(2 * 1_460);
        if is_open && gained >= worth.max(1) {
            self.tcp_acknowledge(id);
        }
    }

    pub(in crate::kernel::net) fn tcp_write(
        &mut self,
        id: SocketId,
        bufs: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        let socket = self.socket_mut(id)?;
        if socket.is_cut_off {
            return Err(libc::EPIPE);
        }
        let is_shut = socket.shut.1;
        let tcp = self.tcp(id).ok_or(libc::EBADF)?;
        match tcp.state {
            State::Established | State::CloseWait => {}
            State::SynSent | State::SynReceived => {
                self.socket_mut(id)?.take_error()?;
                return Err(libc::EAGAIN);
            }
            _ => {
                self.socket_mut(id)?.take_error()?;
                return Err(libc::EPIPE);
            }
        }
        let socket = self.socket_mut(id)?;
        if socket.error.is_some() || is_shut {
            socket.take_error()?;
            return Err(libc::EPIPE);
        }
        let tcp = self.tcp_mut(id).ok_or(libc::EBADF)?;
        let sender = &mut tcp.sender;
        let most = sender.room();
        if most == 0 && total(bufs) > 0 {
            return Err(libc::EAGAIN);
        }
        let len = write_to(&mut sender.bytes, bufs, most);
        self.tcp_output(id);
        Ok(len)
    }
}
