//! The lease in the simulation.
#![forbid(unsafe_code)]

mod work;

use faults::{Fault, Storm};
use lease::{Bug, TERM};
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use work::Resource;
use yamanote::sim::Sim;

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

async fn experiment(sim: Sim, bug: Option<Bug>) {
    sim.host("redis").start(server);
    let resource = Resource::default();
    let working: Vec<_> = ["kanda", "tokyo", "yurakucho"]
        .into_iter()
        .map(|name| sim.host(name).run(workers(name, resource.clone(), bug)))
        .collect();
    let storm = Storm {
        nodes: &["redis"],
        hosts: &["redis", "kanda", "tokyo", "yurakucho"],
        faults: &[
            Fault::Partition,
            Fault::OneWay,
            Fault::Hold,
            Fault::Crash,
            Fault::Skew,
        ],
        time: Duration::from_secs(10),
    };
    storm.rage(&sim).await;
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

#[yamanote::sim::test(seeds = 100)]
#[should_panic]
async fn finds_the_clock_on_the_wall(sim: Sim) {
    experiment(sim, Some(Bug::WallClock)).await;
}

#[yamanote::sim::test(seeds = 100)]
#[should_panic]
async fn finds_a_lease_that_is_taken_for_another(sim: Sim) {
    experiment(sim, Some(Bug::SameToken)).await;
}

#[yamanote::sim::test(seeds = 100)]
#[should_panic]
async fn finds_work_without_a_lease(sim: Sim) {
    experiment(sim, Some(Bug::NoDeadline)).await;
}
