//! `mio` in a world: a poll, wakers, and descriptors of its own.

mod support;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use support::{pipe, read, world, write};
use yamanote_sim::{note, now, open_descriptors, step};

#[test]
fn a_poll_waits_for_its_limit() {
    world(1, || {
        let mut poll = Poll::new().unwrap();
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(Duration::from_secs(2)))
            .unwrap();
        assert!(events.is_empty());
        assert_eq!(now(), Duration::from_secs(2));
        // Counted in milliseconds, and never too short.
        poll.poll(&mut events, Some(Duration::from_micros(1)))
            .unwrap();
        assert_eq!(now(), Duration::from_millis(2001));
    });
}

/// Wakes from several threads; each wake is seen, by whoever polls.
fn wakes() -> usize {
    const WAKES: usize = 5;
    let mut poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(7)).unwrap());
    let registry = poll.registry().try_clone().unwrap();
    let (reader, writer) = pipe(libc::O_NONBLOCK);
    let fd = reader.as_raw_fd();
    let source = &mut SourceFd(&fd);
    registry
        .register(source, Token(9), Interest::READABLE)
        .unwrap();
    let threads: Vec<_> = (0..3)
        .map(|n| {
            let waker = waker.clone();
            thread::spawn(move || {
                for wake in 0..WAKES {
                    waker.wake().unwrap();
                    note(&format!("{n} wakes, {wake}"));
                    step();
                }
            })
        })
        .collect();
    let writes = thread::spawn(move || {
        for _ in 0..WAKES {
            write(&writer, b"x").unwrap();
            step();
        }
    });
    let mut events = Events::with_capacity(8);
    let (mut woken, mut bytes, mut is_over) = (0, 0, false);
    while !is_over {
        poll.poll(&mut events, Some(Duration::from_secs(1)))
            .unwrap();
        for event in &events {
            match event.token() {
                Token(7) => woken += 1,
                Token(9) => {
                    let mut buf = [0; 2];
                    while let Ok(n @ 1..) = read(&reader, &mut buf) {
                        bytes += n;
                    }
                    is_over |= event.is_read_closed();
                }
                other => panic!("nobody has {other:?}"),
            }
        }
        note(&format!("{woken} {bytes}"));
    }
    assert_eq!(bytes, WAKES);
    threads.into_iter().for_each(|one| one.join().unwrap());
    writes.join().unwrap();
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    woken += events
        .iter()
        .filter(|event| event.token() == Token(7))
        .count();
    assert!((1..=3 * WAKES).contains(&woken), "{woken}");
    assert!(now() < Duration::from_secs(1), "every change was noticed");
    drop((poll, registry, waker, reader));
    assert_eq!(open_descriptors(), 0);
    woken
}

#[test]
fn wakes_are_seen_and_a_seed_repeats_them() {
    let mut counts = std::collections::BTreeSet::new();
    for seed in 0..500 {
        let (woken, trace) = world(seed, wakes);
        let (_, same) = world(seed, wakes);
        assert_eq!(trace.hash(), same.hash(), "seed {seed}");
        counts.insert(woken);
    }
    assert!(counts.len() > 3, "{counts:?}");
}
