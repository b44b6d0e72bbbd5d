//! Calls with arguments that no sound program passes, null or too long or not aligned, are answered
//! in a world as by the real kernel, and do no harm.

mod support;

use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::{null, null_mut};
use support::{Answer, check, counter, epoll, pipe, world};

#[derive(Default)]
struct Log(Vec<(&'static str, Answer)>);

impl Log {
    fn say(&mut self, what: &'static str, answer: impl TryInto<isize>) {
        let answer = answer.try_into().ok().expect("an answer of a C function");
        self.0.push((what, check(answer)));
    }

    /// Of a function that returns an error number.
    fn say_number(&mut self, what: &'static str, number: i32) {
        let answer = if number == 0 { Ok(0) } else { Err(number) };
        self.0.push((what, answer));
    }
}

fn compare(script: fn(&mut Log)) {
    let mut real = Log::default();
    script(&mut real);
    let (simulated, _) = world(1, move || {
        let mut log = Log::default();
        script(&mut log);
        log.0
    });
    assert_eq!(simulated, real.0);
}

fn time(seconds: i64, ns: i64) -> libc::timespec {
    libc::timespec {
        tv_sec: seconds,
        tv_nsec: ns,
    }
}

/// `futex`, of which it is known that it does not wait.
unsafe fn futex(word: *const u32, what: i32, value: u32, limit: *const libc::timespec) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { futex_of(word, what, value, limit, u32::MAX) }
}

unsafe fn futex_of(
    word: *const u32,
    what: i32,
    value: u32,
    limit: *const libc::timespec,
    mask: u32,
) -> i64 {
    let what = what | libc::FUTEX_PRIVATE_FLAG;
    let nothing = null::<u32>();
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_futex, word, what, value, limit, nothing, mask) }
}

#[test]
fn futexes() {
    use libc::{
        FUTEX_CLOCK_REALTIME, FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET,
    };
    compare(|log| {
        let words = [7u32, 8];
        let word = &raw const words[0];
        let odd = word.wrapping_byte_add(1);
        let soon = time(0, 1_000_000);
        let (late, early) = (time(0, 1_000_000_000), time(-1, 0));
        // SAFETY: each of these calls fails, or wakes nobody.
        unsafe {
            log.say("other value", futex(word, FUTEX_WAIT, 8, null()));
            log.say("a while", futex(word, FUTEX_WAIT, 7, &soon));
            log.say("null", futex(null(), FUTEX_WAIT, 0, &soon));
            log.say("odd", futex(odd, FUTEX_WAIT, 0, &soon));
            log.say("a second of ns", futex(word, FUTEX_WAIT, 7, &late));
            log.say("before", futex(word, FUTEX_WAIT, 7, &early));
            log.say("before, in vain", futex(word, FUTEX_WAIT, 8, &early));
            log.say("no bits", futex_of(word, FUTEX_WAIT_BITSET, 7, &soon, 0));
            log.say("late bits", futex(word, FUTEX_WAIT_BITSET, 7, &late));
            let on_wall = FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME;
            log.say("long ago", futex(word, on_wall, 7, &soon));
            log.say("wake", futex(word, FUTEX_WAKE, 1, null()));
            log.say("wake at null", futex(null(), FUTEX_WAKE, 1, null()));
            log.say("wake at odd", futex(odd, FUTEX_WAKE, 1, null()));
            log.say(
                "wake no bits",
                futex_of(word, FUTEX_WAKE_BITSET, 1, null(), 0),
            );
            log.say("unknown", futex(word, 99, 1, null()));
        }
    });
}

#[test]
fn a_wake_of_none_wakes_one() {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    static WORD: AtomicU32 = AtomicU32::new(0);
    world(1, || {
        let sleepers = [1, 2].map(|_| {
            std::thread::spawn(|| {
                let word = WORD.as_ptr();
                // SAFETY: a word that lives for ever.
                unsafe { futex(word, libc::FUTEX_WAIT, 0, null()) }
            })
        });
        std::thread::sleep(std::time::Duration::from_millis(1));
        let word = WORD.as_ptr();
        // As `a_real_wake_of_none_wakes_one` has it.
        // SAFETY: as above.
        unsafe {
            assert_eq!(futex(word, libc::FUTEX_WAKE, 0, null()), 1);
            WORD.store(1, SeqCst);
            assert_eq!(futex(word, libc::FUTEX_WAKE, u32::MAX, null()), 1);
        }
        for sleeper in sleepers {
            assert_eq!(sleeper.join().unwrap(), 0);
        }
    });
}

