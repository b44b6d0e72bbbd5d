//! What clients ask of the bank, and what must be true afterwards.
#![forbid(unsafe_code)]

use bank::{Client, Outcome};
use std::time::Duration;

pub const START: i64 = 1_000;
pub const SHARED: [&str; 2] = ["left", "right"];

/// A client with an account of its own, which pays into one that is shared, and moves money between
/// the shared ones to and fro. Its own account tells how often it has paid.
pub async fn pay(client: Client, me: usize, payments: i64) {
    let own = format!("client{me}");
    assert_eq!(client.open(&own, START).await, START);
    for number in 0..payments {
        let to = SHARED[fastrand::usize(..2)];
        let outcome = client
            .transfer(&format!("{me}-{number}"), &own, to, 1)
            .await;
        assert_eq!(outcome, Outcome::Moved);
        let [from, to] = if fastrand::bool() {
            SHARED
        } else {
            [SHARED[1], SHARED[0]]
        };
        let outcome = client
            .transfer(&format!("{me}-{number}-between"), from, to, 3)
            .await;
        assert_ne!(outcome, Outcome::Unknown);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..200))).await;
    }
    let (left, paid) = (client.balance(&own).await, START - payments);
    assert_eq!(left, paid, "what was acknowledged has happened once");
}

pub async fn open_shared(client: &Client) {
    for name in SHARED {
        assert_eq!(client.open(name, START).await, START);
    }
}
