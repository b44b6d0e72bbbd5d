//! How a thread that waits on a ring is woken.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, OnceLock};

use super::internal::Internal;
use crate::loom::sync::atomic::{AtomicBool, Ordering};
use crate::sys::fork::Origin;
use crate::sys::{self, uring};

/// Makes a thread that waits on the ring return; any thread may call it.
///
/// Wake-ups coalesce: one that is on its way and not yet reaped stands for all later ones. Whoever
/// publishes something and then calls [`wake`](RingWaker::wake) may count on a reap after it.
#[derive(Debug, Clone)]
pub(crate) struct RingWaker {
    shared: Arc<WakerShared>,
}

#[derive(Debug)]
struct WakerShared {
    wake_by: WakeBy,
    pending: Pending,
    origin: Origin,
    /// See [`RingWaker::has_ops`].
    has_ops: AtomicBool,
}

#[derive(Debug)]
pub(crate) enum WakeBy {
    /// A message posted to the ring, by a system call that needs no ring of the caller's.
    Message { ring: Arc<OwnedFd> },
    /// An eventfd the ring polls.
    Eventfd(OwnedFd),
}

impl WakeBy {
    pub(crate) fn eventfd() -> io::Result<Self> {
        sys::eventfd::new().map(WakeBy::Eventfd)
    }
}

impl RingWaker {
    pub(super) fn new(wake_by: WakeBy) -> Self {
        RingWaker {
            shared: Arc::new(WakerShared {
                wake_by,
                pending: Pending::new(),
                origin: Origin::here(),
                has_ops: AtomicBool::new(false),
            }),
        }
    }

    pub(super) fn poll_fd(&self) -> Option<RawFd> {
        match &self.shared.wake_by {
            WakeBy::Message { .. } => None,
            WakeBy::Eventfd(fd) => Some(fd.as_raw_fd()),
        }
    }

    /// Makes the present or next wait on the ring return.
    ///
    /// # Errors
    ///
    /// None of a few tries succeeded: the waiter does not return.
    pub(crate) fn wake(&self) -> io::Result<()> {
        const TRIES: usize = 3;
        if !self.shared.pending.is_to_be_sent() {
            return Ok(());
        }
        let mut answer = Ok(());
        for _ in 0..TRIES {
            answer = self.send();
            if answer.is_ok() {
                return Ok(());
            }
        }
        self.shared.pending.was_not_sent();
        answer
    }

    fn send(&self) -> io::Result<()> {
        if !self.shared.origin.is_here() {
            // A forked child: the waiter is in the parent.
            return Ok(());
        }
        match &self.shared.wake_by {
            WakeBy::Message { ring } => {
                uring::send_message(ring.as_raw_fd(), Internal::Wake.key().user_data())
            }
            WakeBy::Eventfd(fd) => sys::eventfd::add_one(fd),
        }
    }

    /// The system call that [`wake`](RingWaker::wake) makes.
    pub(crate) fn call(&self) -> &'static str {
        match &self.shared.wake_by {
            WakeBy::Message { .. } => "io_uring_register",
            WakeBy::Eventfd(_) => "write to an eventfd",
        }
    }

    /// Whether operations of the ring are in the kernel, asked without its lock by the slot's
    /// owner, which submits them all. The answer may miss that a sibling has reaped the last one.
    pub(crate) fn has_ops(&self) -> bool {
        // Relaxed: a hint. The thread that asks is the one that submits, or got the slot from it.
        self.shared.has_ops.load(Ordering::Relaxed)
    }

    /// Called under the ring's lock.
    pub(super) fn note_ops(&self, any: bool) {
        self.shared.has_ops.store(any, Ordering::Relaxed);
    }

    /// The reaper saw a wake-up.
    pub(super) fn note_delivered(&self) {
        self.shared.pending.was_delivered();
    }
}

