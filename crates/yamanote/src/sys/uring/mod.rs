//! The three system calls of io_uring, and what one call can say without a ring.
//!
//! [`queues`] is the memory shared with the kernel; [`Kernel`] is the seam behind which a test puts
//! a kernel of its own. Everything about the *meaning* of entries is in `runtime::driver`.

pub(crate) mod abi;
pub(crate) mod queues;
pub(crate) mod sqe;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use abi::{GetEventsArg, Params, Timespec};
use sqe::Sqe;

/// What a ring asks of its kernel. The real one is [`RealKernel`].
pub(crate) trait Kernel: Send + Sync {
    /// `io_uring_enter` that does not wait: submits up to `to_submit` entries and, with
    /// `get_events`, runs pending task work and flushes an overflowed completion queue. Returns how
    /// many entries were taken.
    fn enter(&self, to_submit: u32, get_events: bool) -> io::Result<u32>;
}

/// A kernel reached through a ring descriptor.
#[derive(Debug, Clone)]
pub(crate) struct RealKernel {
    pub(crate) ring_fd: Arc<OwnedFd>,
}

impl Kernel for RealKernel {
    fn enter(&self, to_submit: u32, get_events: bool) -> io::Result<u32> {
        let flags = if get_events { abi::ENTER_GETEVENTS } else { 0 };
        enter(&self.ring_fd, to_submit, flags)
    }
}

/// Whether `io_uring_enter` may be called at all: does nothing with a fresh ring.
pub(crate) fn try_enter(ring: &OwnedFd) -> io::Result<()> {
    enter(ring, 0, 0).map(drop)
}

fn enter(ring: &OwnedFd, to_submit: u32, flags: u32) -> io::Result<u32> {
    // SAFETY: without EXT_ARG the last two arguments are a signal mask, and null means none.
    let taken = unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            ring.as_raw_fd(),
            to_submit,
            0u32,
            flags,
            std::ptr::null::<u8>(),
            0usize,
        )
    };
    if taken < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(taken as u32)
}

/// `io_uring_setup`. The descriptor is close-on-exec, as the kernel always makes it.
pub(crate) fn setup(entries: u32, params: &mut Params) -> io::Result<OwnedFd> {
    // An interpreter that ends the program at a call it does not know.
    if cfg!(miri) {
        return Err(io::Error::from_raw_os_error(libc::ENOSYS));
    }
    // SAFETY: `params` is a live, writable `io_uring_params`.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, &raw mut *params) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Blocks until the ring has a completion or the timeout is over; submits `to_submit` entries on
/// the way. Called without the ring's lock. With `idle` the kernel is told, where it can be
/// (`IORING_FEAT_NO_IOWAIT`), that nothing here waits for a disk.
///
/// # Errors
///
/// Whatever the kernel says, EINTR included. The caller looks at its queues in any case; if it just
/// waits again, it might spin.
pub(crate) fn wait(
    fd: RawFd,
    to_submit: u32,
    timeout: Option<Duration>,
    idle: bool,
) -> io::Result<()> {
    match wait_once(fd, to_submit, timeout, idle) {
        Err(error) if error.raw_os_error() == Some(libc::ETIME) => Ok(()),
        answer => answer,
    }
}

fn wait_once(fd: RawFd, to_submit: u32, timeout: Option<Duration>, idle: bool) -> io::Result<()> {
    // The kernel adds this to its clock; an absurd number would overflow into the past. Ending a
    // wait after a year is allowed.
    const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let timespec = timeout
        .map(|limit| limit.min(A_YEAR))
        .map(|limit| Timespec {
            seconds: limit.as_secs() as i64,
            nanoseconds: i64::from(limit.subsec_nanos()),
        });
    let argument = GetEventsArg {
        timespec: timespec
            .as_ref()
            .map_or(0, |t| std::ptr::from_ref(t) as u64),
        ..GetEventsArg::default()
    };
    let mut flags = abi::ENTER_GETEVENTS | abi::ENTER_EXT_ARG;
    if idle {
        flags |= abi::ENTER_NO_IOWAIT;
    }
    // SAFETY: EXT_ARG makes the last two arguments a pointer to `argument` and its size; it and the
    // timespec it points to outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            fd,
            to_submit,
            1u32,
            flags,
            &raw const argument,
            size_of::<GetEventsArg>(),
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Posts a completion with `user_data` to the ring `target`, from a thread that needs no ring of
/// its own (`IORING_REGISTER_SEND_MSG_RING`, Linux 6.13).
pub(crate) fn send_message(target: RawFd, user_data: u64) -> io::Result<()> {
    let sqe = Sqe::message(target, user_data);
    // SAFETY: the kernel reads one SQE from the pointer during the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            -1,
            abi::REGISTER_SEND_MSG_RING,
            &raw const sqe,
            1u32,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Asks the kernel behind `ring` which opcodes it knows (`IORING_REGISTER_PROBE`).
pub(crate) fn probe_opcodes(ring: &OwnedFd) -> io::Result<Box<abi::ProbeAnswer>> {
    let mut answer = Box::new(abi::ProbeAnswer {
        last_op: 0,
        ops_len: 0,
        reserved: 0,
        reserved2: [0; 3],
        ops: [abi::ProbeOp::default(); 256],
    });
    // SAFETY: the kernel fills at most 256 entries behind the header, which is what the type holds;
    // it wants all of it zero beforehand, which it is.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring.as_raw_fd(),
            abi::REGISTER_PROBE,
            &raw mut *answer,
            256u32,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}
