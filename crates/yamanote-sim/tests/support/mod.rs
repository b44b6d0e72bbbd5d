//! Runs, and calls on descriptors without ceremony.
#![allow(dead_code, reason = "each test file uses some")]

use std::io::{Error, Read as _, Seek as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use yamanote_sim::processes::{End, fork, memory_file, wait_any};
use yamanote_sim::{Config, Trace, run};

/// The C library calls this before `main`. Who starts the tests may have blocked every signal, and
/// whoever waits for one would wait for ever; or has ignored them, and `std` would not report a
/// stack that overflows.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = want_signals;

extern "C" fn want_signals() {
    // SAFETY: zeros are the empty set, and nothing is written.
    unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
    }
}

pub fn world<R: Send + 'static>(
    seed: u64,
    experiment: impl FnOnce() -> R + Send + 'static,
) -> (R, Trace) {
    let (answer, trace) = run(Config::new(seed), experiment);
    let answer = answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    (answer, trace)
}

/// How a forked process ends, and what it has said. Nothing else may fork or wait meanwhile.
pub fn outcome_of(child: impl FnOnce() -> u8) -> (End, String) {
    let mut output = memory_file().unwrap();
    let pid = fork(&output, 60, child).unwrap();
    let (ended, how) = wait_any().unwrap();
    assert_eq!(ended, pid);
    let mut said = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut said).unwrap();
    (how, said)
}

/// What a call answers: a number, or an error number.
pub type Answer = Result<usize, i32>;

pub fn check(answer: isize) -> Answer {
    usize::try_from(answer).map_err(|_| Error::last_os_error().raw_os_error().unwrap())
}

fn owned(fd: i32) -> OwnedFd {
    let fd = check(fd as isize).unwrap();
    // SAFETY: new, and nobody else's.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// The end for reading, and that for writing.
pub fn pipe(flags: i32) -> (OwnedFd, OwnedFd) {
    let mut ends = [-1; 2];
    // SAFETY: there is room for two.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), flags) } as isize).unwrap();
    (owned(ends[0]), owned(ends[1]))
}

pub fn counter(value: u32, flags: i32) -> OwnedFd {
    // SAFETY: no pointers.
    owned(unsafe { libc::eventfd(value, flags) })
}

pub fn epoll() -> OwnedFd {
    // SAFETY: no pointers.
    owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

pub fn read(fd: &impl AsRawFd, buf: &mut [u8]) -> Answer {
    // SAFETY: the buffer is as long as is said.
    check(unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) })
}

pub fn write(fd: &impl AsRawFd, buf: &[u8]) -> Answer {
    // SAFETY: the buffer is as long as is said.
    check(unsafe { libc::write(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len()) })
}

pub fn add(counter: &impl AsRawFd, value: u64) -> Answer {
    write(counter, &value.to_ne_bytes())
}

pub fn take(counter: &impl AsRawFd) -> Result<u64, i32> {
    let mut value = [0; 8];
    read(counter, &mut value).map(|_| u64::from_ne_bytes(value))
}

/// `epoll_ctl`.
pub fn control(
    epoll: &impl AsRawFd,
    operation: i32,
    fd: &impl AsRawFd,
    events: i32,
    data: u64,
) -> Answer {
    let mut event = libc::epoll_event {
        events: events as u32,
        u64: data,
    };
    let (epoll, fd) = (epoll.as_raw_fd(), fd.as_raw_fd());
    // SAFETY: the event is valid.
    check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) } as isize)
}

pub fn watch(epoll: &impl AsRawFd, fd: &impl AsRawFd, events: i32, data: u64) {
    control(epoll, libc::EPOLL_CTL_ADD, fd, events, data).unwrap();
}

/// `epoll_wait`: data and events.
pub fn wait(epoll: &impl AsRawFd, most: usize, ms: i32) -> Result<Vec<(u64, i32)>, i32> {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; most];
    let place = events.as_mut_ptr();
    // SAFETY: there is room for so many.
    let answer = unsafe { libc::epoll_wait(epoll.as_raw_fd(), place, most as i32, ms) };
    let found = check(answer as isize)?;
    let found = events[..found].iter();
    Ok(found
        .map(|event| (event.u64, event.events as i32))
        .collect())
}

/// `poll`: what is ready of each.
pub fn poll(fds: &[(i32, i16)], ms: i32) -> Result<Vec<i16>, i32> {
    let mut fds: Vec<_> = fds
        .iter()
        .map(|&(fd, events)| libc::pollfd {
            fd,
            events,
            revents: -1,
        })
        .collect();
    // SAFETY: the vector is as long as is said.
    check(unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as u64, ms) } as isize)?;
    Ok(fds.iter().map(|entry| entry.revents).collect())
}

/// `fcntl`.
pub fn fcntl(fd: &impl AsRawFd, command: i32, argument: i32) -> Answer {
    // SAFETY: no pointers.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) } as isize)
}
