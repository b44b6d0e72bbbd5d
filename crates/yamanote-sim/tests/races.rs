//! What a call is about goes while the call is under way.

mod support;

use std::ffi::CStr;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;
use support::{check, world, write};
use yamanote_sim::disk::{self, Keeps};
use yamanote_sim::{HostId, hosts};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_socket_is_closed_while_all_bytes_are_waited_for() {
    world(1, || {
        let (a, b) = UnixStream::pair().unwrap();
        let fd = b.into_raw_fd();
        let reader = thread::spawn(move || {
            let mut buf = [0u8; 10];
            // SAFETY: the buffer is as long as is said.
            check(unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), 10, libc::MSG_WAITALL) })
        });
        thread::sleep(ms(1));
        // SAFETY: nobody uses the number any more but the call under way.
        assert_eq!(unsafe { libc::close(fd) }, 0);
        write(&a, b"abc").unwrap();
        thread::sleep(ms(1));
        write(&a, b"de").unwrap();
        drop(a);
        assert_eq!(reader.join().unwrap(), Ok(5));
    });
}

#[test]
fn a_socket_is_closed_between_two_messages_of_a_call() {
    world(1, || {
        let (a, b) = UnixStream::pair().unwrap();
        let fd = b.into_raw_fd();
        let reader = thread::spawn(move || {
            let mut bufs = [[0u8; 3]; 2];
            let mut parts = bufs.each_mut().map(|buf| libc::iovec {
                iov_base: buf.as_mut_ptr().cast(),
                iov_len: buf.len(),
            });
            // SAFETY: a zeroed message is valid, and so are the places.
            unsafe {
                let mut messages: [libc::mmsghdr; 2] = std::mem::zeroed();
                for (message, part) in messages.iter_mut().zip(&mut parts) {
                    message.msg_hdr.msg_iov = part;
                    message.msg_hdr.msg_iovlen = 1;
                }
                let place = messages.as_mut_ptr();
                check(libc::recvmmsg(fd, place, 2, 0, std::ptr::null_mut()) as isize)
            }
        });
        thread::sleep(ms(1));
        // SAFETY: nobody uses the number any more but the call under way.
        assert_eq!(unsafe { libc::close(fd) }, 0);
        write(&a, b"abc").unwrap();
        thread::sleep(ms(1));
        write(&a, b"def").unwrap();
        assert_eq!(reader.join().unwrap(), Ok(2));
    });
}

fn open_dir(path: &CStr) -> i32 {
    // SAFETY: the path is a C string.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_DIRECTORY) };
    check(fd as isize).unwrap() as i32
}

fn open_at(dir: i32, path: &CStr) -> Result<usize, i32> {
    // SAFETY: the path is a C string.
    check(unsafe { libc::openat(dir, path.as_ptr(), libc::O_RDONLY) } as isize)
}

#[test]
fn a_directory_goes_while_a_call_begins_in_it() {
    world(1, || {
        let host = hosts::add("host");
        disk::change(host, |disk| disk.latency = ms(10)..=ms(10));
        let (tell, told) = std::sync::mpsc::channel();
        hosts::start(host, move || {
            std::fs::create_dir("/tmp/d").unwrap();
            let dir = open_dir(c"/tmp/d");
            let remover = thread::spawn(move || {
                std::fs::remove_dir("/tmp/d").unwrap();
                // SAFETY: nobody uses the number any more but the call under way.
                assert_eq!(unsafe { libc::close(dir) }, 0);
            });
            thread::sleep(ms(5));
            tell.send(open_at(dir, c"file")).unwrap();
            remover.join().unwrap();
        });
        assert_eq!(told.recv().unwrap(), Err(libc::EBADF));
    });
}

#[test]
fn a_directory_that_a_crash_has_undone_is_open_no_more() {
    world(1, || {
        disk::change(HostId::DRIVER, |disk| disk.crash_keeps = Keeps::Synced);
        std::fs::create_dir("/tmp/d").unwrap();
        let dir = open_dir(c"/tmp/d");
        disk::cut(HostId::DRIVER);
        assert_eq!(open_at(dir, c"file"), Err(libc::EIO));
        // SAFETY: it is nobody else's.
        assert_eq!(unsafe { libc::close(dir) }, 0);
    });
}

#[test]
fn a_directory_of_another_host_is_none_here() {
    world(1, || {
        let host = hosts::add("host");
        std::fs::create_dir_all("/tmp/a/b/c/d").unwrap();
        let dir = open_dir(c"/tmp/a/b/c/d");
        let (tell, told) = std::sync::mpsc::channel();
        hosts::start(host, move || tell.send(open_at(dir, c"file")).unwrap());
        assert_eq!(told.recv().unwrap(), Err(libc::EIO));
        // SAFETY: it is nobody else's.
        assert_eq!(unsafe { libc::close(dir) }, 0);
    });
}

#[test]
fn a_wait_for_longer_than_there_is_time_ends_with_what_it_waits_for() {
    world(1, || {
        let (a, b) = UnixStream::pair().unwrap();
        b.set_read_timeout(Some(Duration::MAX)).unwrap();
        let forever = thread::spawn(|| thread::sleep(Duration::MAX));
        let writer = thread::spawn(move || {
            thread::sleep(ms(3_600_000));
            write(&a, b"abc").unwrap();
            a
        });
        let mut buf = [0; 3];
        assert_eq!(support::read(&b, &mut buf), Ok(3));
        writer.join().unwrap();
        assert!(!forever.is_finished());
    });
}

#[test]
fn an_alarm_that_rings_at_the_end_of_time_can_be_read() {
    world(1, || {
        let time = |seconds| libc::timespec {
            tv_sec: seconds,
            tv_nsec: 1,
        };
        let new = libc::itimerspec {
            it_value: time(1),
            it_interval: time(i64::MAX),
        };
        // SAFETY: all places are valid, and the descriptor is closed once.
        unsafe {
            let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, 0);
            assert_eq!(libc::timerfd_settime(fd, 0, &new, std::ptr::null_mut()), 0);
            let mut times = 0u64;
            assert_eq!(libc::read(fd, (&raw mut times).cast(), 8), 8);
            assert_eq!(times, 1);
            assert_eq!(libc::close(fd), 0);
        }
    });
}
