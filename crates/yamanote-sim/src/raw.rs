//! System calls that nobody answers but the kernel: the C library's functions of these names may be
//! the simulation's own.

use std::arch::asm;
use std::ffi::{c_int, c_long};
use std::sync::atomic::AtomicU32;

/// The kernel's answer: a result, or an error number below zero.
///
/// # Safety
///
/// As of the call that is made.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the kernel keeps all registers but these; what it does to memory the caller answers
    // for.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

/// The kernel's answer: a result, or an error number below zero.
///
/// # Safety
///
/// As of the call that is made.
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn syscall(number: c_long, args: [usize; 6]) -> isize {
    let answer: isize;
    // SAFETY: the kernel keeps all registers but these; what it does to memory the caller answers
    // for.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args[0] as isize => answer,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack),
        );
    }
    answer
}

/// Leaves `errno` and the answer as the C library would.
pub(crate) fn answer(answer: isize) -> isize {
    if (-4095..0).contains(&answer) {
        set_errno(-answer as c_int);
        return -1;
    }
    answer
}

pub(crate) fn set_errno(number: c_int) {
    // SAFETY: the address is this thread's own.
    unsafe { *libc::__errno_location() = number };
}

pub(crate) fn errno() -> c_int {
    // SAFETY: the address is this thread's own.
    unsafe { *libc::__errno_location() }
}

/// Writes to standard error without its lock, which a thread may have that does not run.
pub(crate) fn complain(mut text: &[u8]) {
    while !text.is_empty() {
        // SAFETY: so many bytes are there.
        let answer = unsafe {
            let (start, len) = (text.as_ptr() as usize, text.len());
            syscall(libc::SYS_write, [2, start, len, 0, 0, 0])
        };
        match usize::try_from(answer) {
            Ok(written) => text = &text[written.min(text.len())..],
            Err(_) if answer == -libc::EINTR as isize => {}
            Err(_) => return,
        }
    }
}

/// Sleeps while `*word == value`, at most for so many nanoseconds of real time.
pub(crate) fn sleep_while(word: &AtomicU32, value: u32, at_most_ns: Option<u64>) {
    let timeout = at_most_ns.map(|ns| libc::timespec {
        tv_sec: (ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (ns % 1_000_000_000) as c_long,
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: both pointers are valid through the call, which writes to neither.
    unsafe {
        let word = word.as_ptr() as usize;
        syscall(
            libc::SYS_futex,
            [word, wait as usize, value as usize, timeout as usize, 0, 0],
        );
    }
}

/// Wakes everybody who sleeps on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the address is only a key.
    unsafe {
        let word = word.as_ptr() as usize;
        syscall(
            libc::SYS_futex,
            [word, wake as usize, i32::MAX as usize, 0, 0, 0],
        );
    }
}
