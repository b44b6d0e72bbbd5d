//! axum: a service whose runtime tells Prometheus what it does, at `/metrics`.
//!
//! `to_openmetrics` is Yamanote's own: with the real Tokio this program does not build.
//!
//! `metrics-example 127.0.0.1:9100` serves until it is interrupted, for the Prometheus and the
//! dashboard of `docs/metrics.md`.
#![forbid(unsafe_code)]

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

/// The route, for any service: `Router::new().merge(metrics())`.
fn metrics() -> Router {
    Router::new().route("/metrics", get(page))
}

async fn page() -> impl IntoResponse {
    let text = Handle::current().metrics().to_openmetrics();
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text)
}

/// A service with something to measure.
fn service() -> Router {
    Router::new().merge(metrics()).route("/", get(work))
}

async fn work() -> &'static str {
    let waits = tokio::spawn(tokio::time::sleep(Duration::from_millis(1)));
    let counts = tokio::task::spawn_blocking(|| (0..10_000_u64).sum::<u64>());
    let (waited, counted) = tokio::join!(waits, counts);
    waited.expect("no panic");
    assert_eq!(counted.expect("no panic"), 49_995_000);
    "done\n"
}

#[tokio::main]
async fn main() {
    let address = std::env::args()
        .nth(1)
        .unwrap_or("127.0.0.1:9100".to_owned());
    let listener = TcpListener::bind(&address).await.expect("a free address");
    println!("http://{}/metrics", listener.local_addr().expect("bound"));
    axum::serve(listener, service()).await.expect("it serves");
}

#[cfg(test)]
mod tests {
    use super::service;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        answer
    }

    fn value_of(page: &str, name: &str) -> u64 {
        let line = page
            .lines()
            .find(|line| line.split(' ').next() == Some(name));
        let value = line.and_then(|line| line.split(' ').nth(1));
        value
            .unwrap_or_else(|| panic!("no {name} in {page}"))
            .parse()
            .unwrap()
    }

    async fn check() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async { axum::serve(listener, service()).await });
        let before = ask(address, "/metrics").await;
        assert!(before.contains("content-type: application/openmetrics-text; version=1.0.0"));
        for _ in 0..10 {
            assert!(ask(address, "/").await.ends_with("done\n"));
        }
        let after = ask(address, "/metrics").await;
        let grown = |name: &str| value_of(&after, name) - value_of(&before, name);
        // Two tasks for each request, and perhaps one for its connection. The blocking job is none.
        assert!(grown("yamanote_tasks_spawned_total") >= 10);
        // A sleep that is over before its first poll is no timer; on a loaded machine some are.
        assert!(grown("yamanote_timers_fired_total") >= 1);
        assert!(grown("yamanote_io_registered_total") >= 20);
        assert!(value_of(&after, "yamanote_blocking_threads") >= 1);
        assert!(after.ends_with("\n# EOF\n"));
        server.abort();
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
