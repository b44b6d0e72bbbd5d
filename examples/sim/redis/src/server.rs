//! A small server that knows what a lease needs.
#![forbid(unsafe_code)]

use crate::codec::{Answer, Resp};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::codec::Framed;

#[derive(Default)]
struct Store {
    values: BTreeMap<Bytes, Value>,
}

struct Value {
    bytes: Bytes,
    until: Option<Instant>,
}

/// Serves until it is dropped. It remembers nothing of what it gave before it was started, and so
/// gives nothing until that is over: for `quiet`.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(listener: TcpListener, quiet: Duration) -> io::Result<()> {
    let loaded = Instant::now() + quiet;
    let store = Arc::new(Mutex::new(Store::default()));
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(talk(stream, store.clone(), loaded));
    }
}

async fn talk(stream: TcpStream, store: Arc<Mutex<Store>>, loaded: Instant) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = Framed::new(stream, Resp);
    while let Some(command) = stream.next().await {
        let answer = if Instant::now() < loaded {
            Answer::Error("LOADING it has just been started")
        } else {
            let mut store = store.lock().expect("nobody panics with it");
            store.answer(&command?)
        };
        stream.send(answer).await?;
    }
    Ok(())
}

impl Store {
    fn answer(&mut self, command: &[Bytes]) -> Answer {
        let now = Instant::now();
        self.values
            .retain(|_, value| value.until.is_none_or(|until| until > now));
        let parts: Vec<&[u8]> = command.iter().map(|part| &part[..]).collect();
        match parts[..] {
            [b"CLIENT", ..] => Answer::Simple("OK"),
            [b"GET", key] => match self.values.get(key) {
                Some(value) => Answer::Bytes(value.bytes.clone()),
                None => Answer::Nothing,
            },
            [b"SET", _, _, ref options @ ..] => self.set(&command[1], &command[2], options, now),
            [b"DELEX", key, b"IFEQ", old] => {
                let is_it = self.has(key, old);
                if is_it {
                    self.values.remove(key);
                }
                Answer::Number(is_it.into())
            }
            _ => Answer::Error("ERR unknown command"),
        }
    }

    fn has(&self, key: &[u8], bytes: &[u8]) -> bool {
        self.values.get(key).is_some_and(|it| it.bytes == bytes)
    }

    fn set(&mut self, key: &Bytes, bytes: &Bytes, options: &[&[u8]], now: Instant) -> Answer {
        let mut until = None;
        let mut options = options.iter();
        while let Some(&option) = options.next() {
            let may = match option {
                b"NX" => !self.values.contains_key(key),
                b"IFEQ" => options.next().is_some_and(|old| self.has(key, old)),
                b"PX" => {
                    let ms = options
                        .next()
                        .and_then(|ms| str::from_utf8(ms).ok()?.parse().ok());
                    until = ms.map(|ms| now + Duration::from_millis(ms));
                    until.is_some()
                }
                _ => return Answer::Error("ERR syntax error"),
            };
            if !may {
                return Answer::Nothing;
            }
        }
        let bytes = bytes.clone();
        self.values.insert(key.clone(), Value { bytes, until });
        Answer::Simple("OK")
    }
}
