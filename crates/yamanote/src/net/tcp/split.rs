//! The halves of a TCP stream that borrow it.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use crate::net::TcpStream;
use crate::net::halves::borrowed_halves;

borrowed_halves!(TcpStream, SocketAddr);

impl ReadHalf<'_> {
    super::peek_methods!(this => this.0);
}
