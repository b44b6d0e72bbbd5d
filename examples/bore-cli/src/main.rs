//! bore: a tunnel, whose two ends copy between sockets with `copy_bidirectional`.
//!
//! `bore-cli-example tunnel PORT` is a tunnel to a port of this machine, for measurements
//! (`cargo xtask examples --measure`): it prints its public address, and lasts until its standard
//! input ends.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};

use bore_cli::client::Client;
use bore_cli::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [] => conversation(1, 1024 * 1024).await,
        [command, port] if command == "tunnel" => {
            let tunnel = Tunnel::open(1, port.parse()?).await?;
            println!("{}", tunnel.address);
            let until_it_ends = || std::io::stdin().read_to_end(&mut Vec::new());
            tokio::task::spawn_blocking(until_it_ends).await??;
            Ok(())
        }
        _ => Err("usage: bore-cli-example [tunnel PORT]".into()),
    }
}

/// Both ends of a tunnel.
struct Tunnel {
    address: SocketAddr,
    ends: [JoinHandle<Result<(), String>>; 2],
}

impl Tunnel {
    /// To `port` of this machine. bore's own port is always the same, so each tunnel has an address
    /// of its own.
    async fn open(number: u8, port: u16) -> Result<Tunnel, Box<dyn Error>> {
        let [.., high, low] = std::process::id().to_be_bytes();
        let host = Ipv4Addr::new(127, 1 + high % 254, low, number);
        let mut server = Server::new(1024..=65535, Some("a secret"));
        server.set_bind_addr(host.into());
        server.set_bind_tunnels(host.into());
        let server = tokio::spawn(async { server.listen().await.map_err(|e| e.to_string()) });
        let to = host.to_string();
        let client = loop {
            match Client::new("127.0.0.1", port, &to, 0, Some("a secret")).await {
                Ok(client) => break client,
                Err(_) if !server.is_finished() => tokio::task::yield_now().await,
                Err(error) => return Err(error.into()),
            }
        };
        let address = (host, client.remote_port()).into();
        let client = tokio::spawn(async { client.listen().await.map_err(|e| e.to_string()) });
        Ok(Tunnel {
            address,
            ends: [server, client],
        })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.ends.iter().for_each(JoinHandle::abort);
    }
}

/// `length` bytes that are another row for each `seed`.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|i| ((i + seed) % 251) as u8).collect()
}

/// Answers each request of 8 bytes and as many as these say with the same bytes in reverse, and
/// what follows the last one likewise.
async fn answer(mut peer: TcpStream) -> std::io::Result<()> {
    let length = peer.read_u64().await? as usize;
    for _ in 0..3 {
        let mut request = vec![0; length];
        peer.read_exact(&mut request).await?;
        request.reverse();
        peer.write_all(&request).await?;
    }
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await?;
    rest.reverse();
    peer.write_all(&rest).await?;
    peer.shutdown().await
}

/// Three requests of 64 KiB, then `length` bytes there and then back, each direction to its end.
async fn ask(address: SocketAddr, seed: usize, length: usize) -> std::io::Result<()> {
    const SMALL: usize = 64 * 1024;
    let mut tunnel = TcpStream::connect(address).await?;
    tunnel.write_u64(SMALL as u64).await?;
    for n in 0..3 {
        let mut request = bytes(seed + n, SMALL);
        tunnel.write_all(&request).await?;
        let mut reply = vec![0; SMALL];
        tunnel.read_exact(&mut reply).await?;
        request.reverse();
        assert!(reply == request, "request {n} of {seed}");
    }
    let mut all = bytes(seed, length);
    tunnel.write_all(&all).await?;
    tunnel.shutdown().await?;
    let mut back = Vec::new();
    tunnel.read_to_end(&mut back).await?;
    all.reverse();
    assert!(back == all, "{} of {length} bytes of {seed}", back.len());
    Ok(())
}

/// Eight connections through one tunnel.
async fn conversation(number: u8, length: usize) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let service = tokio::spawn(async move {
        loop {
            let (peer, _) = listener.accept().await.expect("a connection");
            tokio::spawn(answer(peer));
        }
    });
    let tunnel = Tunnel::open(number, port).await?;
    let asking: Vec<_> = (0..8)
        .map(|seed| tokio::spawn(ask(tunnel.address, seed, length)))
        .collect();
    for asking in asking {
        asking.await??;
    }
    service.abort();
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;

    use super::conversation;

    const LENGTH: usize = 2 * 1024 * 1024;

    /// The conversation, of which the kernel must have copied the greater part, in each of two
    /// directions at each of two ends.
    async fn by_the_kernel(number: u8) {
        conversation(number, LENGTH).await.expect("a clean end");
        let copied = Handle::current().metrics().kernel_copied_bytes();
        assert!(copied > 8 * 2 * 2 * LENGTH as u64 / 2, "{copied} bytes");
    }

    #[tokio::test]
    async fn on_one_thread() {
        by_the_kernel(1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two_workers() {
        by_the_kernel(2).await;
    }
}
