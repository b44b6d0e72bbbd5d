//! Connections to a server on this machine.
#![forbid(unsafe_code)]

use mio::net::TcpStream;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// Each address of ours has ports of its own.
const PER_ADDRESS: usize = 8192;

/// The connection number `id`, to 127.0.0.1.
pub fn connect(port: u16, id: usize) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let last = 2 + (id / PER_ADDRESS) as u8;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    // Closed at once: the next run may need the ports.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    socket.connect_timeout(&server.into(), Duration::from_secs(10))?;
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket.into()))
}
