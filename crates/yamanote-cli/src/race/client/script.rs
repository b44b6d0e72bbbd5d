//! Questions, and what the answers must be.
#![forbid(unsafe_code)]

use crate::race::rows::Script;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How the answer of a server of ours to `HTTP_QUESTION` ends.
const HTTP_BODY: &[u8] = b"Hello, World!";
const HTTP_QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: race\r\n\r\n";

/// What all connections say.
pub enum Dialogue {
    /// Back comes what was sent. The message, but for the stamps that make each its own.
    Echo(Vec<u8>),
    Http,
    /// The bytes of a file.
    Fetch(Vec<u8>),
}

/// What is known of an answer so far.
pub enum Progress {
    Unfinished,
    Whole,
}

impl Dialogue {
    pub fn new(script: Script, size: usize, file: &Path) -> io::Result<Dialogue> {
        Ok(match script {
            Script::Http => Dialogue::Http,
            Script::Fetch => {
                let mut bytes = vec![0; size];
                File::open(file)?.read_exact(&mut bytes)?;
                Dialogue::Fetch(bytes)
            }
            _ => Dialogue::Echo((0..size).map(|i| (i % 251) as u8).collect()),
        })
    }

    /// Writes the question number `number` of a connection over the one before, which may have been
    /// none.
    pub fn ask(&self, question: &mut Vec<u8>, connection: usize, number: u64) {
        match self {
            Dialogue::Echo(message) => {
                if question.is_empty() {
                    question.extend_from_slice(message);
                }
                let stamp = (number << 20 | connection as u64).to_le_bytes();
                let at_start = message.len().min(stamp.len());
                question[..at_start].copy_from_slice(&stamp[..at_start]);
                let end = message.len() - at_start;
                question[end..].copy_from_slice(&stamp[..at_start]);
            }
            Dialogue::Http if question.is_empty() => question.extend_from_slice(HTTP_QUESTION),
            Dialogue::Fetch(_) if question.is_empty() => question.push(b'?'),
            Dialogue::Http | Dialogue::Fetch(_) => {}
        }
    }

    /// Takes `new` bytes, which follow `before` of the same answer. `head` collects what cannot be
    /// judged before more is there.
    pub fn check(
        &self,
        question: &[u8],
        before: usize,
        new: &[u8],
        head: &mut Vec<u8>,
    ) -> io::Result<Progress> {
        match self {
            Dialogue::Echo(_) => compare(question, before, new),
            Dialogue::Fetch(bytes) => compare(bytes, before, new),
            Dialogue::Http => {
                head.extend_from_slice(new);
                http(head)
            }
        }
    }
}

fn compare(expected: &[u8], before: usize, new: &[u8]) -> io::Result<Progress> {
    let until = before + new.len();
    match expected.get(before..until) {
        None => Err(wrong("is longer than it should be")),
        Some(part) if part != new => Err(wrong("has wrong bytes")),
        Some(_) if until == expected.len() => Ok(Progress::Whole),
        Some(_) => Ok(Progress::Unfinished),
    }
}

fn http(bytes: &[u8]) -> io::Result<Progress> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes);
    let httparse::Status::Complete(head) = parsed.map_err(|_| wrong("is no HTTP"))? else {
        return Ok(Progress::Unfinished);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    if response.code != Some(200)
        || length.is_none_or(|length| length.value != HTTP_BODY.len().to_string().as_bytes())
    {
        return Err(wrong("has another head"));
    }
    compare(HTTP_BODY, 0, &bytes[head..])
}

fn wrong(how: &str) -> io::Error {
    io::Error::other(format!("an answer {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http_in(pieces: &[&[u8]]) -> io::Result<bool> {
        let mut head = Vec::new();
        let mut before = 0;
        for (index, piece) in pieces.iter().enumerate() {
            match Dialogue::Http.check(HTTP_QUESTION, before, piece, &mut head)? {
                Progress::Whole => return Ok(index + 1 == pieces.len()),
                Progress::Unfinished => before += piece.len(),
            }
        }
        Ok(false)
    }

    #[test]
    fn an_answer_of_http_may_come_in_pieces() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";
        for at in 1..whole.len() {
            let (one, other) = whole.split_at(at);
            assert!(http_in(&[one, other]).unwrap(), "cut at {at}");
        }
        assert!(!http_in(&[&whole[..whole.len() - 1]]).unwrap());
    }

    #[test]
    fn a_wrong_answer_of_http_is_found() {
        for wrong in [
            &b"HTTP/1.1 500 Oh\r\nContent-Length: 13\r\n\r\nHello, World!"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, World!",
            b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, Worms!",
            b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!!",
            b"what?\r\n\r\n",
        ] {
            assert!(http_in(&[wrong]).is_err());
        }
    }

    #[test]
    fn every_byte_of_an_echo_counts() {
        let dialogue = Dialogue::new(Script::Echo, 64, Path::new("")).unwrap();
        let (mut question, mut head) = (Vec::new(), Vec::new());
        dialogue.ask(&mut question, 3, 5);
        let first = question.clone();
        let mut check = |bytes: &[u8], before| dialogue.check(&first, before, bytes, &mut head);
        assert!(matches!(check(&first, 0), Ok(Progress::Whole)));
        assert!(matches!(check(&first[..63], 0), Ok(Progress::Unfinished)));
        assert!(matches!(check(&first[63..], 63), Ok(Progress::Whole)));
        for at in 0..64 {
            let mut other = first.clone();
            other[at] ^= 1;
            assert!(check(&other, 0).is_err(), "byte {at}");
        }
        dialogue.ask(&mut question, 3, 6);
        assert_ne!(question, first);
    }
}
