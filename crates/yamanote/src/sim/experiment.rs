//! The experiment's view of a simulation.
#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use yamanote_sim::{HostId, Rng, Stream, with_rng};

use super::ended::TimedOut;
use super::host::Host;
use crate::sync::Notify;
use crate::task::JoinHandle;
use crate::util::poison::unpoisoned;

/// A simulation, as the experiment controls it; a handle, whose clones are the same.
///
/// The [test attribute](macro@super::test) gives it to its function.
#[derive(Debug, Clone)]
pub struct Sim {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    seed: u64,
    hosts: Mutex<Vec<Host>>,
    /// Why the run has failed, apart from the experiment itself.
    failure: Mutex<Option<String>>,
    has_failed: Notify,
    /// What chaos does.
    faults: Mutex<Vec<JoinHandle<()>>>,
}

/// Between two looks of [`Sim::until`].
const LOOKS: Duration = Duration::from_millis(10);

impl Sim {
    pub(super) fn new(seed: u64) -> Sim {
        Sim {
            state: Arc::new(State {
                seed,
                hosts: Mutex::default(),
                failure: Mutex::default(),
                has_failed: Notify::new(),
                faults: Mutex::default(),
            }),
        }
    }

    /// The seed of this run.
    pub fn seed(&self) -> u64 {
        self.state.seed
    }

    /// The host of that name. It is made when it is first asked for, and is down until it is
    /// [started](Host::start).
    pub fn host(&self, name: impl AsRef<str>) -> Host {
        let name = name.as_ref();
        let mut hosts = unpoisoned(self.state.hosts.lock());
        if let Some(host) = hosts.iter().find(|host| host.name() == name) {
            return host.clone();
        }
        let host = Host::new(name);
        hosts.push(host.clone());
        host
    }

    /// All hosts, in the order in which they were made.
    pub fn hosts(&self) -> Vec<Host> {
        unpoisoned(self.state.hosts.lock()).clone()
    }

    pub(super) fn host_of(&self, id: HostId) -> Option<Host> {
        let hosts = unpoisoned(self.state.hosts.lock());
        hosts.iter().find(|host| host.id() == id).cloned()
    }

    /// Virtual time since the run began.
    pub fn now(&self) -> Duration {
        yamanote_sim::now()
    }

    /// Lets a time pass.
    pub async fn sleep(&self, time: Duration) {
        crate::time::sleep(time).await;
    }

    /// Waits until `condition` is true. It is looked at each 10 ms of virtual time.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if it is not true within `limit`.
    pub async fn until(
        &self,
        mut condition: impl FnMut() -> bool,
        limit: Duration,
    ) -> Result<(), TimedOut> {
        let end = self.now().saturating_add(limit);
        while !condition() {
            if self.now() >= end {
                return Err(TimedOut { limit });
            }
            crate::time::sleep(LOOKS).await;
        }
        Ok(())
    }

    /// A source of chance for the experiment, from the seed. What is drawn from it changes nothing
    /// else that is drawn.
    pub fn rng(&self) -> Rng {
        Rng::new(with_rng(Stream::Experiment, Rng::next))
    }

    /// A number that two runs share if the same has happened in both, so far.
    pub fn trace_hash(&self) -> u64 {
        yamanote_sim::trace_hash()
    }

    /// Keeps what chaos does, for [`take_faults`](Self::take_faults).
    pub(super) fn keep_faults(&self, tasks: Vec<JoinHandle<()>>) {
        unpoisoned(self.state.faults.lock()).extend(tasks);
    }

    pub(super) fn take_faults(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *unpoisoned(self.state.faults.lock()))
    }

    /// The run has failed, whatever the experiment goes on to do.
    pub(super) fn fail(&self, message: String) {
        unpoisoned(self.state.failure.lock()).get_or_insert(message);
        self.state.has_failed.notify_one();
    }

    /// Why it has failed, apart from the experiment itself.
    pub(super) fn failure(&self) -> Option<String> {
        unpoisoned(self.state.failure.lock()).clone()
    }

    /// Waits until it has failed.
    pub(super) async fn failed(&self) -> String {
        loop {
            if let Some(message) = self.failure() {
                return message;
            }
            self.state.has_failed.notified().await;
        }
    }
}
