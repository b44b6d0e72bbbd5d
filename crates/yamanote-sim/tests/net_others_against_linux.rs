//! Datagrams, Unix sockets and options in a world and outside of one: results, error numbers and
//! readiness are equal.

mod net_support;

use net_support::{any, bits, compare, log, nobody, say, settle, tcp};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{Read, Write};
use std::net::{Shutdown, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

#[test]
fn datagrams() {
    compare(|log| {
        let a = UdpSocket::bind("127.0.0.1:0").unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = b.local_addr().unwrap();
        log!(
            log,
            bits(&a),
            say(a.send(b"x")),
            say(a.send_to(b"hello", to))
        );
        settle();
        let mut buf = [0; 3];
        log!(log, bits(&b), say(b.peek_from(&mut buf).map(|it| it.0)));
        log!(log, say(b.recv_from(&mut buf).map(|it| it.0)), bits(&b));
        log!(
            log,
            say(a.send_to(&vec![7; 65_507], to)),
            say(a.send_to(&vec![7; 65_508], to))
        );
        log!(
            log,
            say(a.send_to(b"", to)),
            say(a.send_to(b"x", ("127.0.0.1", 0)))
        );
        settle();
        let mut large = vec![0; 70_000];
        log!(log, say(b.recv(&mut large)), say(b.recv(&mut large)));
        b.set_nonblocking(true).unwrap();
        log!(log, say(b.recv(&mut large)));
        log!(log, say(a.connect(to)), say(a.send(b"1")));
        settle();
        log!(log, say(b.connect(nobody())));
        log!(log, say(b.send(b"2")));
        settle();
        log!(
            log,
            bits(&b),
            say(b.recv(&mut large)),
            say(b.recv(&mut large)),
            bits(&b)
        );
        log!(
            log,
            say(a.send_to(b"3", nobody())),
            say(a.peer_addr().map(|it| it == to))
        );
        log!(log, say(a.send_to(b"4", "255.255.255.255:9")));
        log!(
            log,
            say(SockRef::from(&a).shutdown(Shutdown::Both)),
            bits(&a),
            say(a.send(b"5"))
        );
        let fresh = UdpSocket::bind("127.0.0.1:0").unwrap();
        log!(log, say(SockRef::from(&fresh).shutdown(Shutdown::Both)));
        log!(
            log,
            say(UdpSocket::bind(fresh.local_addr().unwrap()).map(|_| ()))
        );
    });
}

#[test]
fn datagrams_that_nobody_takes() {
    compare(|log| {
        let a = UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = nobody();
        log!(log, say(a.send_to(b"x", nobody)));
        settle();
        log!(
            log,
            bits(&a),
            say(a.take_error()),
            say(a.connect(nobody)),
            say(a.send(b"x"))
        );
        settle();
        log!(
            log,
            bits(&a),
            say(a.send(b"x")),
            bits(&a),
            say(a.send(b"x"))
        );
        settle();
        log!(log, say(a.recv(&mut [0; 4])), say(a.send(b"x")));
        settle();
        log!(log, say(a.take_error()), say(a.take_error()));
    });
}

#[test]
fn unix_streams() {
    compare(|log| {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        let mut buf = [0; 16];
        log!(
            log,
            bits(&a),
            say(a.write(b"one")),
            bits(&b),
            say(b.read(&mut buf))
        );
        log!(
            log,
            say(a.shutdown(Shutdown::Write)),
            bits(&a),
            bits(&b),
            say(b.read(&mut buf))
        );
        log!(
            log,
            say(a.write(b"x")),
            say(b.write(b"two")),
            say(a.read(&mut buf))
        );
        drop(b);
        log!(log, bits(&a), say(a.read(&mut buf)), say(a.write(b"x")));
        let (mut a, b) = UnixStream::pair().unwrap();
        log!(log, say(a.write(b"never read")));
        drop(b);
        log!(
            log,
            bits(&a),
            say(a.read(&mut buf)),
            say(a.read(&mut buf)),
            bits(&a)
        );
        let (a, mut b) = UnixStream::pair().unwrap();
        log!(
            log,
            say(a.shutdown(Shutdown::Read)),
            bits(&b),
            say(b.write(b"x")),
            bits(&a)
        );
        let fresh = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        log!(
            log,
            bits(&fresh),
            say(fresh.send(b"x")),
            say((&fresh).read(&mut buf))
        );
        log!(log, say(fresh.listen(1)), say(fresh.accept().map(|_| ())));
        log!(
            log,
            say(fresh.peer_addr().map(|_| ())),
            say(fresh.shutdown(Shutdown::Both))
        );
    });
}

#[test]
fn unix_names() {
    compare(|log| {
        let name = format!("yamanote-sim-{}", std::process::id());
        let address = UnixAddr::from_abstract_name(&name).unwrap();
        log!(log, say(UnixStream::connect_addr(&address).map(|_| ())));
        let listener = UnixListener::bind_addr(&address).unwrap();
        log!(
            log,
            say(UnixListener::bind_addr(&address).map(|_| ())),
            bits(&listener)
        );
        let mut client = UnixStream::connect_addr(&address).unwrap();
        log!(
            log,
            bits(&listener),
            bits(&client),
            say(client.write(b"early"))
        );
        let (mut server, from) = listener.accept().unwrap();
        let mut buf = [0; 16];
        log!(log, say(server.read(&mut buf)), from.is_unnamed());
        let is_own = |it: UnixAddr| it.as_abstract_name() == Some(name.as_bytes());
        log!(
            log,
            say(client.peer_addr().map(is_own)),
            say(server.local_addr().map(is_own))
        );
        log!(
            log,
            say(UnixDatagram::unbound().unwrap().connect_addr(&address))
        );
        drop(listener);
        log!(log, say(UnixStream::connect_addr(&address).map(|_| ())));
        log!(log, say(client.write(b"x")), say(server.read(&mut buf)));
        log!(log, say(UnixStream::connect("/no/such/socket").map(|_| ())));
        let listener = UnixListener::bind_addr(&address).unwrap();
        let mut waiting = UnixStream::connect_addr(&address).unwrap();
        drop(listener);
        log!(
            log,
            bits(&waiting),
            say(waiting.read(&mut buf)),
            say(waiting.write(b"x"))
        );
    });
}

#[test]
fn unix_datagrams() {
    compare(|log| {
        let (a, b) = UnixDatagram::pair().unwrap();
        let mut buf = [0; 4];
        log!(
            log,
            bits(&a),
            say(a.send(b"hello")),
            bits(&b),
            say(b.recv(&mut buf))
        );
        log!(log, say(a.send(b"")), say(b.recv(&mut buf)));
        a.set_nonblocking(true).unwrap();
        for _ in 0..12 {
            log!(log, say(a.send(b"x")), bits(&a));
        }
        log!(log, say(b.recv(&mut buf)), bits(&a), say(a.send(b"y")));
        drop(b);
        log!(log, bits(&a), say(a.send(b"x")), say(a.send(b"x")));
        let name = format!("yamanote-sim-datagram-{}", std::process::id());
        let address = UnixAddr::from_abstract_name(&name).unwrap();
        let named = UnixDatagram::bind_addr(&address).unwrap();
        let other = UnixDatagram::unbound().unwrap();
        log!(
            log,
            say(other.send(b"x")),
            say(other.send_to_addr(b"abc", &address))
        );
        log!(
            log,
            say(named
                .recv_from(&mut buf)
                .map(|it| (it.0, it.1.is_unnamed())))
        );
        log!(
            log,
            say(other.connect_addr(&address)),
            say(other.send(b"abcd"))
        );
        log!(
            log,
            say(named.recv(&mut buf)),
            say(named.shutdown(Shutdown::Read))
        );
        log!(log, say(other.send(b"x")), bits(&named));
        drop(named);
        log!(
            log,
            say(other.send(b"x")),
            say(other.send_to_addr(b"abc", &address))
        );
    });
}

#[test]
fn unix_datagrams_to_who_takes_none() {
    compare(|log| {
        let name = |what| {
            let name = format!("yamanote-sim-{what}-{}", std::process::id());
            UnixAddr::from_abstract_name(name).unwrap()
        };
        let a = UnixDatagram::bind_addr(&name("a")).unwrap();
        let b = UnixDatagram::bind_addr(&name("b")).unwrap();
        a.connect_addr(&name("b")).unwrap();
        let c = UnixDatagram::unbound().unwrap();
        log!(
            log,
            say(c.connect_addr(&name("a"))),
            say(c.peer_addr().map(|_| ())),
            say(c.send(b"x")),
            say(c.send_to_addr(b"x", &name("a")))
        );
        log!(log, say(c.connect_addr(&name("b"))), say(c.send(b"x")));
        log!(log, say(c.connect_addr(&name("a"))), say(c.send(b"y")));
        let mut buf = [0; 4];
        log!(log, say(b.recv(&mut buf)), say(b.recv(&mut buf)));
        let path = format!("/tmp/yamanote-sim-stream-{}", std::process::id());
        let listener = UnixListener::bind(&path).unwrap();
        log!(
            log,
            say(c.connect(&path)),
            say(c.send(b"z")),
            say(b.recv(&mut buf))
        );
        drop(listener);
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn options() {
    compare(|log| {
        let socket = tcp();
        socket.set_tcp_nodelay(true).unwrap();
        socket.set_keepalive(true).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_ttl_v4(17).unwrap();
        socket.set_tos_v4(16).unwrap();
        socket.set_linger(Some(Duration::from_secs(3))).unwrap();
        socket.set_recv_buffer_size(20_000).unwrap();
        socket.set_send_buffer_size(30_000).unwrap();
        socket
            .set_tcp_user_timeout(Some(Duration::from_secs(9)))
            .unwrap();
        let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(5));
        let keepalive = keepalive
            .with_interval(Duration::from_secs(2))
            .with_retries(4);
        socket.set_tcp_keepalive(&keepalive).unwrap();
        log!(
            log,
            say(socket.tcp_nodelay()),
            say(socket.keepalive()),
            say(socket.ttl_v4())
        );
        log!(
            log,
            say(socket.reuse_address()),
            say(socket.reuse_port()),
            say(socket.tos_v4())
        );
        log!(log, say(socket.linger()), say(socket.recv_buffer_size()));
        log!(
            log,
            say(socket.send_buffer_size()),
            say(socket.tcp_user_timeout())
        );
        log!(
            log,
            say(socket.tcp_keepalive_time()),
            say(socket.tcp_keepalive_interval())
        );
        log!(
            log,
            say(socket.tcp_keepalive_retries()),
            say(socket.is_listener())
        );
        log!(
            log,
            say(socket.r#type()),
            say(socket.domain()),
            say(socket.protocol())
        );
        log!(
            log,
            say(socket.set_recv_buffer_size(1)),
            say(socket.recv_buffer_size())
        );
        log!(
            log,
            say(socket.set_send_buffer_size(1)),
            say(socket.send_buffer_size())
        );
        log!(
            log,
            say(socket.bind(&any())),
            say(socket.listen(1)),
            say(socket.is_listener())
        );
        log!(log, say(tcp().recv_buffer_size()));
        let udp = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        log!(
            log,
            say(udp.recv_buffer_size()),
            say(udp.send_buffer_size())
        );
        log!(
            log,
            say(udp.broadcast()),
            say(udp.set_broadcast(true)),
            say(udp.broadcast())
        );
        log!(
            log,
            say(udp.multicast_loop_v4()),
            say(udp.multicast_ttl_v4())
        );
        log!(
            log,
            say(udp.tcp_nodelay()),
            say(udp.is_listener()),
            say(udp.r#type())
        );
        log!(
            log,
            say(udp.only_v6()),
            say(udp.linger()),
            say(udp.protocol())
        );
        let unix = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        log!(
            log,
            say(unix.tcp_nodelay()),
            say(unix.ttl_v4()),
            say(unix.recv_buffer_size())
        );
        let unknown = |level, name| {
            let (mut value, mut len) = (0i32, 4);
            let (socket, value) = (socket.as_raw_fd(), (&raw mut value).cast());
            // SAFETY: a valid place for four bytes.
            let got = unsafe { libc::getsockopt(socket, level, name, value, &raw mut len) };
            let error = std::io::Error::last_os_error().raw_os_error();
            // SAFETY: as above.
            let set = unsafe { libc::setsockopt(socket, level, name, value, 4) };
            let other = std::io::Error::last_os_error().raw_os_error();
            format!("{got} {error:?} {set} {other:?}")
        };
        log!(
            log,
            unknown(libc::SOL_SOCKET, 9999),
            unknown(libc::IPPROTO_TCP, 9999)
        );
    });
}

#[test]
fn sockets_that_there_are_not() {
    compare(|log| {
        let make = |domain: i32, kind: i32, protocol: i32| {
            let socket = Socket::new(domain.into(), kind.into(), Some(protocol.into()));
            say(socket.map(|_| ()))
        };
        log!(
            log,
            make(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_UDP)
        );
        log!(
            log,
            make(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_TCP)
        );
        log!(
            log,
            make(libc::AF_INET, 77, 0),
            make(200, libc::SOCK_STREAM, 0)
        );
        log!(
            log,
            say(Socket::pair(Domain::IPV4, Type::STREAM, None).map(|_| ()))
        );
        let file = std::fs::File::open("/dev/null").unwrap();
        log!(log, say(SockRef::from(&file).listen(1)));
    });
}
