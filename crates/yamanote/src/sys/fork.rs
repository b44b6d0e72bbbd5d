//! Which process made a value. A forked child has its parent's runtime in memory, but neither its
//! threads nor its rings' memory, and no right to its readiness set. A value to which that matters
//! keeps its [`Origin`].
//!
//! An origin is a number that differs between a process and its forked children, and is read
//! without a system call: one page is mapped `MADV_WIPEONFORK`, and a child that finds zero there
//! takes the next number.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The page, or `None` if there can be none: then the process id has to do.
static PAGE: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();

/// The last number given out; inherited by children, so that theirs are new.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The process in which something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin(u64);

impl Origin {
    #[inline]
    pub(crate) fn here() -> Origin {
        Origin(process_image())
    }

    /// False in a forked child of that process.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        self == Origin::here()
    }

    /// Says what is wrong before something hangs or takes the parent's events.
    #[track_caller]
    #[inline]
    pub(crate) fn assert_here(self) {
        assert!(
            self.is_here(),
            "a runtime was used in a forked child of the process that made it; it does not survive \
             fork()"
        );
    }
}

/// The number of this process image; never 0.
#[inline]
fn process_image() -> u64 {
    let Some(cell) = *PAGE.get_or_init(map_page) else {
        return u64::from(std::process::id());
    };
    // Relaxed here and below: no other memory depends on the number, and a forked child starts with
    // one thread.
    let image = cell.load(Ordering::Relaxed);
    if image != 0 {
        return image;
    }
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match cell.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh,
        Err(other) => other,
    }
}

fn map_page() -> Option<&'static AtomicU64> {
    const LEN: usize = 4096;
    // Miri knows neither fork nor `madvise`.
    if cfg!(miri) {
        return None;
    }
    // SAFETY: a fresh private anonymous mapping at an address of the kernel's choice.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            LEN,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the range was mapped above and is ours.
    if unsafe { libc::madvise(address, LEN, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: as above; nobody has seen the address.
        unsafe { libc::munmap(address, LEN) };
        return None;
    }
    // SAFETY: page-aligned, zeroed, readable and writable, and never unmapped.
    Some(unsafe { &*address.cast::<AtomicU64>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_has_another_number() {
        let parent = Origin::here();
        assert!(parent.is_here());
        // SAFETY: the child only reads the number and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let differs = !parent.is_here();
            // SAFETY: ends the child without running destructors that belong to the parent.
            unsafe { libc::_exit(i32::from(!differs)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "the child saw its parent's number");
    }
}
