//! `epoll` and `poll` over simulated descriptors: edges, order, limits.

mod support;

use libc::{EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::{add, control, counter, epoll, pipe, poll, read, take, wait, watch, world, write};
use yamanote_sim::{now, open_descriptors};

const NONBLOCKING: i32 = libc::EFD_NONBLOCK | libc::EFD_CLOEXEC;

#[test]
fn a_limit_moves_time_exactly() {
    world(1, || {
        let epoll = epoll();
        for ms in [1, 7, 1000, 3_600_000] {
            let before = now();
            assert_eq!(wait(&epoll, 4, ms), Ok(Vec::new()));
            assert_eq!(now() - before, Duration::from_millis(ms as u64));
            assert_eq!(poll(&[(epoll.as_raw_fd(), libc::POLLIN)], ms), Ok(vec![0]));
            assert_eq!(now() - before, Duration::from_millis(2 * ms as u64));
        }
        assert_eq!(poll(&[], 250), Ok(Vec::new()));
    });
}

#[test]
fn an_edge_is_one_event() {
    world(2, || {
        let (epoll, counter) = (epoll(), counter(0, NONBLOCKING));
        watch(&epoll, &counter, EPOLLIN | EPOLLET, 5);
        assert_eq!(wait(&epoll, 4, 0), Ok(Vec::new()));
        add(&counter, 1).unwrap();
        assert_eq!(wait(&epoll, 4, 0), Ok(vec![(5, EPOLLIN)]));
        assert_eq!(wait(&epoll, 4, 0), Ok(Vec::new()), "nothing has changed");
        add(&counter, 1).unwrap();
        add(&counter, 1).unwrap();
        assert_eq!(wait(&epoll, 4, 0), Ok(vec![(5, EPOLLIN)]));
        assert_eq!(take(&counter), Ok(3));
        assert_eq!(wait(&epoll, 4, 0), Ok(Vec::new()), "it cannot be read now");
        add(&counter, 1).unwrap();
        assert_eq!(take(&counter), Ok(1));
        assert_eq!(wait(&epoll, 4, 0), Ok(Vec::new()), "nor now");
    });
}

#[test]
fn a_level_is_an_event_each_time_and_the_oldest_comes_first() {
    world(3, || {
        let epoll = epoll();
        let counters: Vec<OwnedFd> = (0..4).map(|_| counter(0, NONBLOCKING)).collect();
        for (data, counter) in counters.iter().enumerate() {
            watch(&epoll, counter, EPOLLIN, data as u64);
        }
        for at in [2, 0, 3, 1] {
            add(&counters[at], 1).unwrap();
        }
        let order = |most| -> Vec<u64> {
            let events = wait(&epoll, most, 0).unwrap();
            events.into_iter().map(|(data, _)| data).collect()
        };
        assert_eq!(order(3), [2, 0, 3]);
        assert_eq!(order(3), [1, 2, 0]);
        assert_eq!(order(9), [3, 1, 2, 0]);
        take(&counters[2]).unwrap();
        assert_eq!(order(9), [3, 1, 0]);
        drop(counters);
        assert_eq!(order(9), []);
    });
}

#[test]
fn a_one_shot_waits_to_be_armed_again() {
    world(4, || {
        let (epoll, counter) = (epoll(), counter(1, NONBLOCKING));
        watch(&epoll, &counter, EPOLLIN | EPOLLONESHOT, 1);
        assert_eq!(wait(&epoll, 4, 0), Ok(vec![(1, EPOLLIN)]));
        add(&counter, 1).unwrap();
        assert_eq!(wait(&epoll, 4, 10), Ok(Vec::new()));
        control(&epoll, libc::EPOLL_CTL_MOD, &counter, EPOLLIN | EPOLLET, 2).unwrap();
        assert_eq!(
            wait(&epoll, 4, 0),
            Ok(vec![(2, EPOLLIN)]),
            "what holds is told"
        );
        control(&epoll, libc::EPOLL_CTL_DEL, &counter, 0, 0).unwrap();
        add(&counter, 1).unwrap();
        assert_eq!(wait(&epoll, 4, 0), Ok(Vec::new()));
        let again = control(&epoll, libc::EPOLL_CTL_DEL, &counter, 0, 0);
        assert_eq!(again, Err(libc::ENOENT));
    });
}

#[test]
fn the_last_descriptor_of_a_file_takes_it_out() {
    world(5, || {
        let (epoll, counter) = (epoll(), counter(0, NONBLOCKING));
        watch(&epoll, &counter, EPOLLIN, 1);
        let copy = counter.try_clone().unwrap();
        drop(counter);
        add(&copy, 1).unwrap();
        assert_eq!(
            wait(&epoll, 4, 0),
            Ok(vec![(1, EPOLLIN)]),
            "it is open still"
        );
        drop(copy);
        assert_eq!(wait(&epoll, 4, 0), Ok(Vec::new()));
        assert_eq!(open_descriptors(), 1);
    });
}

#[test]
fn a_pipe_tells_of_its_other_end() {
    world(6, || {
        let epoll = epoll();
        let (reader, writer) = pipe(libc::O_NONBLOCK);
        watch(&epoll, &reader, EPOLLIN | EPOLLET, 1);
        watch(&epoll, &writer, EPOLLOUT | EPOLLET, 2);
        assert_eq!(wait(&epoll, 4, 0), Ok(vec![(2, EPOLLOUT)]));
        assert_eq!(write(&writer, &[0; 70_000]), Ok(65_536));
        assert_eq!(wait(&epoll, 4, 0), Ok(vec![(1, EPOLLIN)]));
        assert_eq!(write(&writer, &[0; 1]), Err(libc::EAGAIN));
        let mut page = [0; 4096];
        assert_eq!(read(&reader, &mut page[1..]), Ok(4095));
        assert_eq!(
            write(&writer, &[0; 1]),
            Err(libc::EAGAIN),
            "its page is in use"
        );
        assert_eq!(read(&reader, &mut page[..1]), Ok(1));
        assert_eq!(
            wait(&epoll, 4, 0),
            Ok(vec![(1, EPOLLIN), (2, EPOLLOUT)]),
            "the writes without success are edges too"
        );
        drop(writer);
        assert_eq!(wait(&epoll, 4, 0), Ok(vec![(1, EPOLLIN | EPOLLHUP)]));
        let (reader, writer) = pipe(libc::O_NONBLOCK);
        watch(&epoll, &writer, EPOLLET, 3);
        drop(reader);
        assert_eq!(wait(&epoll, 4, 0), Ok(vec![(3, EPOLLERR)]));
        assert_eq!(write(&writer, b"x"), Err(libc::EPIPE));
    });
}

#[test]
fn an_epoll_can_be_waited_for() {
    world(7, || {
        let (outer, inner, counter) = (epoll(), epoll(), counter(0, NONBLOCKING));
        watch(&outer, &inner, EPOLLIN | EPOLLET, 1);
        watch(&inner, &counter, EPOLLIN, 2);
        let circle = control(&inner, libc::EPOLL_CTL_ADD, &outer, EPOLLIN, 3);
        assert_eq!(circle, Err(libc::ELOOP));
        let itself = control(&inner, libc::EPOLL_CTL_ADD, &inner, EPOLLIN, 3);
        assert_eq!(itself, Err(libc::EINVAL));
        let late = thread::spawn(move || {
            thread::sleep(Duration::from_secs(1));
            add(&counter, 1).unwrap();
            counter
        });
        let inner_fd = inner.as_raw_fd();
        assert_eq!(
            poll(&[(inner_fd, libc::POLLIN)], -1),
            Ok(vec![libc::POLLIN])
        );
        assert_eq!(now().as_secs(), 1);
        assert_eq!(wait(&outer, 4, -1), Ok(vec![(1, EPOLLIN)]));
        assert_eq!(wait(&inner, 4, -1), Ok(vec![(2, EPOLLIN)]));
        let counter = late.join().unwrap();
        take(&counter).unwrap();
        assert_eq!(poll(&[(inner_fd, libc::POLLIN)], 5), Ok(vec![0]));
    });
}

#[test]
fn each_event_wakes_one_that_waits() {
    for seed in 0..200 {
        let run = |seed| {
            world(seed, || {
                let epoll = Arc::new(epoll());
                let counters: Vec<_> = (0..3).map(|_| counter(0, NONBLOCKING)).collect();
                for (data, counter) in counters.iter().enumerate() {
                    watch(&*epoll, counter, EPOLLIN | EPOLLET, data as u64);
                }
                let seen = Arc::new(Mutex::new(Vec::new()));
                let threads: Vec<_> = (0..3)
                    .map(|_| {
                        let (epoll, seen) = (epoll.clone(), seen.clone());
                        thread::spawn(move || {
                            let events = wait(&*epoll, 1, -1).unwrap();
                            seen.lock().unwrap().extend(events);
                        })
                    })
                    .collect();
                thread::sleep(Duration::from_millis(1));
                for counter in &counters {
                    add(counter, 1).unwrap();
                }
                threads.into_iter().for_each(|one| one.join().unwrap());
                assert!(now() < Duration::from_millis(2));
                let mut seen = seen.lock().unwrap().clone();
                seen.sort();
                assert_eq!(seen, [(0, EPOLLIN), (1, EPOLLIN), (2, EPOLLIN)]);
            })
        };
        assert_eq!(run(seed).1.hash(), run(seed).1.hash(), "seed {seed}");
    }
}

#[test]
fn a_real_descriptor_is_never_ready_beside_a_simulated_one() {
    let (real, _other_end) = pipe(0);
    let real = real.as_raw_fd();
    world(8, move || {
        let counter = counter(0, NONBLOCKING);
        let fds = [(real, libc::POLLIN), (counter.as_raw_fd(), libc::POLLIN)];
        assert_eq!(poll(&fds, 20), Ok(vec![0, 0]));
        assert_eq!(now(), Duration::from_millis(20));
        add(&counter, 1).unwrap();
        assert_eq!(poll(&fds, -1), Ok(vec![0, libc::POLLIN]));
        assert_eq!(poll(&fds[..1], 0), Ok(vec![0]));
        let epoll = epoll();
        let added = control(&epoll, libc::EPOLL_CTL_ADD, &real, EPOLLIN, 0);
        assert_eq!(added, Err(libc::EPERM));
    });
}
