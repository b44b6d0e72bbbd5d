//! Disks that fail, are full, are slow, and those of hosts that are down.

mod support;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};
use support::world;
use yamanote_sim::disk::{Keeps, WriteError};
use yamanote_sim::{HostId, disk, hosts};

const HOST: HostId = HostId::DRIVER;

fn number<T>(answer: io::Result<T>) -> Option<i32> {
    answer.err().and_then(|error| error.raw_os_error())
}

#[test]
fn a_sync_that_fails_leaves_clean_pages_that_are_lost() {
    world(1, || {
        let mut file = File::create("/tmp/f").unwrap();
        disk::sync(HOST);
        disk::change(HOST, |settings| settings.sync_fails = 1.0);
        file.write_all(b"lost").unwrap();
        assert_eq!(number(file.sync_all()), Some(libc::EIO));
        disk::change(HOST, |settings| settings.sync_fails = 0.0);
        // The next one has nothing to do.
        file.sync_all().unwrap();
        assert_eq!(fs::read("/tmp/f").unwrap(), b"lost");
        file.write_all(b"kept").unwrap();
        file.sync_all().unwrap();
        disk::change(HOST, |settings| settings.crash_keeps = Keeps::Synced);
        disk::cut(HOST);
        // The page was written again, and all of it with it.
        assert_eq!(fs::read("/tmp/f").unwrap(), b"lostkept");
    });
    world(1, || {
        let mut file = File::create("/tmp/f").unwrap();
        disk::sync(HOST);
        disk::change(HOST, |settings| settings.sync_fails = 1.0);
        file.write_all(b"lost").unwrap();
        assert_eq!(number(file.sync_data()), Some(libc::EIO));
        disk::change(HOST, |settings| settings.sync_fails = 0.0);
        file.sync_all().unwrap();
        disk::cut(HOST);
        assert_eq!(fs::read("/tmp/f").unwrap(), b"");
    });
}

/// The length is written with whatever is written next, also if that is nothing new.
#[test]
fn a_write_over_what_a_failed_sync_left_is_kept_with_its_length() {
    world(1, || {
        let mut file = File::create("/tmp/f").unwrap();
        disk::sync(HOST);
        disk::change(HOST, |settings| settings.sync_fails = 1.0);
        file.write_all(b"again").unwrap();
        assert_eq!(number(file.sync_all()), Some(libc::EIO));
        disk::change(HOST, |settings| {
            settings.sync_fails = 0.0;
            settings.crash_keeps = Keeps::Synced;
        });
        file.rewind().unwrap();
        file.write_all(b"again").unwrap();
        file.sync_all().unwrap();
        disk::cut(HOST);
        assert_eq!(fs::read("/tmp/f").unwrap(), b"again");
    });
    world(1, || {
        let mut file = File::create("/tmp/f").unwrap();
        file.write_all(b"a long one").unwrap();
        disk::sync(HOST);
        disk::change(HOST, |settings| settings.sync_fails = 1.0);
        file.set_len(1).unwrap();
        assert_eq!(number(file.sync_all()), Some(libc::EIO));
        disk::change(HOST, |settings| {
            settings.sync_fails = 0.0;
            settings.crash_keeps = Keeps::Synced;
        });
        file.set_len(1).unwrap();
        file.sync_all().unwrap();
        disk::cut(HOST);
        assert_eq!(fs::read("/tmp/f").unwrap(), b"a");
    });
}

#[test]
fn a_sync_can_lie() {
    world(2, || {
        let mut file = File::create("/tmp/f").unwrap();
        disk::sync(HOST);
        disk::change(HOST, |settings| {
            settings.sync_lies = 1.0;
            settings.crash_keeps = Keeps::Synced;
        });
        file.write_all(b"lost").unwrap();
        file.sync_all().unwrap();
        disk::cut(HOST);
        assert_eq!(fs::read("/tmp/f").unwrap(), b"");
    });
}

#[test]
fn reads_and_writes_fail() {
    world(3, || {
        fs::write("/tmp/f", "f").unwrap();
        disk::change(HOST, |settings| {
            settings.read_fails = 1.0;
            settings.write_fails = 1.0;
        });
        assert_eq!(number(fs::read("/tmp/f")), Some(libc::EIO));
        assert_eq!(number(fs::write("/tmp/g", "g")), Some(libc::EIO));
        assert!(fs::metadata("/tmp/g").is_ok(), "it is made, and empty");
        disk::change(HOST, |settings| {
            settings.read_fails = 0.0;
            settings.write_fails = 0.0;
            settings.bytes_until_error = Some(10);
            settings.write_error = WriteError::Broken;
        });
        let mut file = File::create("/tmp/g").unwrap();
        assert_eq!(file.write(&[1; 8]).unwrap(), 8);
        assert_eq!(file.write(&[1; 8]).unwrap(), 2);
        assert_eq!(number(file.write(&[1; 8])), Some(libc::EIO));
        assert_eq!(fs::read("/tmp/g").unwrap(), [1; 10]);
    });
}

