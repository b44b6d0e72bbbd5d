//! An echo server. Try it: `cargo run --example echo -p yamanote`, then `nc 127.0.0.1 7000`.
#![forbid(unsafe_code)]

use yamanote::io::{AsyncReadExt, AsyncWriteExt};

#[yamanote::main]
async fn main() -> std::io::Result<()> {
    let listener = yamanote::net::TcpListener::bind("127.0.0.1:7000").await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        yamanote::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..n]).await.is_err() {
                    break;
                }
            }
        });
    }
}
