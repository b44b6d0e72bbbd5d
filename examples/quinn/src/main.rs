//! quinn: QUIC over UDP; streams both ways, one way, and datagrams.
#![forbid(unsafe_code)]

use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use quinn::{ClientConfig, Connection, Endpoint, Incoming, ServerConfig};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const LIMIT: usize = 1 << 20;

#[tokio::main]
async fn main() {
    println!("{:?}", conversation().await.expect("both sides agree"));
}

fn endpoints() -> Result<(Endpoint, Endpoint, SocketAddr)> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["yamanote.test".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let certificate: CertificateDer<'static> = cert.der().clone();
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));

    let server = ServerConfig::with_single_cert(vec![certificate.clone()], key)?;
    let server = Endpoint::server(server, local)?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let mut client = Endpoint::client(local)?;
    client.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(roots))?);
    let address = server.local_addr()?;
    Ok((server, client, address))
}

/// Sends back what comes in on streams both ways, adds up what comes in on the others, and answers
/// a datagram with a datagram. Ends when the client closes; the sum.
async fn serve(incoming: Incoming) -> Result<usize> {
    let connection = incoming.await?;
    let mut sum = 0;
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let Ok((mut send, mut receive)) = stream else { return Ok(sum) };
                tokio::spawn(async move {
                    let bytes = receive.read_to_end(LIMIT).await.expect("a whole stream");
                    send.write_all(&bytes).await.expect("someone reads it");
                    send.finish().expect("not finished before");
                });
            }
            stream = connection.accept_uni() => {
                let Ok(mut receive) = stream else { return Ok(sum) };
                sum += receive.read_to_end(LIMIT).await?.len();
                let mut send = connection.open_uni().await?;
                send.write_all(&sum.to_be_bytes()).await?;
                send.finish()?;
            }
            datagram = connection.read_datagram() => {
                let Ok(datagram) = datagram else { return Ok(sum) };
                // One that comes late may find that the client has closed.
                if connection.send_datagram(datagram).is_err() { return Ok(sum) }
            }
        }
    }
}

async fn ask(connection: Connection, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(&bytes).await?;
    send.finish()?;
    Ok(receive.read_to_end(LIMIT).await?)
}

/// Bytes that came back right, the sums after each stream of one way, whether a datagram came
/// back, and the sum that the server ended with.
async fn conversation() -> Result<(usize, Vec<usize>, bool, usize)> {
    let (server, client, address) = endpoints()?;
    let serving = {
        let server = server.clone();
        tokio::spawn(async move { serve(server.accept().await.expect("a client")).await })
    };
    let connection = client.connect(address, "yamanote.test")?.await?;

    let asked: Vec<_> = (0..32usize)
        .map(|number| {
            let connection = connection.clone();
            tokio::spawn(async move {
                let bytes: Vec<u8> = (0..number * 8_000).map(|i| (i % 239) as u8).collect();
                let back = ask(connection, bytes.clone()).await.expect("an answer");
                assert!(back == bytes, "stream {number} got something else back");
                back.len()
            })
        })
        .collect();
    let mut bytes = 0;
    for asked in asked {
        bytes += asked.await?;
    }
    let mut sums = Vec::new();
    for length in [1, 20, 300] {
        let mut send = connection.open_uni().await?;
        send.write_all(&vec![7; length]).await?;
        send.finish()?;
        let sum = connection.accept_uni().await?.read_to_end(8).await?;
        sums.push(usize::from_be_bytes(sum[..].try_into()?));
    }
    // A datagram may be lost; on loopback, not ten of them in a row.
    let mut datagram_came_back = false;
    for _ in 0..10 {
        connection.send_datagram("shibuya".into())?;
        let wait = tokio::time::Duration::from_secs(1);
        if let Ok(back) = tokio::time::timeout(wait, connection.read_datagram()).await {
            datagram_came_back = back? == "shibuya";
            break;
        }
    }
    connection.close(0u32.into(), b"home");
    client.wait_idle().await;
    let sum = serving.await??;
    server.close(0u32.into(), b"closed");
    server.wait_idle().await;
    Ok((bytes, sums, datagram_came_back, sum))
}

#[cfg(test)]
mod tests {
    use super::conversation;

    async fn check() {
        let (bytes, sums, datagram_came_back, sum) = conversation().await.unwrap();
        assert_eq!(bytes, 8_000 * 32 * 31 / 2);
        assert_eq!(sums, [1, 21, 321]);
        assert!(datagram_came_back);
        assert_eq!(sum, 321);
    }

    #[tokio::test]
    async fn on_one_thread() {
        check().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_two_workers() {
        check().await;
    }
}
