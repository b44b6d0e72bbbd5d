//! The server that is asked: a real one over a Unix socket, or a small one over TCP.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, broadcast};
use tokio::task::JoinHandle;

/// A server that ends when this is dropped.
pub struct Server {
    url: String,
    running: Running,
}

enum Running {
    Real { _process: Child, _folder: TempDir },
    Small { task: JoinHandle<()> },
}

impl Server {
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn name(&self) -> &'static str {
        match self.running {
            Running::Real { .. } => "the real redis-server",
            Running::Small { .. } => "a small server of our own: redis-server is not installed",
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Running::Small { task } = &self.running {
            task.abort();
        }
    }
}

pub async fn start() -> io::Result<Server> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("socket");
    let process = Command::new("redis-server")
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--loglevel",
            "warning",
            "--unixsocket",
        ])
        .arg(&socket)
        .current_dir(&folder)
        .kill_on_drop(true)
        .spawn();
    let mut process = match process {
        Ok(process) => process,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return start_small().await,
        Err(error) => return Err(error),
    };
    while UnixStream::connect(&socket).await.is_err() {
        if let Some(status) = process.try_wait()? {
            return Err(io::Error::other(format!("redis-server: {status}")));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(Server {
        url: format!("unix://{}", socket.display()),
        running: Running::Real {
            _process: process,
            _folder: folder,
        },
    })
}

/// Values, and what is published.
struct Store {
    values: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    published: broadcast::Sender<(Vec<u8>, Vec<u8>)>,
}

async fn start_small() -> io::Result<Server> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("redis://{}", listener.local_addr()?);
    let store = Arc::new(Store {
        values: Mutex::default(),
        published: broadcast::channel(16).0,
    });
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, store.clone()));
        }
    });
    Ok(Server {
        url,
        running: Running::Small { task },
    })
}

/// `*2\r\n$3\r\nGET\r\n$4\r\nname\r\n`, without its lengths.
async fn command(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    for _ in 0..length(stream).await? {
        let mut part = vec![0; length(stream).await?];
        stream.read_exact(&mut part).await?;
        stream.read_u16().await?;
        parts.push(part);
    }
    Ok(parts)
}

async fn length(stream: &mut BufReader<TcpStream>) -> io::Result<usize> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let number = line.trim_end().get(1..).and_then(|it| it.parse().ok());
    number.ok_or_else(|| io::Error::other("not a length"))
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    let mut answer = format!("${}\r\n", bytes.len()).into_bytes();
    answer.extend_from_slice(bytes);
    answer.extend_from_slice(b"\r\n");
    answer
}

async fn serve(stream: TcpStream, store: Arc<Store>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let parts = command(&mut stream).await?;
        let name = String::from_utf8_lossy(&parts[0]).to_uppercase();
        if name == "SUBSCRIBE" {
            return send_published(stream, &store, &parts[1]).await;
        }
        let answer = store.answer(&name, &parts[1..]).await;
        stream.write_all(&answer).await?;
    }
}

impl Store {
    async fn answer(&self, name: &str, args: &[Vec<u8>]) -> Vec<u8> {
        let mut values = self.values.lock().await;
        match (name, args) {
            ("SET", [key, value]) => {
                values.insert(key.clone(), value.clone());
                b"+OK\r\n".to_vec()
            }
            ("GET", [key]) => values.get(key).map_or(b"$-1\r\n".to_vec(), |it| bulk(it)),
            ("INCRBY", [key, by]) => {
                let number = |bytes: &[u8]| str::from_utf8(bytes).ok()?.parse::<i64>().ok();
                let old = values.get(key).map_or(Some(0), |it| number(it));
                match (old, number(by)) {
                    (Some(old), Some(by)) => {
                        values.insert(key.clone(), (old + by).to_string().into());
                        format!(":{}\r\n", old + by).into()
                    }
                    _ => b"-ERR value is not an integer or out of range\r\n".to_vec(),
                }
            }
            ("PUBLISH", [channel, text]) => {
                let message = (channel.clone(), text.clone());
                let heard = self.published.send(message).unwrap_or(0);
                format!(":{heard}\r\n").into()
            }
            _ => b"-ERR unknown command\r\n".to_vec(),
        }
    }
}

/// A subscriber hears what is published on its channel, until it hangs up.
async fn send_published(
    mut stream: BufReader<TcpStream>,
    store: &Store,
    channel: &[u8],
) -> io::Result<()> {
    let mut published = store.published.subscribe();
    let mut confirmation = b"*3\r\n$9\r\nsubscribe\r\n".to_vec();
    confirmation.extend(bulk(channel));
    confirmation.extend(b":1\r\n");
    stream.write_all(&confirmation).await?;
    loop {
        tokio::select! {
            message = published.recv() => {
                let (on, text) = message.map_err(io::Error::other)?;
                if on == channel {
                    let mut message = b"*3\r\n$7\r\nmessage\r\n".to_vec();
                    message.extend(bulk(channel));
                    message.extend(bulk(&text));
                    stream.write_all(&message).await?;
                }
            }
            hung_up = stream.read_u8() => return hung_up.map(drop),
        }
    }
}
