//! One connection through a relay, as full as it will be. An operation is a MiB.
#![forbid(unsafe_code)]

use super::Args;
use super::connect::connect;
use super::server::{self, Usage};
use serde_json::{Value, json};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How the stream repeats itself. Not a power of two, so that a piece of the wrong place differs.
const PERIOD: usize = 65_521;
const PIECE: usize = 256 << 10;
/// A relay that takes or gives nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(10);
const LEAST: Duration = Duration::from_millis(1);

pub fn run(args: &Args) -> io::Result<Value> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // The thread of the writer blocks, as does that of the reader.
    let stream = connect(args.port, 0)?;
    let mut to_relay = TcpStream::from(OwnedFd::from(stream));
    to_relay.set_nonblocking(false)?;
    to_relay.set_write_timeout(Some(PATIENCE))?;
    to_relay.write_all(&listener.local_addr()?.port().to_be_bytes())?;
    let (from_relay, _) = listener.accept()?;
    from_relay.set_read_timeout(Some(PATIENCE))?;
    let (received, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| write(&mut to_relay, &is_over));
        let reader = scope.spawn(|| read(from_relay, &received, &is_over));
        let found = measure(args, &received);
        // Relaxed: it orders nothing else.
        is_over.store(true, Ordering::Relaxed);
        reader.join().expect("no panic")?;
        found
    })
}

fn measure(args: &Args, received: &AtomicU64) -> io::Result<Value> {
    std::thread::sleep(args.warm_up());
    let before = Usage::of(args.pid)?;
    // Relaxed: it counts.
    let first = received.load(Ordering::Relaxed);
    let begin = Instant::now();
    // The relay may come to nothing in a short time.
    let bytes = loop {
        std::thread::sleep(args.measured().max(LEAST));
        match received.load(Ordering::Relaxed) - first {
            0 if begin.elapsed() > PATIENCE => {
                return Err(io::Error::other("nothing comes through"));
            }
            0 => {}
            bytes => break bytes,
        }
    };
    let used = Usage::of(args.pid)?.since(&before);
    Ok(json!({
        "ops": bytes as f64 / f64::from(1 << 20),
        "cpu_ns": used.cpu.as_nanos() as f64,
        "wall_ns": used.wall.as_nanos() as f64,
        "switches": used.switches,
        "peak_rss_bytes": server::peak(args.pid)?,
    }))
}

/// The stream's bytes, from any place of the first period on.
fn pattern() -> Vec<u8> {
    (0..PERIOD + PIECE)
        .map(|i| (((i % PERIOD) as u32).wrapping_mul(2_654_435_761) >> 21) as u8)
        .collect()
}

/// Until it is over, or the relay is gone: then the reader tells.
fn write(stream: &mut TcpStream, is_over: &AtomicBool) {
    let pattern = pattern();
    let mut at = 0;
    while !is_over.load(Ordering::Relaxed) {
        match stream.write(&pattern[at..at + PIECE]) {
            Ok(sent) => at = (at + sent) % PERIOD,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

/// Checks every byte, until the end that the writer makes.
fn read(mut stream: TcpStream, received: &AtomicU64, is_over: &AtomicBool) -> io::Result<()> {
    let pattern = pattern();
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) if is_over.load(Ordering::Relaxed) => return Ok(()),
            Ok(0) => return Err(io::Error::other("the relay closed the connection")),
            Ok(length) if buffer[..length] != pattern[at..at + length] => {
                return Err(io::Error::other("the relay changed the bytes"));
            }
            Ok(length) => {
                at = (at + length) % PERIOD;
                received.fetch_add(length as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
