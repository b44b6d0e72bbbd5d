//! The process that forks one for each seed.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use yamanote_sim::processes::{self, End};
use yamanote_sim::{Listener, Record, Threads};

use super::environment::Settings;
use super::outcome::{Finished, Outcome};
use super::report::{Report, Tally};
use super::trace;
use super::{Test, Verdict, one};
use crate::sim::Sim;

/// Lines that frame the report, on the standard output.
pub(super) const BEGIN: &str = "@yamanote-sim report";
pub(super) const PASSED: &str = "@yamanote-sim passed";
pub(super) const FAILED: &str = "@yamanote-sim failed";

/// Runs the test with all seeds that are asked for, and ends the process.
pub(super) fn run<P, F>(test: &Test, settings: &Settings, experiment: P) -> !
where
    P: Fn(Sim) -> F + Clone + Send + 'static,
    F: Future,
    F::Output: Verdict,
{
    fix_addresses();
    processes::share_one_heap();
    let zygote = Zygote {
        test,
        settings,
        experiment,
    };
    println!("\n{BEGIN}");
    let has_passed = match settings.only {
        Some(seed) => zygote.run_only(seed),
        None => zygote.run_all(),
    };
    println!("{}", if has_passed { PASSED } else { FAILED });
    let _ = io::stdout().flush();
    processes::exit_now(0)
}

/// Has the program begin again with everything at the same addresses each time. Where that is not
/// allowed it goes on without: what depends on addresses then differs between runs.
fn fix_addresses() {
    const TRIED: &str = "YAMANOTE_SIM_FIXED";
    if processes::has_fixed_addresses() || env::var_os(TRIED).is_some() {
        return;
    }
    if processes::fix_addresses().is_ok() {
        let program = env::current_exe().expect("a test program knows where it is");
        let mut again = Command::new(program);
        again.args(env::args_os().skip(1)).env(TRIED, "1");
        let error = again.exec();
        eprintln!("the test program cannot be executed again: {error}");
    }
}

struct Zygote<'a, P> {
    test: &'a Test,
    settings: &'a Settings,
    experiment: P,
}

/// A forked process and the files that it writes.
struct Child {
    pid: i32,
    seed: u64,
    /// Which of the jobs it is.
    job: usize,
    output: File,
    result: File,
}

