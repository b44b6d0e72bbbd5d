//! The bank in the simulation.
#![forbid(unsafe_code)]

mod work;

use bank::{Bug, Client};
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use work::START;
use yamanote::sim::{Chaos, FaultKind, Sim};

const CLIENTS: [&str; 3] = ["komagome", "tabata", "nippori"];

async fn bank(bug: Option<Bug>) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:80").await?;
    bank::serve(listener, "/journal", bug).await
}

/// Looks again and again whether money is made or lost: each account was opened with the same.
async fn audit() {
    let client = Client::new("bank:80", None);
    loop {
        let total = client.total().await;
        assert_eq!(total % START, 0, "money is neither made nor lost");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What may happen to the bank, and between it and those who pay.
fn all() -> Chaos {
    let chaos = Chaos::new().hit(["bank"]);
    let chaos = chaos.cut(["bank"].into_iter().chain(CLIENTS));
    let chaos = chaos.without([FaultKind::Duplicates, FaultKind::Reorder]);
    let chaos = chaos.during(Duration::from_secs(10));
    chaos
        .every(Duration::from_millis(500))
        .longest(Duration::from_secs(3))
}

/// The same without a disk that fails: the mistakes are about something else.
fn with_a_good_disk() -> Chaos {
    all().without(FaultKind::DISK.iter().copied())
}

async fn experiment(sim: Sim, chaos: Chaos, bug: Option<Bug>) {
    // A bank that cannot read its journal ends.
    let back = Duration::from_millis(10)..=Duration::from_secs(1);
    let host = sim.host("bank").restarts_after(back);
    host.start(move || bank(bug));
    let client = || Client::new("bank:80", None);
    let opening = async move { work::open_shared(&client()).await };
    let opened = timeout(Duration::from_secs(10), sim.host("teller").run(opening)).await;
    opened.expect("in time").expect("no panic");
    sim.host("auditor").run(audit());
    let paying: Vec<_> = CLIENTS
        .iter()
        .zip(0..)
        .map(|(name, me)| {
            let pay = async move { work::pay(Client::new("bank:80", bug), me, 15).await };
            sim.host(name).run(pay)
        })
        .collect();
    sim.storm(chaos).await;
    for client in paying {
        let paid = timeout(Duration::from_secs(60), client).await;
        paid.expect("everybody is answered in the end")
            .expect("no panic");
    }
    let last = async { Client::new("bank:80", None).total().await };
    let total = timeout(Duration::from_secs(10), sim.host("inspector").run(last)).await;
    assert_eq!(total.expect("in time").expect("no panic"), 5 * START);
}

#[yamanote::sim::test(seeds = 100)]
async fn money_moves_once(sim: Sim) {
    experiment(sim, all(), None).await;
}

#[yamanote::sim::test(seeds = 100)]
async fn a_disk_that_fails_loses_nothing(sim: Sim) {
    let crashes = [
        FaultKind::Crash,
        FaultKind::CrashAtWrite,
        FaultKind::CrashAtSend,
    ];
    let chaos = all().only(FaultKind::DISK.iter().copied().chain(crashes));
    experiment(sim, chaos, None).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_disk_that_lies(sim: Sim) {
    let chaos = with_a_good_disk().and([FaultKind::LyingSync]);
    experiment(sim, chaos, None).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_transfer_applied_twice(sim: Sim) {
    experiment(sim, with_a_good_disk(), Some(Bug::AppliedTwice)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_forgotten_keys(sim: Sim) {
    experiment(sim, with_a_good_disk(), Some(Bug::KeysForgotten)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_missing_sync(sim: Sim) {
    experiment(sim, with_a_good_disk(), Some(Bug::NotSynced)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_deadlock_of_two_locks(sim: Sim) {
    experiment(sim, with_a_good_disk(), Some(Bug::LockOrder)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_half_a_transfer(sim: Sim) {
    experiment(sim, with_a_good_disk(), Some(Bug::HalfATransfer)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_forgotten_timeout(sim: Sim) {
    experiment(sim, with_a_good_disk(), Some(Bug::NoTimeout)).await;
}
