//! The bells in a readiness set: descriptors of the process, each with the function that answers
//! it.
//!
//! `process_wide/bells.rs` says what bells are for.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use mio::unix::SourceFd;

use crate::util::wake_list::WakeList;

/// Which bell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bell {
    /// A signal arrived. An eventfd that nobody reads: each ring is an event in every set.
    Signals,
    /// Stray children exited. The set that holds their pidfds.
    Strays,
}

impl Bell {
    const ALL: [Bell; 2] = [Bell::Signals, Bell::Strays];

    /// No source of a readiness set has this number.
    fn token(self) -> mio::Token {
        match self {
            Bell::Signals => mio::Token(usize::MAX - 1),
            Bell::Strays => mio::Token(usize::MAX - 2),
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }

    pub(super) fn of(token: mio::Token) -> Option<Bell> {
        Bell::ALL.into_iter().find(|bell| bell.token() == token)
    }
}

/// Does what a bell rang for. True if somebody was waiting for it.
pub(crate) type Answer = fn(&mut WakeList) -> bool;

/// The bells that one set hears.
#[derive(Default)]
pub(super) struct Bells {
    /// A bit for each bell that is in the set.
    in_set: AtomicU8,
    answers: [OnceLock<Answer>; Bell::ALL.len()],
}

impl Bells {
    /// Has `answer` called for `bell`, whose descriptor is `fd`, from the next drain on.
    pub(super) fn hear(
        &self,
        registry: &mio::Registry,
        bell: Bell,
        fd: RawFd,
        answer: Answer,
    ) -> io::Result<()> {
        // Relaxed: set after the kernel has taken the bell, it only spares a second question.
        if self.in_set.load(Relaxed) & bell.bit() != 0 {
            return Ok(());
        }
        // Before the kernel has the bell: its first event may come at once.
        self.answers[bell as usize].get_or_init(|| answer);
        match registry.register(&mut SourceFd(&fd), bell.token(), mio::Interest::READABLE) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.in_set.fetch_or(bell.bit(), Relaxed);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_set.load(Relaxed) == 0
    }

    pub(super) fn answer(&self, bell: Bell, wakers: &mut WakeList) -> bool {
        let answer = self.answers[bell as usize].get();
        answer.is_some_and(|answer| answer(wakers))
    }

    /// Answers every bell in the set, rung or not. Returns for how many of them somebody was
    /// waiting.
    pub(super) fn answer_all(&self, wakers: &mut WakeList) -> usize {
        let in_set = self.in_set.load(Relaxed);
        Bell::ALL
            .into_iter()
            .filter(|bell| in_set & bell.bit() != 0)
            .filter(|bell| self.answer(*bell, wakers))
            .count()
    }
}
