//! What the tests of the network share.
#![allow(dead_code, reason = "each test uses a part")]

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use yamanote_sim::{Config, HostId, Record, Trace, hosts, run};

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs an experiment, whose panics are the test's.
pub fn world<R: Send + 'static>(seed: u64, experiment: impl FnOnce() -> R + Send + 'static) -> R {
    traced(seed, experiment).0
}

pub fn traced<R: Send + 'static>(
    seed: u64,
    experiment: impl FnOnce() -> R + Send + 'static,
) -> (R, Trace) {
    let (answer, trace) = run(Config::new(seed), experiment);
    let answer = answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    (answer, trace)
}

/// As [`traced`], with the text of all events.
pub fn told<R: Send + 'static>(
    seed: u64,
    experiment: impl FnOnce() -> R + Send + 'static,
) -> (R, Vec<String>) {
    let mut config = Config::new(seed);
    config.record = Record::Text(Vec::new());
    let (answer, trace) = run(config, experiment);
    let answer = answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let Record::Text(events) = trace.record() else {
        panic!("the text is recorded");
    };
    (answer, events.iter().map(ToString::to_string).collect())
}

/// A program on a host, whose answer is waited for.
pub struct Running<R>(Receiver<R>);

impl<R> Running<R> {
    pub fn join(self) -> R {
        self.0.recv().expect("the program has not panicked")
    }

    pub fn is_over(&self) -> bool {
        self.0.try_recv().is_ok()
    }
}

pub fn start<R: Send + 'static>(
    host: HostId,
    program: impl FnOnce() -> R + Send + 'static,
) -> Running<R> {
    let (answer, running) = channel();
    hosts::start(host, move || {
        let _ = answer.send(program());
    });
    Running(running)
}

/// A new host that runs a program.
pub fn host<R: Send + 'static>(
    name: &str,
    program: impl FnOnce() -> R + Send + 'static,
) -> (HostId, Running<R>) {
    let id = hosts::add(name);
    (id, start(id, program))
}

/// A host that reads each connection to its end, one after the other, and tells what it has read.
pub fn reader(name: &str, connections: usize) -> (HostId, Running<Vec<Vec<u8>>>) {
    host(name, move || {
        let listener = TcpListener::bind("0.0.0.0:80").unwrap();
        let read = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        };
        (0..connections).map(read).collect()
    })
}

/// Connects, again and again until somebody listens.
pub fn connect(address: impl std::net::ToSocketAddrs + Copy) -> TcpStream {
    for _ in 0..1000 {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::thread::sleep(ms(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("nobody listens");
}

/// Bytes that differ from place to place.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n * 31 + n / 251) as u8).collect()
}

pub fn code(error: &Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}

/// An outcome in a form that can be compared.
pub fn say<T: std::fmt::Debug>(outcome: std::io::Result<T>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("error {}", code(&error)),
    }
}

/// A connected pair on the host itself.
pub fn pair() -> (TcpStream, TcpStream) {
    pair_at("127.0.0.1:0")
}

pub fn pair_at(address: &str) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(address).unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, from) = listener.accept().unwrap();
    assert_eq!(from, one.local_addr().unwrap());
    (one, other)
}

/// The bits that `poll` tells of now.
pub fn bits(socket: &impl AsRawFd) -> i16 {
    let all = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP | libc::POLLPRI;
    let mut entry = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: all,
        revents: 0,
    };
    // SAFETY: one valid entry.
    let answer = unsafe { libc::poll(&raw mut entry, 1, 0) };
    assert!(answer >= 0);
    entry.revents
}

/// Lets what is on its way arrive: by the world's clock, or by the real one.
pub fn settle() {
    std::thread::sleep(ms(30));
}

pub fn write_all(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

pub fn to(host: HostId, port: u16) -> SocketAddr {
    SocketAddr::new(hosts::address(host).into(), port)
}

/// Runs a script here and in worlds, and compares what it says line by line.
pub fn compare(script: fn(&mut Vec<String>)) {
    let lines = move || {
        let mut lines = Vec::new();
        script(&mut lines);
        lines
    };
    let real = lines();
    for seed in 0..8 {
        let simulated = world(seed, lines);
        for (number, (real, simulated)) in real.iter().zip(&simulated).enumerate() {
            assert_eq!(
                real, simulated,
                "seed {seed}, line {number}: real, simulated"
            );
        }
        assert_eq!(real.len(), simulated.len());
    }
}

/// Notes what expressions say.
#[allow(unused_macros, reason = "each test uses a part")]
macro_rules! log {
    ($log:ident, $($what:expr),* $(,)?) => {
        $($log.push(format!("{}: {}", stringify!($what), $what));)*
    };
}
#[allow(unused_imports, reason = "each test uses a part")]
pub(crate) use log;

/// An address at which nobody is.
pub fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

pub fn tcp() -> socket2::Socket {
    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap()
}

/// Of the host itself, at any port.
pub fn any() -> socket2::SockAddr {
    socket2::SockAddr::from(SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0)))
}
