//! The event loop on both drivers, without a scheduler.
#![forbid(unsafe_code)]

use crate::runtime::driver::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn drivers() -> Vec<Arc<Driver>> {
    let config = |choice, enable_io| Config {
        choice,
        enable_io,
        enable_time: true,
        start_paused: false,
        turn_by_turn: false,
        timers_end_ready: false,
        ring_entries: 64,
        max_io_events: 64,
        max_io_events_busy: None,
    };
    let mut drivers = vec![
        Driver::new(config(DriverChoice::Epoll, true), 2).unwrap(),
        Driver::new(config(DriverChoice::Epoll, false), 2).unwrap(),
    ];
    if uring_usable().is_ok() {
        for (enable_io, with_ring) in [(true, true), (false, true), (true, false)] {
            let driver = Driver::new(config(DriverChoice::Uring, enable_io), 2).unwrap();
            if with_ring {
                drop(driver.ring(0).unwrap());
            }
            drivers.push(driver);
        }
    }
    drivers
}

#[test]
fn a_timer_ends_the_sleep_and_fires_once_and_never_early() {
    for driver in drivers() {
        let _slot = driver.enter_slot(0);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        for delay in [300, 2_500] {
            count.0.store(0, SeqCst);
            // Once more if this thread stood still until then.
            let (deadline, key) = loop {
                let deadline = Instant::now() + Duration::from_micros(delay);
                if let Some(key) = driver.timer_add(deadline, &waker) {
                    break (deadline, key);
                }
            };
            assert!(driver.timer_poll(&key, &waker).is_pending());
            while count.0.load(SeqCst) == 0 {
                driver.park(0, Role::Watcher, None);
            }
            assert!(Instant::now() >= deadline);
            assert_eq!(driver.timer_poll(&key, &waker), Poll::Ready(()));
            driver.timer_remove(key);
            driver.turn(0, PollIo::Drain);
            assert_eq!(count.0.load(SeqCst), 1);
        }
        driver.shutdown(Instant::now());
    }
}

#[test]
fn unpark_ends_a_sleep_or_prevents_it() {
    for driver in drivers() {
        for role in [Role::Watcher, Role::None] {
            driver.unpark(0);
            driver.park(0, role, None);
            let other = Arc::clone(&driver);
            let turns = driver.turns(0);
            let sleeper = std::thread::spawn(move || {
                let _slot = other.enter_slot(0);
                other.park(0, role, None);
            });
            while driver.turns(0) == turns {
                driver.unpark(0);
                std::thread::yield_now();
            }
            sleeper.join().unwrap();
        }
        driver.shutdown(Instant::now());
    }
}

#[test]
fn an_earlier_timer_of_a_foreign_thread_reaches_the_sleeper() {
    for driver in drivers() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        // Every other foreign timer goes to the slot that sleeps. A sleep may also end without a
        // reason.
        let sleeper = {
            let driver = Arc::clone(&driver);
            std::thread::spawn(move || {
                let _slot = driver.enter_slot(0);
                let _far =
                    driver.timer_add(Instant::now() + Duration::from_secs(3600), Waker::noop());
                while count.0.load(SeqCst) == 0 {
                    driver.park(0, Role::Watcher, None);
                }
            })
        };
        // A timer that is there before the sleep is not what this is about.
        while !driver.slots[0].parker.is_parked() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(20));
        while !sleeper.is_finished() {
            let due = Instant::now() + Duration::from_millis(1);
            let _key = driver.timer_add(due, &waker);
            std::thread::sleep(Duration::from_millis(1));
        }
        sleeper.join().unwrap();
        driver.shutdown(Instant::now());
    }
}

#[test]
fn shutdown_fires_what_waits_and_closes_rings() {
    for driver in drivers() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let _key = driver.timer_add(Instant::now() + Duration::from_secs(3600), &waker);
        driver.shutdown(Instant::now() + Duration::from_secs(1));
        driver.shutdown(Instant::now());
        assert!(driver.is_shutdown());
        assert_eq!(count.0.load(SeqCst), 1);
        assert!(!driver.ring_ready());
        assert!(driver.ring(0).is_err());
        assert_eq!((driver.live_ops(), driver.leaked_ops()), (0, 0));
    }
}

fn driver_with_ring() -> Option<Arc<Driver>> {
    drivers()
        .into_iter()
        .find(|driver| driver.kind() == DriverKind::Uring && driver.io().is_some())
}

