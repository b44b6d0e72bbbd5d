//! Signal handlers that do next to nothing: they set a bit and ring a bell.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Release};

use super::eventfd;

/// The signals that cannot be caught, or not usefully.
pub(crate) use signal_hook_registry::FORBIDDEN;

/// Makes `signal` (1 to 64, not forbidden) set its bit in `pending` and then ring `bell`, for the
/// rest of the process's life. Handlers that were there before are still called.
pub(crate) fn note_and_ring(
    signal: i32,
    pending: &'static AtomicU64,
    bell: &'static OwnedFd,
) -> io::Result<()> {
    assert!((1..=64).contains(&signal), "a word has a bit for each");
    let bit = 1u64 << (signal - 1);
    let handler = move || {
        // Pairs with the Acquire of the swap in `signals::deliver`.
        pending.fetch_or(bit, Release);
        // Fails only if nobody has looked at the bell for 2^64 rings.
        let _ = eventfd::add_one(bell);
    };
    // SAFETY: the handler does one atomic operation on a static and one write(2), both of which are
    // async-signal-safe; it neither allocates, locks nor panics. The registry preserves errno.
    unsafe { signal_hook_registry::register(signal, handler) }.map(drop)
}
