//! What the runtime asks of the simulation that its thread may be part of. Without the feature
//! `sim` nobody is part of one, and all of this is nothing.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

#[cfg(feature = "sim")]
pub(crate) use yamanote_sim::{choose, is_inside, step};

#[cfg(not(feature = "sim"))]
pub(crate) use absent::{choose, is_inside, step};

#[cfg(feature = "sim")]
pub(crate) use present::adopt;

#[cfg(not(feature = "sim"))]
pub(crate) use absent::adopt;

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
    use std::{env, io};

    use yamanote_sim::{Config, Order};

    /// The calling thread becomes the only one of a simulation, if it is part of none: a program is
    /// to be simulated that does not know of it.
    pub(crate) fn adopt() -> io::Result<()> {
        if yamanote_sim::is_inside() {
            return Ok(());
        }
        let mut config = Config::new(number("YAMANOTE_SIM_SEED")?.unwrap_or(0));
        config.order = match env::var("YAMANOTE_SIM_ORDER").as_deref() {
            Ok("fifo") => Some(Order::Fifo),
            Ok("") | Err(env::VarError::NotPresent) => None,
            _ => return Err(invalid("YAMANOTE_SIM_ORDER is `fifo` or not set")),
        };
        yamanote_sim::adopt(config);
        Ok(())
    }

    fn number(variable: &str) -> io::Result<Option<u64>> {
        match env::var(variable) {
            Ok(text) if text.is_empty() => Ok(None),
            Ok(text) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(invalid(&format!("{variable}: {text:?} is no number"))),
            },
            Err(_) => Ok(None),
        }
    }

    fn invalid(text: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, text)
    }
}

#[cfg(not(feature = "sim"))]
mod absent {
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

    /// Which of `n` things that may happen in any order happens first.
    #[inline(always)]
    pub(crate) const fn choose(_n: usize) -> usize {
        0
    }
}
