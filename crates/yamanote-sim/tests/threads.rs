//! Threads, locks, clocks and chance of `std`, in a world.

use std::collections::HashMap;
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use yamanote_sim::{Config, Order, Threads, Trace, hosts, note, now, run, step};

fn world<R: Send + 'static>(
    seed: u64,
    experiment: impl FnOnce() -> R + Send + 'static,
) -> (R, Trace) {
    let (answer, trace) = run(Config::new(seed), experiment);
    (
        answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        trace,
    )
}

#[test]
fn time_moves_when_nobody_can_run() {
    let real = Instant::now();
    let ((slept, wall), _) = world(1, || {
        let (start, wall) = (Instant::now(), SystemTime::now());
        thread::sleep(Duration::from_secs(3600));
        (start.elapsed(), wall.elapsed().unwrap())
    });
    let hour = Duration::from_secs(3600);
    assert!(
        slept >= hour && slept < hour + Duration::from_micros(1),
        "{slept:?}"
    );
    assert!(
        wall >= hour && wall < hour + Duration::from_micros(1),
        "{wall:?}"
    );
    assert!(real.elapsed() < Duration::from_secs(100));
}

#[test]
fn a_lock_that_is_held_over_a_sleep_is_waited_for() {
    let (order, _) = world(2, || {
        let order = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let order = order.clone();
                thread::spawn(move || {
                    let mut order = order.lock().unwrap();
                    thread::sleep(Duration::from_secs(1));
                    order.push(n);
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert!(now() >= Duration::from_secs(8) && now() < Duration::from_secs(9));
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    });
    let mut sorted = order.clone();
    sorted.sort();
    assert_eq!(sorted, (0..8).collect::<Vec<_>>());
}

#[test]
fn a_wait_with_a_limit_ends_at_it() {
    world(3, || {
        let (lock, condvar) = (Mutex::new(()), Condvar::new());
        let start = Instant::now();
        let (_guard, ended) = condvar
            .wait_timeout(lock.lock().unwrap(), Duration::from_millis(1500))
            .unwrap();
        assert!(ended.timed_out());
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(1500) && waited < Duration::from_millis(1501));
        let (sender, receiver) = channel::<u8>();
        let late = thread::spawn(move || {
            thread::sleep(Duration::from_secs(2));
            sender.send(7).unwrap();
        });
        assert!(receiver.recv_timeout(Duration::from_secs(1)).is_err());
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok(7));
        late.join().unwrap();
    });
}

/// What four threads do with a channel, step by step.
fn workers() -> Vec<u32> {
    let (sender, receiver) = sync_channel(2);
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let sender = sender.clone();
            thread::spawn(move || {
                for value in 0..10 {
                    sender.send(n * 100 + value).unwrap();
                    step();
                }
            })
        })
        .collect();
    drop(sender);
    let values: Vec<u32> = receiver
        .iter()
        .inspect(|value| note(&value.to_string()))
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    values
}

#[test]
fn the_seed_is_the_order() {
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let (values, trace) = world(seed, workers);
        let (again, same) = world(seed, workers);
        assert_eq!(values, again, "seed {seed}");
        assert_eq!(
            (trace.hash(), trace.events()),
            (same.hash(), same.events()),
            "seed {seed}"
        );
        let mut sorted = values.clone();
        sorted.sort();
        let all: Vec<u32> = (0..4)
            .flat_map(|n| (0..10).map(move |v| n * 100 + v))
            .collect();
        assert_eq!(sorted, all);
        orders.insert(values);
    }
    assert!(orders.len() > 90, "{} orders of 100 seeds", orders.len());
}

#[test]
fn the_order_is_the_same_whichever_threads_run() {
    for seed in 0..100 {
        let [carried, own] = [Threads::Carried, Threads::Own].map(|threads| {
            let mut config = Config::new(seed);
            config.threads = threads;
            let (values, trace) = run(config, workers);
            (values.unwrap(), trace.hash(), trace.events())
        });
        assert_eq!(carried, own, "seed {seed}");
    }
}

