//! Datagrams, local sockets and child processes. Included twice, as `suite.rs` is.

use super::{rt, run};
use crate::measure::Job;
use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{UdpSocket, UnixStream};

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
        let other = rt::spawn(async move {
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
        let other = rt::spawn(async move {
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

/// Starts a program and waits for its end.
pub fn child(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for _ in 0..ops {
            let status = rt::process::Command::new("/bin/true").status().await;
            assert!(status.expect("it runs").success());
        }
    });
}
