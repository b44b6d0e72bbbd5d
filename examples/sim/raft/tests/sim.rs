//! The store in the simulation.
#![forbid(unsafe_code)]

mod judge;
mod work;

use kv::{Bug, Node};
use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use yamanote::sim::{Chaos, FaultKind, Sim};

const NODES: [&str; 5] = ["shinbashi", "hamamatsucho", "tamachi", "shinagawa", "osaki"];
const CLIENTS: [&str; 3] = ["gotanda", "meguro", "harajuku"];

/// How soon a node is started again that has ended.
const BACK: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(1);

const OF_DATAGRAMS: [FaultKind; 2] = [FaultKind::Duplicates, FaultKind::Reorder];

async fn node(id: u64, members: BTreeMap<u64, String>, bug: Option<Bug>) -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7000").await?;
    let folder = PathBuf::from("/");
    kv::serve(
        listener,
        Node {
            id,
            folder,
            members,
            bug,
        },
    )
    .await
}

fn start(sim: &Sim, nodes: usize, bug: Option<Bug>) -> BTreeMap<u64, String> {
    let names = (1..).zip(&NODES[..nodes]);
    let members: BTreeMap<_, _> = names
        .map(|(id, name)| (id, format!("{name}:7000")))
        .collect();
    for (id, name) in (1..).zip(&NODES[..nodes]) {
        let members = members.clone();
        // A node whose disk fails ends, and its supervisor starts it again.
        let host = sim.host(name).restarts_after(BACK);
        host.start(move || node(id, members.clone(), bug));
    }
    members
}

/// What may happen to three nodes, or to five: also to all of them at once.
fn all(nodes: usize) -> Chaos {
    let chaos = Chaos::new()
        .without(OF_DATAGRAMS)
        .hit(NODES[..nodes].iter().copied());
    let chaos = chaos.during(Duration::from_secs(20));
    chaos
        .every(Duration::from_millis(500))
        .longest(Duration::from_secs(3))
}

/// The same without disks that fail: most mistakes are about something else.
fn with_good_disks(nodes: usize) -> Chaos {
    all(nodes).without(FaultKind::DISK.iter().copied())
}

async fn experiment(sim: Sim, nodes: usize, chaos: Chaos, bug: Option<Bug>) {
    let members = start(&sim, nodes, bug);
    let history = work::Calls::default();
    let calling: Vec<_> = CLIENTS
        .iter()
        .zip(0..)
        .map(|(name, me)| {
            let (members, history) = (members.clone(), history.clone());
            sim.host(name).run(work::calls(members, me, 60, history))
        })
        .collect();
    sim.storm(chaos).await;
    judge::end(calling, &history).await;
    judge::all_agree(&sim, members).await;
}

#[yamanote::sim::test(seeds = 100)]
async fn three_nodes_are_one_store(sim: Sim) {
    experiment(sim, 3, all(3), None).await;
}

#[yamanote::sim::test(seeds = 50)]
async fn five_nodes_are_one_store(sim: Sim) {
    experiment(sim, 5, all(5), None).await;
}

/// Disks that fail to sync, to write and to read, or are full; and crashes, since what a failed
/// sync was for is there until then.
#[yamanote::sim::test(seeds = 100)]
async fn disks_that_fail_lose_nothing(sim: Sim) {
    let chaos = all(3).only(FaultKind::DISK.iter().copied().chain(CRASHES));
    experiment(sim, 3, chaos, None).await;
}

/// Syncs that do nothing, and processes that end, but no machine that crashes. That is all that can
/// be asked: with crashes such a disk loses what was answered (`finds_disks_that_lie`).
#[yamanote::sim::test(seeds = 50)]
async fn disks_that_lie_lose_nothing_without_a_crash(sim: Sim) {
    let chaos = all(3).without(CRASHES);
    experiment(sim, 3, chaos.and([FaultKind::LyingSync]), None).await;
}

const CRASHES: [FaultKind; 3] = [
    FaultKind::Crash,
    FaultKind::CrashAtWrite,
    FaultKind::CrashAtSend,
];

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_disks_that_lie(sim: Sim) {
    let chaos = with_good_disks(3).and([FaultKind::LyingSync]);
    experiment(sim, 3, chaos, None).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_missing_sync(sim: Sim) {
    experiment(sim, 3, with_good_disks(3), Some(Bug::LogNotSynced)).await;
}

/// Elections, and short crashes. A leader that was and a node that has forgotten its vote must meet
/// before they hear of the leader that is.
#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_vote_that_is_not_synced(sim: Sim) {
    let short = Duration::from_millis(1)..=Duration::from_millis(100);
    let chaos = with_good_disks(3).every(Duration::from_millis(300));
    let chaos = chaos.only([FaultKind::Shift, FaultKind::Crash, FaultKind::CrashAtSend]);
    let chaos = chaos.lasting(FaultKind::Crash, short.clone());
    let chaos = chaos.lasting(FaultKind::CrashAtSend, short);
    experiment(sim, 3, chaos, Some(Bug::VoteNotSynced)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_torn_write(sim: Sim) {
    let chaos = with_good_disks(3).only([FaultKind::CrashAtWrite, FaultKind::SlowDisk]);
    experiment(sim, 3, chaos, Some(Bug::TornWrite)).await;
}

/// The failed sync of a node that was started again, and trusted what it could read.
#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_trust_in_what_a_failed_sync_left(sim: Sim) {
    let chaos = all(3).only([FaultKind::FailingSync].into_iter().chain(CRASHES));
    experiment(sim, 3, chaos, Some(Bug::TrustsTheCache)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_read_of_a_leader_that_was(sim: Sim) {
    experiment(sim, 3, with_good_disks(3), Some(Bug::LocalRead)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_call_applied_twice(sim: Sim) {
    experiment(sim, 3, with_good_disks(3), Some(Bug::AppliedTwice)).await;
}

// --- what is measured, and asserts nothing: too long for each run of the tests. The README has the
// figures, and the command that repeats them:
// `cargo test --release -p kv --test sim -- --ignored`

#[yamanote::sim::test(seeds = 1, limit = 7200)]
#[ignore = "an hour of three nodes that do nothing"]
async fn idle(sim: Sim) {
    start(&sim, 3, None);
    sim.sleep(Duration::from_secs(3600)).await;
}

#[yamanote::sim::test(seeds = 1, limit = 7200)]
#[ignore = "ten minutes of three nodes and three clients"]
async fn load(sim: Sim) {
    let members = start(&sim, 3, None);
    let history = work::Calls::default();
    for (name, me) in CLIENTS.iter().zip(0..) {
        let calls = work::calls(members.clone(), me, usize::MAX, history.clone());
        sim.host(name).run(calls);
    }
    sim.sleep(Duration::from_secs(600)).await;
    println!("{} calls", history.len());
}

#[yamanote::sim::test(seeds = 1, limit = 7200)]
#[ignore = "a thousand hosts that do nothing: for the memory of each"]
async fn a_thousand_hosts(sim: Sim) {
    for number in 0..1_000 {
        sim.host(format!("host{number}"))
            .start(std::future::pending::<()>);
    }
    sim.sleep(Duration::from_secs(1)).await;
}
