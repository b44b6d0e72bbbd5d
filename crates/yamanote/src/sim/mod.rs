//! A whole distributed system in one process: virtual time, a network and disks that fail on
//! command, every run named by a seed and repeated exactly.
//!
//! ```no_run
//! use std::time::Duration;
//! use yamanote::sim::Sim;
//! # mod my_app {
//! #     pub async fn run(_: u32) {}
//! #     pub async fn client(_: &str) {}
//! # }
//!
//! #[yamanote::sim::test(seeds = 200)]
//! async fn survives_a_partition(sim: Sim) {
//!     for n in 1..=3 {
//!         // Any async fn that uses tokio or yamanote; a restart calls the closure again.
//!         sim.host(format!("node{n}")).start(move || my_app::run(n));
//!     }
//!     let client = sim.host("client").start(|| my_app::client("node1:8080"));
//!     sim.sleep(Duration::from_secs(5)).await;
//!     sim.net().partition(["node1"], ["node2", "node3"]);
//!     sim.sleep(Duration::from_secs(10)).await;
//!     sim.host("node2").crash();
//!     sim.host("node2").restart().await;
//!     sim.net().heal();
//!     client.await.unwrap();
//! }
//! ```
//!
//! The application is not changed, and knows nothing of it. Its runtime is the real one, as are
//! `std`, hyper, and whatever else it is made of. What is simulated is the machine below: the
//! clocks, threads, chance, sockets and files that the C library offers (the crate `yamanote-sim`).
//!
//! # Hosts
//!
//! [`Sim::host`] gives the host of a name, which other hosts find by that name. It is down until
//! [`Host::start`] gives it a program: a closure that returns a future, called again for each
//! [restart](Host::restart). The program has a runtime and a directory of its own. The
//! [handle](Running) that `start` returns is a future that waits for the program's end; there is no
//! need to await it.
//!
//! - [`Host::crash`] ends all that runs there. Futures are dropped where they wait, so destructors
//!   run, but nothing that they do reaches the network or the disk. What was written and not synced
//!   may be lost or torn.
//! - [`Host::restart`] runs the program again, on what the disk has kept; [`Host::bounce`] does
//!   both.
//! - [`Host::signal`] and [`Host::ctrl_c`] send the program a signal, which ends its process if it
//!   does not listen.
//! - [`Host::pause`] holds a host for a time, as a long collection of garbage or a stopped virtual
//!   machine would; [`Host::skew`] puts its wall clock wrong.
//! - [`Sim::net`] partitions, delays, loses; [`Host::disk`] fails, fills up, is slow.
//! - [`Host::crash_at`] crashes a host when that hurts: in a write, or when it has told others of
//!   what is not synced. [`Host::restarts_after`] is the supervisor of a program that ends.
//! - [`Sim::chaos`] has all of that happen as the seed says, until [`Sim::heal`]; [`Sim::storm`] is
//!   both, and waits.
//!
//! The test itself, the *experiment*, runs outside of all hosts: no fault reaches it.
//!
//! A program that calls [`std::process::exit`] or [`abort`](std::process::abort) ends its host's
//! process, as a signal does: the [handle](Running) tells how.
//!
//! # Logs
//!
//! `SystemTime` and `Instant` are virtual, so a logger prints virtual time without being told. With
//! the feature `tracing` what a host's threads say is within a span `host`, with its name:
//!
//! ```text
//! 2026-01-01T00:00:05.000012Z  INFO host{name="node1"}: my_app: elected term=3
//! ```
//!
//! A subscriber is global, and hosts are threads of one process: install it in the experiment,
//! before the first host starts, with `try_init` where programs have a subscriber of their own. By
//! [`note_writer`] the log goes into the trace.
//!
//! # Failing
//!
//! A run fails if the experiment panics or returns an error, if anything panics on a host (unless
//! [`Host::allow_panics`]), if nobody can run and nothing is due (a deadlock), if a poll never
//! ends, or if it takes too long. Then the seed is run again, and
//! `target/sim` has what happened: as text, as JSON lines, and as a page with a timeline. The test
//! prints the seed and the command that repeats it.
//!
//! | variable | |
//! |---|---|
//! | `YAMANOTE_SIM_SEED=7` | runs this seed alone, and writes its trace |
//! | `YAMANOTE_SIM_HERE=1` | runs it in the test's own process, for a debugger |
//! | `YAMANOTE_SIM_SEEDS=10000` | runs so many seeds instead of what the attribute says |
//! | `YAMANOTE_SIM_FIRST=1000` | the first seed; 0 if it is not set |
//! | `YAMANOTE_SIM_CHECK=1` | runs each seed twice, and names the first event that differs |
//! | `YAMANOTE_SIM_TRACE=1` | prints each event of a seed that is run alone |
//! | `YAMANOTE_SIM_JOBS=4` | runs at once; as many as there are processors if it is not set |
//! | `YAMANOTE_SIM_KEEP_GOING=1` | does not stop at the first seed that fails |
//! | `YAMANOTE_SIM_WITHOUT=3,5` | leaves these faults of [`Chaos`] out |
//! | `YAMANOTE_SIM_DIR=path` | where traces go, instead of `target/sim` |
//!
//! # Applications on Tokio
//!
//! An application that depends on `tokio` is tested with the package that stands in for it, and
//! stays on Tokio otherwise. `yamanote sim` builds the tests with that patch, in a target folder
//! and with a lock file of its own, and leaves the manifest and `Cargo.lock` as they are. It also
//! sets the cfg `yamanote_sim`, so that ordinary builds and test runs see nothing of it:
//!
//! ```toml
//! [target.'cfg(yamanote_sim)'.dev-dependencies]
//! yamanote = { version = "0.1", features = ["sim"] }
//! ```
//!
//! ```text
//! // tests/sim.rs
//! #![cfg(yamanote_sim)]
//! ```
//!
//! # For who knows turmoil or madsim
//!
//! | there | here |
//! |---|---|
//! | `sim.host(name, \|\| ..)`, `create_node().init(..)` | [`host.start(..)`](Host::start) |
//! | `sim.client(name, future)` | [`sim.host(name).run(future)`](Host::run) |
//! | `sim.run()` | not needed |
//! | `sim.crash(host)`, `sim.bounce(host)` | [`Host::crash`], [`Host::bounce`] |
//! | `handle.kill(id)`, `handle.restart(id)`, `handle.pause(id)` | [`Host::crash`] and so on |
//! | `handle.send_ctrl_c(id)` | [`Host::ctrl_c`], [`Host::signal`] |
//! | `turmoil::partition`, `repair`, `hold`, `release` | the same, of [`Net`](Sim::net) |
//! | `turmoil::lookup`, `turmoil::net::TcpStream` | whatever the application uses |
//! | `Builder::fail_rate`, `max_message_latency` | [`sim.net().all()`](Net::all), [`Net::link`] |
//! | `sim.elapsed()` | [`Sim::now`] |
//! | `#[madsim::test]`, `MADSIM_TEST_SEED` | [`#[sim::test]`](macro@test), `YAMANOTE_SIM_SEED` |
//! | `MADSIM_TEST_NUM`, `MADSIM_TEST_CHECK_DETERMINISM` | `YAMANOTE_SIM_SEEDS`, `.._CHECK` |
//! | `madsim::buggify`, `madsim::rand` | [`buggify`], whatever the application uses |
//! | `RUSTFLAGS="--cfg madsim"` | `yamanote sim`, which sets the cfg `yamanote_sim` |
//!
//! Naming a host and giving it a program are two things, so a host can be asked for again by its
//! name. The experiment is a future, and time passes while it waits. Faults come from outside the
//! hosts: a program does not cut its own cable. An experiment that returns `Ok` or nothing has
//! passed, whatever still runs.
#![forbid(unsafe_code)]

mod chaos;
mod disk;
mod ended;
mod experiment;
mod host;
mod marks;
mod net;
mod note_writer;
mod panics;
mod program;
mod running;

#[doc(hidden)]
pub mod harness;

pub use chaos::{Chaos, FaultKind};
pub use disk::Disk;
pub use ended::{Ended, TimedOut};
pub use experiment::Sim;
pub use host::Host;
pub use net::{Links, Names, Net};
pub use note_writer::{NoteWriter, note_writer};
pub use running::Running;
pub use yamanote_macros::sim_test as test;
pub use yamanote_marks::{always, buggify, sometimes};
pub use yamanote_sim::disk::{Keeps, Tear, WriteError};
pub use yamanote_sim::{Moment, Order, Rng};

#[doc(inline)]
pub use yamanote_sim::{note, now};
