//! What stands behind a relay: it sends back what comes.
#![forbid(unsafe_code)]

use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};

/// One connection from the relay.
pub struct Backend {
    pub stream: TcpStream,
    /// Read and not yet sent back.
    owed: Vec<u8>,
    sent: usize,
}

impl Backend {
    pub fn new(stream: TcpStream) -> Backend {
        Backend {
            stream,
            owed: Vec::new(),
            sent: 0,
        }
    }

    /// Reads and sends back as far as both go.
    pub fn turn(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            if !self.pay()? {
                return Ok(());
            }
            match self.stream.read(buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    self.owed.extend_from_slice(&buffer[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether nothing is owed any more.
    fn pay(&mut self) -> io::Result<bool> {
        while self.sent < self.owed.len() {
            match self.stream.write(&self.owed[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.owed.clear();
        self.sent = 0;
        Ok(true)
    }
}
