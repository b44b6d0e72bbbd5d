//! The three hosts in this simulation.
#![forbid(unsafe_code)]

#[path = "../../node.rs"]
mod node;
use tokio::net;

use node::{Beats, NAMES};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use yamanote::sim::{Host, Sim};

async fn ten_minutes(sim: Sim, runtime: impl Fn(Host) -> Host) {
    let links = sim.net().all();
    links.latency(Duration::from_millis(1)..=Duration::from_millis(10));
    let beats = Beats::default();
    for name in NAMES {
        let beats = beats.clone();
        runtime(sim.host(name)).start(move || node::run(name, beats.clone()));
    }
    sim.sleep(Duration::from_secs(600)).await;
    assert_eq!(beats.load(Relaxed), 6 * 20 * 600);
}

#[yamanote::sim::test(seeds = 1)]
async fn two_workers(sim: Sim) {
    ten_minutes(sim, |host| host.worker_threads(2)).await;
}

#[yamanote::sim::test(seeds = 1)]
async fn current_thread(sim: Sim) {
    ten_minutes(sim, Host::current_thread).await;
}
