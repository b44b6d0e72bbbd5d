//! A board of departures in front of an office that is slow: what the office says is kept, and
//! asked once for all who wait for it. What is announced goes onto the board at once.
#![forbid(unsafe_code)]

mod caches;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;

/// A cache, whoever made it.
pub trait Cache: Clone + Send + Sync + 'static {
    fn empty() -> Self;

    /// What is there for a key. If there is nothing, one of those who ask loads it.
    fn get(
        &self,
        key: String,
        load: impl Future<Output = String> + Send,
    ) -> impl Future<Output = String> + Send;

    fn put(&self, key: String, value: String) -> impl Future<Output = ()> + Send;
}

pub use caches::{Moka06, Moka07, QuickCache05, QuickCache06};

/// Serves a board until it is dropped.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve<C: Cache>(listener: TcpListener, office: &str) -> io::Result<()> {
    let board = Board {
        cache: C::empty(),
        office: Client::new(office),
    };
    let train = get(show::<C>).put(announce::<C>);
    let routes = Router::new().route("/{train}", train).with_state(board);
    axum::serve(listener, routes).await
}

#[derive(Clone)]
struct Board<C> {
    cache: C,
    office: Client,
}

// If the client hangs up, this future is dropped where it waits.
async fn show<C: Cache>(State(board): State<Board<C>>, Path(train): Path<String>) -> String {
    let load = board.office.get(&train);
    board.cache.get(train.clone(), load).await
}

async fn announce<C: Cache>(
    State(board): State<Board<C>>,
    Path(train): Path<String>,
    text: String,
) {
    board.cache.put(train, text).await;
}

/// Serves the office, which takes its time, until it is dropped.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve_office(listener: TcpListener) -> io::Result<()> {
    let train = async |Path(train): Path<String>| {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..150))).await;
        format!("{train} is on time")
    };
    axum::serve(listener, Router::new().route("/{train}", get(train))).await
}

/// Who asks the board, or the office.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: String,
}

/// How long one try may take: much longer than an office or a board does that can be reached.
const PATIENCE: Duration = Duration::from_millis(500);

impl Client {
    /// A client of whoever is at that `host:port`.
    ///
    /// # Panics
    ///
    /// If no HTTP client can be made.
    pub fn new(address: &str) -> Client {
        let http = reqwest::Client::builder().timeout(PATIENCE);
        Client {
            http: http.build().expect("it needs nothing"),
            address: address.to_owned(),
        }
    }

    /// Asks until it is answered.
    pub async fn get(&self, train: &str) -> String {
        loop {
            if let Ok(text) = self.once(train).await {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(10..100))).await;
        }
    }

    async fn once(&self, train: &str) -> reqwest::Result<String> {
        let answer = self.http.get(self.url(train)).send().await?;
        answer.error_for_status()?.text().await
    }

    /// Puts something onto the board, or does not.
    pub async fn announce(&self, train: &str, text: String) {
        let _ = self.http.put(self.url(train)).body(text).send().await;
    }

    fn url(&self, train: &str) -> String {
        format!("http://{}/{train}", self.address)
    }
}
