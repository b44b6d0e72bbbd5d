//! The halves of a TCP stream that own it together, for two tasks.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use crate::net::TcpStream;
use crate::net::halves::owned_halves;

owned_halves!(TcpStream, SocketAddr);

impl OwnedReadHalf {
    super::peek_methods!(this => this.stream);
}