#[test]
fn a_real_wake_of_none_wakes_one() {
    use std::sync::atomic::AtomicU32;
    static WORD: AtomicU32 = AtomicU32::new(0);
    let sleeper = std::thread::spawn(|| {
        // SAFETY: a word that lives for ever.
        unsafe { futex(WORD.as_ptr(), libc::FUTEX_WAIT, 0, null()) }
    });
    // SAFETY: as above.
    while unsafe { futex(WORD.as_ptr(), libc::FUTEX_WAKE, 0, null()) } == 0 {
        std::thread::yield_now();
    }
    assert_eq!(sleeper.join().unwrap(), 0);
}

#[test]
fn chance_and_times() {
    compare(|log| {
        let mut bytes = [0u8; 8];
        let place = bytes.as_mut_ptr().cast();
        let late = time(0, 1_000_000_000);
        // SAFETY: each of these calls fails, or has room for what it writes.
        unsafe {
            log.say("null", libc::getrandom(null_mut(), 8, 0));
            log.say("nothing at null", libc::getrandom(null_mut(), 0, 0));
            log.say("flags", libc::getrandom(place, 8, 0x80));
            let both = libc::GRND_RANDOM | libc::GRND_INSECURE;
            log.say("both", libc::getrandom(place, 8, both));
            let by_number = libc::SYS_getrandom;
            log.say(
                "by number",
                libc::syscall(by_number, null_mut::<u8>(), 8, 0),
            );
            log.say("sleep null", libc::nanosleep(null(), null_mut()));
            log.say("sleep late", libc::nanosleep(&late, null_mut()));
            for clock in [libc::CLOCK_THREAD_CPUTIME_ID, 99] {
                let number = libc::clock_nanosleep(clock, 0, &time(0, 1), null_mut());
                log.say_number("a clock", number);
            }
            let clock = libc::CLOCK_MONOTONIC;
            log.say_number("late", libc::clock_nanosleep(clock, 0, &late, null_mut()));
            log.say_number("null", libc::clock_nanosleep(clock, 0, null(), null_mut()));
            let nowhere = null_mut::<libc::timespec>();
            log.say(
                "show null",
                libc::syscall(libc::SYS_clock_gettime, clock, nowhere),
            );
            log.say(
                "show none",
                libc::syscall(libc::SYS_clock_gettime, 99, nowhere),
            );
            let mut pad = [0u8; size_of::<libc::timespec>() + 1];
            let odd = pad.as_mut_ptr().wrapping_add(1).cast();
            log.say("show odd", libc::clock_gettime(clock, odd));
            let mut set = [0u8; 4096];
            let place = set.as_mut_ptr().cast();
            log.say("no processors", libc::sched_getaffinity(0, 0, place));
            log.say("odd processors", libc::sched_getaffinity(0, 1023, place));
            log.say(
                "processors at null",
                libc::sched_getaffinity(0, 1024, null_mut()),
            );
            log.say("processors", libc::sched_getaffinity(0, 4096, place));
            let mut usage = MaybeUninit::uninit();
            log.say("usage of nobody", libc::getrusage(99, usage.as_mut_ptr()));
            log.say("usage at null", libc::getrusage(0, null_mut()));
        }
    });
}

#[test]
fn nothing_is_written_where_there_is_no_room() {
    world(1, || {
        let mut set = [0xeeu8; 8];
        // SAFETY: there is room for none.
        let answer = unsafe { libc::sched_getaffinity(0, 0, set.as_mut_ptr().cast()) };
        assert_eq!(
            (check(answer as isize), set),
            (Err(libc::EINVAL), [0xee; 8])
        );
    });
}