#[test]
fn a_disk_is_full() {
    world(4, || {
        disk::change(HOST, |settings| settings.capacity = Some(4 * 4096));
        let mut file = File::create("/tmp/f").unwrap();
        assert_eq!(file.write(&[1; 5 * 4096]).unwrap(), 4 * 4096);
        assert_eq!(number(file.write(&[1; 1])), Some(libc::ENOSPC));
        assert_eq!(number(fs::write("/tmp/g", "g")), Some(libc::ENOSPC));
        // What is there can be changed.
        file.write_all_at(&[2; 4096], 4096).unwrap();
        assert_eq!(disk::used(HOST), 4 * 4096);
        fs::remove_file("/tmp/f").unwrap();
        assert_eq!(
            number(fs::write("/tmp/g", "g")),
            Some(libc::ENOSPC),
            "it is open"
        );
        drop(file);
        fs::write("/tmp/g", "g").unwrap();
        assert_eq!(disk::used(HOST), 4096);
        let mut room = [0u64; 2];
        // SAFETY: a C string, and room for the answer, of which zero is a value.
        unsafe {
            let mut found: libc::statfs = std::mem::zeroed();
            assert_eq!(libc::statfs(c"/tmp".as_ptr(), &raw mut found), 0);
            room = [found.f_blocks, found.f_bavail].map(|n| n + room[0]);
        }
        assert_eq!(room, [4, 3]);
    });
}

#[test]
fn a_disk_is_slow() {
    let took = |seed| {
        let (took, trace) = world(seed, || {
            let host = hosts::add("slow");
            let ms = Duration::from_millis;
            disk::change(host, |settings| {
                settings.latency = ms(10)..=ms(20);
                settings.sync_latency = ms(500)..=ms(900);
            });
            let (send, receive) = std::sync::mpsc::channel();
            hosts::start(host, move || {
                let begun = Instant::now();
                let mut file = File::create("/tmp/f").unwrap();
                file.write_all(b"x").unwrap();
                let written = begun.elapsed();
                file.sync_all().unwrap();
                send.send((written, begun.elapsed() - written)).unwrap();
            });
            receive.recv().unwrap()
        });
        (took, trace.hash())
    };
    let ((written, synced), hash) = took(5);
    assert!((20..=41).contains(&written.as_millis()), "{written:?}");
    assert!((500..=901).contains(&synced.as_millis()), "{synced:?}");
    assert_eq!(took(5), ((written, synced), hash));
    assert_ne!(took(6).0, (written, synced));
}

#[test]
fn who_has_crashed_changes_nothing() {
    world(6, || {
        let host = hosts::add("node");
        disk::change(host, |settings| settings.crash_keeps = Keeps::Synced);
        let (send, receive) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        hosts::start(host, move || {
            let mut file = File::options()
                .create(true)
                .append(true)
                .read(true)
                .open("/tmp/log")
                .unwrap();
            file.write_all(b"synced").unwrap();
            file.sync_all().unwrap();
            File::open("/tmp").unwrap().sync_all().unwrap();
            file.write_all(b" and not").unwrap();
            send.send(Vec::new()).unwrap();
            wait.recv().unwrap();
            let answers = vec![
                number(file.write_all(b"too late")),
                number(file.sync_all()),
                number(file.read(&mut [0; 8])),
                number(fs::write("/tmp/log", "x")),
                number(fs::remove_file("/tmp/log")),
                number(fs::rename("/tmp/log", "/tmp/x")),
                number(fs::create_dir("/tmp/d")),
                number(file.metadata()),
            ];
            drop(file);
            send.send(answers).unwrap();
        });
        receive.recv().unwrap();
        hosts::crash(host);
        let before = disk::hash(host);
        go.send(()).unwrap();
        assert_eq!(receive.recv().unwrap(), [Some(libc::EIO); 8]);
        assert_eq!(disk::hash(host), before);
        let (send, receive) = std::sync::mpsc::channel();
        hosts::start(host, move || {
            send.send(fs::read("/tmp/log").unwrap()).unwrap();
        });
        assert_eq!(receive.recv().unwrap(), b"synced");
    });
}

#[test]
fn a_lock_ends_with_its_life() {
    world(7, || {
        let host = hosts::add("node");
        for _ in 0..3 {
            let (send, receive) = std::sync::mpsc::channel();
            hosts::start(host, move || {
                let file = File::create("/tmp/lock").unwrap();
                // SAFETY: no pointers.
                let locked = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) };
                std::mem::forget(file);
                send.send(locked).unwrap();
            });
            assert_eq!(receive.recv_timeout(Duration::from_secs(9)), Ok(0));
            hosts::crash(host);
        }
    });
}

#[test]
fn the_same_seed_does_the_same() {
    let run = |seed| {
        let (hash, trace) = world(seed, || {
            let [one, two] = ["one", "two"].map(hosts::add);
            for host in [one, two] {
                disk::change(host, |settings| {
                    settings.sync_fails = 0.1;
                    settings.sync_lies = 0.1;
                    settings.write_fails = 0.05;
                    settings.read_fails = 0.05;
                });
                hosts::start(host, move || {
                    for round in 0..6u8 {
                        let work = move || {
                            let path = format!("/tmp/{}", round % 3);
                            let _ = fs::write(&path, [round; 5000]);
                            let _ = File::open(&path).and_then(|file| file.sync_all());
                            let _ = fs::rename(&path, format!("/tmp/{}", (round + 1) % 3));
                            fs::read_dir("/tmp").map_or(0, Iterator::count)
                        };
                        std::thread::spawn(work);
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(3));
            hosts::crash(one);
            std::thread::sleep(Duration::from_millis(30));
            hosts::crash(two);
            (disk::hash(one), disk::hash(two))
        });
        (hash, trace.hash(), trace.events())
    };
    let mut different = std::collections::BTreeSet::new();
    for seed in 0..500 {
        let first = run(seed);
        assert_eq!(first, run(seed), "seed {seed}");
        different.insert(first.1);
    }
    assert!(different.len() > 490, "{}", different.len());
}
