//! How a thread that waits on a ring is woken.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::internal::Internal;
use crate::sys::fork::process_image;
use crate::sys::{self, uring};

/// Makes a thread that waits on the ring return; any thread may call it.
///
/// Wake-ups coalesce: one that is on its way and not yet reaped stands for all later ones. Whoever
/// publishes something and then calls [`wake`](RingWaker::wake) may count on a reap after it.
#[derive(Debug, Clone)]
pub(crate) struct RingWaker {
    shared: Arc<WakerShared>,
}

#[derive(Debug)]
struct WakerShared {
    door: Door,
    /// A wake-up is on its way.
    pending: AtomicBool,
    image: u64,
}

#[derive(Debug)]
pub(crate) enum Door {
    /// A message posted to the ring, by a system call that needs no ring of the caller's.
    Message { ring: Arc<OwnedFd> },
    /// An eventfd the ring polls.
    Eventfd(OwnedFd),
}

impl Door {
    pub(crate) fn eventfd() -> io::Result<Self> {
        sys::eventfd::new().map(Door::Eventfd)
    }
}

impl RingWaker {
    pub(super) fn new(door: Door) -> Self {
        RingWaker {
            shared: Arc::new(WakerShared {
                door,
                pending: AtomicBool::new(false),
                image: process_image(),
            }),
        }
    }

    pub(super) fn poll_fd(&self) -> Option<RawFd> {
        match &self.shared.door {
            Door::Message { .. } => None,
            Door::Eventfd(fd) => Some(fd.as_raw_fd()),
        }
    }

    /// Makes the present or next wait on the ring return.
    pub(crate) fn wake(&self) {
        // AcqRel pairs with the swap in `note_delivered`. If a wake-up is on its way, the reaper's
        // swap comes after ours and sees what we published; if not, we send one.
        if self.shared.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        self.send();
    }

    fn send(&self) {
        if self.shared.image != process_image() {
            // A forked child: the waiter is in the parent.
            return;
        }
        let result = match &self.shared.door {
            Door::Message { ring } => {
                uring::send_message(ring.as_raw_fd(), Internal::Wake.user_data())
            }
            Door::Eventfd(fd) => sys::eventfd::add_one(fd),
        };
        if result.is_err() {
            // Nothing is on its way after all; the next caller tries again. (EAGAIN of an eventfd
            // means 2^64 unread wake-ups, EBADF that the program closed our descriptor.)
            self.shared.pending.store(false, Ordering::Release);
        }
    }

    /// The reaper saw a wake-up.
    pub(super) fn note_delivered(&self) {
        // AcqRel pairs with `wake`: what its callers published is visible to this reap's caller.
        self.shared.pending.swap(false, Ordering::AcqRel);
    }
}

/// Whether the kernel can post a message to a ring for a thread without one (Linux 6.13). Asked once
/// per process, by posting one.
pub(super) fn messages_work(ring: &OwnedFd) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER
        .get_or_init(|| uring::send_message(ring.as_raw_fd(), Internal::Wake.user_data()).is_ok())
}
