//! The three hosts in turmoil. The argument is the length of a tick, in milliseconds.
#![forbid(unsafe_code)]

#[path = "../../node.rs"]
mod node;
use turmoil::net;

use node::{Beats, NAMES};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(600);

fn main() {
    let tick = std::env::args().nth(1).map(|it| it.parse());
    let tick = tick.unwrap_or(Ok(1)).expect("a number of milliseconds");
    let start = Instant::now();
    let beats = Beats::default();
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(0)
        .simulation_duration(TIME * 2)
        .tick_duration(Duration::from_millis(tick))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10));
    let mut sim = builder.build();
    for name in NAMES {
        let beats = beats.clone();
        sim.host(name, move || {
            let beats = beats.clone();
            async move { Ok(node::run(name, beats).await?) }
        });
    }
    sim.client("yoyogi", async move {
        tokio::time::sleep(TIME).await;
        Ok(())
    });
    sim.run().expect("nothing goes wrong");
    let (beats, real) = (beats.load(Relaxed), start.elapsed());
    let pace = TIME.as_secs_f64() / real.as_secs_f64();
    println!("{beats} beats, {TIME:?} in {real:?}: {pace:.0} virtual seconds a second");
}
