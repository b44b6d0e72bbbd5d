//! Which core a process runs on.
#![forbid(unsafe_code)]

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// The cores that this process may use.
pub struct Cores {
    all: Vec<usize>,
}

impl Cores {
    pub fn read() -> io::Result<Cores> {
        let set = sched_getaffinity(None)?;
        let all = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu));
        Ok(Cores { all: all.collect() })
    }

    /// Those of a server with so many workers: the first ones.
    pub fn of_server(&self, workers: usize) -> &[usize] {
        &self.all[..workers.min(self.all.len())]
    }

    /// That of the client: the last one, which is nobody else's if there are enough.
    pub fn of_client(&self) -> &[usize] {
        &self.all[self.all.len() - 1..]
    }

    /// What is so placed, in words.
    pub fn in_words(&self) -> String {
        match self.all.len() {
            1 => "There is one core, which the servers share with the client: their latencies are \
                  those of both."
                .to_owned(),
            2 => {
                "There are two cores. A server with one worker has one of them, and the client the \
                  other; with two workers it has both, and shares one with the client."
                    .to_owned()
            }
            cores => format!(
                "There are {cores} cores. A server has one for each of its workers, and the client \
                 another one."
            ),
        }
    }

    /// Runs `start` on these cores: a process that it starts stays there.
    pub fn on<T>(&self, cores: &[usize], start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        sched_setaffinity(None, &set_of(cores))?;
        let started = start();
        sched_setaffinity(None, &set_of(&self.all))?;
        started
    }
}

fn set_of(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    set
}
