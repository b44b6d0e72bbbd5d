//! A bank: accounts, transfers between them, and a journal.
//!
//! A transfer has a key, chosen by the client. However often the client asks, because an answer was
//! lost or late, the money moves once, also when the bank fails in between: what was answered is in
//! the journal, and the journal on the disk.
#![forbid(unsafe_code)]

mod client;
mod journal;
mod ledger;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;
use tokio::net::TcpListener;

pub use client::Client;
pub use ledger::{Bank, Outcome};

/// Mistakes that people make, one of which can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A key is remembered when its transfer is done: a second try while it is under way is
    /// another.
    AppliedTwice,
    /// The journal does not have the keys, so that they are forgotten at a crash.
    KeysForgotten,
    /// A transfer is answered when the journal is written, not when it is on the disk.
    NotSynced,
    /// Two accounts are locked in the order in which the transfer names them.
    LockOrder,
    /// A transfer is part of the connection's future, which is dropped if the client hangs up.
    HalfATransfer,
    /// The client waits for an answer however long it takes, and does not ask whether anybody is
    /// there still (as reqwest does if it is not told otherwise).
    NoTimeout,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Transfer {
    pub from: String,
    pub to: String,
    pub amount: i64,
}

/// Serves until it is dropped.
///
/// # Errors
///
/// If the journal cannot be read.
pub async fn serve(
    listener: TcpListener,
    journal: impl AsRef<FilePath>,
    bug: Option<Bug>,
) -> io::Result<()> {
    let bank = Arc::new(Bank::open(journal.as_ref(), bug).await?);
    let routes = Router::new()
        .route("/accounts/{name}", get(balance).put(open))
        .route("/transfers", post(transfer))
        .route("/total", get(total))
        .with_state(bank);
    axum::serve(listener, routes).await
}

type Answer<T> = Result<Json<T>, (StatusCode, String)>;

fn failed(error: io::Error) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

async fn open(
    State(bank): State<Arc<Bank>>,
    Path(name): Path<String>,
    Json(amount): Json<i64>,
) -> Answer<i64> {
    let opened = tokio::spawn(async move { bank.open_account(&name, amount).await });
    opened
        .await
        .expect("it does not panic")
        .map(Json)
        .map_err(failed)
}

async fn balance(State(bank): State<Arc<Bank>>, Path(name): Path<String>) -> Answer<i64> {
    let balance = bank.balance(&name).await;
    let unknown = || (StatusCode::NOT_FOUND, format!("there is no {name}"));
    balance.map(Json).ok_or_else(unknown)
}

async fn total(State(bank): State<Arc<Bank>>) -> Json<i64> {
    Json(bank.total().await)
}

async fn transfer(
    State(bank): State<Arc<Bank>>,
    headers: HeaderMap,
    Json(transfer): Json<Transfer>,
) -> Answer<Outcome> {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok());
    let Some(key) = key.map(str::to_owned) else {
        return Err((StatusCode::BAD_REQUEST, "there is no key".to_owned()));
    };
    if bank.bug() == Some(Bug::HalfATransfer) {
        return bank.transfer(key, transfer).await.map(Json).map_err(failed);
    }
    // On its own: if the client hangs up, this future is dropped, and a transfer has no half.
    let transferred = tokio::spawn(async move { bank.transfer(key, transfer).await });
    transferred
        .await
        .expect("it does not panic")
        .map(Json)
        .map_err(failed)
}
