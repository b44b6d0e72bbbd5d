//! The three hosts in madsim.
#![forbid(unsafe_code)]

#[path = "../../node.rs"]
mod node;
use madsim::net;

use madsim::net::NetSim;
use node::{Beats, NAMES};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(600);

fn main() {
    let start = Instant::now();
    let beats = Beats::default();
    let shared = beats.clone();
    // Its links take from one millisecond to ten unless it is told something else.
    let config = madsim::Config::default();
    let runtime = madsim::runtime::Runtime::with_seed_and_config(0, config);
    runtime.block_on(async move {
        let handle = madsim::runtime::Handle::current();
        for (number, name) in (1u8..).zip(NAMES) {
            let address = [10, 0, 0, number].into();
            NetSim::current().add_dns_record(name, address);
            let beats = shared.clone();
            let node = handle.create_node().name(name).ip(address);
            let node = node.init(move || {
                let beats = beats.clone();
                async move { node::run(name, beats).await.expect("nothing goes wrong") }
            });
            node.build();
        }
        tokio::time::sleep(TIME).await;
    });
    let (beats, real) = (beats.load(Relaxed), start.elapsed());
    let pace = TIME.as_secs_f64() / real.as_secs_f64();
    println!("{beats} beats, {TIME:?} in {real:?}: {pace:.0} virtual seconds a second");
}