impl<P, F> Zygote<'_, P>
where
    P: Fn(Sim) -> F + Clone + Send + 'static,
    F: Future,
    F::Output: Verdict,
{
    /// Whether all have passed.
    fn run_all(&self) -> bool {
        let Settings { first, seeds, .. } = *self.settings;
        let start = Instant::now();
        let mut seeds = first..first.saturating_add(seeds);
        let mut tally = Tally::default();
        let mut children: BTreeMap<i32, Child> = BTreeMap::new();
        let mut failed: Option<Finished> = None;
        loop {
            while children.len() < self.settings.jobs {
                let may_begin = failed.is_none() || self.settings.keeps_going;
                let Some(seed) = may_begin.then(|| seeds.next()).flatten() else {
                    break;
                };
                let is_taken = |job: &usize| children.values().any(|it| it.job == *job);
                let job = (0..self.settings.jobs).find(|job| !is_taken(job));
                let child = self.begin(seed, job.unwrap_or(0));
                children.insert(child.pid, child);
            }
            if children.is_empty() {
                break;
            }
            let finished = self.wait(&mut children);
            tally.add(&finished.outcome);
            self.tell_progress(&tally);
            let seed = finished.outcome.seed;
            if finished.outcome.failure.is_some()
                && failed.as_ref().is_none_or(|it| seed < it.outcome.seed)
            {
                failed = Some(finished);
            }
        }
        let report = Report::new(self.test, self.settings, &tally, start.elapsed());
        match &failed {
            None => report.print_passed(),
            Some(failed) => {
                let (again, events) = self.trace(failed.outcome.seed);
                report.print_failed(failed, &again, &events);
            }
        }
        report.record();
        failed.is_none()
    }

    fn run_only(&self, seed: u64) -> bool {
        let start = Instant::now();
        let (finished, events) = self.trace(seed);
        let mut tally = Tally::default();
        tally.add(&finished.outcome);
        let report = Report::new(self.test, self.settings, &tally, start.elapsed());
        let has_passed = finished.outcome.failure.is_none();
        if self.settings.prints {
            events.lines().for_each(|line| println!("{line}"));
        }
        match has_passed {
            true => report.print_only(&finished, &events),
            false => report.print_failed(&finished, &finished, &events),
        }
        report.record();
        has_passed
    }

    fn begin(&self, seed: u64, job: usize) -> Child {
        self.fork(seed, job, || match self.settings.checks {
            true => self.check(seed, job),
            false => self.run_one(seed, job, Record::Hash).0,
        })
    }

    fn run_one(&self, seed: u64, job: usize, record: Record) -> (Outcome, Record) {
        let place = one::Place {
            processor: self.settings.processors.get(job).copied(),
            threads: Threads::Carried,
        };
        one::run(self.test, seed, place, record, self.experiment.clone())
    }

    /// Has a child do something that ends in an outcome.
    fn fork(&self, seed: u64, job: usize, run: impl FnOnce() -> Outcome) -> Child {
        let files = processes::memory_file().and_then(|it| Ok((it, processes::memory_file()?)));
        let (output, result) = files.expect("a file in memory can be had");
        let _ = io::stdout().flush();
        let pid = processes::fork(&output, self.test.real_limit_s, || {
            let outcome = run();
            let written = (&result).write_all(outcome.write().as_bytes());
            u8::from(written.is_err())
        });
        Child {
            pid: pid.expect("a process can be had"),
            seed,
            job,
            output,
            result,
        }
    }

    /// Waits for one of the children.
    fn wait(&self, children: &mut BTreeMap<i32, Child>) -> Finished {
        loop {
            let (pid, end) = processes::wait_any().expect("there is a child");
            if let Some(child) = children.remove(&pid) {
                return self.finish(child, end);
            }
        }
    }

    fn finish(&self, mut child: Child, end: End) -> Finished {
        let output = read(&mut child.output);
        let outcome = Outcome::read(&read(&mut child.result)).unwrap_or_else(|| Outcome {
            seed: child.seed,
            failure: Some(self.early_end(end, &output)),
            ..Outcome::default()
        });
        Finished { outcome, output }
    }

    /// Why a run has not come to its outcome.
    fn early_end(&self, end: End, output: &str) -> String {
        const SIGALRM: i32 = 14;
        let said = output.find("simulation, seed ").map(|at| &output[at..]);
        let said = said.and_then(|it| it.split_once(": "));
        match (end, said) {
            (_, Some((_seed, message))) => message.trim_end().to_owned(),
            (End::Signal(SIGALRM), _) => {
                let limit = self.test.real_limit_s;
                format!("the run takes longer than {limit} s of real time")
            }
            (End::Signal(signal), _) => format!("the process was ended by signal {signal}"),
            (End::Exit(code), _) => {
                format!("the experiment has left the process, with code {code}")
            }
        }
    }

    /// Runs a seed once more, and takes down what happens.
    fn trace(&self, seed: u64) -> (Finished, String) {
        let mut events = processes::memory_file().expect("a file in memory can be had");
        let writer = events.try_clone().expect("a descriptor can be had");
        let child = self.fork(seed, 0, || {
            let record = Record::Tell(Listener(Box::new(trace::writer(writer))));
            self.run_one(seed, 0, record).0
        });
        let finished = self.wait(&mut BTreeMap::from([(child.pid, child)]));
        let events = read(&mut events);
        (finished, events)
    }

    // --- determinism

    /// Runs a seed twice, in children of this child; the first difference is a failure.
    fn check(&self, seed: u64, job: usize) -> Outcome {
        let first = self.in_child(seed, job, Record::Hashes(Vec::new()));
        let compare = Record::Compare {
            with: first.hashes.clone(),
            differs: None,
        };
        let mut second = self.in_child(seed, job, compare);
        let differs = second.failure.as_deref().and_then(differing_event);
        if let Some(number) = differs {
            let again = self.look_at(seed, job, first.hashes, number);
            let failure = second.failure.take().unwrap_or_default();
            second.failure = Some(format!("{failure}\n\nand of another run\n{again}"));
        } else if (second.hash, second.events) != (first.hash, first.events) {
            second.failure = Some(format!(
                "{DIFFERS}: {} events in one run, {} in the other, which ended with {:?} and {:?}",
                first.events, second.events, first.failure, second.failure
            ));
        }
        second
    }

    /// What a run has at the event of that number, or where it is not like the first one before.
    fn look_at(&self, seed: u64, job: usize, mut first: Vec<u64>, number: usize) -> String {
        if let Some(hash) = first.get_mut(number) {
            // No run has that.
            *hash ^= 1;
        }
        let compare = Record::Compare {
            with: first,
            differs: None,
        };
        let third = self.in_child(seed, job, compare);
        third.failure.unwrap_or_else(|| "nothing".to_owned())
    }

    fn in_child(&self, seed: u64, job: usize, record: Record) -> Outcome {
        let child = self.fork(seed, job, || {
            let (mut outcome, record) = self.run_one(seed, job, record);
            match record {
                Record::Hashes(hashes) => outcome.hashes = hashes,
                Record::Compare {
                    differs: Some(event),
                    ..
                } => {
                    let number = event.number;
                    outcome.failure = Some(format!("{DIFFERS}: event {number} is\n{event}"));
                }
                _ => {}
            }
            outcome
        });
        let finished = self.wait(&mut BTreeMap::from([(child.pid, child)]));
        print!("{}", finished.output);
        finished.outcome
    }

    fn tell_progress(&self, tally: &Tally) {
        let Some(path) = &self.settings.progress else {
            return;
        };
        let file = File::options().append(true).create(true).open(path);
        let (name, done, failed) = (self.test.full_name(), tally.runs, tally.failed.len());
        let line = format!("{name}\t{done}\t{failed}\t{}\n", self.settings.seeds);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// How the failure of a run begins that was not like the other.
const DIFFERS: &str = "not deterministic";

/// The number of the event that such a failure names.
fn differing_event(failure: &str) -> Option<usize> {
    let rest = failure.strip_prefix(DIFFERS)?.strip_prefix(": event ")?;
    rest.split(' ').next()?.parse().ok()
}

fn read(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let done = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
    done.expect("a file in memory can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}
