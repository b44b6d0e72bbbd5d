//! `syscall`, by which `std` and `parking_lot` wait on futexes: every lock, channel and parked
//! thread of a program comes by here.

use super::{random, time};
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
        libc::SYS_futex => unsafe { futex(me, args) },
        libc::SYS_getrandom => {
            random::fill(args[0] as *mut u8, args[1]).then_some(args[1] as isize)
        }
        libc::SYS_gettid => Some(1000 + me.id().0 as isize),
        // Rings are the real kernel's.
        libc::SYS_io_uring_setup | libc::SYS_io_uring_enter | libc::SYS_io_uring_register => {
            Some(-libc::ENOSYS as isize)
        }
        _ => super::process::answer(number, args).or_else(|| {
            // SAFETY: as the caller promises.
            unsafe {
                super::descriptors::answer(me, number, args)
                    .or_else(|| super::paths::answer(me, number, args))
            }
        }),
    }
}

/// # Safety
///
/// The arguments are those of a call.
unsafe fn futex(me: &Me, args: [usize; 6]) -> Option<isize> {
    let [address, operation, value, timeout, _, mask] = args;
    let operation = operation as c_int & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    let is_realtime = args[1] as c_int & libc::FUTEX_CLOCK_REALTIME != 0;
    match operation {
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => {
            // SAFETY: the caller passes a valid pointer or none.
            let limit = unsafe { time::from_timespec(timeout as *const libc::timespec) };
            let deadline = limit.map(|ns| {
                let (now, wall) =
                    me.inside(|kernel| (kernel.now, kernel.wall_ns(kernel.life_of(me.id()).host)));
                match operation {
                    libc::FUTEX_WAIT => now.saturating_add(ns),
                    _ if is_realtime => now.saturating_add(ns.saturating_sub(wall)),
                    _ => ns.saturating_sub(time::BOOTED_NS).max(now),
                }
            });
            if operation == libc::FUTEX_WAIT_BITSET && mask as u32 != u32::MAX {
                return Some(-libc::ENOSYS as isize);
            }
            // SAFETY: the address of a futex is that of an aligned word, which lives through the
            // call.
            let word = unsafe { AtomicU32::from_ptr(address as *mut u32) };
            Some(wait(me, word, value as u32, deadline))
        }
        libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => {
            let most = usize::try_from(value as u32 as i32).unwrap_or(0);
            let woken = me.inside(|kernel| kernel.wake(Key::Futex(address), most));
            // A thread outside of the world may wait there too.
            let others = match woken < most {
                // SAFETY: the arguments are the caller's.
                true => unsafe { raw::syscall(libc::SYS_futex, args) }.max(0),
                false => 0,
            };
            Some(woken as isize + others)
        }
        _ => None,
    }
}

fn wait(me: &Me, word: &AtomicU32, value: u32, deadline: Option<u64>) -> isize {
    let mut has_waited = false;
    let answer = me.wait(deadline, |kernel| {
        if has_waited {
            let has_timed_out = kernel.thread(me.id()).has_timed_out;
            return Some(if has_timed_out {
                -libc::ETIMEDOUT as isize
            } else {
                0
            });
        }
        // SeqCst, as strong as the kernel's look. Its partner is the program's own store.
        if word.load(SeqCst) != value {
            return Some(-libc::EAGAIN as isize);
        }
        kernel.wait_for(me.id(), Key::Futex(word.as_ptr() as usize));
        has_waited = true;
        None
    });
    // A deadline that has passed already.
    answer.unwrap_or(-libc::ETIMEDOUT as isize)
}
