//! Threads, as the kernel knows them.

use super::fork::Origin;
use std::cell::Cell;
use std::time::Duration;

thread_local! {
    /// `None` before it is asked for. The thread of a forked child has another one.
    static ID: Cell<Option<(Origin, i32)>> = const { Cell::new(None) };
}

/// The kernel's number of this thread.
pub(crate) fn id() -> i32 {
    if cfg!(miri) {
        return 1;
    }
    match ID.try_with(Cell::get) {
        Ok(Some((origin, id))) if origin.is_here() => id,
        _ => {
            // SAFETY: no pointers are involved.
            let id = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
            let _ = ID.try_with(|place| place.set(Some((Origin::here(), id))));
            id
        }
    }
}

/// How long a thread of this process has had a processor. `None` if there is no such thread, or the
/// kernel does not say.
pub(crate) fn cpu_time(thread: i32) -> Option<Duration> {
    // The clock of a thread, as `pthread_getcpuclockid` composes its number: all bits of the
    // thread's inverted, then "per thread" and "scheduled".
    let clock = (!thread << 3) | 0b110;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes the `timespec`.
    let answer = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if answer != 0 {
        return None;
    }
    Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_itself() {
        let (ours, theirs) = (id(), std::thread::spawn(id).join().unwrap());
        assert_eq!(ours, id());
        assert_ne!(ours, theirs);
        assert!(std::path::Path::new(&format!("/proc/self/task/{ours}")).exists());
    }

    #[test]
    fn time_on_a_processor_grows_while_it_computes() {
        let before = cpu_time(id()).unwrap();
        while cpu_time(id()).unwrap() - before < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        assert_eq!(cpu_time(i32::MAX >> 4), None);
    }
}
