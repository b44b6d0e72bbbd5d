//! Servers, whose client is another process: it measures this one from outside.
#![forbid(unsafe_code)]

use super::job::{Answer, Job};
use super::run::announce;
use super::runtime::runtime;
use std::path::PathBuf;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Every connection gets back what it sends, `size` bytes at a time.
pub fn echo(job: &Job, answer: Answer) {
    let size = job.size;
    connections(job, answer, move |mut stream| async move {
        let mut buffer = vec![0; size];
        while stream.read_exact(&mut buffer).await.is_ok() {
            if stream.write_all(&buffer).await.is_err() {
                return;
            }
        }
    });
}

/// What a small service is: a router with one route.
pub fn http(job: &Job, answer: Answer) {
    use axum::serve::ListenerExt;
    runtime(job).block_on(async move {
        let listener = listen(answer).await.tap_io(|stream| {
            stream.set_nodelay(true).expect("a TCP option");
        });
        let route = axum::routing::get(async || "Hello, World!");
        let router = axum::Router::new().route("/", route);
        let _ = tokio::spawn(async move { axum::serve(listener, router).await }).await;
    });
}

/// A proxy. The first two bytes of a connection are the port that it is for.
pub fn relay(job: &Job, answer: Answer) {
    connections(job, answer, |mut client| async move {
        let Ok(port) = client.read_u16().await else {
            return;
        };
        let Ok(mut backend) = TcpStream::connect(("127.0.0.1", port)).await else {
            return;
        };
        backend.set_nodelay(true).expect("a TCP option");
        let _ = tokio::io::copy_bidirectional(&mut client, &mut backend).await;
    });
}

/// A file server: for every byte that comes, the first `size` bytes of a file.
pub fn send_file(job: &Job, answer: Answer) {
    let (size, path) = (job.size as u64, job.file("pages"));
    connections(job, answer, move |stream| send(stream, path.clone(), size));
}

async fn send(mut stream: TcpStream, path: PathBuf, size: u64) {
    let mut file = File::open(path).await.expect("the file is there");
    while stream.read_u8().await.is_ok() {
        file.rewind().await.expect("a file can be rewound");
        let sent = tokio::io::copy(&mut (&mut file).take(size), &mut stream).await;
        if sent.is_err() {
            return;
        }
    }
}

fn connections<F>(job: &Job, answer: Answer, serve: impl Fn(TcpStream) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    runtime(job).block_on(async move {
        let listener = listen(answer).await;
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("descriptors are left");
                stream.set_nodelay(true).expect("a TCP option");
                tokio::spawn(serve(stream));
            }
        });
        let _ = accepting.await;
    });
}

async fn listen(answer: Answer) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    announce(answer, port);
    listener
}
