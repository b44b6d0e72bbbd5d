//! The other end: asks until it is answered.
#![forbid(unsafe_code)]

use crate::{Bug, Outcome, Transfer};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use std::time::Duration;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    bank: String,
}

/// How long one try may take.
const PATIENCE: Duration = Duration::from_millis(500);

impl Client {
    /// A client of the bank at that `host:port`.
    ///
    /// # Panics
    ///
    /// If no HTTP client can be made.
    pub fn new(bank: &str, bug: Option<Bug>) -> Client {
        let mut http = reqwest::Client::builder();
        if bug == Some(Bug::NoTimeout) {
            http = http.tcp_keepalive(None);
        } else {
            http = http.timeout(PATIENCE);
        }
        Client {
            http: http.build().expect("it needs nothing"),
            bank: format!("http://{bank}"),
        }
    }

    pub async fn open(&self, name: &str, amount: i64) -> i64 {
        let request = self.request(Method::PUT, &format!("/accounts/{name}"));
        until_answered(request.json(&amount)).await
    }

    pub async fn balance(&self, name: &str) -> i64 {
        until_answered(self.request(Method::GET, &format!("/accounts/{name}"))).await
    }

    pub async fn total(&self) -> i64 {
        until_answered(self.request(Method::GET, "/total")).await
    }

    pub async fn transfer(&self, key: &str, from: &str, to: &str, amount: i64) -> Outcome {
        let transfer = Transfer {
            from: from.to_owned(),
            to: to.to_owned(),
            amount,
        };
        let request = self.request(Method::POST, "/transfers");
        let request = request.header("idempotency-key", key).json(&transfer);
        until_answered(request).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.bank))
    }
}

/// Asks again after an error, later each time.
async fn until_answered<T: DeserializeOwned>(request: RequestBuilder) -> T {
    let mut pause = 10;
    loop {
        let request = request.try_clone().expect("its body is not a stream");
        if let Ok(answer) = once(request).await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(pause / 2..pause))).await;
        pause = (pause * 2).min(1_000);
    }
}

async fn once<T: DeserializeOwned>(request: RequestBuilder) -> reqwest::Result<T> {
    request.send().await?.error_for_status()?.json().await
}
