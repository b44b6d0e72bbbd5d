//! The clock that is read from memory alone, as of the kernel's last tick.

use std::mem::MaybeUninit;
use std::time::Duration;

/// `CLOCK_MONOTONIC_COARSE`: 1 to 10 ms behind, at a fifth of the price of the exact time.
pub(crate) fn coarse() -> Duration {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `now` is a timespec's room. The call cannot fail: the clock exists since Linux 2.6.32.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, now.as_mut_ptr()) };
    assert_eq!(result, 0, "the coarse clock exists");
    // SAFETY: the call succeeded, so it filled the struct.
    let now = unsafe { now.assume_init() };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
