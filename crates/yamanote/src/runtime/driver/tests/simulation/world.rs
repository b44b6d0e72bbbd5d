//! The memory and the descriptors that simulated operations own.
//!
//! Freed memory is filled with a canary and never reused, so a late write is seen; the simulated
//! kernel also asks before every access whether it may.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex};

use crate::buf::{IoBuf, IoBufMut};

const CANARY: u8 = 0xDD;

/// Everything allocated and freed in one simulation.
#[derive(Default)]
pub(crate) struct World(Mutex<Books>);

#[derive(Default)]
struct Books {
    /// Address to length of live buffers.
    live: HashMap<usize, usize>,
    /// Freed buffers, in quarantine until the end.
    freed: Vec<Box<[u8]>>,
    open: HashSet<RawFd>,
    next_fd: RawFd,
}

impl World {
    pub(crate) fn buffer(self: &Arc<Self>, len: usize, fill: u8) -> TrackedBuf {
        let bytes = Box::leak(vec![fill; len].into_boxed_slice());
        let address = bytes.as_mut_ptr();
        self.books().live.insert(address as usize, len);
        TrackedBuf {
            address,
            len,
            world: self.clone(),
        }
    }

    pub(crate) fn descriptor(self: &Arc<Self>) -> TrackedFd {
        let mut books = self.books();
        // Far above any real descriptor.
        books.next_fd = books.next_fd.max(1 << 20) + 1;
        let fd = books.next_fd;
        books.open.insert(fd);
        TrackedFd {
            fd,
            world: self.clone(),
        }
    }

    /// The kernel wants to touch a buffer.
    pub(crate) fn assert_live(&self, address: usize, len: usize) {
        let books = self.books();
        let room = books.live.get(&address);
        assert!(
            room.is_some_and(|&room| len <= room),
            "the kernel touches {len} bytes at {address:#x}, where {room:?} are alive"
        );
    }

    pub(crate) fn assert_open(&self, fd: RawFd) {
        assert!(
            self.books().open.contains(&fd),
            "the kernel uses descriptor {fd} after it was closed"
        );
    }

    pub(crate) fn live_buffers(&self) -> usize {
        self.books().live.len()
    }

    pub(crate) fn open_descriptors(&self) -> usize {
        self.books().open.len()
    }

    /// No freed byte was written to.
    pub(crate) fn check_canaries(&self) {
        for block in &self.books().freed {
            assert!(
                block.iter().all(|&byte| byte == CANARY),
                "memory was written to after it was freed"
            );
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

pub(crate) struct TrackedBuf {
    address: *mut u8,
    len: usize,
    world: Arc<World>,
}

// SAFETY: owns its memory.
unsafe impl Send for TrackedBuf {}

impl TrackedBuf {
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: that many bytes are alive and initialised.
        unsafe { std::slice::from_raw_parts(self.address, self.len) }
    }
}

// SAFETY: heap memory that stays until drop; all initialised.
unsafe impl IoBuf for TrackedBuf {
    fn stable_ptr(&self) -> *const u8 {
        self.address
    }

    fn bytes_init(&self) -> usize {
        self.len
    }

    fn bytes_total(&self) -> usize {
        self.len
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for TrackedBuf {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.address
    }

    unsafe fn set_init(&mut self, len: usize) {
        assert!(len <= self.len);
    }
}

impl Drop for TrackedBuf {
    fn drop(&mut self) {
        let mut books = self.world.books();
        let known = books.live.remove(&(self.address as usize));
        assert_eq!(known, Some(self.len), "a buffer is freed once");
        let range = std::ptr::slice_from_raw_parts_mut(self.address, self.len);
        // SAFETY: leaked from a box of that length by `buffer`, and nobody else frees it.
        let mut block = unsafe { Box::from_raw(range) };
        block.fill(CANARY);
        books.freed.push(block);
    }
}

/// A descriptor number that means something only to the simulated kernel.
pub(crate) struct TrackedFd {
    fd: RawFd,
    world: Arc<World>,
}

impl AsFd for TrackedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: no system call ever sees this number.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Drop for TrackedFd {
    fn drop(&mut self) {
        assert!(
            self.world.books().open.remove(&self.fd),
            "a descriptor is closed once"
        );
    }
}
