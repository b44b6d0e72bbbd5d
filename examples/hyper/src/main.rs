//! hyper: a server and many clients, HTTP/1.1 over TCP.
#![forbid(unsafe_code)]

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[tokio::main]
async fn main() {
    for line in conversation().await {
        println!("{line}");
    }
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let (status, body) = match (head.method, head.uri.path()) {
        (Method::GET, "/hello") => (StatusCode::OK, Bytes::from_static(b"hello")),
        (Method::POST, "/reverse") => match body.collect().await {
            Ok(body) => {
                let mut body = body.to_bytes().to_vec();
                body.reverse();
                (StatusCode::OK, body.into())
            }
            Err(_) => (StatusCode::BAD_REQUEST, Bytes::new()),
        },
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"not here")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}

/// Serves until the sender of `stop` is gone. A client that does not speak within `patience` is
/// shown out.
async fn serve(listener: TcpListener, patience: Duration, mut stop: watch::Receiver<()>) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection can be accepted").0,
            _ = stop.changed() => return,
        };
        tokio::spawn(async move {
            // A connection that is shown out ends with an error.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(patience)
                .serve_connection(TokioIo::new(stream), service_fn(respond))
                .await;
        });
    }
}

async fn connect(address: SocketAddr) -> io::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(client)
}

async fn ask(
    client: &mut SendRequest<Full<Bytes>>,
    method: Method,
    path: &str,
    body: impl Into<Bytes>,
) -> (StatusCode, Bytes) {
    client.ready().await.expect("the connection is kept");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(Full::new(body.into()))
        .expect("a valid request");
    let response = client.send_request(request).await.expect("an answer");
    let status = response.status();
    let body = response.into_body().collect().await.expect("a whole body");
    (status, body.to_bytes())
}

/// Sixteen clients with ten requests each over one connection, one of which is large; and one that
/// says nothing, at a server with little patience: one that speaks may be slow on a machine with
/// much to do.
async fn conversation() -> Vec<String> {
    let (stop, stopped) = watch::channel(());
    let start = async |patience| {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = tokio::spawn(serve(listener, patience, stopped.clone()));
        (address, server)
    };
    let (address, server) = start(Duration::from_secs(60)).await;
    let (impatient, impatient_server) = start(Duration::from_millis(500)).await;

    let silent = tokio::spawn(async move {
        let mut stream = TcpStream::connect(impatient).await.expect("connected");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("shown out");
        rest.len()
    });
    let clients: Vec<_> = (0..16u32)
        .map(|number| {
            tokio::spawn(async move {
                let mut client = connect(address).await.expect("connected");
                for round in 0..10u32 {
                    let body = format!("{number}/{round}");
                    let reversed: String = body.chars().rev().collect();
                    let answer = ask(&mut client, Method::POST, "/reverse", body).await;
                    assert_eq!(answer, (StatusCode::OK, reversed.into()));
                }
                let large: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
                let mut reversed = large.clone();
                reversed.reverse();
                let answer = ask(&mut client, Method::POST, "/reverse", large).await;
                assert_eq!(answer, (StatusCode::OK, reversed.into()));
                11
            })
        })
        .collect();

    let mut said = Vec::new();
    let mut client = connect(address).await.expect("connected");
    for path in ["/hello", "/nowhere"] {
        let (status, body) = ask(&mut client, Method::GET, path, "").await;
        said.push(format!("{path}: {status}, {body:?}"));
    }
    let mut answers = 0;
    for client in clients {
        answers += client.await.expect("every answer was right");
    }
    said.push(format!("{answers} answers"));
    said.push(format!(
        "{} bytes to the silent one",
        silent.await.expect("it ended")
    ));
    drop(stop);
    server.await.expect("the server ends");
    impatient_server.await.expect("the other one, too");
    said
}

#[cfg(test)]
mod tests {
    use super::conversation;

    const EXPECTED: [&str; 4] = [
        "/hello: 200 OK, b\"hello\"",
        "/nowhere: 404 Not Found, b\"not here\"",
        "176 answers",
        "0 bytes to the silent one",
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
