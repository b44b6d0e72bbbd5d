//! tokio-tungstenite: WebSocket messages of both kinds, pings, and the closing handshake.
#![forbid(unsafe_code)]

use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{accept_async, connect_async};

#[tokio::main]
async fn main() {
    for line in conversation().await {
        println!("{line}");
    }
}

/// Sends texts back in capitals and bytes as they are; the number of messages.
async fn echo(stream: TcpStream) -> Result<usize, Error> {
    let mut socket = accept_async(stream).await?;
    let mut messages = 0;
    while let Some(message) = socket.next().await {
        match message? {
            Message::Text(text) => {
                let capitals = text.as_str().to_uppercase();
                socket.send(Message::text(capitals)).await?;
            }
            Message::Binary(bytes) => socket.send(Message::Binary(bytes)).await?,
            _ => continue,
        }
        messages += 1;
    }
    Ok(messages)
}

async fn client(address: SocketAddr, number: u32) -> Result<Vec<String>, Error> {
    let (mut socket, response) = connect_async(format!("ws://{address}/")).await?;
    let mut said = vec![response.status().to_string()];
    let bytes: Vec<u8> = (0..300_000u32)
        .map(|i| ((i + number) % 241) as u8)
        .collect();
    socket.send(Message::text("osaki")).await?;
    socket.send(Message::binary(bytes.clone())).await?;
    socket.send(Message::Ping("are you there".into())).await?;
    for _ in 0..3 {
        said.push(match socket.next().await.expect("an answer")? {
            Message::Text(text) => text.as_str().to_owned(),
            Message::Binary(back) => format!("{} bytes, {}", back.len(), back == bytes),
            Message::Pong(payload) => format!("pong {:?}", payload),
            other => format!("{other:?}"),
        });
    }
    let goodbye = CloseFrame {
        code: CloseCode::Normal,
        reason: "home".into(),
    };
    socket.close(Some(goodbye)).await?;
    while let Some(message) = socket.next().await {
        said.push(match message? {
            Message::Close(Some(frame)) => format!("{} {}", frame.code, frame.reason.as_str()),
            other => format!("{other:?}"),
        });
    }
    Ok(said)
}

/// What the last of eight clients was told; all were told the same.
async fn conversation() -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(async move {
        let mut clients = Vec::new();
        for _ in 0..8 {
            let (stream, _) = listener.accept().await.expect("a connection");
            clients.push(tokio::spawn(echo(stream)));
        }
        let mut messages = 0;
        for client in clients {
            messages += client.await.expect("no panic").expect("a clean end");
        }
        messages
    });
    let clients: Vec<_> = (0..8)
        .map(|number| tokio::spawn(client(address, number)))
        .collect();
    let mut said = Vec::new();
    for client in clients {
        let next = client.await.expect("no panic").expect("a clean end");
        assert!(said.is_empty() || said == next, "{said:?} and {next:?}");
        said = next;
    }
    said.push(format!("{} messages", server.await.expect("no panic")));
    said
}

#[cfg(test)]
mod tests {
    use super::conversation;

    const EXPECTED: [&str; 6] = [
        "101 Switching Protocols",
        "OSAKI",
        "300000 bytes, true",
        "pong b\"are you there\"",
        "1000 home",
        "16 messages",
    ];

    #[tokio::test]
    async fn on_one_thread() {
        assert_eq!(conversation().await, EXPECTED);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two_workers() {
        assert_eq!(conversation().await, EXPECTED);
    }
}
