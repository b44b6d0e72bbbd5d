//! The submission and completion queues over memory shared with the kernel.
//!
//! The memory is a parameter: mapped from a ring descriptor, or allocated by a test that plays the
//! kernel. One side of each queue is ours, the other the kernel's:
//!
//! ```text
//! SQ: we write entries, store `tail`  --Release/Acquire-->  the kernel takes them, stores `head`
//! CQ: the kernel writes entries, stores `tail`  --Release/Acquire-->  we read them, store `head`
//! ```
//!
//! Whoever holds `&mut Queues` is the only one on our side. The kernel may consume SQEs at any time
//! while some thread is inside `io_uring_enter`, also without our lock, so an entry once published
//! is never edited.

use std::any::Any;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::abi::{self, Cqe, Params};
use super::sqe::Sqe;
use crate::sys::fork::Origin;

/// Addresses of the queues inside the shared memory.
///
/// # Safety contract for whoever builds one
///
/// - every pointer is valid, aligned and writable for the life of the `memory` given to
///   [`Queues::from_parts`] along with it;
/// - `sqes` has `sq_entries` elements and `cqes` has `cq_entries`, both powers of two;
/// - `sq_array`, if present, has `sq_entries` elements;
/// - the other side accesses the indices atomically and follows the protocol above.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) sq_head: NonNull<AtomicU32>,
    pub(crate) sq_tail: NonNull<AtomicU32>,
    pub(crate) sq_flags: NonNull<AtomicU32>,
    pub(crate) sq_array: Option<NonNull<u32>>,
    pub(crate) sqes: NonNull<Sqe>,
    pub(crate) sq_entries: u32,
    pub(crate) cq_head: NonNull<AtomicU32>,
    pub(crate) cq_tail: NonNull<AtomicU32>,
    pub(crate) cq_overflow: NonNull<AtomicU32>,
    pub(crate) cqes: NonNull<Cqe>,
    pub(crate) cq_entries: u32,
}

pub(crate) struct Queues {
    layout: Layout,
    /// Our copies of the two indices only we write.
    sq_tail: u32,
    cq_head: u32,
    /// Keeps the shared memory; the pointers in `layout` point into it.
    _memory: Box<dyn Any + Send>,
}

// SAFETY: the pointers lead into memory owned by `_memory`, which is `Send`; access from our side
// needs `&mut` (or reads atomics), so moving the value between threads moves the whole right.
unsafe impl Send for Queues {}

impl Queues {
    /// # Safety
    ///
    /// `layout` keeps the contract of [`Layout`] with `memory`.
    pub(crate) unsafe fn from_parts(layout: Layout, memory: Box<dyn Any + Send>) -> Self {
        assert!(layout.sq_entries.is_power_of_two() && layout.cq_entries.is_power_of_two());
        if let Some(array) = layout.sq_array {
            // The indirection is never used: entry i always stands at place i.
            for index in 0..layout.sq_entries {
                // SAFETY: the array has `sq_entries` elements.
                unsafe { array.add(index as usize).write(index) };
            }
        }
        // SAFETY: valid by contract. Relaxed: nothing has happened on the queues yet.
        let (sq_tail, cq_head) = unsafe {
            (
                layout.sq_tail.as_ref().load(Ordering::Relaxed),
                layout.cq_head.as_ref().load(Ordering::Relaxed),
            )
        };
        Queues {
            layout,
            sq_tail,
            cq_head,
            _memory: memory,
        }
    }

