//! Pipes, counters and alarms, read and written by threads that wait.

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::Duration;
use support::{add, check, counter, fcntl, pipe, poll, read, take, world, write};
use yamanote_sim::{note, now, open_descriptors, step};

const FIRST: i32 = 1 << 29;

fn sleep_ms(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

#[test]
fn a_read_waits_for_bytes_and_a_write_for_room() {
    world(1, || {
        let (reader, writer) = pipe(0);
        let (mut reader, mut writer) = (File::from(reader), File::from(writer));
        let producer = thread::spawn(move || {
            sleep_ms(100);
            writer.write_all(b"abc").unwrap();
            sleep_ms(100);
            // More than the pipe holds.
            let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
            assert_eq!(write(&writer, &bytes), Ok(bytes.len()));
            assert!(now() >= Duration::from_millis(300), "{:?}", now());
        });
        let mut three = [0; 3];
        reader.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"abc");
        assert_eq!(now().as_millis(), 100);
        sleep_ms(200);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 200_000);
        assert!(rest.iter().enumerate().all(|(at, byte)| *byte == at as u8));
        producer.join().unwrap();
        drop(reader);
        assert_eq!(open_descriptors(), 0);
    });
}

#[test]
fn vectors_are_read_and_written_in_order() {
    world(2, || {
        let (reader, writer) = pipe(libc::O_NONBLOCK);
        let (mut reader, mut writer) = (File::from(reader), File::from(writer));
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(writer.write_vectored(&parts).unwrap(), 5);
        let (mut one, mut two) = ([0; 3], [0; 4]);
        let mut parts = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(reader.read_vectored(&mut parts).unwrap(), 5);
        assert_eq!((&one, &two), (b"abc", b"de\0\0"));
        let mut more = [0; 4];
        assert_eq!(read(&reader, &mut more), Err(libc::EAGAIN));
        drop(writer);
        assert_eq!(read(&reader, &mut more), Ok(0));
    });
}

#[test]
fn descriptors_are_the_lowest_free_and_copies_share_the_file() {
    world(3, || {
        let fds: Vec<OwnedFd> = (0..4).map(|_| counter(0, 0)).collect();
        let numbers: Vec<i32> = fds.iter().map(|fd| fd.as_raw_fd() - FIRST).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        let mut fds = fds.into_iter();
        let (first, _second) = (fds.next().unwrap(), fds.next().unwrap());
        drop(first);
        let copy = fds.next().unwrap().try_clone().unwrap();
        assert_eq!(copy.as_raw_fd() - FIRST, 0, "that of the first is free");
        let third = counter(0, 0);
        assert_eq!(third.as_raw_fd() - FIRST, 2, "the original was dropped");
        assert_eq!(fcntl(&copy, libc::F_GETFD, 0), Ok(1));
        let other = copy.try_clone().unwrap();
        fcntl(&copy, libc::F_SETFL, libc::O_NONBLOCK).unwrap();
        assert_eq!(take(&other), Err(libc::EAGAIN), "the flag is the file's");
        add(&copy, 3).unwrap();
        assert_eq!(take(&other), Ok(3));
        // SAFETY: no pointers, and nobody has the number.
        let placed = check(unsafe { libc::dup2(copy.as_raw_fd(), FIRST + 50) } as isize);
        assert_eq!(placed, Ok(FIRST as usize + 50));
        // SAFETY: as above.
        let high = check(unsafe { libc::fcntl(FIRST + 50, libc::F_DUPFD, FIRST + 50) } as isize);
        assert_eq!(high, Ok(FIRST as usize + 51));
        drop((copy, other));
        // SAFETY: as above.
        unsafe {
            add(&(FIRST + 50), 1).unwrap();
            assert_eq!(libc::close(FIRST + 50), 0);
            assert_eq!(libc::close(FIRST + 51), 0);
            assert_eq!(libc::close(FIRST + 51), -1);
        }
        drop((fds, third, _second));
        assert_eq!(open_descriptors(), 0);
    });
}

#[test]
fn a_counter_is_waited_for_at_both_ends() {
    world(4, || {
        let counter = std::sync::Arc::new(counter(0, libc::EFD_SEMAPHORE));
        let full = counter.clone();
        let filler = thread::spawn(move || {
            sleep_ms(10);
            add(&*full, u64::MAX - 1).unwrap();
            add(&*full, 2).unwrap();
            assert_eq!(now().as_millis(), 20);
        });
        assert_eq!(take(&*counter), Ok(1));
        assert_eq!(now().as_millis(), 10);
        sleep_ms(10);
        assert_eq!(take(&*counter), Ok(1));
        filler.join().unwrap();
    });
}

