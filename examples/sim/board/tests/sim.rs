//! The board in the simulation: mistakes that were in published versions of crates.
#![forbid(unsafe_code)]

mod work;

use board::{Cache, Moka06, Moka07, QuickCache05, QuickCache06};
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use yamanote::sim::{Chaos, FaultKind, Sim};

const TRAINS: u32 = 50;
const PASSENGERS: [&str; 3] = ["komagome", "sugamo", "otsuka"];
const BOARD: &str = "board:80";

async fn board<C: Cache>() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    board::serve::<C>(listener, "office:80").await
}

async fn office() -> io::Result<()> {
    board::serve_office(TcpListener::bind("0.0.0.0:80").await?).await
}

async fn experiment<C: Cache>(sim: Sim) {
    sim.host("office").start(office);
    sim.host("board").start(board::<C>);
    let looking: Vec<_> = PASSENGERS
        .iter()
        .map(|name| sim.host(name).run(work::looks(BOARD, TRAINS)))
        .collect();
    sim.host("announcer").run(work::announces(BOARD, TRAINS));
    let chaos = Chaos::new().hit(["office", "board"]).only([
        FaultKind::Partition,
        FaultKind::OneWay,
        FaultKind::Hold,
        FaultKind::Pause,
        FaultKind::SlowLinks,
        FaultKind::Loss,
    ]);
    let chaos = chaos.during(Duration::from_secs(5));
    let chaos = chaos.every(Duration::from_millis(500));
    sim.storm(chaos.longest(Duration::from_secs(2))).await;
    for passenger in looking {
        let looked = timeout(Duration::from_secs(60), passenger).await;
        looked.expect("every train is shown").expect("no panic");
    }
}

#[yamanote::sim::test(seeds = 100)]
async fn trains_are_shown_with_moka_0_7_0(sim: Sim) {
    experiment::<Moka07>(sim).await;
}

#[yamanote::sim::test(seeds = 100)]
async fn trains_are_shown_with_quick_cache_0_6_2(sim: Sim) {
    experiment::<QuickCache06>(sim).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_the_dropped_task_of_moka_0_6_2(sim: Sim) {
    experiment::<Moka06>(sim).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_the_other_insert_of_quick_cache_0_5_1(sim: Sim) {
    experiment::<QuickCache05>(sim).await;
}
