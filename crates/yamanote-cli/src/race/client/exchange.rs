//! One connection with one question under way.
#![forbid(unsafe_code)]

use super::script::{Dialogue, Progress};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

pub struct Exchange {
    pub stream: TcpStream,
    id: usize,
    number: u64,
    question: Vec<u8>,
    /// Bytes of the question that were sent, and of the answer that came.
    sent: usize,
    received: usize,
    head: Vec<u8>,
    asked: Instant,
    /// Whether an answer is awaited.
    is_open: bool,
}

impl Exchange {
    pub fn new(stream: TcpStream, id: usize) -> Exchange {
        Exchange {
            stream,
            id,
            number: 0,
            question: Vec::new(),
            sent: 0,
            received: 0,
            head: Vec::new(),
            asked: Instant::now(),
            is_open: false,
        }
    }

    /// Sends something that is no question, before the first one.
    pub fn introduce(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn ask(&mut self, dialogue: &Dialogue, now: Instant) -> io::Result<()> {
        dialogue.ask(&mut self.question, self.id, self.number);
        self.number += 1;
        self.sent = 0;
        self.received = 0;
        self.head.clear();
        self.asked = now;
        self.is_open = true;
        self.send()
    }

    /// Sends what is left of the question, as far as there is room.
    pub fn send(&mut self) -> io::Result<()> {
        while self.is_open && self.sent < self.question.len() {
            match self.stream.write(&self.question[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads and checks what has come. Returns when the question was asked, if its answer is whole.
    pub fn receive(
        &mut self,
        dialogue: &Dialogue,
        buffer: &mut [u8],
    ) -> io::Result<Option<Instant>> {
        loop {
            let length = match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::other("the server closed a connection")),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if !self.is_open {
                return Err(io::Error::other("an answer came that nobody asked for"));
            }
            let new = &buffer[..length];
            let before = self.received;
            self.received += length;
            let progress = dialogue.check(&self.question, before, new, &mut self.head)?;
            if let Progress::Whole = progress {
                if self.sent < self.question.len() {
                    return Err(io::Error::other("an answer came before its question"));
                }
                self.is_open = false;
                return Ok(Some(self.asked));
            }
        }
    }
}
