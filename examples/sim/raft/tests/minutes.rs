//! How many virtual minutes of the store a machine runs. Both tests check what is true of the store
//! as `sim.rs` does; they are ignored because ten thousand seeds take long. The README has the
//! figures, and the command that repeats them.
#![forbid(unsafe_code)]

mod judge;
mod work;

use kv::Node;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use yamanote::sim::{Chaos, FaultKind, Sim};

const NODES: [&str; 3] = ["shinbashi", "hamamatsucho", "tamachi"];
const CLIENTS: [&str; 3] = ["gotanda", "meguro", "harajuku"];
const MINUTE: Duration = Duration::from_secs(60);

fn start(sim: &Sim) -> BTreeMap<u64, String> {
    let names = (1..).zip(NODES);
    let members: BTreeMap<_, _> = names
        .clone()
        .map(|(id, name)| (id, format!("{name}:7000")))
        .collect();
    for (id, name) in names {
        let members = members.clone();
        sim.host(name).start(move || {
            let node = Node {
                id,
                folder: PathBuf::from("/"),
                members: members.clone(),
                bug: None,
            };
            async move {
                let listener = TcpListener::bind("0.0.0.0:7000").await?;
                kv::serve(listener, node).await
            }
        });
    }
    members
}

/// Nobody asks: heartbeats alone.
#[yamanote::sim::test(seeds = 10_000)]
#[ignore = "ten thousand idle minutes: run by hand, as the README says"]
async fn idle(sim: Sim) {
    let members = start(&sim);
    sim.sleep(MINUTE).await;
    judge::all_agree(&sim, members).await;
}

/// Three clients ask 150 times each, about 50 ms apart, while nodes crash and links are cut.
#[yamanote::sim::test(seeds = 10_000)]
#[ignore = "ten thousand stormy minutes: run by hand, as the README says"]
async fn stormy(sim: Sim) {
    let members = start(&sim);
    let history = work::Calls::default();
    let calls = |me| work::calls(members.clone(), me, 150, history.clone());
    let clients = CLIENTS.iter().zip(0..);
    let calling: Vec<_> = clients
        .map(|(name, me)| sim.host(name).run(calls(me)))
        .collect();
    let mut chaos = Chaos::new()
        .during(MINUTE)
        .every(Duration::from_secs(1))
        .longest(Duration::from_secs(3))
        .only([
            FaultKind::Crash,
            FaultKind::Pause,
            FaultKind::Partition,
            FaultKind::OneWay,
            FaultKind::Hold,
            FaultKind::SlowLinks,
            FaultKind::Loss,
            FaultKind::SlowDisk,
        ]);
    for name in CLIENTS {
        chaos = chaos.spare(name);
    }
    sim.chaos(chaos);
    sim.sleep(MINUTE).await;
    sim.heal();
    judge::end(calling, &history).await;
    judge::all_agree(&sim, members).await;
}
