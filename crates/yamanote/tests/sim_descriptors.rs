//! Pipes, counters and alarms in simulations, by the runtime's driver.
#![cfg(feature = "sim")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use yamanote::io::unix::AsyncFd;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::unix::pipe;
use yamanote::sim::{self, Sim};
use yamanote::task::{self, JoinSet};
use yamanote::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// Simulated descriptors are numbers that no real ones have.
fn assert_simulated(fd: &impl AsRawFd) {
    assert!(fd.as_raw_fd() >= 1 << 29, "{}", fd.as_raw_fd());
}

/// Tasks hand a number on, each by a pipe to the next, round after round.
async fn ring_of_pipes() {
    const TASKS: usize = 6;
    const ROUNDS: u64 = 5;
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for _ in 0..TASKS {
        let (sender, receiver) = pipe::pipe().unwrap();
        assert_simulated(&sender);
        senders.push(sender);
        receivers.push(receiver);
    }
    let mut first = senders.remove(0);
    let mut last = receivers.pop().unwrap();
    let mut tasks = JoinSet::new();
    for (mut from, mut to) in receivers.into_iter().zip(senders) {
        tasks.spawn(async move {
            for _ in 0..ROUNDS {
                let number = from.read_u64().await.unwrap();
                sim::note(&number.to_string());
                task::yield_now().await;
                to.write_u64(number + 1).await.unwrap();
            }
        });
    }
    let mut number = 0;
    for _ in 0..ROUNDS {
        first.write_u64(number).await.unwrap();
        number = last.read_u64().await.unwrap();
    }
    assert_eq!(number, ROUNDS * (TASKS as u64 - 1));
    tasks.join_all().await;
    assert_eq!(last.read(&mut [0; 8]).await.unwrap(), 0, "all are gone");
    drop(last);
    let error = first.write(b"x").await;
    let gone = error.map_err(|error| error.kind());
    assert_eq!(gone, Err(io::ErrorKind::BrokenPipe), "its reader too");
}

#[sim::test(seeds = 40)]
async fn pipes_between_tasks(sim: Sim) {
    for workers in [1, 4] {
        let host = sim.host(format!("of {workers}")).worker_threads(workers);
        host.start(ring_of_pipes).await.unwrap();
    }
    assert!(sim.now() < SECOND, "{:?}", sim.now());
}

#[sim::test(seeds = 20)]
async fn a_full_pipe_is_waited_for(sim: Sim) {
    let host = sim.host("a");
    let program = host.start(|| async {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        let writes = task::spawn(async move {
            let bytes: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
            sender.write_all(&bytes).await.unwrap();
            Instant::now()
        });
        sleep(SECOND).await;
        assert!(!writes.is_finished(), "a pipe holds 64 KiB");
        let (mut all, mut some) = (Vec::new(), vec![0; 10_000]);
        loop {
            match receiver.read(&mut some).await.unwrap() {
                0 => break,
                n => all.extend(&some[..n]),
            }
        }
        assert_eq!(all.len(), 300_000);
        let is_right = |(at, byte): (usize, &u8)| *byte == (at % 251) as u8;
        assert!(all.iter().enumerate().all(is_right));
        writes.await.unwrap()
    });
    program.await.unwrap();
    assert!(sim.now() >= SECOND && sim.now() < 2 * SECOND);
}

fn fd(number: i32) -> OwnedFd {
    assert!(number >= 1 << 29, "{}", io::Error::last_os_error());
    // SAFETY: new, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(number) }
}

fn watched(fd: OwnedFd) -> AsyncFd<OwnedFd> {
    // SAFETY: an `OwnedFd` keeps its descriptor.
    unsafe { AsyncFd::register(fd) }.unwrap()
}

/// The number that a counter or an alarm gives.
async fn take(fd: &AsyncFd<OwnedFd>) -> u64 {
    loop {
        let mut guard = fd.readable().await.unwrap();
        let taken = guard.try_io(|fd| {
            let mut value = 0u64;
            // SAFETY: there is room for eight bytes.
            let n = unsafe { libc::read(fd.as_raw_fd(), (&raw mut value).cast(), 8) };
            match n {
                8 => Ok(value),
                _ => Err(io::Error::last_os_error()),
            }
        });
        if let Ok(taken) = taken {
            return taken.unwrap();
        }
    }
}

#[sim::test(seeds = 20)]
async fn an_alarm_and_a_counter_are_watched(sim: Sim) {
    let host = sim.host("a").worker_threads(2);
    let program = host.start(|| async {
        // SAFETY: no pointers.
        let alarm = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK) };
        let alarm = watched(fd(alarm));
        let times = libc::itimerspec {
            it_value: libc::timespec {
                tv_sec: 2,
                tv_nsec: 0,
            },
            it_interval: libc::timespec {
                tv_sec: 1,
                tv_nsec: 0,
            },
        };
        // SAFETY: the pointer is valid.
        let set = unsafe {
            libc::timerfd_settime(alarm.as_raw_fd(), 0, &raw const times, std::ptr::null_mut())
        };
        assert_eq!(set, 0);
        let begin = Instant::now();
        // SAFETY: no pointers.
        let counter = fd(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) });
        let writer = counter.try_clone().unwrap();
        let counter = watched(counter);
        assert!(timeout(SECOND, take(&counter)).await.is_err());
        let ticks = task::spawn(async move {
            let mut ticks = 0;
            while ticks < 4 {
                ticks += take(&alarm).await;
                let one = 1u64;
                // SAFETY: there are eight bytes.
                let n = unsafe { libc::write(writer.as_raw_fd(), (&raw const one).cast(), 8) };
                assert_eq!(n, 8);
            }
        });
        let mut seen = 0;
        while seen < 4 {
            seen += take(&counter).await;
            let passed = begin.elapsed();
            let due = (1 + seen) * SECOND.as_millis() as u64;
            let late = passed.as_millis() as u64 - due;
            assert!(late < 10, "{seen} after {passed:?}");
        }
        ticks.await.unwrap();
    });
    program.await.unwrap();
    assert!(sim.now() >= 5 * SECOND && sim.now() < 6 * SECOND);
}
