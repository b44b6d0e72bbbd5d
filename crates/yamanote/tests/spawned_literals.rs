//! Futures that hold literals can be spawned. Whether a future is `Send` is asked for references of
//! any lifetime, so a promise made for `&'static` ones only is worthless there ("implementation is
//! not general enough"). The test is that this file compiles.
#![forbid(unsafe_code)]
#![allow(dead_code)]

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

use yamanote::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufWriter,
};
use yamanote::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, lookup_host,
};
use yamanote::sync::{broadcast, mpsc, oneshot, watch};
use yamanote::{fs, io, process, time};

fn sockets(addresses: [SocketAddr; 2]) {
    drop(yamanote::spawn(async move {
        TcpStream::connect("localhost:80").await?;
        TcpStream::connect(("localhost", 80)).await?;
        TcpStream::connect(&addresses[..]).await?;
        TcpListener::bind(&"localhost:80").await?;
        lookup_host("localhost:80").await?.count();
        let socket = UdpSocket::bind(("localhost", 80)).await?;
        socket.connect("localhost:80").await?;
        socket.send_to(b"bytes", "localhost:80").await?;
        socket.send_to("bytes".as_bytes(), &addresses[..]).await?;
        UnixStream::connect("path").await?;
        UnixListener::bind("path")?.accept().await?;
        UnixDatagram::bind("path")?
            .send_to(b"bytes", "path")
            .await?;
        io::Result::Ok(())
    }));
}

fn files() {
    drop(yamanote::spawn(async {
        fs::write("path", "text").await?;
        fs::write("path", b"bytes").await?;
        fs::write("path", &b"bytes"[..]).await?;
        fs::read("path").await?;
        fs::copy("from", "to").await?;
        fs::rename("from", "to").await?;
        fs::create_dir_all("path").await?;
        let mut file = fs::OpenOptions::new().write(true).open("path").await?;
        file.write_all(b"bytes").await?;
        file.write_all("text".as_bytes()).await?;
        file.write_all_buf(&mut &b"bytes"[..]).await?;
        file.write_vectored(&[IoSlice::new(b"one"), IoSlice::new(b"two")])
            .await?;
        file.seek(io::SeekFrom::Start(0)).await?;
        process::Command::new("program").arg("-x").output().await?;
        io::Result::Ok(())
    }));
}

fn streams() {
    drop(yamanote::spawn(async {
        let mut text = String::new();
        let mut source: &[u8] = b"bytes";
        source.read_to_string(&mut text).await?;
        io::copy(&mut &b"bytes"[..], &mut io::sink()).await?;
        io::copy_buf(&mut &b"bytes"[..], &mut io::sink()).await?;
        let mut lines = BufReader::new("text".as_bytes()).lines();
        while let Some(line) = lines.next_line().await? {
            text += &line;
        }
        let mut chained = (&b"one"[..]).chain(&b"two"[..]).take(4);
        chained.read_u8().await?;
        let mut writer = BufWriter::new(Vec::new());
        writer.write_buf(&mut "text".as_bytes()).await?;
        writer.flush().await?;
        io::Result::Ok(())
    }));
}

fn channels() {
    drop(yamanote::spawn(async {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.send("text").await.unwrap();
        sender.reserve().await.unwrap().send("text");
        receiver.recv().await;
        let (sender, receiver) = oneshot::channel();
        sender.send(&b"bytes"[..]).unwrap();
        receiver.await.unwrap();
        let (sender, mut receiver) = watch::channel("text");
        sender.send_replace("other");
        receiver.wait_for(|text| *text == "other").await.unwrap();
        let (sender, mut receiver) = broadcast::channel(1);
        sender.send("text").unwrap();
        receiver.recv().await.unwrap();
        let first = time::timeout(Duration::ZERO, async { "text" });
        let second = async { &b"bytes"[..] };
        yamanote::join!(first, second).0.unwrap();
        yamanote::select! {
            text = async { "text" } => assert_eq!(text, "text"),
            bytes = async { b"bytes" } => assert_eq!(bytes, b"bytes"),
        }
    }));
}
