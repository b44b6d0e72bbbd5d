//! Sockets and pipes with both ends in one runtime.
#![forbid(unsafe_code)]

use super::job::Job;
use super::runtime::run;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UdpSocket, UnixStream};

pub fn echo_64(job: &Job) {
    echo(job, 64);
}

pub fn echo_1000(job: &Job) {
    echo(job, 1000);
}

/// Clients and the server share the runtime; each connection has one message under way.
fn echo(job: &Job, connections: u64) {
    let each = job.ops / connections;
    run(job, async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = tokio::spawn(async move {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a TCP option");
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while stream.read_exact(&mut buffer).await.is_ok() {
                        stream.write_all(&buffer).await.expect("the client reads");
                    }
                });
            }
        });
        let mut clients = Vec::new();
        for id in 0..connections {
            let mut stream = tokio::net::TcpStream::connect(address)
                .await
                .expect("connects");
            stream.set_nodelay(true).expect("a TCP option");
            clients.push(tokio::spawn(async move {
                let mut buffer = [0; 64];
                for round in 0..each {
                    let message = [(id ^ round) as u8; 64];
                    stream.write_all(&message).await.expect("the server reads");
                    stream.read_exact(&mut buffer).await.expect("the echo");
                    assert_eq!(buffer, message);
                }
            }));
        }
        for client in clients {
            client.await.expect("the client does not panic");
        }
        server.await.expect("the server does not panic");
    });
}

/// Two sockets that answer each other.
pub fn udp_ping(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let here = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let there = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        here.connect(there.local_addr().expect("it is bound"))
            .await
            .expect("connects");
        there
            .connect(here.local_addr().expect("it is bound"))
            .await
            .expect("connects");
        let other = tokio::spawn(async move {
            let mut buffer = [0; 64];
            for _ in 0..ops {
                let length = there.recv(&mut buffer).await.expect("a datagram");
                there.send(&buffer[..length]).await.expect("it is sent");
            }
        });
        let mut buffer = [0; 64];
        for i in 0..ops {
            here.send(&[i as u8; 64]).await.expect("it is sent");
            assert_eq!(here.recv(&mut buffer).await.expect("a datagram"), 64);
            assert_eq!(buffer, [i as u8; 64]);
        }
        other.await.expect("no panic");
    });
}

/// A pair of connected local sockets, one message under way.
pub fn unix_ping(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let (mut here, mut there) = UnixStream::pair().expect("a pair");
        let other = tokio::spawn(async move {
            let mut buffer = [0; 64];
            for _ in 0..ops {
                there.read_exact(&mut buffer).await.expect("a message");
                there.write_all(&buffer).await.expect("it is sent");
            }
        });
        let mut buffer = [0; 64];
        for i in 0..ops {
            here.write_all(&[i as u8; 64]).await.expect("it is sent");
            here.read_exact(&mut buffer).await.expect("the echo");
            assert_eq!(buffer, [i as u8; 64]);
        }
        other.await.expect("no panic");
    });
}

pub fn duplex_64(job: &Job) {
    duplex(job, 64);
}

pub fn duplex_64k(job: &Job) {
    duplex(job, 64 * 1024);
}

/// One task writes, another reads, through a pipe of 64 KiB.
fn duplex(job: &Job, size: usize) {
    let ops = job.ops;
    run(job, async move {
        let (mut near, mut far) = tokio::io::duplex(64 * 1024);
        let writer = tokio::spawn(async move {
            let message = vec![0x5A; size];
            for _ in 0..ops {
                near.write_all(&message).await.expect("the reader reads");
            }
        });
        let mut buffer = vec![0; size];
        for _ in 0..ops {
            far.read_exact(&mut buffer)
                .await
                .expect("the writer writes");
        }
        assert_eq!(buffer[size - 1], 0x5A);
        writer.await.expect("the writer does not panic");
    });
}
