//! The C library's own functions, behind the ones here.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A function of the C library, found at its first use.
pub(super) struct Next {
    name: &'static CStr,
    /// Relaxed: every thread that looks finds the same.
    address: AtomicUsize,
}

impl Next {
    pub(super) const fn new(name: &'static CStr) -> Next {
        Next {
            name,
            address: AtomicUsize::new(0),
        }
    }

    /// Its address.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(super) fn address(&self) -> usize {
        let known = self.address.load(Relaxed);
        if known != 0 {
            return known;
        }
        // SAFETY: the name is a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) } as usize;
        assert!(found != 0, "the C library has no {:?}", self.name);
        self.address.store(found, Relaxed);
        found
    }
}

/// Calls a C function of a given type at an address.
macro_rules! next {
    ($next:expr, $type:ty, $($argument:expr),*) => {
        // SAFETY: the function of this name has this type; the arguments are the caller's.
        unsafe { std::mem::transmute::<usize, $type>($next.address())($($argument),*) }
    };
}
pub(super) use next;