/// Threads that are carried keep what is theirs: thread-locals, registers that a function may not
/// change, the mode in which numbers are rounded, and a stack that panics unwind.
#[test]
fn a_thread_keeps_what_is_its_own() {
    use std::cell::Cell;
    thread_local! {
        static OWN: Cell<u64> = const { Cell::new(0) };
    }
    fn deep(depth: u64, own: u64) -> u64 {
        let (a, b, c) = (depth.wrapping_mul(own), depth ^ own, depth + own);
        let floats = [own as f64 / 3.0, depth as f64 / 7.0];
        if depth % 3 == 0 {
            thread::sleep(Duration::from_micros(own % 5));
        }
        assert_eq!(OWN.get(), own);
        let below = if depth == 0 { 0 } else { deep(depth - 1, own) };
        assert_eq!(floats, [own as f64 / 3.0, depth as f64 / 7.0]);
        a.wrapping_add(b).wrapping_add(c).wrapping_add(below)
    }
    let sums = |threads| {
        let mut config = Config::new(11);
        config.threads = threads;
        let all = || {
            let spawn = |own| {
                thread::spawn(move || {
                    OWN.set(own);
                    let panics = std::panic::catch_unwind(|| {
                        thread::sleep(Duration::from_micros(own));
                        std::panic::resume_unwind(Box::new(own));
                    });
                    assert_eq!(*panics.unwrap_err().downcast::<u64>().unwrap(), own);
                    (0..20).map(|depth| deep(depth, own)).sum::<u64>()
                })
            };
            let threads: Vec<_> = (1..=20).map(spawn).collect();
            let ended = threads.into_iter().map(|thread| thread.join().unwrap());
            ended.collect::<Vec<_>>()
        };
        run(config, all).0.unwrap()
    };
    assert_eq!(sums(Threads::Carried), sums(Threads::Own));
}

#[test]
fn the_first_come_first_served_order_has_no_chance() {
    let order = |seed| {
        let mut config = Config::new(seed);
        config.order = Some(Order::Fifo);
        run(config, workers).0.unwrap()
    };
    assert_eq!(order(1), order(2));
}

#[test]
fn hash_maps_are_in_the_order_of_the_seed() {
    let keys = |seed| {
        let map = || {
            let map: HashMap<u32, ()> = (0..50).map(|n| (n, ())).collect();
            map.into_keys().collect::<Vec<_>>()
        };
        world(seed, map).0
    };
    assert_eq!(keys(5), keys(5));
    assert_ne!(keys(5), keys(6));
}

#[test]
fn a_thread_belongs_to_its_makers_host() {
    world(7, || {
        let (here, there) = (hosts::add("a"), hosts::add("b"));
        let (sender, receiver) = channel();
        for host in [here, there] {
            let sender = sender.clone();
            hosts::start(host, move || {
                let child = thread::spawn(hosts::current);
                sender
                    .send((hosts::current(), child.join().unwrap()))
                    .unwrap();
            });
        }
        drop(sender);
        let mut seen: Vec<_> = receiver.iter().collect();
        seen.sort();
        assert_eq!(seen, [(here, here), (there, there)]);
        assert_ne!(hosts::address(here), hosts::address(there));
    });
}

#[test]
fn a_thread_can_look_until_time_has_passed() {
    world(8, || {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        assert!(thread::available_parallelism().unwrap().get() >= 1);
    });
}

/// As a test harness would: nobody but the thread's own end tells that the world is over.
#[test]
fn a_thread_can_be_adopted() {
    let adopted = thread::spawn(|| {
        yamanote_sim::adopt(Config::new(9));
        let waits_for_ever = thread::spawn(thread::park);
        drop(waits_for_ever);
        let real = Instant::now();
        thread::sleep(Duration::from_secs(600));
        assert!(real.elapsed() >= Duration::from_secs(600));
        assert!(yamanote_sim::is_inside());
    });
    adopted.join().unwrap();
    assert!(!yamanote_sim::is_inside());
}

/// A thread-local that was there before the world is destroyed after it.
#[test]
fn a_descriptor_of_a_world_may_be_closed_after_it() {
    use std::cell::RefCell;
    use std::os::fd::{FromRawFd, OwnedFd};
    thread_local! {
        static KEPT: RefCell<Option<OwnedFd>> = const { RefCell::new(None) };
    }
    let thread = thread::spawn(|| {
        KEPT.with_borrow(|kept| assert!(kept.is_none()));
        yamanote_sim::adopt(Config::new(10));
        // SAFETY: the new descriptor is nobody else's.
        let made = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_CLOEXEC)) };
        KEPT.set(Some(made));
    });
    thread.join().unwrap();
}
