//! What each of three hosts runs: an echo server, and a beat to each of the others every 50 ms,
//! answered before the next. The same for all three simulations, but for the types of `net`.
#![forbid(unsafe_code)]

use super::net::{TcpListener, TcpStream};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{interval, sleep};

pub const NAMES: [&str; 3] = ["shinbashi", "hamamatsucho", "tamachi"];

/// Beats that were answered.
pub type Beats = Arc<AtomicU64>;

pub async fn run(me: &'static str, beats: Beats) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", 7000)).await?;
    for to in NAMES.into_iter().filter(|it| *it != me) {
        let beats = beats.clone();
        tokio::spawn(async move { beat(to, beats).await.expect("nothing goes wrong") });
    }
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut message = [0; 64];
    loop {
        stream.read_exact(&mut message).await?;
        stream.write_all(&message).await?;
        // In madsim nothing is sent before.
        stream.flush().await?;
    }
}

async fn beat(to: &'static str, beats: Beats) -> io::Result<()> {
    let mut stream = loop {
        match TcpStream::connect((to, 7000)).await {
            Ok(stream) => break stream,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    stream.set_nodelay(true)?;
    let mut ticks = interval(Duration::from_millis(50));
    let (mut number, mut answer) = (0u64, [0; 64]);
    loop {
        ticks.tick().await;
        let mut message = [7; 64];
        message[..8].copy_from_slice(&number.to_le_bytes());
        stream.write_all(&message).await?;
        stream.flush().await?;
        stream.read_exact(&mut answer).await?;
        assert_eq!(message, answer);
        number += 1;
        beats.fetch_add(1, Relaxed);
    }
}
