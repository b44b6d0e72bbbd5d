//! Sending and receiving whole datagrams: what UDP and Unix sockets have in common, written once.
//!
//! A datagram is received whole or cut, never in parts, and an empty one is a datagram too. So,
//! unlike with streams, a short or empty read says nothing about what else is there, and only
//! `WouldBlock` ends readiness.
#![forbid(unsafe_code)]

use std::io;

use bytes::BufMut;
use socket2::SockAddr;

use crate::io::evented::{read_into, read_into_buf_mut};
use crate::io::{Interest, ReadBuf};
use crate::sys::net::Receive;

/// What ends a wait for a datagram. A pending error does too, because receiving reports it.
pub(super) const RECEIVE: Interest = Interest::READABLE.add(Interest::ERROR);

/// Receives into the unfilled part of `buf`, and returns the sender too.
pub(super) fn receive_from(
    receive: Receive<'_>,
    buf: &mut ReadBuf<'_>,
) -> io::Result<(usize, SockAddr)> {
    let receive = receive.with_sender();
    let received = read_into(&receive, buf)?;
    Ok((received, receive.into_sender()))
}

/// Receives into the room of `buf`, which is advanced, and returns the sender too.
pub(super) fn receive_from_buf_mut(
    receive: Receive<'_>,
    buf: &mut impl BufMut,
) -> io::Result<(usize, SockAddr)> {
    let receive = receive.with_sender();
    let received = read_into_buf_mut(&receive, buf)?;
    Ok((received, receive.into_sender()))
}
