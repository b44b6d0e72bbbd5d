//! One thread at a time looks at the readiness set, and nobody's news is lost.
//!
//! A thread that was told of an event but finds the set taken leaves word and goes on: the holder
//! may have asked the kernel before that event, and a ring's poll tells of an event only once.
//! After the holder has let go, it looks again as long as there is word.
//!
//! # Memory ordering
//!
//! The promise: after a thread has asked for the set, somebody looks at it. Two fences keep it:
//! between the word and the second try in [`LookLock::take_if_free`], and between letting go and
//! the look for word in [`LookLock::serve_missed`]. Whichever comes second in their order sees what
//! the other did before: the word, or the set let go.
#![forbid(unsafe_code)]

use crate::loom::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use crate::loom::sync::{Mutex, MutexGuard};
use crate::util::poison::{unpoisoned, unpoisoned_if_free};

pub(super) struct LookLock<T> {
    set: Mutex<T>,
    /// Somebody asked while another thread had the set.
    missed: AtomicBool,
}

impl<T> LookLock<T> {
    pub(super) fn new(set: T) -> Self {
        LookLock {
            set: Mutex::new(set),
            missed: AtomicBool::new(false),
        }
    }

    /// Waits until it is free.
    pub(super) fn take(&self) -> MutexGuard<'_, T> {
        unpoisoned(self.set.lock())
    }

    /// `None`: another thread has it, and looks again after it has let go.
    pub(super) fn take_if_free(&self) -> Option<MutexGuard<'_, T>> {
        for _ in 0..2 {
            if let Some(set) = unpoisoned_if_free(self.set.try_lock()) {
                return Some(set);
            }
            self.missed.store(true, Relaxed);
            // Pairs with the fence in `serve_missed`.
            fence(SeqCst);
        }
        None
    }

    /// The holder is about to ask the kernel: whoever misses the set from now on is served
    /// afterwards.
    pub(super) fn begin(&self) {
        self.missed.store(false, Relaxed);
    }

    /// After letting go: calls `look` once more for those that missed the set, until nobody has.
    pub(super) fn serve_missed<E>(
        &self,
        mut look: impl FnMut(MutexGuard<'_, T>) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            // Pairs with the fence in `take_if_free`: its caller left word and found the set taken,
            // or we find the word, or it finds the set free.
            fence(SeqCst);
            if !self.missed.load(Relaxed) {
                return Ok(());
            }
            let Some(set) = self.take_if_free() else {
                return Ok(());
            };
            look(set)?;
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::loom::sync::Arc;
    use crate::loom::sync::atomic::AtomicUsize;

    /// A set in which events come, and what was taken from it.
    struct Kernel {
        pending: AtomicUsize,
        taken: AtomicUsize,
        turns: LookLock<()>,
    }

    impl Kernel {
        fn look(&self, set: MutexGuard<'_, ()>) {
            self.turns.begin();
            let news = self.pending.swap(0, SeqCst);
            self.taken.fetch_add(news, SeqCst);
            drop(set);
        }

        /// An event, and the one thread that is told of it.
        fn tell(&self) {
            self.pending.fetch_add(1, SeqCst);
            if let Some(set) = self.turns.take_if_free() {
                self.look(set);
                let served = self.turns.serve_missed(|set| {
                    self.look(set);
                    Ok::<(), ()>(())
                });
                served.unwrap();
            }
        }
    }

    #[test]
    fn loom_readiness_a_thread_that_misses_the_set_is_served() {
        loom::model(|| {
            let kernel = Arc::new(Kernel {
                pending: AtomicUsize::new(0),
                taken: AtomicUsize::new(0),
                turns: LookLock::new(()),
            });
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let kernel = kernel.clone();
                    loom::thread::spawn(move || kernel.tell())
                })
                .collect();
            kernel.tell();
            for other in others {
                other.join().unwrap();
            }
            assert_eq!(
                kernel.taken.load(SeqCst),
                3,
                "an event that nobody looks at"
            );
        });
    }
}
