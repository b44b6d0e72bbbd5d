//! The protocol of Redis, as much of it as is needed: commands in, answers out.
#![forbid(unsafe_code)]

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio_util::codec::{Decoder, Encoder};

pub struct Resp;

pub enum Answer {
    Simple(&'static str),
    Error(&'static str),
    Number(i64),
    Bytes(Bytes),
    Nothing,
}

impl Decoder for Resp {
    type Item = Vec<Bytes>;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Vec<Bytes>>> {
        let mut rest = &buffer[..];
        let Some(lengths) = lengths(&mut rest)? else {
            return Ok(None);
        };
        let mut command = buffer.split_to(buffer.len() - rest.len()).freeze();
        skip_line(&mut command);
        let mut parts = Vec::new();
        for length in lengths {
            skip_line(&mut command);
            parts.push(command.split_to(length));
            command.advance(2);
        }
        Ok(Some(parts))
    }
}

/// The lengths of the parts of a command, `rest` being what follows it; `None` if it is not whole.
fn lengths(rest: &mut &[u8]) -> io::Result<Option<Vec<usize>>> {
    let Some(count) = number(rest, b'*')? else {
        return Ok(None);
    };
    let mut lengths = Vec::new();
    for _ in 0..count {
        let Some(length) = number(rest, b'$')? else {
            return Ok(None);
        };
        let Some(after) = rest.get(length + 2..) else {
            return Ok(None);
        };
        *rest = after;
        lengths.push(length);
    }
    Ok(Some(lengths))
}

/// `*2\r\n`, for instance.
fn number(rest: &mut &[u8], mark: u8) -> io::Result<Option<usize>> {
    let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
        return Ok(None);
    };
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    let digits = line
        .strip_prefix(&[mark])
        .and_then(|it| str::from_utf8(it).ok());
    let number = digits.and_then(|digits| digits.parse().ok());
    let number = number.ok_or_else(|| io::Error::other("not the protocol of Redis"));
    number.map(Some)
}

fn skip_line(bytes: &mut Bytes) {
    let end = bytes.windows(2).position(|two| two == b"\r\n");
    bytes.advance(end.expect("it was found before") + 2);
}

impl Encoder<Answer> for Resp {
    type Error = io::Error;

    fn encode(&mut self, answer: Answer, buffer: &mut BytesMut) -> io::Result<()> {
        match answer {
            Answer::Simple(text) => buffer.extend(format!("+{text}\r\n").into_bytes()),
            Answer::Error(text) => buffer.extend(format!("-{text}\r\n").into_bytes()),
            Answer::Number(number) => buffer.extend(format!(":{number}\r\n").into_bytes()),
            Answer::Nothing => buffer.extend_from_slice(b"$-1\r\n"),
            Answer::Bytes(bytes) => {
                buffer.extend(format!("${}\r\n", bytes.len()).into_bytes());
                buffer.extend_from_slice(&bytes);
                buffer.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Resp;
    use bytes::BytesMut;
    use tokio_util::codec::Decoder;

    #[test]
    fn a_command_is_there_when_it_is_whole() {
        let whole = b"*2\r\n$3\r\nGET\r\n$5\r\nle\r\ne\r\n*1\r\n";
        for end in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..end]);
            let command = Resp.decode(&mut buffer).unwrap();
            if end < whole.len() - 4 {
                assert_eq!(command, None);
            } else {
                assert_eq!(command.unwrap(), ["GET", "le\r\ne"]);
                assert_eq!(buffer, whole[whole.len() - 4..end]);
            }
        }
    }
}
