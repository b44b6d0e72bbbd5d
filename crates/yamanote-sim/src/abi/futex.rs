//! `syscall`, by which `std` and `parking_lot` wait on futexes: every lock, channel and parked
//! thread of a program comes by here.

use super::time;
use super::waiting::in_kernel_form;
use crate::kernel::files::Errno;
use crate::kernel::thread::Key;
use crate::me::{self, Me};
use crate::raw;
use std::ffi::{c_int, c_long};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

pub(super) fn keep() {
    black_box(syscall as *const ());
}

/// # Safety
///
/// As of the C function. (That one takes any number of arguments. On the machines this is built
/// for, integers and pointers are passed in the same places either way, and what the caller has not
/// passed is not used.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    if let Some(me) = me::current() {
        // SAFETY: the arguments are the caller's.
        if let Some(answer) = unsafe { answer(me, number, [a, b, c, d, e, f]) } {
            return raw::answer(answer) as c_long;
        }
    }
    // SAFETY: the arguments are the caller's.
    let answer = unsafe { raw::syscall(number, [a, b, c, d, e, f]) };
    raw::answer(answer) as c_long
}

/// The world's answer, in the kernel's form; `None` if it has none.
///
/// # Safety
///
/// The arguments are those of a call.
unsafe fn answer(me: &Me, number: c_long, args: [usize; 6]) -> Option<isize> {
    match number {
        // SAFETY: as the caller promises.
        libc::SYS_futex => Some(in_kernel_form(unsafe { futex(me, args) })),
        SYS_FUTEX_WAITV | SYS_FUTEX_WAKE..=SYS_FUTEX_REQUEUE => Some(-libc::ENOSYS as isize),
        // Rings are the real kernel's.
        libc::SYS_io_uring_setup | libc::SYS_io_uring_enter | libc::SYS_io_uring_register => {
            Some(-libc::ENOSYS as isize)
        }
        // SAFETY: as the caller promises.
        _ => unsafe {
            super::descriptors::answer(me, number, args)
                .or_else(|| super::paths::answer(me, number, args))
                .or_else(|| super::by_number::answer(number, args))
        },
    }
}

/// Not in every version of `libc`.
const SYS_FUTEX_WAITV: c_long = 449;
const SYS_FUTEX_WAKE: c_long = 454;
const SYS_FUTEX_REQUEUE: c_long = 456;

/// # Safety
///
/// The arguments are those of a call.
unsafe fn futex(me: &Me, args: [usize; 6]) -> Result<usize, Errno> {
    let [address, operation, value, timeout, _, mask] = args;
    let operation = operation as c_int & !libc::FUTEX_PRIVATE_FLAG;
    let is_realtime = operation & libc::FUTEX_CLOCK_REALTIME != 0;
    let operation = operation & !libc::FUTEX_CLOCK_REALTIME;
    let (waits, has_mask) = match operation {
        libc::FUTEX_WAIT => (true, false),
        libc::FUTEX_WAIT_BITSET => (true, true),
        libc::FUTEX_WAKE => (false, false),
        libc::FUTEX_WAKE_BITSET => (false, true),
        // The real kernel knows nothing of those who wait in the world.
        _ => return Err(libc::ENOSYS),
    };
    if is_realtime && operation != libc::FUTEX_WAIT_BITSET {
        return Err(libc::ENOSYS);
    }
    let limit = match waits {
        // SAFETY: as the caller promises.
        true => unsafe { time::limit(timeout as *const libc::timespec) }?,
        false => None,
    };
    match mask as u32 {
        0 if has_mask => return Err(libc::EINVAL),
        u32::MAX => {}
        // Whoever waits here waits for all bits.
        _ if operation == libc::FUTEX_WAIT_BITSET => return Err(libc::ENOSYS),
        _ => {}
    }
    if address % align_of::<AtomicU32>() != 0 {
        return Err(libc::EINVAL);
    }
    if !waits {
        // At least one, whatever is asked for, as by Linux.
        let most = usize::try_from(value as u32 as i32).unwrap_or(0).max(1);
        return Ok(wake(me, args, most));
    }
    if address == 0 {
        return Err(libc::EFAULT);
    }
    let deadline = limit.map(|ns| {
        let (now, wall) =
            me.inside(|kernel| (kernel.now, kernel.wall_ns(kernel.life_of(me.id()).host)));
        match operation {
            libc::FUTEX_WAIT => now.saturating_add(ns),
            _ if is_realtime => now.saturating_add(ns.saturating_sub(wall)),
            _ => ns.saturating_sub(time::BOOTED_NS).max(now),
        }
    });
    // SAFETY: the caller passes the address of a word, which lives through the call; it is aligned
    // and not null.
    let word = unsafe { AtomicU32::from_ptr(address as *mut u32) };
    wait(me, word, value as u32, deadline)
}

/// Wakes up to `most` of those who wait at the address of a call; returns how many.
fn wake(me: &Me, mut args: [usize; 6], most: usize) -> usize {
    let woken = me.inside(|kernel| kernel.wake(Key::Futex(args[0]), most));
    if woken == most {
        return woken;
    }
    // A thread outside of the world may wait there too.
    args[2] = most - woken;
    // SAFETY: the address is only a key.
    let others = unsafe { raw::syscall(libc::SYS_futex, args) };
    woken + usize::try_from(others).unwrap_or(0)
}

fn wait(me: &Me, word: &AtomicU32, value: u32, deadline: Option<u64>) -> Result<usize, Errno> {
    let mut has_waited = false;
    let answer = me.wait(deadline, |kernel| {
        if has_waited {
            let has_timed_out = kernel.thread(me.id()).has_timed_out;
            return Some(if has_timed_out {
                Err(libc::ETIMEDOUT)
            } else {
                Ok(0)
            });
        }
        // SeqCst, as strong as the kernel's look. Its partner is the program's own store.
        if word.load(SeqCst) != value {
            return Some(Err(libc::EAGAIN));
        }
        kernel.wait_for(me.id(), Key::Futex(word.as_ptr() as usize));
        has_waited = true;
        None
    });
    // A deadline that has passed already.
    answer.unwrap_or(Err(libc::ETIMEDOUT))
}
