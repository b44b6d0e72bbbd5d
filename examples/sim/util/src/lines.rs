//! The lines of a client.
#![forbid(unsafe_code)]

use crate::Bug;
use futures_util::StreamExt;
use std::io;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio_util::codec::{FramedRead, LinesCodec};

const LONGEST: usize = 1 << 16;

pub enum Lines {
    Framed(FramedRead<OwnedReadHalf, LinesCodec>),
    Forgetful(BufReader<OwnedReadHalf>),
}

impl Lines {
    pub fn new(stream: OwnedReadHalf, bug: Option<Bug>) -> Lines {
        match bug {
            Some(Bug::HalfALine) => Lines::Forgetful(BufReader::new(stream)),
            _ => Lines::Framed(FramedRead::new(
                stream,
                LinesCodec::new_with_max_length(LONGEST),
            )),
        }
    }

    /// The next line; `None` at the end. Nothing is lost when this is dropped before it is ready.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        match self {
            Lines::Framed(lines) => lines.next().await.transpose().map_err(io::Error::other),
            Lines::Forgetful(stream) => {
                let mut line = String::new();
                let length = stream.read_line(&mut line).await?;
                let line = line.trim_end().to_owned();
                Ok((length > 0).then_some(line))
            }
        }
    }
}
