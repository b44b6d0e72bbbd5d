//! The line in the simulation.
#![forbid(unsafe_code)]

mod work;

use line::{BACKLOG, Bug, Gauges};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use yamanote::sim::{Chaos, FaultKind, Sim};

const LINE: &str = "line:7000";

async fn serve(gauges: Arc<Gauges>, bug: Option<Bug>) {
    let listener = TcpListener::bind("0.0.0.0:7000").await.expect("free");
    line::serve(listener, gauges, bug).await.expect("no error");
}

const KINDS: &[FaultKind] = &[FaultKind::Partition, FaultKind::OneWay, FaultKind::Hold];

async fn experiment(sim: Sim, bug: Option<Bug>) {
    let gauges = Arc::new(Gauges::default());
    let shown = gauges.clone();
    sim.host("line").start(move || serve(shown.clone(), bug));
    let watching = sim.host("uguisudani").run(work::watches(LINE, 600));
    let riding = sim.host("ueno").run(async {
        for _ in 0..10 {
            work::rides(LINE).await;
        }
    });
    let repairing = sim.host("okachimachi").run(work::repairs(LINE));
    let chaos = Chaos::new().only(KINDS.iter().copied()).hit(["line"]);
    let chaos = chaos.cut(["line", "uguisudani", "ueno", "okachimachi"]);
    let chaos = chaos.during(Duration::from_secs(8));
    let chaos = chaos
        .every(Duration::from_millis(500))
        .longest(Duration::from_secs(2));
    sim.storm(chaos).await;
    let free = sim.host("akihabara").run(work::crews_are_free(LINE));
    for (what, running) in [("watch", watching), ("ride", riding), ("repair", repairing)] {
        let ended = timeout(Duration::from_secs(120), running).await;
        ended.expect(what).expect("no panic");
    }
    timeout(Duration::from_secs(30), free)
        .await
        .expect("in time")
        .expect("no panic");
    // Relaxed: a gauge.
    let longest = gauges.longest_queue.load(Relaxed);
    assert!(longest <= BACKLOG, "a slow watcher costs {longest} trains");
}

#[yamanote::sim::test(seeds = 100)]
async fn trains_tickets_and_crews(sim: Sim) {
    experiment(sim, None).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_lost_cancellation(sim: Sim) {
    experiment(sim, Some(Bug::LostCancellation)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_an_unbounded_queue(sim: Sim) {
    experiment(sim, Some(Bug::UnboundedQueue)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_messages_in_the_wrong_order(sim: Sim) {
    experiment(sim, Some(Bug::Reordered)).await;
}
