//! The lease in the simulation.
#![forbid(unsafe_code)]

mod work;

use lease::{Bug, TERM};
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use work::Resource;
use yamanote::sim::{Chaos, FaultKind, Sim};

async fn server() -> io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:6379").await?;
    lease::serve(listener, TERM).await
}

/// Two tasks of a host, with its name.
async fn workers(name: &'static str, resource: Resource, bug: Option<Bug>) {
    let tasks: Vec<_> = (0..2)
        .map(|task| {
            let it = resource.clone();
            tokio::spawn(async move { work::works("redis:6379", name, task, 5, it, bug).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

/// Who works, and who gives leases. Only the latter crashes: the others work once.
const HOSTS: [&str; 4] = ["redis", "kanda", "tokyo", "yurakucho"];

const KINDS: &[FaultKind] = &[
    FaultKind::Partition,
    FaultKind::OneWay,
    FaultKind::Hold,
    FaultKind::Crash,
    FaultKind::Skew,
];

async fn experiment(sim: Sim, bug: Option<Bug>) {
    sim.host("redis").start(server);
    let resource = Resource::new(false);
    let working: Vec<_> = ["kanda", "tokyo", "yurakucho"]
        .into_iter()
        .map(|name| sim.host(name).run(workers(name, resource.clone(), bug)))
        .collect();
    let chaos = Chaos::new().only(KINDS.iter().copied()).hit(HOSTS);
    let chaos = chaos.cut(HOSTS);
    let chaos = chaos.during(Duration::from_secs(10));
    let chaos = chaos.most_skew(Duration::from_secs(2));
    let chaos = chaos
        .every(Duration::from_millis(500))
        .longest(Duration::from_secs(2));
    sim.storm(chaos).await;
    for workers in working {
        let worked = timeout(Duration::from_secs(120), workers).await;
        worked
            .expect("everybody has the lease some time")
            .expect("no panic");
    }
}

#[yamanote::sim::test(seeds = 100)]
async fn one_works_at_a_time(sim: Sim) {
    experiment(sim, None).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_the_clock_on_the_wall(sim: Sim) {
    experiment(sim, Some(Bug::WallClock)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_a_lease_that_is_taken_for_another(sim: Sim) {
    experiment(sim, Some(Bug::SameToken)).await;
}

#[yamanote::sim::test(seeds = 1000)]
#[should_panic]
async fn finds_work_without_a_lease(sim: Sim) {
    experiment(sim, Some(Bug::NoDeadline)).await;
}