/// A sibling that reaps between the wake-up and the owner's wait must not keep the wake-up.
#[test]
fn a_sibling_hands_the_owners_wake_up_on() {
    let Some(driver) = driver_with_ring() else {
        return;
    };
    let slot = &driver.slots[0];
    assert!(slot.parker.prepare(parker::Place::Ring));
    driver.unpark(0);
    assert!(driver.ring(0).unwrap().has_completions());
    std::thread::scope(|scope| {
        scope.spawn(|| driver.rescue(0));
    });
    assert!(
        driver.ring(0).unwrap().has_completions(),
        "the owner's wait would have no end"
    );
    assert!(slot.parker.finish());
    driver.shutdown(Instant::now());
}

/// What a sibling submits belongs to the sibling's thread. The owner's watch on readiness may be
/// among it, so the owner arms another.
#[test]
fn after_a_siblings_enter_the_owner_arms_its_own_watch() {
    let Some(driver) = driver_with_ring() else {
        return;
    };
    let epoll_fd = driver.io().unwrap().epoll_fd();
    let arm = || {
        let mut ring = driver.ring(0).unwrap();
        ring.arm_readiness(epoll_fd);
        let pushed = ring.unsubmitted();
        drop(ring);
        pushed
    };
    driver.turn(0, PollIo::Skip);
    assert_eq!(arm(), 1, "the watch");
    driver.turn(0, PollIo::Skip);
    assert_eq!(arm(), 0, "it is armed");
    driver.ring(0).unwrap().disarm_readiness();
    driver.turn(0, PollIo::Skip);
    assert_eq!(arm(), 1);
    std::thread::scope(|scope| {
        scope.spawn(|| driver.rescue(0));
    });
    assert!(arm() >= 1, "the sibling's watch is taken for the owner's");
    driver.shutdown(Instant::now());
}

/// The watch is the work of the thread that armed it, which may be stuck by now.
#[test]
fn a_new_owner_arms_its_own_watch() {
    let Some(driver) = driver_with_ring() else {
        return;
    };
    let epoll_fd = driver.io().unwrap().epoll_fd();
    let arm_as_owner = || {
        let _slot = driver.enter_slot(0);
        let mut ring = driver.ring(0).unwrap();
        ring.arm_readiness(epoll_fd);
        let pushed = ring.unsubmitted();
        drop(ring);
        driver.turn(0, PollIo::Skip);
        pushed
    };
    assert_eq!(arm_as_owner(), 1, "the watch");
    assert_eq!(arm_as_owner(), 0, "it is this thread's");
    let by_another = std::thread::scope(|scope| scope.spawn(arm_as_owner).join().unwrap());
    assert_eq!(
        by_another, 2,
        "the old one is cancelled, and there is a new one"
    );
    driver.shutdown(Instant::now());
}

/// A sleeper whose ring cannot be woken is woken by the readiness set, and from then on does
/// without the ring.
#[test]
fn nobody_sleeps_in_a_ring_that_was_given_up() {
    let Some(driver) = driver_with_ring() else {
        return;
    };
    let _slot = driver.enter_slot(0);
    driver
        .ring(0)
        .unwrap()
        .give_up("io_uring_register", libc::EPERM);
    assert!(!driver.ring_ready());
    let reason = driver.fallback_reason().unwrap();
    assert!(reason.contains("io_uring_register"), "{reason}");
    for role in [Role::Watcher, Role::None] {
        let turns = driver.turns(0);
        let other = Arc::clone(&driver);
        let waker = std::thread::spawn(move || other.unpark(0));
        while driver.turns(0) == turns {
            driver.park(0, role, None);
        }
        waker.join().unwrap();
    }
    driver.shutdown(Instant::now());
}

/// While another thread gives the ring up, the owner may be waiting in it, and submit what it has.
#[test]
fn nothing_is_taken_back_while_the_owner_waits_in_the_ring() {
    let Some(driver) = driver_with_ring() else {
        return;
    };
    let mut ring = driver.ring(0).unwrap();
    ring.arm_readiness(driver.io().unwrap().epoll_fd());
    ring.begin_wait();
    ring.give_up("a test", libc::EPERM);
    let pushed = ring.unsubmitted();
    assert!(pushed > 0);
    drop(ring);
    driver.rescue(0);
    assert_eq!(driver.ring(0).unwrap().unsubmitted(), pushed);
    driver.ring(0).unwrap().note_wait(&Ok(()));
    driver.rescue(0);
    assert_eq!(driver.ring(0).unwrap().unsubmitted(), 0);
    driver.shutdown(Instant::now());
}
