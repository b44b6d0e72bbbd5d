//! A blocking HTTP/1.1 client of a few lines, which shares no code with the server.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One keep-alive connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a socket option");
        Client {
            stream: BufReader::new(stream),
        }
    }

    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", path, headers)
    }

    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(method, path, headers);
        let mut answer = self.read_head();
        if method != "HEAD" {
            answer.read_body(self);
        }
        answer
    }

    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .expect("the server reads");
    }

    /// The socket, for what a well-behaved client does not do.
    pub fn socket(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    /// A request whose connection may have been closed since the last one: tried again on a new
    /// one, as every HTTP client does.
    pub fn get_again(&mut self, path: &str) -> Answer {
        let address = self.stream.get_ref().peer_addr();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        let is_open = self.stream.get_mut().write_all(request.as_bytes()).is_ok()
            && self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        match is_open {
            true => {
                let mut answer = self.read_head();
                answer.read_body(self);
                answer
            }
            false => {
                *self = Client::connect(address.expect("it was connected"));
                self.get(path, &[])
            }
        }
    }

    /// Whether the server closes the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    pub fn read_head(&mut self) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a status line");
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                assert_eq!(line, "\r\n");
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Answer {
            status,
            headers,
            body: Vec::new(),
        }
    }
}

impl Answer {
    /// The header's value; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map_or("", |(_, value)| value)
    }

    pub fn read_body(&mut self, client: &mut Client) {
        if self.status == 304 {
            return;
        }
        let length: usize = self
            .header("content-length")
            .parse()
            .expect("every response has a length");
        self.body = vec![0; length];
        client
            .stream
            .read_exact(&mut self.body)
            .expect("as many bytes as promised");
    }
}
