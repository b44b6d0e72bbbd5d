//! How often the calling thread left the processor, which tells a thread that waited from one that
//! was preempted.

use std::ffi::c_long;
use std::io;
use std::mem::MaybeUninit;

/// Counted since the thread began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switches {
    /// It had to wait for something.
    pub(crate) voluntary: c_long,
    /// It was preempted.
    pub(crate) involuntary: c_long,
}

/// The counts of this thread, by getrusage(2).
pub(crate) fn of_this_thread() -> io::Result<Switches> {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: `usage` is as large as the kernel's struct.
    if unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the kernel filled the struct.
    let usage = unsafe { usage.assume_init() };
    Ok(Switches {
        voluntary: usage.ru_nvcsw,
        involuntary: usage.ru_nivcsw,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_sleep_is_a_voluntary_switch() {
        let before = of_this_thread().unwrap();
        std::thread::sleep(Duration::from_millis(2));
        let after = of_this_thread().unwrap();
        assert!(after.voluntary > before.voluntary);
    }
}
