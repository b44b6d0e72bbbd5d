//! tokio-console: a service whose tasks, locks and timers are looked at while it runs.
//!
//! ```text
//! cargo run -p console-example & tokio-console
//! ```
#![forbid(unsafe_code)]

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{interval, sleep};

#[tokio::main]
async fn main() {
    console_subscriber::init();
    let listener = TcpListener::bind("127.0.0.1:3000").await.expect("a port");
    println!("http://{}", listener.local_addr().expect("bound"));
    let service = Service::default();
    tokio::spawn(count_up(service.clone()));
    tokio::spawn(visit(service.clone()));
    let router = Router::new().route("/", get(answer)).with_state(service);
    axum::serve(listener, router)
        .await
        .expect("it serves for ever");
}

/// A counter that everybody wants, and room for three at a time.
#[derive(Clone)]
struct Service {
    count: Arc<Mutex<u64>>,
    room: Arc<Semaphore>,
}

impl Default for Service {
    fn default() -> Self {
        Service {
            count: Arc::new(Mutex::new(0)),
            room: Arc::new(Semaphore::new(3)),
        }
    }
}

async fn count_up(service: Service) {
    let mut ticks = interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        *service.count.lock().await += 1;
    }
}

/// One visitor after the other, each for a while.
async fn visit(service: Service) {
    loop {
        let permit = service.room.clone().acquire_owned().await;
        let permit = permit.expect("nobody closes it");
        tokio::spawn(async move {
            sleep(Duration::from_millis(700)).await;
            drop(permit);
        });
    }
}

async fn answer(State(service): State<Service>) -> String {
    format!("{}\n", *service.count.lock().await)
}

#[cfg(test)]
mod tests;
