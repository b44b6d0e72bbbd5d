//! A tunnel of bore as a process of its own, and what is sent through it.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What goes through the tunnel is a row of bytes with this period.
const PERIOD: usize = 251;

/// The most that is written or read at once.
const PIECE: usize = 256 * 1024;

/// Nothing that is measured takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent through a tunnel, on one connection.
#[derive(Clone, Copy)]
pub enum Work {
    /// So many bytes one way.
    Bulk(usize),
    /// Requests of so many bytes, each after the answer to the one before, which is the same.
    Exchange { bytes: usize, time: Duration },
}

/// What a GiB, or an exchange, took.
pub struct Cost {
    /// CPU of all threads of the tunnel, in seconds.
    pub cpu: f64,
    /// In seconds.
    pub wall: f64,
}

pub struct Tunnel {
    process: Child,
    address: SocketAddr,
    listener: TcpListener,
}

impl Tunnel {
    /// Starts `program`, on the cores this thread may use.
    pub fn start(program: &Path) -> Tunnel {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let mut process = Command::new(program)
            .args(["tunnel", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let mut line = String::new();
        let output = process.stdout.take().expect("it is piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("the tunnel says its address");
        let address = line.trim().parse().expect("an address and nothing else");
        Tunnel {
            process,
            address,
            listener,
        }
    }

    /// Sends `work` through the tunnel. Every byte is checked.
    pub fn cost_of(&self, work: Work) -> Cost {
        let near = TcpStream::connect(self.address).expect("the tunnel listens");
        let (far, _) = self.listener.accept().expect("the tunnel connects");
        let (mut near, mut far) = (patient(near), patient(far));
        // One byte: whatever belongs to the beginning of a connection is over then.
        near.write_all(&[1]).expect("the tunnel takes it");
        far.read_exact(&mut [0]).expect("the tunnel passes it on");
        let (cpu, start) = (self.cpu(), Instant::now());
        let done = thread::scope(|scope| {
            scope.spawn(|| serve(&mut far, work));
            ask(&mut near, work)
        });
        let wall = start.elapsed();
        Cost {
            wall: wall.as_secs_f64() / done,
            cpu: (self.cpu() - cpu).as_secs_f64() / done,
        }
    }

    /// What all threads have used that have not ended.
    fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.process.id());
        let threads = fs::read_dir(tasks).expect("the tunnel still runs");
        let spent = threads.map(|thread| {
            let path = thread.expect("/proc can be read").path().join("schedstat");
            let line = fs::read_to_string(path).expect("threads of a runtime stay");
            let first = line.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
            first.expect("nanoseconds come first")
        });
        Duration::from_nanos(spent.sum())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("it is TCP");
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .expect("a time that is not zero");
    stream
}

/// The client's part of `work`; how many GiB or exchanges that were.
fn ask(stream: &mut TcpStream, work: Work) -> f64 {
    let row = row();
    let mut done = 0;
    match work {
        Work::Bulk(total) => {
            send(stream, &row, total);
            done = total;
        }
        Work::Exchange { bytes, time } => {
            let mut buffer = vec![0; bytes.min(PIECE)];
            let start = Instant::now();
            while start.elapsed() < time {
                send(stream, &row, bytes);
                receive(stream, &row, bytes, &mut buffer);
                done += 1;
            }
        }
    }
    stream.shutdown(Shutdown::Write).expect("it is open");
    // The service closes when it has everything.
    let end = stream.read(&mut [0]).expect("the tunnel passes the end on");
    assert_eq!(end, 0, "more than was asked for");
    match work {
        Work::Bulk(_) => done as f64 / (1 << 30) as f64,
        Work::Exchange { .. } => done as f64,
    }
}

/// The service's part of `work`.
fn serve(stream: &mut TcpStream, work: Work) {
    let row = row();
    let mut buffer = vec![0; PIECE];
    match work {
        Work::Bulk(total) => {
            receive(stream, &row, total, &mut buffer);
            let end = stream
                .read(&mut buffer)
                .expect("the tunnel passes the end on");
            assert_eq!(end, 0, "more than was sent");
        }
        Work::Exchange { bytes, .. } => {
            while stream.peek(&mut [0]).expect("the tunnel passes it on") > 0 {
                receive(stream, &row, bytes, &mut buffer);
                send(stream, &row, bytes);
            }
        }
    }
    stream.shutdown(Shutdown::Write).expect("it is open");
}

/// A piece of the row, wherever it begins.
fn row() -> Vec<u8> {
    (0..PIECE + PERIOD).map(|i| (i % PERIOD) as u8).collect()
}

fn send(stream: &mut TcpStream, row: &[u8], total: usize) {
    let mut sent = 0;
    while sent < total {
        let from = sent % PERIOD;
        let piece = &row[from..from + PIECE.min(total - sent)];
        stream.write_all(piece).expect("the tunnel takes it");
        sent += piece.len();
    }
}

fn receive(stream: &mut TcpStream, row: &[u8], total: usize, buffer: &mut [u8]) {
    let mut received = 0;
    while received < total {
        let room = buffer.len().min(total - received);
        let n = stream
            .read(&mut buffer[..room])
            .expect("the tunnel passes it on");
        assert!(n > 0, "{received} of {total} bytes");
        let from = received % PERIOD;
        assert!(
            buffer[..n] == row[from..from + n],
            "other bytes at {received}"
        );
        received += n;
    }
}
