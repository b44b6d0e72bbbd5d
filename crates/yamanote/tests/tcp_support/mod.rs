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
pub fn numbered_byte(position: usize) -> u8 {
    ((position / 8) as u64).to_le_bytes()[position % 8]
}

pub fn numbered(range: std::ops::Range<usize>) -> Vec<u8> {
    range.map(numbered_byte).collect()
}

/// Checks that `bytes` are those at `position` of the numbered stream.
#[track_caller]
pub fn assert_numbered(position: usize, bytes: &[u8]) {
    for (offset, &byte) in bytes.iter().enumerate() {
        assert_eq!(
            byte,
            numbered_byte(position + offset),
            "at byte {} of the stream",
            position + offset
        );
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