/// Whether a wake-up is on its way, and need not be sent twice.
///
/// The promise: what a thread did before it asked is seen by whoever reaps the wake-up that is, or
/// was, on its way. The swaps in `is_to_be_sent` and `was_delivered` pair: if the sender finds one
/// on its way, the reaper's swap comes after its own and reads from it (Acquire from Release); if
/// not, it sends one, which the kernel orders.
#[derive(Debug)]
struct Pending(AtomicBool);

impl Pending {
    fn new() -> Self {
        Pending(AtomicBool::new(false))
    }

    fn is_to_be_sent(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// Nothing is on its way after all; the next caller tries again.
    fn was_not_sent(&self) {
        // Release pairs with the swap of that caller.
        self.0.store(false, Ordering::Release);
    }

    fn was_delivered(&self) {
        self.0.swap(false, Ordering::AcqRel);
    }
}

/// Whether the kernel can post a message to a ring for a thread without one (Linux 6.13). Asked
/// once per process, by posting one.
pub(super) fn messages_work(ring: &OwnedFd) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        uring::send_message(ring.as_raw_fd(), Internal::Wake.key().user_data()).is_ok()
    })
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::loom::sync::atomic::AtomicUsize;
    use crate::loom::sync::{Condvar, Mutex};
    use std::sync::atomic::Ordering::Relaxed;

    /// A completion queue in which wake-ups arrive, as the kernel orders them.
    struct Queue {
        arrived: Mutex<usize>,
        changed: Condvar,
        pending: Pending,
        published: AtomicUsize,
    }

    impl Queue {
        fn new() -> loom::sync::Arc<Queue> {
            loom::sync::Arc::new(Queue {
                arrived: Mutex::new(0),
                changed: Condvar::new(),
                pending: Pending::new(),
                published: AtomicUsize::new(0),
            })
        }

        fn wake(&self) {
            if self.pending.is_to_be_sent() {
                *self.arrived.lock().unwrap() += 1;
                self.changed.notify_one();
            }
        }

        /// Whether there was a wake-up.
        fn reap(&self) -> bool {
            let arrived = std::mem::take(&mut *self.arrived.lock().unwrap());
            if arrived > 0 {
                self.pending.was_delivered();
            }
            arrived > 0
        }

        /// Waits as in `io_uring_enter`, reaping nothing.
        fn wait(&self) {
            let mut arrived = self.arrived.lock().unwrap();
            while *arrived == 0 {
                arrived = self.changed.wait(arrived).unwrap();
            }
        }
    }

    /// Two threads publish and wake; the owner reaps until it has seen both, and a lost wake-up is
    /// a deadlock.
    #[test]
    fn loom_ring_waker_no_wake_up_is_lost() {
        loom::model(|| {
            let queue = Queue::new();
            let wakers: Vec<_> = (0..2)
                .map(|_| {
                    let queue = queue.clone();
                    loom::thread::spawn(move || {
                        // Relaxed: the wake-up orders.
                        queue.published.fetch_add(1, Relaxed);
                        queue.wake();
                    })
                })
                .collect();
            while queue.published.load(Relaxed) < 2 {
                queue.wait();
                assert!(queue.reap());
            }
            for waker in wakers {
                waker.join().unwrap();
            }
        });
    }

    /// A sibling reaps for the owner, and hands on what it took.
    #[test]
    fn loom_ring_waker_a_thief_hands_on() {
        loom::model(|| {
            let queue = Queue::new();
            let waker = {
                let queue = queue.clone();
                loom::thread::spawn(move || {
                    queue.published.store(1, Relaxed);
                    queue.wake();
                })
            };
            let thief = {
                let queue = queue.clone();
                loom::thread::spawn(move || {
                    if queue.reap() {
                        queue.wake();
                    }
                })
            };
            queue.wait();
            waker.join().unwrap();
            thief.join().unwrap();
            assert_eq!(queue.published.load(Relaxed), 1);
            assert!(queue.reap(), "the wake-up is the owner's");
        });
    }
}
