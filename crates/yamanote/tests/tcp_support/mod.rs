//! What the TCP tests share: connected pairs, numbered bytes, a generator with a printed seed.
#![allow(dead_code)]

use std::io::{self, IoSlice};

use yamanote::net::{TcpListener, TcpStream};

/// Two ends of one connection: the one that connected and the one that was accepted.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connecting = yamanote::spawn(TcpStream::connect(address));
    let (accepted, _) = listener.accept().await.unwrap();
    (connecting.await.unwrap().unwrap(), accepted)
}

/// The bytes of a stream in which every eight bytes count on: a lost, doubled or exchanged one
/// shows.
pub fn numbered(range: std::ops::Range<usize>) -> Vec<u8> {
    let first = range.start / 8;
    let words = first..range.end.div_ceil(8);
    let mut bytes = Vec::with_capacity(words.len() * 8);
    for word in words {
        bytes.extend_from_slice(&(word as u64).to_le_bytes());
    }
    bytes.truncate(range.end - first * 8);
    bytes.drain(..range.start - first * 8);
    bytes
}

/// Checks that `bytes` are those at `position` of the numbered stream.
#[track_caller]
pub fn assert_numbered(position: usize, bytes: &[u8]) {
    let expected = numbered(position..position + bytes.len());
    if bytes != expected {
        let same = bytes.iter().zip(&expected).take_while(|(a, b)| a == b);
        panic!("other bytes at {} of the stream", position + same.count());
    }
}

/// Xorshift; its seed is printed, and shown by libtest if the test fails.
pub struct Chance(u64);

impl Chance {
    pub fn new(name: &str) -> Self {
        let seed = match std::env::var("TEST_SEED") {
            Ok(seed) => seed.parse().expect("TEST_SEED is a number"),
            Err(_) => {
                std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap()
                    .as_nanos() as u64
                    | 1
            }
        };
        println!("{name}: TEST_SEED={seed}");
        Chance(seed)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// `WouldBlock` as `None`.
pub fn unless_blocked<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

/// The total length of the slices.
pub fn total(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}
