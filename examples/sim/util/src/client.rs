//! The other end.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use std::io;
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_util::codec::{Framed, LinesCodec};

pub struct Client {
    lines: Framed<TcpStream, LinesCodec>,
}

impl Client {
    /// # Errors
    ///
    /// If nobody is there.
    pub async fn connect(to: impl ToSocketAddrs) -> io::Result<Client> {
        let stream = TcpStream::connect(to).await?;
        Ok(Client {
            lines: Framed::new(stream, LinesCodec::new()),
        })
    }

    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn after(&mut self, ms: u64, name: &str, payload: &str) -> io::Result<()> {
        self.say(format!("after {ms} {name} {payload}")).await
    }

    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn cancel(&mut self, name: &str) -> io::Result<()> {
        self.say(format!("cancel {name}")).await
    }

    async fn say(&mut self, line: String) -> io::Result<()> {
        self.lines.send(line).await.map_err(io::Error::other)
    }

    /// The next line from the service.
    ///
    /// # Errors
    ///
    /// If the connection is broken, or at its end.
    pub async fn hear(&mut self) -> io::Result<String> {
        match self.lines.next().await {
            Some(line) => line.map_err(io::Error::other),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
