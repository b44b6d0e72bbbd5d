//! reqwest: pooled connections, names looked up, bodies in pieces, redirects, timeouts, and the
//! blocking client, which runs a runtime on a thread of its own.
#![forbid(unsafe_code)]

use axum::body::{Body, Bytes};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    for line in conversation().await.expect("the server answers") {
        println!("{line}");
    }
}

fn service() -> Router {
    Router::new()
        .route(
            "/json",
            get(|| async { Json(json!({"line": "yamanote", "stations": 30})) }),
        )
        .route(
            "/length",
            post(|body: Bytes| async move { body.len().to_string() }),
        )
        .route("/pieces", get(pieces))
        .route("/moved", get(|| async { Redirect::permanent("/json") }))
        .route("/never", get(std::future::pending::<String>))
        .layer(axum::extract::DefaultBodyLimit::disable())
}

/// A body of a hundred pieces that come one after the other.
async fn pieces() -> Body {
    Body::from_stream(stream::iter(0..100u8).then(|number| async move {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(vec![number; 10_000])
    }))
}

async fn conversation() -> reqwest::Result<Vec<String>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = tokio::spawn(axum::serve(listener, service()).into_future());
    let url = move |path: &str| format!("http://localhost:{port}/{path}");
    let client = Client::builder().no_proxy().build()?;
    let mut said = Vec::new();

    let answer: Value = client.get(url("json")).send().await?.json().await?;
    said.push(answer.to_string());
    let moved = client.get(url("moved")).send().await?;
    said.push(format!("{} {}", moved.status(), moved.url().path()));

    let pieces = stream::iter(0..50).map(|number| Ok::<_, Infallible>(vec![number; 20_000]));
    let body = reqwest::Body::wrap_stream(pieces);
    let length = client.post(url("length")).body(body).send().await?;
    said.push(length.text().await?);

    let mut pieces = client.get(url("pieces")).send().await?.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece?);
    }
    let right = (0..100u8).flat_map(|number| [number; 10_000]).eq(bytes);
    said.push(format!("pieces in order: {right}"));

    let timeout = client.get(url("never")).timeout(Duration::from_millis(100));
    let error = timeout.send().await.expect_err("it never answers");
    said.push(format!("timeout: {}", error.is_timeout()));

    let many: Vec<_> = (0..32usize)
        .map(|number| {
            let request = client.post(url("length")).body(vec![0; number * 1_000]);
            tokio::spawn(async move { request.send().await?.text().await })
        })
        .collect();
    let mut sum = 0;
    for length in many {
        let length = length.await.expect("no panic")?;
        sum += length.parse::<usize>().expect("a number");
    }
    said.push(sum.to_string());

    let blocking = tokio::task::spawn_blocking(move || {
        let client = reqwest::blocking::Client::builder().no_proxy().build()?;
        client.post(url("length")).body("blocking").send()?.text()
    });
    said.push(blocking.await.expect("no panic")?);
    server.abort();
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::conversation;

    async fn check() {
        let expected = [
            "{\"line\":\"yamanote\",\"stations\":30}",
            "200 OK /json",
            "1000000",
            "pieces in order: true",
            "timeout: true",
            "496000",
            "8",
        ];
        assert_eq!(conversation().await.unwrap(), expected);
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
