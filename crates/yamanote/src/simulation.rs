//! What the runtime asks of the simulation that its thread may be part of. Without the feature
//! `sim` nobody is part of one, and all of this is nothing.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

#[cfg(feature = "sim")]
pub(crate) use yamanote_sim::{choose, is_inside, step, step_before};

#[cfg(not(feature = "sim"))]
pub(crate) use absent::{choose, is_inside, step, step_before};

#[cfg(feature = "sim")]
pub(crate) use present::{PerProcess, Process, adopt, hear_signals_by, number, parsed};

#[cfg(not(feature = "sim"))]
pub(crate) use absent::{PerProcess, Process, adopt, hear_signals_by};

/// Brings to the front of the queue what is to be first of it: in a simulation that may be any.
#[inline(always)]
pub(crate) fn choose_first<T>(queue: &mut VecDeque<T>) {
    if is_inside() && !queue.is_empty() {
        let first = choose(queue.len());
        queue.swap(0, first);
    }
}

#[cfg(feature = "sim")]
mod present {
    use std::collections::BTreeMap;
    use std::fmt::Display;
    use std::str::FromStr;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::{env, io};

    use yamanote_sim::{Config, Life, Order, hosts, signals};

    /// The process that the calling thread is of: in a simulation a life of a host is one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Process(Option<Life>);

    impl Process {
        pub(crate) fn here() -> Process {
            Process(yamanote_sim::is_inside().then(hosts::current_life))
        }
    }

    /// What each process has one of. In a simulation a life of a host is a process; what was its
    /// own stays until the run is over.
    pub(crate) struct PerProcess<T: 'static> {
        real: T,
        fresh: fn() -> T,
        simulated: Mutex<BTreeMap<Life, &'static T>>,
    }

    impl<T> PerProcess<T> {
        pub(crate) const fn new(real: T, fresh: fn() -> T) -> PerProcess<T> {
            PerProcess {
                real,
                fresh,
                simulated: Mutex::new(BTreeMap::new()),
            }
        }

        fn lock(&self) -> MutexGuard<'_, BTreeMap<Life, &'static T>> {
            let simulated = self.simulated.lock();
            simulated.unwrap_or_else(PoisonError::into_inner)
        }

        /// That of the process of the calling thread.
        pub(crate) fn get(&'static self) -> &'static T {
            if !yamanote_sim::is_inside() {
                return &self.real;
            }
            let life = hosts::current_life();
            let mut simulated = self.lock();
            let fresh = || &*Box::leak(Box::new((self.fresh)()));
            simulated.entry(life).or_insert_with(fresh)
        }

        /// That of a simulated process, if it has needed one.
        pub(crate) fn of(&'static self, process: Process) -> Option<&'static T> {
            let simulated = self.lock();
            process.0.and_then(|life| simulated.get(&life).copied())
        }
    }

    /// Has signals of simulated processes told to `hear`, which says whether anybody listens.
    pub(crate) fn hear_signals_by(hear: fn(Process, i32) -> bool) {
        static HEAR: std::sync::OnceLock<fn(Process, i32) -> bool> = std::sync::OnceLock::new();
        HEAR.get_or_init(|| hear);
        signals::hear_by(|life, signal| {
            HEAR.get()
                .is_some_and(|hear| hear(Process(Some(life)), signal))
        });
    }

    /// The calling thread becomes the only one of a simulation, if it is part of none: a program is
    /// to be simulated that does not know of it.
    pub(crate) fn adopt() -> io::Result<()> {
        if yamanote_sim::is_inside() {
            return Ok(());
        }
        let seed = number("YAMANOTE_SIM_SEED").map_err(|error| invalid(&error))?;
        let mut config = Config::new(seed.unwrap_or(0));
        config.order = match env::var("YAMANOTE_SIM_ORDER").as_deref() {
            Ok("fifo") => Some(Order::Fifo),
            Ok("") | Err(env::VarError::NotPresent) => None,
            _ => return Err(invalid("YAMANOTE_SIM_ORDER is `fifo` or not set")),
        };
        yamanote_sim::adopt(config);
        Ok(())
    }

    /// The number that a variable of the environment is; an empty one counts as unset.
    pub(crate) fn number<T: FromStr<Err: Display>>(variable: &str) -> Result<Option<T>, String> {
        let text = env::var(variable).ok().filter(|it| !it.is_empty());
        text.map(|text| parsed(variable, &text)).transpose()
    }

    /// A number that stands in a variable of the environment.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(
        variable: &str,
        text: &str,
    ) -> Result<T, String> {
        let number = text.parse::<T>();
        number.map_err(|error| format!("{variable}: {text:?}: {error}"))
    }

    fn invalid(text: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, text)
    }
}

#[cfg(not(feature = "sim"))]
mod absent {
    /// The process that the calling thread is of.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Process;

    impl Process {
        pub(crate) const fn here() -> Process {
            Process
        }
    }

    /// What each process has one of.
    pub(crate) struct PerProcess<T: 'static>(T);

    impl<T> PerProcess<T> {
        pub(crate) const fn new(real: T, _fresh: fn() -> T) -> PerProcess<T> {
            PerProcess(real)
        }

        pub(crate) const fn get(&'static self) -> &'static T {
            &self.0
        }

        /// There are no simulated ones.
        pub(crate) const fn of(&'static self, _: Process) -> Option<&'static T> {
            None
        }
    }

    /// There are none.
    pub(crate) const fn hear_signals_by(_hear: fn(Process, i32) -> bool) {}

    /// Whether the calling thread is part of a simulation.
    #[inline(always)]
    pub(crate) const fn is_inside() -> bool {
        false
    }

    pub(crate) fn adopt() -> std::io::Result<()> {
        Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "YAMANOTE_DRIVER=sim needs yamanote's feature `sim`",
        ))
    }

    /// A poll is about to begin: another thread may run before it.
    #[inline(always)]
    pub(crate) const fn step() {}

    /// As `step`, before the poll of a task that was spawned there.
    #[inline(always)]
    pub(crate) const fn step_before(_spawned_at: &'static std::panic::Location<'static>) {}

    /// Which of `n` things that may happen in any order happens first.
    #[inline(always)]
    pub(crate) const fn choose(_n: usize) -> usize {
        0
    }
}
