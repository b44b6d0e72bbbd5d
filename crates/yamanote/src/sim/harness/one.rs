//! One run, in this process.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use yamanote_sim::{Config, Record, Threads};

use super::outcome::Outcome;
use super::{Test, Verdict};
use crate::runtime::Builder;
use crate::sim::ended::panic_text;
use crate::sim::{Sim, chaos, marks, panics};

/// How long a thread may run in real time without a call to the simulated machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What runs the threads of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) processor: Option<usize>,
    pub(super) threads: Threads,
}

/// Runs the experiment under a seed.
pub(super) fn run<P, F>(
    test: &Test,
    seed: u64,
    place: Place,
    record: Record,
    experiment: P,
) -> (Outcome, Record)
where
    P: FnOnce(Sim) -> F + Send + 'static,
    F: Future,
    F::Output: Verdict,
{
    let config = Config {
        order: test.order,
        record,
        processor: place.processor,
        threads: place.threads,
        limit: Some(test.limit()),
        // Noticed before the run takes too long as a whole.
        patience: PATIENCE.min(Duration::from_secs(test.real_limit_s.into()) / 5),
        ..Config::new(seed)
    };
    marks::observe();
    let (answer, trace) = yamanote_sim::run(config, move || {
        let sim = Sim::new(seed);
        panics::watch(sim.clone());
        panics::watch_ends(sim.clone());
        let ended = catch_unwind(AssertUnwindSafe(|| experience(&sim, experiment)));
        let failure = ended.unwrap_or_else(|panic| Some(panic_text(&*panic).to_owned()));
        (failure, yamanote_sim::now(), chaos::drawn())
    });
    let (failure, time, faults) = answer.expect("the experiment's panic was caught");
    let outcome = Outcome {
        seed,
        failure,
        hash: trace.hash(),
        events: trace.events(),
        virtual_ns: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
        marks: marks::take(),
        faults,
        hashes: Vec::new(),
    };
    (outcome, trace.into_record())
}

/// Why it has failed.
fn experience<P, F>(sim: &Sim, experiment: P) -> Option<String>
where
    P: FnOnce(Sim) -> F,
    F: Future,
    F::Output: Verdict,
{
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a simulated machine has what a runtime needs");
    let failure = runtime.block_on(async {
        crate::select! {
            biased;
            failure = sim.failed() => Some(failure),
            verdict = experiment(sim.clone()) => verdict.failure(),
        }
    });
    // What has failed just now, in the step that ended it.
    let failure = failure.or_else(|| sim.failure());
    // What runs there is over with the world, and so is the process.
    std::mem::forget(runtime);
    failure
}
