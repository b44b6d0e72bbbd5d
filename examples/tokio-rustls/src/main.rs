//! tokio-rustls: TLS 1.3 and 1.2 with a certificate of our own, and a client that will not have it.
#![forbid(unsafe_code)]

use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[tokio::main]
async fn main() {
    for line in conversation().await {
        println!("{line}");
    }
}

/// Sends everything back, until the other side has said that it is done.
async fn echo(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<u64> {
    let (mut from, mut to) = split(acceptor.accept(stream).await?);
    let copied = copy(&mut from, &mut to).await?;
    to.shutdown().await?;
    Ok(copied)
}

fn connector(
    root: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("the provider knows it")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// What comes back for `bytes`, and the version that was agreed on.
async fn ask(
    connector: TlsConnector,
    address: SocketAddr,
    name: &'static str,
    bytes: &[u8],
) -> io::Result<(Vec<u8>, Option<ProtocolVersion>)> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).expect("a name");
    let stream = connector.connect(name, stream).await?;
    let version = stream.get_ref().1.protocol_version();
    let (mut from, mut to) = split(stream);
    let mut answer = Vec::new();
    let sent = async {
        to.write_all(bytes).await?;
        to.shutdown().await
    };
    let (sent, received) = tokio::join!(sent, from.read_to_end(&mut answer));
    sent?;
    received?;
    Ok((answer, version))
}

async fn conversation() -> Vec<String> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["yamanote.test".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the key fits");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(echo(acceptor.clone(), stream));
        }
    });

    let bytes: Vec<u8> = (0..1_000_000u32).map(|i| (i % 249) as u8).collect();
    let mut said = Vec::new();
    for version in [&version::TLS13, &version::TLS12] {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (connector, bytes) = (connector(cert.der(), version), bytes.clone());
                tokio::spawn(async move {
                    let answer = ask(connector, address, "yamanote.test", &bytes).await;
                    let (answer, version) = answer.expect("an answer");
                    assert!(answer == bytes, "something else came back");
                    version
                })
            })
            .collect();
        for client in clients {
            let version = client.await.expect("every answer was right");
            said.push(format!("{:?}", version.expect("agreed on")));
        }
    }
    let refused = ask(
        connector(cert.der(), &version::TLS13),
        address,
        "other.test",
        b"",
    )
    .await;
    said.push(format!(
        "{:?}",
        refused.expect_err("of another name").kind()
    ));
    server.abort();
    assert!(server.await.expect_err("it never ends").is_cancelled());
    said
}

#[cfg(test)]
mod tests {
    use super::conversation;

    async fn check() {
        let mut expected = vec!["TLSv1_3"; 8];
        expected.extend(["TLSv1_2"; 8]);
        expected.push("InvalidData");
        assert_eq!(conversation().await, expected);
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
