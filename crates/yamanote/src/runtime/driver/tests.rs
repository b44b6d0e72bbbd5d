//! The event loop on both drivers, without a scheduler.
#![forbid(unsafe_code)]

use super::*;
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
    let config = |want, enable_io| Config {
        want,
        enable_io,
        enable_time: true,
        start_paused: false,
        ring_entries: 64,
        max_io_events: 64,
        max_io_events_busy: None,
    };
    let mut drivers = vec![
        Driver::new(config(Want::Epoll, true), 2).unwrap(),
        Driver::new(config(Want::Epoll, false), 2).unwrap(),
    ];
    if uring_usable().is_ok() {
        for (enable_io, with_ring) in [(true, true), (false, true), (true, false)] {
            let driver = Driver::new(config(Want::Uring, enable_io), 2).unwrap();
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
            // Again, should this thread stand still for as long.
            let (deadline, key) = loop {
                let deadline = Instant::now() + Duration::from_micros(delay);
                if let Some(key) = driver.timer_add(deadline, &waker) {
                    break (deadline, key);
                }
            };
            assert!(driver.timer_poll(&key, &waker).is_pending());
            while count.0.load(SeqCst) == 0 {
                driver.park(0, Role::Driver, None);
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
        for role in [Role::Driver, Role::None] {
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
        // The only slot foreign timers may go to here is made the one that sleeps.
        let sleeper = {
            let driver = Arc::clone(&driver);
            std::thread::spawn(move || {
                let _slot = driver.enter_slot(0);
                let _far =
                    driver.timer_add(Instant::now() + Duration::from_secs(3600), Waker::noop());
                let turns = driver.turns(0);
                while driver.turns(0) - turns < 2 {
                    driver.park(0, Role::Driver, None);
                }
            })
        };
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        while !sleeper.is_finished() {
            let due = Instant::now() + Duration::from_millis(1);
            let _key = driver.timer_add(due, &waker);
            std::thread::sleep(Duration::from_millis(1));
        }
        sleeper.join().unwrap();
        assert!(count.0.load(SeqCst) > 0);
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
