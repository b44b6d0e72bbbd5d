//! axum: a service with shared state over TCP and over a Unix socket, ended gracefully.
#![forbid(unsafe_code)]

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Mutex, watch};

/// Who got on and off at which station.
type Stations = Arc<Mutex<BTreeMap<String, i64>>>;

#[tokio::main]
async fn main() {
    for line in conversation().await {
        println!("{line}");
    }
}

fn service() -> Router {
    Router::new()
        .route("/stations", get(all))
        .route("/stations/{name}", post(passengers))
        .route("/sum", get(sum))
        .with_state(Stations::default())
}

async fn all(State(stations): State<Stations>) -> Json<Value> {
    Json(json!(*stations.lock().await))
}

async fn passengers(
    State(stations): State<Stations>,
    Path(name): Path<String>,
    Json(change): Json<i64>,
) -> Json<Value> {
    let mut stations = stations.lock().await;
    let count = stations.entry(name).or_default();
    *count += change;
    Json(json!({ "now": *count }))
}

async fn sum(Query(query): Query<HashMap<String, i64>>) -> Result<String, StatusCode> {
    match (query.get("a"), query.get("b")) {
        (Some(a), Some(b)) => Ok((a + b).to_string()),
        _ => Err(StatusCode::UNPROCESSABLE_ENTITY),
    }
}

/// One request by hand; the status line and the body.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str, body: &str) -> String {
    let request = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let status = head.lines().next().expect("a status line");
    format!("{status}: {body}")
}

async fn conversation() -> Vec<String> {
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = tcp.local_addr().expect("bound");
    let folder = tempfile::tempdir().expect("a folder for the socket");
    let path = folder.path().join("socket");
    let unix = UnixListener::bind(&path).expect("a socket");

    let service = service();
    let (stop, stopped) = watch::channel(false);
    let until = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let over_tcp = axum::serve(tcp, service.clone()).with_graceful_shutdown(until(stopped.clone()));
    let over_tcp = tokio::spawn(over_tcp.into_future());
    let over_unix = axum::serve(unix, service).with_graceful_shutdown(until(stopped));
    let over_unix = tokio::spawn(over_unix.into_future());

    let clients: Vec<_> = (0..50)
        .map(|number| {
            let path = path.clone();
            tokio::spawn(async move {
                let request = "POST /stations/ueno";
                let answer = if number % 2 == 0 {
                    ask(TcpStream::connect(address).await.unwrap(), request, "2").await
                } else {
                    ask(UnixStream::connect(path).await.unwrap(), request, "-1").await
                };
                assert!(answer.starts_with("HTTP/1.1 200 OK: {\"now\":"), "{answer}");
            })
        })
        .collect();
    for client in clients {
        client.await.expect("every answer was right");
    }
    let mut said = Vec::new();
    for (request, body) in [
        ("GET /stations", ""),
        ("POST /stations/meguro", "7"),
        ("POST /stations/meguro", "seven"),
        ("GET /sum?a=40&b=2", ""),
        ("GET /sum?a=40", ""),
        ("GET /nowhere", ""),
    ] {
        let over_tcp = ask(TcpStream::connect(address).await.unwrap(), request, body).await;
        said.push(over_tcp);
    }
    said.push(
        ask(
            UnixStream::connect(&path).await.unwrap(),
            "GET /stations",
            "",
        )
        .await,
    );

    stop.send(true).expect("the servers wait for it");
    over_tcp.await.expect("no panic").expect("a clean end");
    over_unix.await.expect("no panic").expect("a clean end");
    said
}

#[cfg(test)]
mod tests {
    use super::conversation;

    async fn check() {
        let expected = [
            "HTTP/1.1 200 OK: {\"ueno\":25}",
            "HTTP/1.1 200 OK: {\"now\":7}",
            "HTTP/1.1 400 Bad Request: Failed to parse the request body as JSON: expected value \
             at line 1 column 1",
            "HTTP/1.1 200 OK: 42",
            "HTTP/1.1 422 Unprocessable Entity: ",
            "HTTP/1.1 404 Not Found: ",
            "HTTP/1.1 200 OK: {\"meguro\":7,\"ueno\":25}",
        ];
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
