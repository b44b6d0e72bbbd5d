//! A global allocator that knows how much of the heap is in use.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

thread_local! {
    /// It has no destructor, so it exists for every allocation and needs none itself.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Put it in a test binary with `#[global_allocator]` and compare
/// [`live_bytes`](CountingAlloc::live_bytes) before and after.
#[derive(Debug)]
pub struct CountingAlloc {
    live: AtomicUsize,
}

impl CountingAlloc {
    /// Has counted nothing yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        CountingAlloc {
            live: AtomicUsize::new(0),
        }
    }

    /// Bytes allocated and not freed.
    pub fn live_bytes(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Allocations of the calling thread since its start. Other threads do not count, because that
    /// of the test harness allocates at any time.
    pub fn allocations(&self) -> usize {
        ALLOCATIONS.get()
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged; the counters touch no memory
// of it.
unsafe impl GlobalAlloc for CountingAlloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is passed on.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            self.live.fetch_add(layout.size(), Relaxed);
            ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise about `block` and `layout` is passed on.
        unsafe { System.dealloc(block, layout) };
        self.live.fetch_sub(layout.size(), Relaxed);
    }
}