    /// Maps the queues of a ring that `setup` has made; they are not inherited by forked children.
    pub(crate) fn map(ring: &OwnedFd, params: &Params) -> io::Result<Self> {
        if params.features & abi::FEAT_SINGLE_MMAP == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOSYS));
        }
        let sq_bytes = params.sq_off.array as usize + params.sq_entries as usize * 4;
        let cq_bytes = params.cq_off.cqes as usize + params.cq_entries as usize * size_of::<Cqe>();
        let rings = Mapping::new(ring, abi::OFF_SQ_RING, sq_bytes.max(cq_bytes))?;
        let sqes = Mapping::new(
            ring,
            abi::OFF_SQES,
            params.sq_entries as usize * size_of::<Sqe>(),
        )?;
        let at = |offset: u32| -> NonNull<u8> {
            // SAFETY: the kernel's offsets lie inside the mapping it told us to make.
            unsafe { rings.address.add(offset as usize) }
        };
        let has_array = params.flags & abi::SETUP_NO_SQARRAY == 0;
        let layout = Layout {
            sq_head: at(params.sq_off.head).cast(),
            sq_tail: at(params.sq_off.tail).cast(),
            sq_flags: at(params.sq_off.flags).cast(),
            sq_array: has_array.then(|| at(params.sq_off.array).cast()),
            sqes: sqes.address.cast(),
            sq_entries: params.sq_entries,
            cq_head: at(params.cq_off.head).cast(),
            cq_tail: at(params.cq_off.tail).cast(),
            cq_overflow: at(params.cq_off.overflow).cast(),
            cqes: at(params.cq_off.cqes).cast(),
            cq_entries: params.cq_entries,
        };
        // SAFETY: the pointers lead into the two mappings that travel along; the other side is the
        // kernel.
        Ok(unsafe { Queues::from_parts(layout, Box::new((rings, sqes))) })
    }

    /// Queues an entry and publishes it, if there is room.
    pub(crate) fn push(&mut self, sqe: &Sqe) -> Result<(), SubmissionQueueFull> {
        if self.unsubmitted() == self.layout.sq_entries {
            return Err(SubmissionQueueFull);
        }
        let place = self.sq_tail & (self.layout.sq_entries - 1);
        // SAFETY: `place` is below `sq_entries`; the kernel has taken the entry that stood there,
        // because the head (read with Acquire in `sq_head`) is past it.
        unsafe { self.layout.sqes.add(place as usize).write(*sqe) };
        self.sq_tail = self.sq_tail.wrapping_add(1);
        // SAFETY: valid by contract. Release pairs with the kernel's Acquire of the tail: it sees
        // the whole entry.
        unsafe {
            self.layout
                .sq_tail
                .as_ref()
                .store(self.sq_tail, Ordering::Release);
        }
        Ok(())
    }

    /// Entries pushed and not yet taken by the kernel.
    pub(crate) fn unsubmitted(&self) -> u32 {
        self.sq_tail.wrapping_sub(self.sq_head())
    }

    /// Takes back the entries the kernel has not taken, and returns their user data. For a ring
    /// that no thread is in and none will enter again.
    pub(crate) fn withdraw(&mut self) -> Vec<u64> {
        let head = self.sq_head();
        let count = self.sq_tail.wrapping_sub(head);
        let entries = self.layout.sq_entries - 1;
        let names = (0..count)
            .map(|nth| {
                let place = head.wrapping_add(nth) & entries;
                // SAFETY: `place` is below `sq_entries`; the entry was written by `push`, and
                // nobody writes to it while we hold `&mut self`.
                unsafe { self.layout.sqes.add(place as usize).read() }.user_data
            })
            .collect();
        self.sq_tail = head;
        // SAFETY: valid by contract. Relaxed: the other side does not look any more.
        unsafe { self.layout.sq_tail.as_ref().store(head, Ordering::Relaxed) };
        names
    }

    /// How many entries the kernel has taken, ever (modulo 2^32).
    pub(crate) fn sq_head(&self) -> u32 {
        // SAFETY: valid by contract. Acquire pairs with the kernel's Release of the head: it has
        // finished reading the entries before it.
        unsafe { self.layout.sq_head.as_ref().load(Ordering::Acquire) }
    }

    /// `SQ_CQ_OVERFLOW`, `SQ_TASKRUN`.
    pub(crate) fn sq_flags(&self) -> u32 {
        // SAFETY: valid by contract. Relaxed: a hint; the system call that follows it orders.
        unsafe { self.layout.sq_flags.as_ref().load(Ordering::Relaxed) }
    }

    pub(crate) fn sq_entries(&self) -> u32 {
        self.layout.sq_entries
    }

    pub(crate) fn has_completions(&self) -> bool {
        self.cq_tail() != self.cq_head
    }

    /// Takes the oldest completion.
    pub(crate) fn pop(&mut self) -> Option<Cqe> {
        if !self.has_completions() {
            return None;
        }
        let place = self.cq_head & (self.layout.cq_entries - 1);
        // SAFETY: `place` is below `cq_entries`; the kernel has published the entry, because the
        // tail (read with Acquire in `cq_tail`) is past it.
        let cqe = unsafe { self.layout.cqes.add(place as usize).read() };
        self.cq_head = self.cq_head.wrapping_add(1);
        // SAFETY: valid by contract. Release pairs with the kernel's Acquire of the head: our copy
        // is made before the place is reused.
        unsafe {
            self.layout
                .cq_head
                .as_ref()
                .store(self.cq_head, Ordering::Release);
        }
        Some(cqe)
    }

    /// Completions the kernel could neither post nor keep, ever (modulo 2^32).
    pub(crate) fn completions_lost(&self) -> u32 {
        // SAFETY: valid by contract. Relaxed: a counter that stands for itself.
        unsafe { self.layout.cq_overflow.as_ref().load(Ordering::Relaxed) }
    }

    fn cq_tail(&self) -> u32 {
        // SAFETY: valid by contract. Acquire pairs with the kernel's Release of the tail.
        unsafe { self.layout.cq_tail.as_ref().load(Ordering::Acquire) }
    }
}

/// No room for another SQE before the kernel takes some.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SubmissionQueueFull;

/// Memory mapped from a ring descriptor.
struct Mapping {
    address: NonNull<u8>,
    bytes: usize,
    /// In a forked child the range is not ours (MADV_DONTFORK) and may by now be another's.
    origin: Origin,
}

// SAFETY: plain memory; nothing about it is tied to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(ring: &OwnedFd, offset: libc::off_t, bytes: usize) -> io::Result<Self> {
        // SAFETY: a new shared mapping at an address of the kernel's choice.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                ring.as_raw_fd(),
                offset,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping = Mapping {
            address: NonNull::new(address.cast()).expect("mmap never returns null"),
            bytes,
            origin: Origin::here(),
        };
        // SAFETY: the range was mapped above.
        if unsafe { libc::madvise(address, bytes, libc::MADV_DONTFORK) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(mapping)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.origin.is_here() {
            // SAFETY: our own mapping, in the process that made it; the queues that pointed into it
            // are gone with the value that owned both.
            unsafe { libc::munmap(self.address.as_ptr().cast(), self.bytes) };
        }
    }
}
