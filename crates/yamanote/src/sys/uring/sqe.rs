//! Submissions: what an operation looks like to the kernel, one constructor each.
//!
//! The pointers are only numbers here. Whoever submits an entry keeps what they point to, as the
//! manual page of the operation's system call says, until the last completion.
#![forbid(unsafe_code)]

use std::os::fd::RawFd;

/// `IORING_OP_*`.
pub(crate) mod op {
    pub(crate) const POLL_ADD: u8 = 6;
    pub(crate) const ACCEPT: u8 = 13;
    pub(crate) const ASYNC_CANCEL: u8 = 14;
    pub(crate) const CONNECT: u8 = 16;
    pub(crate) const FALLOCATE: u8 = 17;
    pub(crate) const CLOSE: u8 = 19;
    pub(crate) const STATX: u8 = 21;
    pub(crate) const READ: u8 = 22;
    pub(crate) const WRITE: u8 = 23;
    pub(crate) const SEND: u8 = 26;
    pub(crate) const RECV: u8 = 27;
    pub(crate) const OPENAT2: u8 = 28;
    pub(crate) const RENAMEAT: u8 = 35;
    pub(crate) const UNLINKAT: u8 = 36;
    pub(crate) const MKDIRAT: u8 = 37;
    pub(crate) const MSG_RING: u8 = 40;
    pub(crate) const SEND_ZC: u8 = 47;
    pub(crate) const FTRUNCATE: u8 = 55;
}

const IOSQE_CQE_SKIP_SUCCESS: u8 = 1 << 6;

const POLL_ADD_MULTI: u32 = 1 << 0;

/// `struct io_uring_sqe`, the 64-byte kind, with the names its fields have for most operations.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sqe {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) ioprio: u16,
    pub(crate) fd: i32,
    pub(crate) off: u64,
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) op_flags: u32,
    pub(crate) user_data: u64,
    pub(crate) buffer: u16,
    pub(crate) personality: u16,
    pub(crate) file_index: u32,
    pub(crate) addr3: [u64; 2],
}

const _: () = assert!(size_of::<Sqe>() == 64);

/// A pointer as the kernel takes it, of the same size on every machine.
fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

impl Sqe {
    fn new(opcode: u8, fd: RawFd) -> Self {
        Sqe {
            opcode,
            fd,
            ..Sqe::default()
        }
    }

    /// `offset` all ones: at the cursor. Waits, if need be on a thread of the kernel; see
    /// [`without_waiting`](Sqe::without_waiting).
    pub(crate) fn read(fd: RawFd, buf: *mut u8, len: u32, offset: u64) -> Self {
        Sqe {
            addr: address(buf),
            len,
            off: offset,
            ..Sqe::new(op::READ, fd)
        }
    }

    /// As [`read`](Sqe::read).
    pub(crate) fn write(fd: RawFd, buf: *const u8, len: u32, offset: u64) -> Self {
        Sqe {
            addr: address(buf),
            len,
            off: offset,
            ..Sqe::new(op::WRITE, fd)
        }
    }

    /// Makes a read or write end in `EAGAIN` where it would have to wait for anything but the
    /// device (`RWF_NOWAIT`). The kernel then gives it to none of its threads.
    pub(crate) fn without_waiting(self) -> Self {
        Sqe {
            op_flags: libc::RWF_NOWAIT as u32,
            ..self
        }
    }

    /// One completion for each event.
    pub(crate) fn poll_multi(fd: RawFd, events: u32) -> Self {
        // The kernel reads this field as two halves of 16 bits, the lower one first.
        let events = if cfg!(target_endian = "big") {
            events.rotate_left(16)
        } else {
            events
        };
        Sqe {
            op_flags: events,
            len: POLL_ADD_MULTI,
            ..Sqe::new(op::POLL_ADD, fd)
        }
    }

    /// Of the operation submitted with this user data.
    pub(crate) fn cancel(user_data: u64) -> Self {
        Sqe {
            addr: user_data,
            ..Sqe::new(op::ASYNC_CANCEL, -1)
        }
    }

    /// A completion with `user_data` in another ring.
    pub(crate) fn message(ring: RawFd, user_data: u64) -> Self {
        Sqe {
            off: user_data,
            ..Sqe::new(op::MSG_RING, ring)
        }
    }

    /// Completes only if it fails.
    pub(crate) fn silent(mut self) -> Self {
        self.flags |= IOSQE_CQE_SKIP_SUCCESS;
        self
    }
}
