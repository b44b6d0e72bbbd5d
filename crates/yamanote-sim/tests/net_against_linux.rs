//! TCP in a world and outside of one: results, error numbers and readiness are equal.

mod net_support;

use net_support::{any, bits, compare, log, nobody, pair, pair_at, say, settle, tcp};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

fn read(mut stream: &TcpStream) -> String {
    let mut buf = [0; 64];
    say(stream.read(&mut buf).map(|n| buf[..n].to_vec()))
}

fn write(mut stream: &TcpStream, bytes: &[u8]) -> String {
    say(stream.write(bytes))
}
#[test]
fn streams_that_end_in_order() {
    compare(|log| {
        let (a, b) = pair();
        log!(log, bits(&a), bits(&b), write(&a, b"one"));
        settle();
        log!(log, bits(&b), read(&b), bits(&b));
        log!(log, say(a.shutdown(Shutdown::Write)), write(&a, b"two"));
        settle();
        log!(log, bits(&a), bits(&b), read(&b), read(&b));
        log!(log, write(&b, b"three"));
        settle();
        log!(log, bits(&a), read(&a), say(a.shutdown(Shutdown::Write)));
        log!(log, say(b.shutdown(Shutdown::Write)));
        settle();
        log!(log, bits(&a), bits(&b), read(&a), write(&b, b"four"));
        log!(
            log,
            say(a.peer_addr().map(|_| ())),
            say(b.peer_addr().map(|_| ()))
        );
        log!(
            log,
            say(a.shutdown(Shutdown::Both)),
            say(b.shutdown(Shutdown::Both))
        );
        log!(log, say(a.take_error()), say(b.take_error()));
        log!(log, bits(&a), bits(&b));
    });
}

#[test]
fn reading_that_is_shut_down() {
    compare(|log| {
        let (a, b) = pair();
        log!(
            log,
            say(a.shutdown(Shutdown::Read)),
            bits(&a),
            bits(&b),
            read(&a)
        );
        log!(log, write(&b, b"late"));
        settle();
        log!(log, bits(&a), read(&a), read(&a), write(&a, b"still"));
        settle();
        log!(log, read(&b), say(a.shutdown(Shutdown::Both)));
        settle();
        log!(log, bits(&a), bits(&b), read(&b), write(&b, b"more"));
        settle();
        log!(log, bits(&a), bits(&b));
    });
}

#[test]
fn a_close_with_bytes_unread_is_a_reset() {
    compare(|log| {
        let (a, b) = pair();
        log!(log, write(&a, b"never read"));
        settle();
        drop(b);
        settle();
        log!(log, bits(&a), read(&a), read(&a), bits(&a), write(&a, b"x"));
        log!(
            log,
            say(a.peer_addr().map(|_| ())),
            say(a.shutdown(Shutdown::Both))
        );
    });
}

#[test]
fn a_reset_finds_bytes_that_came_before_it() {
    compare(|log| {
        let (a, b) = pair();
        log!(log, write(&a, b"never read"), write(&b, b"before"));
        settle();
        drop(b);
        settle();
        log!(log, bits(&a), read(&a), read(&a), read(&a), write(&a, b"x"));
    });
}

#[test]
fn a_close_without_lingering_is_a_reset() {
    compare(|log| {
        let (a, b) = pair();
        SockRef::from(&b).set_linger(Some(Duration::ZERO)).unwrap();
        drop(b);
        settle();
        log!(
            log,
            bits(&a),
            write(&a, b"x"),
            write(&a, b"x"),
            read(&a),
            bits(&a)
        );
        log!(log, say(a.take_error()));
        let (a, b) = pair();
        SockRef::from(&b).set_linger(Some(Duration::ZERO)).unwrap();
        drop(b);
        settle();
        log!(
            log,
            say(a.take_error()),
            read(&a),
            write(&a, b"x"),
            bits(&a)
        );
    });
}

#[test]
fn bytes_for_somebody_who_has_gone() {
    compare(|log| {
        let (a, b) = pair();
        drop(b);
        settle();
        log!(log, bits(&a), write(&a, b"one"));
        settle();
        log!(
            log,
            bits(&a),
            write(&a, b"two"),
            write(&a, b"three"),
            read(&a),
            bits(&a)
        );
        let (a, b) = pair();
        drop(b);
        settle();
        log!(log, read(&a), write(&a, b"one"));
        settle();
        log!(
            log,
            read(&a),
            say(a.take_error()),
            read(&a),
            write(&a, b"two")
        );
    });
}

#[test]
fn connections_that_are_refused() {
    compare(|log| {
        log!(log, say(TcpStream::connect(nobody()).map(|_| ())));
        let socket = tcp();
        socket.set_nonblocking(true).unwrap();
        let to = SockAddr::from(nobody());
        log!(log, bits(&socket), say(socket.connect(&to)));
        settle();
        log!(
            log,
            bits(&socket),
            say(socket.take_error()),
            say(socket.take_error())
        );
        log!(log, bits(&socket), say(socket.connect(&to)));
        let socket = tcp();
        socket.set_nonblocking(true).unwrap();
        log!(log, say(socket.connect(&to)));
        settle();
        log!(
            log,
            say(socket.connect(&to)),
            say(socket.peer_addr().map(|_| ()))
        );
        let socket = tcp();
        log!(
            log,
            say(socket.connect_timeout(&to, Duration::from_secs(1)))
        );
    });
}

