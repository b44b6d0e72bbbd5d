//! The service in the simulation.
#![forbid(unsafe_code)]

mod work;

use jobs::Bug;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use yamanote::sim::{Chaos, FaultKind, Sim};

async fn service(stop: CancellationToken, bug: Option<Bug>) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7000").await?;
    jobs::serve(listener, stop, bug).await
}

const KINDS: &[FaultKind] = &[
    FaultKind::Partition,
    FaultKind::OneWay,
    FaultKind::Hold,
    FaultKind::Pause,
];

async fn experiment(sim: Sim, bug: Option<Bug>) {
    let stop = CancellationToken::new();
    let token = stop.clone();
    let serving = sim
        .host("service")
        .start(move || service(token.clone(), bug));
    let clients = ["ikebukuro", "otsuka", "sugamo"];
    let asking: Vec<_> = clients
        .iter()
        .zip(0..)
        .map(|(name, me)| sim.host(name).run(work::ask("service:7000", me, 60)))
        .collect();
    let staying = sim
        .host("komagome")
        .run(async { work::stays(work::joins("service:7000").await).await });
    let chaos = Chaos::new().only(KINDS.iter().copied()).hit(["service"]);
    let chaos = chaos.cut(["service", "ikebukuro", "otsuka", "sugamo"]);
    let chaos = chaos.during(Duration::from_secs(5));
    let chaos = chaos
        .every(Duration::from_millis(500))
        .longest(Duration::from_secs(2));
    sim.storm(chaos).await;
    for client in asking {
        let asked = timeout(Duration::from_secs(120), client).await;
        asked.expect("every job is done").expect("no panic");
    }
    stop.cancel();
    let served = timeout(Duration::from_secs(10), serving).await;
    served
        .expect("it stops")
        .expect("no panic")
        .expect("no error");
    let stayed = timeout(Duration::from_secs(10), staying).await;
    stayed.expect("it says so").expect("no panic");
}

#[yamanote::sim::test(seeds = 100)]
async fn every_job_is_done_once(sim: Sim) {
    experiment(sim, None).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_lost_wake_up(sim: Sim) {
    experiment(sim, Some(Bug::LostWakeUp)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_lost_cancellation(sim: Sim) {
    experiment(sim, Some(Bug::LostCancellation)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_half_a_line(sim: Sim) {
    experiment(sim, Some(Bug::HalfALine)).await;
}
