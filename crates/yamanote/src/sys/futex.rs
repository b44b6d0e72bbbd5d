//! `futex(2)`: sleep until a word changes.

use crate::loom::sync::atomic::AtomicU32;
#[cfg(not(all(test, loom)))]
use std::ffi::c_long;
use std::time::Duration;

/// The struct that `SYS_futex` reads. With 32-bit longs the C library's `timespec` may be another
/// one, with seconds of 64 bits.
#[cfg(not(all(test, loom)))]
#[repr(C)]
struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

/// Sleeps while `*word == expected`, at most for `timeout`. Returns early on a signal or for no
/// reason at all; the caller looks at the word again.
#[cfg(not(all(test, loom)))]
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timespec = timeout.map(|timeout| Timespec {
        seconds: c_long::try_from(timeout.as_secs()).unwrap_or(c_long::MAX),
        nanoseconds: timeout.subsec_nanos() as c_long,
    });
    let timespec_ptr = timespec
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref)
        // By the name that Miri knows the argument by.
        .cast_mut()
        .cast::<libc::timespec>();
    // SAFETY: `word` and `timespec` outlive the call; FUTEX_WAIT reads both and writes neither. Its
    // possible errors (EAGAIN, EINTR, ETIMEDOUT) all mean "look again".
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            timespec_ptr,
        );
    }
}

/// Sleeps for `duration`, or less if a signal comes. Unlike std's sleep it does not panic where a
/// sandbox denies `clock_nanosleep`.
pub(crate) fn rest(duration: Duration) {
    let nobodys = AtomicU32::new(0);
    wait(&nobodys, 0, Some(duration));
}

/// Loom's way to wait is to let other threads run first.
#[cfg(all(test, loom))]
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    use crate::loom::sync::atomic::Ordering::SeqCst;
    assert!(timeout.is_none(), "loom knows no time");
    while word.load(SeqCst) == expected {
        crate::loom::thread::yield_now();
    }
}

#[cfg(all(test, loom))]
pub(crate) fn wake_one(_word: &AtomicU32) {}

/// Wakes one thread that sleeps on `word`.
#[cfg(not(all(test, loom)))]
pub(crate) fn wake_one(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE does not read the word; the address is only a key.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}
