//! Threads that wait in a ring, and those that wake them.
#![forbid(unsafe_code)]

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use yamanote_test::{Capability, require};

use super::{Rig, poll_once};
use crate::runtime::driver::batch::Batch;
use crate::runtime::driver::ops::read::Read;
use crate::runtime::driver::ring::{Ring, WakeBy};
use crate::sys::uring;

/// R18, R19: wakes from other threads, in both ways; coalesced, none lost.
#[test]
fn a_waiter_is_woken_either_way() {
    if !require(Capability::IoUring) {
        return;
    }
    for eventfd in [false, true] {
        let mut ring = match eventfd {
            false => Ring::new(8).unwrap(),
            true => Ring::new_woken_by(8, WakeBy::eventfd().unwrap()).unwrap(),
        };
        ring.flush();
        let posted = Arc::new(AtomicU64::new(0));
        const LAST: u64 = 50_000;
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let (waker, posted) = (ring.waker(), posted.clone());
                std::thread::spawn(move || {
                    while posted.fetch_add(1, Ordering::Relaxed) < LAST {
                        waker.wake().unwrap();
                    }
                    waker.wake().unwrap();
                })
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut batch = Batch::default();
        let mut waits = 0u64;
        while posted.load(Ordering::Relaxed) <= LAST {
            uring::wait(
                ring.raw_fd(),
                ring.unsubmitted(),
                Some(Duration::from_secs(5)),
                false,
            )
            .unwrap();
            ring.reap(&mut batch, usize::MAX);
            waits += 1;
            assert!(Instant::now() < deadline, "stuck after {waits} waits");
        }
        for waker in wakers {
            waker.join().unwrap();
        }
        // The last wakes were sent before the joins returned: one more wait ends at once.
        ring.waker().wake().unwrap();
        let start = Instant::now();
        uring::wait(
            ring.raw_fd(),
            ring.unsubmitted(),
            Some(Duration::from_secs(5)),
            false,
        )
        .unwrap();
        assert!(start.elapsed() < Duration::from_secs(1));
        assert!(ring.take_woken() || ring.reap(&mut batch, usize::MAX) > 0);
    }
}

/// The wait is over when the time is, not before, and does not consume what is there.
#[test]
fn a_wait_keeps_its_time() {
    if !require(Capability::IoUring) {
        return;
    }
    let mut ring = Ring::new(8).unwrap();
    let mut batch = Batch::default();
    ring.flush();
    ring.reap(&mut batch, usize::MAX);
    for millis in [0, 1, 20] {
        let limit = Duration::from_millis(millis);
        let start = Instant::now();
        uring::wait(ring.raw_fd(), 0, Some(limit), false).unwrap();
        assert!(start.elapsed() >= limit);
        assert!(start.elapsed() < limit + Duration::from_millis(500));
    }
    for limit in [None, Some(Duration::MAX)] {
        let waker = ring.waker();
        let delay = Duration::from_millis(20);
        let start = Instant::now();
        let sleeper = std::thread::spawn(move || {
            std::thread::sleep(delay);
            waker.wake().unwrap();
        });
        uring::wait(ring.raw_fd(), 0, limit, false).unwrap();
        assert!(start.elapsed() >= delay, "{limit:?}");
        // What was not reaped ends the next wait too.
        uring::wait(ring.raw_fd(), 0, limit, false).unwrap();
        ring.reap(&mut batch, usize::MAX);
        sleeper.join().unwrap();
    }
    assert!(ring.take_woken());
}

/// The owner pushes for four threads, which wait for the ends or drop the futures while it sleeps.
#[test]
fn many_threads_share_a_ring_whose_owner_sleeps() {
    use std::pin::Pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Wake, Waker};

    const THREADS: u8 = 4;
    const ROUNDS: u32 = 2000;

    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let Some(rig) = Rig::new(8) else { return };
    let zero = Arc::new(File::open("/dev/zero").unwrap());
    let running = Arc::new(AtomicUsize::new(THREADS.into()));
    let (inboxes, threads): (Vec<_>, Vec<_>) = (0..THREADS)
        .map(|id| {
            let (inbox, ops) = std::sync::mpsc::channel();
            let (driver, running) = (rig.driver.clone(), running.clone());
            let work = move || {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                let mut cx = Context::from_waker(&waker);
                for round in 0..ROUNDS {
                    let mut op: crate::runtime::driver::Op<Read<Arc<File>, Vec<u8>>> =
                        ops.recv().unwrap();
                    if round % 7 == 0 {
                        continue;
                    }
                    let deadline = Instant::now() + Duration::from_secs(20);
                    loop {
                        if let Poll::Ready((n, buf)) = Pin::new(&mut op).poll(&mut cx) {
                            assert_eq!((n.unwrap(), buf), (16, vec![0; 16]));
                            break;
                        }
                        std::thread::park_timeout(Duration::from_secs(5));
                        assert!(
                            Instant::now() < deadline,
                            "{id}: no wake-up in round {round}"
                        );
                    }
                }
            };
            let thread = std::thread::spawn(move || {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                running.fetch_sub(1, Ordering::Release);
                driver.unpark(0);
                result.unwrap();
            });
            (inbox, thread)
        })
        .unzip();
    for round in 0..ROUNDS {
        for inbox in &inboxes {
            let mut op = rig.op(Read::new(zero.clone(), vec![1; 16], 0));
            assert!(poll_once(&mut op).is_pending());
            // Fails if the thread has panicked, which it reports itself.
            let _ = inbox.send(op);
        }
        if round % 3 == 0 {
            rig.turn();
        }
    }
    while running.load(Ordering::Acquire) > 0 {
        rig.driver.park(0, crate::runtime::driver::Role::None, None);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    rig.drain();
}