#[test]
fn options() {
    compare(|log| {
        let (a, _b) = UnixStream::pair().unwrap();
        let fd = a.as_raw_fd();
        let (level, name) = (libc::SOL_SOCKET, libc::SO_TYPE);
        let mut value = [0u8; 300];
        let place = value.as_mut_ptr().cast::<libc::c_void>();
        let lens = [4u32, u32::MAX, 2, 0];
        // SAFETY: each of these calls fails, or has room for what it writes.
        unsafe {
            log.say(
                "len null",
                libc::getsockopt(fd, level, name, place, null_mut()),
            );
            for len in lens {
                let mut len = len;
                log.say("get", libc::getsockopt(fd, level, name, place, &mut len));
                log.say("len", len as i32 & 0xff);
            }
            let mut len = 4;
            let answer = libc::getsockopt(fd, level, name, null_mut(), &mut len);
            log.say("value null", answer);
            let alive = libc::SO_KEEPALIVE;
            for len in lens {
                log.say("set null", libc::setsockopt(fd, level, alive, null(), len));
            }
            for len in lens {
                log.say("set", libc::setsockopt(fd, level, alive, place, len));
            }
        }
    });
}

#[test]
fn messages() {
    compare(|log| {
        let (a, _b) = UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        let fd = a.as_raw_fd();
        let mut byte = [0u8; 1];
        let part = libc::iovec {
            iov_base: byte.as_mut_ptr().cast(),
            iov_len: 1,
        };
        let mut parts = vec![part; 1025];
        // SAFETY: each of these calls fails, or what it names is there.
        unsafe {
            log.say("send null", libc::sendmsg(fd, null(), 0));
            log.say("receive null", libc::recvmsg(fd, null_mut(), 0));
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = parts.as_mut_ptr();
            for count in [1025, usize::MAX] {
                message.msg_iovlen = count;
                log.say("send many", libc::sendmsg(fd, &message, 0));
                log.say("receive many", libc::recvmsg(fd, &mut message, 0));
            }
            message.msg_iovlen = 1;
            message.msg_iov = null_mut();
            log.say("parts null", libc::sendmsg(fd, &message, 0));
            message.msg_iov = parts.as_mut_ptr();
            let mut control = [0u8; 40];
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = 3;
            log.say("short control", libc::sendmsg(fd, &message, 0));
            log.say(
                "pair null",
                libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, null_mut()),
            );
            let mut many: Vec<libc::mmsghdr> = Vec::new();
            message.msg_control = null_mut();
            message.msg_controllen = 0;
            for _ in 0..1030 {
                many.push(libc::mmsghdr {
                    msg_hdr: message,
                    msg_len: 0,
                });
            }
            let (_c, d) = UnixStream::pair().unwrap();
            d.set_nonblocking(true).unwrap();
            let fd = d.as_raw_fd();
            log.say("none", libc::sendmmsg(fd, many.as_mut_ptr(), 0, 0));
            log.say("null", libc::recvmmsg(fd, null_mut(), 1, 0, null_mut()));
        }
    });
}

#[test]
fn bytes() {
    compare(|log| {
        let (reader, writer) = pipe(libc::O_NONBLOCK);
        let (from, to) = (reader.as_raw_fd(), writer.as_raw_fd());
        let mut buf = [0u8; 16];
        let place = buf.as_mut_ptr().cast::<libc::c_void>();
        let long = isize::MAX as usize;
        let part = |len| libc::iovec {
            iov_base: place,
            iov_len: len,
        };
        // SAFETY: each of these calls fails, or has room for what it moves.
        unsafe {
            for len in [0, long, long + 1, usize::MAX] {
                log.say("read", libc::read(from, place, len));
                log.say("write", libc::write(to, place, len));
            }
            log.say("read null", libc::read(from, null_mut(), 0));
            log.say("write null", libc::write(to, null(), 5));
            for count in [0, -1, 1025] {
                log.say("parts null", libc::readv(from, null(), count));
            }
            log.say("a part null", libc::writev(to, null(), 1));
            for len in [long, long + 1] {
                log.say("long parts", libc::readv(from, [part(len); 3].as_ptr(), 3));
            }
            let mut parts = [0u8; size_of::<libc::iovec>() + 1];
            let odd = parts.as_mut_ptr().wrapping_add(1).cast::<libc::iovec>();
            odd.write_unaligned(part(5));
            log.say("odd parts", libc::writev(to, odd, 1));
            log.say("pipe null", libc::pipe2(null_mut(), 0));
            let mut odd = [0u8; 9];
            let at = odd.as_mut_ptr().wrapping_add(1);
            log.say("available", libc::ioctl(from, libc::FIONREAD, at));
            log.say("so many", isize::from(odd[1]));
            log.say("available at null", libc::ioctl(from, libc::FIONREAD, 0));
        }
    });
}

