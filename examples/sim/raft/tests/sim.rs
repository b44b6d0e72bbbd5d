//! The store in the simulation.
#![forbid(unsafe_code)]

mod work;

use faults::{Fault, Storm};
use kv::{Bug, Node};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use yamanote::sim::Sim;

const NODES: [&str; 5] = ["shinbashi", "hamamatsucho", "tamachi", "shinagawa", "osaki"];
const CLIENTS: [&str; 3] = ["gotanda", "meguro", "harajuku"];

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
        sim.host(name).start(move || node(id, members.clone(), bug));
    }
    members
}

const ALL: &[Fault] = &[
    Fault::Partition,
    Fault::OneWay,
    Fault::Hold,
    Fault::Crash,
    Fault::Pause,
    Fault::SlowDisk,
];

async fn experiment(sim: Sim, nodes: usize, faults: &[Fault], bug: Option<Bug>) {
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
    let hosts: Vec<_> = NODES[..nodes].iter().chain(&CLIENTS).copied().collect();
    let storm = Storm {
        nodes: &NODES[..nodes],
        hosts: &hosts,
        faults,
        time: Duration::from_secs(20),
    };
    storm.rage(&sim).await;
    for client in calling {
        let called = timeout(Duration::from_secs(300), client).await;
        called
            .expect("everybody is answered in the end")
            .expect("no panic");
    }
    work::check(&history);
    let agreeing = sim.host("yoyogi").run(work::agree(members));
    let agreed = timeout(Duration::from_secs(30), agreeing).await;
    agreed.expect("all nodes catch up").expect("no panic");
}

#[yamanote::sim::test(seeds = 100)]
async fn three_nodes_are_one_store(sim: Sim) {
    experiment(sim, 3, ALL, None).await;
}

#[yamanote::sim::test(seeds = 50)]
async fn five_nodes_are_one_store(sim: Sim) {
    experiment(sim, 5, ALL, None).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_missing_sync(sim: Sim) {
    experiment(sim, 3, ALL, Some(Bug::LogNotSynced)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_vote_that_is_not_synced(sim: Sim) {
    experiment(sim, 3, ALL, Some(Bug::VoteNotSynced)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_torn_write(sim: Sim) {
    experiment(
        sim,
        3,
        &[Fault::Crash, Fault::SlowDisk],
        Some(Bug::TornWrite),
    )
    .await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_read_of_a_leader_that_was(sim: Sim) {
    experiment(sim, 3, ALL, Some(Bug::LocalRead)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_call_applied_twice(sim: Sim) {
    experiment(sim, 3, ALL, Some(Bug::AppliedTwice)).await;
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
