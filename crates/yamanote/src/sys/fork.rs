//! Which process image is this? A number that differs between a process and its forked children,
//! read without a system call.
//!
//! One page is mapped `MADV_WIPEONFORK`: a child finds zero there and takes the next number. A ring
//! remembers the number it was made under; another number means the caller is a forked child, where
//! the ring's memory is not even mapped.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The page, or `None` if it cannot be had: then the process id has to do.
static PAGE: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();

/// The last number given out; inherited by children, so that theirs are new.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The number of this process image; never 0.
pub(crate) fn process_image() -> u64 {
    let Some(cell) = *PAGE.get_or_init(map_page) else {
        return u64::from(std::process::id());
    };
    // Relaxed here and below: the number is all there is to know, and a forked child starts with
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
        let parent = process_image();
        assert_eq!(process_image(), parent);
        // SAFETY: the child only reads the number and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let differs = process_image() != parent;
            // SAFETY: ends the child without running destructors that belong to the parent.
            unsafe { libc::_exit(i32::from(!differs)) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "the child saw its parent's number");
    }
}