#[test]
fn calls_that_pipes_do_not_have() {
    compare(|log| {
        let (reader, _writer) = pipe(libc::O_NONBLOCK);
        let fd = reader.as_raw_fd();
        let mut pad = [0u8; size_of::<libc::stat>() + 1];
        // SAFETY: each of these calls fails, or has room for what it writes.
        unsafe {
            log.say("lseek", libc::lseek(fd, 0, libc::SEEK_SET));
            log.say("fsync", libc::fsync(fd));
            log.say("ftruncate", libc::ftruncate(fd, 0));
            log.say("fchdir", libc::fchdir(fd));
            log.say("range", libc::sync_file_range(fd, 0, 1, 2));
            log.say_number("advice", libc::posix_fadvise(fd, 0, 1, 0));
            log.say("fstat null", libc::fstat(fd, null_mut()));
            let odd = pad.as_mut_ptr().wrapping_add(1).cast::<libc::stat>();
            log.say("fstat odd", libc::fstat(fd, odd));
            let stat = odd.read_unaligned();
            log.say("kind", (stat.st_mode & libc::S_IFMT) as isize);
        }
    });
}

#[test]
fn polls() {
    compare(|log| {
        let (counter, epoll) = (counter(1, libc::EFD_NONBLOCK), epoll());
        // SAFETY: no pointers; the new one is nobody else's.
        let closed = unsafe { libc::dup(counter.as_raw_fd()) };
        // SAFETY: as above.
        drop(unsafe { OwnedFd::from_raw_fd(closed) });
        let entry = |fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: -1,
        };
        let late = time(0, 1_000_000_000);
        // SAFETY: each of these calls fails, or has room for what it writes.
        unsafe {
            for fds in [
                [closed, counter.as_raw_fd()],
                [-1, closed],
                [closed, 987_654],
                [counter.as_raw_fd(), 987_654],
            ] {
                let mut fds = fds.map(entry);
                log.say("poll", libc::poll(fds.as_mut_ptr(), 2, -1));
                for entry in fds {
                    log.say("ready", isize::from(entry.revents));
                }
            }
            let mut fds = [entry(counter.as_raw_fd())];
            let place = fds.as_mut_ptr();
            log.say("late", libc::ppoll(place, 1, &late, null()));
            log.say("many", libc::poll(place, 1 << 30, 0));
            log.say("none but high bits", libc::poll(place, 1 << 40, 0));
            log.say("null", libc::poll(null_mut(), 1, 0));
            let fd = epoll.as_raw_fd();
            let mut events = [libc::epoll_event { events: 0, u64: 0 }];
            let place = events.as_mut_ptr();
            for most in [0, -1, i32::MAX] {
                log.say("events", libc::epoll_wait(fd, place, most, 0));
            }
        }
    });
}

#[test]
fn directories() {
    compare(|log| {
        let mut buf = [0 as libc::c_char; 16];
        let place = buf.as_mut_ptr();
        let there = |pointer: *mut libc::c_char| if pointer.is_null() { -1 } else { 0 };
        std::env::set_current_dir("/tmp").unwrap();
        // SAFETY: each of these calls fails, or has room for what it writes.
        unsafe {
            log.say("close null", libc::closedir(null_mut()));
            for room in [0, 1, 4, 5] {
                log.say("cwd", there(libc::getcwd(place, room)));
            }
            log.say("cwd anywhere", there(libc::getcwd(null_mut(), 1)));
            let mut facts: libc::statx = std::mem::zeroed();
            let flags = libc::AT_EMPTY_PATH;
            let path = c"".as_ptr();
            let here = libc::AT_FDCWD;
            log.say(
                "here",
                libc::statx(here, path, flags, libc::STATX_TYPE, &mut facts),
            );
            log.say("null", libc::stat(null(), null_mut()));
            log.say("nowhere", libc::stat(c"/".as_ptr(), null_mut()));
            log.say("open null", libc::open(null(), 0));
            log.say("link null", libc::readlink(null(), place, 4));
        }
    });
}