#[test]
fn connections_that_are_made() {
    compare(|log| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        log!(log, bits(&listener));
        let to = SockAddr::from(listener.local_addr().unwrap());
        let socket = tcp();
        socket.set_nonblocking(true).unwrap();
        log!(log, say(socket.connect(&to)));
        settle();
        log!(
            log,
            bits(&socket),
            bits(&listener),
            say(socket.take_error())
        );
        log!(log, say(socket.peer_addr().map(|_| ())));
        log!(log, say(socket.connect(&to)), say(socket.connect(&to)));
        log!(log, say(socket.listen(1)), say(socket.bind(&any())));
        let (stream, from) = listener.accept().unwrap();
        log!(
            log,
            from.ip(),
            stream.local_addr().unwrap().ip(),
            bits(&listener)
        );
        listener.set_nonblocking(true).unwrap();
        log!(log, say(listener.accept().map(|_| ())));
    });
}

#[test]
fn sockets_without_a_connection() {
    compare(|log| {
        let socket = tcp();
        log!(
            log,
            bits(&socket),
            say(socket.send(b"x")),
            say(socket.accept().map(|_| ()))
        );
        log!(
            log,
            say((&socket).read(&mut [0; 4])),
            say(socket.peer_addr().map(|_| ()))
        );
        log!(log, say(socket.shutdown(Shutdown::Both)), bits(&socket));
        let name = socket.local_addr().unwrap().as_socket();
        log!(log, format!("{name:?}"));
        let socket = tcp();
        log!(
            log,
            say(socket.bind(&any())),
            say(socket.bind(&any())),
            bits(&socket)
        );
        log!(
            log,
            say(socket.listen(4)),
            bits(&socket),
            say(socket.listen(8))
        );
        log!(
            log,
            say((&socket).read(&mut [0; 4])),
            say(socket.send(b"x"))
        );
        log!(log, say(socket.connect(&SockAddr::from(nobody()))));
        log!(log, say(socket.shutdown(Shutdown::Write)), bits(&socket));
        log!(log, say(socket.shutdown(Shutdown::Read)), bits(&socket));
        log!(log, say(socket.accept().map(|_| ())));
        let socket = tcp();
        log!(log, say(socket.listen(1)));
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        log!(log, port != 0);
    });
}

#[test]
fn addresses_that_are_taken() {
    compare(|log| {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let bind = |ip: &str, reuses: (bool, bool)| {
            let address: SocketAddr = format!("{ip}:{port}").parse().unwrap();
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
            socket.set_reuse_address(reuses.0).unwrap();
            socket.set_reuse_port(reuses.1).unwrap();
            let bound = socket.bind(&address.into());
            let listens = bound.as_ref().is_ok().then(|| socket.listen(1));
            format!("{} {:?}", say(bound), listens.map(say))
        };
        for ip in ["127.0.0.1", "0.0.0.0", "127.0.0.2", "[::]", "[::1]"] {
            for reuses in [(false, false), (true, false), (false, true)] {
                log!(log, bind(ip, reuses));
            }
        }
        drop(first);
        log!(
            log,
            bind("127.0.0.1", (false, false)),
            bind("0.0.0.0", (false, false))
        );
        log!(log, say(TcpListener::bind("8.8.8.8:0").map(|_| ())));
        let socket = tcp();
        let six: SocketAddr = "[::1]:0".parse().unwrap();
        log!(log, say(socket.bind(&six.into())));
        let one = tcp();
        one.set_reuse_address(true).unwrap();
        one.bind(&any()).unwrap();
        let other = tcp();
        other.set_reuse_address(true).unwrap();
        log!(log, say(other.bind(&one.local_addr().unwrap())));
        log!(log, say(one.listen(1)), say(other.listen(1)));
    });
}

#[test]
fn version_six() {
    compare(|log| {
        let (a, b) = pair_at("[::1]:0");
        log!(log, write(&a, b"six"));
        settle();
        log!(
            log,
            read(&b),
            a.local_addr().unwrap().ip(),
            b.peer_addr().unwrap().ip()
        );
        let listener = TcpListener::bind("[::]:0").unwrap();
        let name = listener.local_addr().unwrap();
        log!(log, name.ip());
        let four = TcpStream::connect(("127.0.0.1", name.port())).unwrap();
        let (stream, from) = listener.accept().unwrap();
        log!(
            log,
            from.ip(),
            stream.local_addr().unwrap().ip(),
            four.peer_addr().unwrap().ip()
        );
        let only = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        only.set_only_v6(true).unwrap();
        let six: SocketAddr = "[::]:0".parse().unwrap();
        only.bind(&six.into()).unwrap();
        only.listen(1).unwrap();
        let port = only.local_addr().unwrap().as_socket().unwrap().port();
        log!(
            log,
            say(TcpStream::connect(("127.0.0.1", port)).map(|_| ()))
        );
        log!(log, say(TcpStream::connect(("::1", port)).map(|_| ())));
        log!(log, say(only.set_only_v6(false)));
    });
}

#[test]
fn looking_without_taking() {
    compare(|log| {
        let (a, b) = pair();
        log!(log, write(&a, b"hello"));
        settle();
        let mut buf = [0; 3];
        log!(
            log,
            say(b.peek(&mut buf)),
            format!("{buf:?}"),
            say(b.peek(&mut []))
        );
        log!(log, read(&b));
        b.set_nonblocking(true).unwrap();
        log!(
            log,
            say(b.peek(&mut buf)),
            read(&b),
            say((&b).read(&mut []))
        );
        b.set_nonblocking(false).unwrap();
        b.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        log!(log, read(&b), say(b.read_timeout()));
        drop(a);
        settle();
        log!(log, say(b.peek(&mut buf)), read(&b));
    });
}
