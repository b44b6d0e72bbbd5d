//! What must be true when a storm is over.
#![forbid(unsafe_code)]

use crate::work;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
use yamanote::sim::{Running, Sim};

/// All clients are answered in the end, and what they saw could be.
pub async fn end(calling: Vec<Running<()>>, history: &work::Calls) {
    for client in calling {
        let called = timeout(Duration::from_secs(300), client).await;
        called
            .expect("everybody is answered in the end")
            .expect("no panic");
    }
    work::check(history);
}

/// From a host of its own.
pub async fn all_agree(sim: &Sim, members: BTreeMap<u64, String>) {
    let agreeing = sim.host("yoyogi").run(work::agree(members));
    let agreed = timeout(Duration::from_secs(30), agreeing).await;
    agreed.expect("all nodes catch up").expect("no panic");
}