#[test]
fn an_alarm_counts_what_was_missed() {
    world(5, || {
        // SAFETY: no pointers.
        let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) };
        assert!(fd >= FIRST);
        let time = |ms: i64| libc::timespec {
            tv_sec: ms / 1000,
            tv_nsec: ms % 1000 * 1_000_000,
        };
        let set = |value, interval| {
            let times = libc::itimerspec {
                it_value: time(value),
                it_interval: time(interval),
            };
            // SAFETY: the pointer is valid.
            check(unsafe { libc::timerfd_settime(fd, 0, &times, std::ptr::null_mut()) } as isize)
        };
        set(1500, 0).unwrap();
        assert_eq!(poll(&[(fd, libc::POLLIN)], -1), Ok(vec![libc::POLLIN]));
        assert_eq!(now(), Duration::from_millis(1500));
        assert_eq!(take(&fd), Ok(1));
        assert_eq!(poll(&[(fd, libc::POLLIN)], 10_000), Ok(vec![0]));
        set(100, 50).unwrap();
        sleep_ms(275);
        assert_eq!(take(&fd), Ok(4), "at 100, 150, 200 and 250");
        assert_eq!(take(&fd), Ok(1));
        assert_eq!(now().as_millis(), 11_800);
        set(0, 0).unwrap();
        assert_eq!(poll(&[(fd, libc::POLLIN)], 10_000), Ok(vec![0]));
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::close(fd) }, 0);
    });
}

#[test]
fn copies_by_the_kernel_are_declined() {
    world(6, || {
        let (reader, writer) = pipe(0);
        let (from, to) = (reader.as_raw_fd(), writer.as_raw_fd());
        let none = std::ptr::null_mut();
        // SAFETY: no pointers.
        let answers = unsafe {
            [
                libc::splice(from, none, to, none, 1, 0),
                libc::tee(from, to, 1, 0),
                libc::sendfile(to, from, none, 1),
                libc::copy_file_range(from, none, to, none, 1, 0),
            ]
        };
        for answer in answers {
            assert_eq!(check(answer), Err(libc::EINVAL));
        }
        // So `std` copies by hand.
        let copied = thread::spawn(move || {
            let (from, mut to) = (File::from(reader), Vec::new());
            std::io::copy(&mut &from, &mut to).unwrap();
            to
        });
        File::from(writer).write_all(b"copied").unwrap();
        assert_eq!(copied.join().unwrap(), b"copied");
    });
}

/// Producers and consumers share two pipes; what came is what was sent, whole lines of it, each
/// `len` bytes with its end.
fn traffic(lines: usize, len: usize) -> Vec<String> {
    let pipes: Vec<_> = (0..2).map(|_| pipe(0)).collect();
    let mut threads = Vec::new();
    let mut consumers = Vec::new();
    for (number, (reader, writer)) in pipes.into_iter().enumerate() {
        for producer in 0..2 {
            let mut writer = File::from(writer.try_clone().unwrap());
            threads.push(thread::spawn(move || {
                for line in 0..lines {
                    let mut text = format!("{number} {producer} {line}");
                    text.extend(std::iter::repeat_n('.', len - 1 - text.len()));
                    text.push('\n');
                    writer.write_all(text.as_bytes()).unwrap();
                    step();
                }
            }));
        }
        consumers.push(thread::spawn(move || {
            let (mut text, mut buf) = (Vec::new(), [0; 1700]);
            loop {
                let n = read(&reader, &mut buf).unwrap();
                if n == 0 {
                    return String::from_utf8(text).unwrap();
                }
                text.extend(&buf[..n]);
                step();
            }
        }));
        drop(writer);
    }
    threads.into_iter().for_each(|one| one.join().unwrap());
    let mut seen = Vec::new();
    for (number, consumer) in consumers.into_iter().enumerate() {
        let text = consumer.join().unwrap();
        let mut next = [0; 2];
        for line in text.lines() {
            assert_eq!(line.len(), len - 1);
            let mut words = line.trim_end_matches('.').split(' ');
            let mut word = || words.next().unwrap().parse::<usize>().unwrap();
            let (pipe, producer, at) = (word(), word(), word());
            assert_eq!((pipe, at), (number, next[producer]));
            next[producer] += 1;
            note(&format!("{pipe} {producer} {at}"));
            seen.push(format!("{pipe} {producer} {at}"));
        }
        assert_eq!(next, [lines; 2]);
    }
    assert_eq!(open_descriptors(), 0);
    seen
}

#[test]
fn the_seed_decides_who_writes_first() {
    let mut orders = BTreeSet::new();
    for seed in 0..2000 {
        // Few bytes, or so many that the pipes are full at times.
        let traffic = move || match seed % 20 {
            0 => traffic(12, libc::PIPE_BUF),
            _ => traffic(3, 40),
        };
        let (seen, trace) = world(seed, traffic);
        let (again, same) = world(seed, traffic);
        assert_eq!(seen, again, "seed {seed}");
        assert_eq!(trace.hash(), same.hash(), "seed {seed}");
        orders.insert(seen);
    }
    assert!(orders.len() > 100, "{}", orders.len());
}
