//! How the right to run goes from one thread of a world to the next.
//!
//! For a program a thread is a stack, and a base that its thread-locals lie at. Where the processor
//! lets a program set that base itself, one thread of the kernel runs all threads of a world: the
//! *carrier*, on which the world's first thread began. To hand on the baton is then to put some
//! registers on one stack and to take them from another. The thread that the kernel has made for
//! each is used twice, to begin and to end:
//!
//! ```text
//!  its own thread of the kernel         the carrier
//!  ----------------------------         -----------
//!  `arrive`: leaves the stack,
//!     and sleeps                   -->  takes the stack up when it is its turn
//!                                       runs it, leaves it, runs others, takes it up ...
//!  takes the stack up,             <--  `leave_for`: leaves it for the last time, for the next
//!     and ends as threads end           waits until that thread is gone
//! ```
//!
//! Elsewhere each thread runs on its own, and a futex wakes the next.

use crate::abi::tsc;
use crate::raw::{sleep_while, syscall, wake_all};
use std::sync::atomic::{
    AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
    Ordering::SeqCst,
};

/// Which threads of the kernel run those of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The carrier runs all, if that is possible here.
    Carried,
    /// Each has its own: for debuggers, and what else follows threads of the kernel.
    Own,
}

impl Threads {
    /// What is possible.
    pub(crate) fn possible(self) -> Threads {
        match self {
            Threads::Carried if exchange::is_possible() => Threads::Carried,
            Threads::Carried | Threads::Own => Threads::Own,
        }
    }
}

/// A thread's place for the one right to run.
#[derive(Debug)]
pub(crate) struct Baton {
    threads: Threads,
    /// Of a carried thread: [`COMING`], [`PARKED`] or [`HOME`]. Of others: 1 if the right to run
    /// was left here, 0 if not.
    word: AtomicU32,
    /// Of a carried thread that does not run: where its registers lie, on its stack. Relaxed: the
    /// carrier writes and reads it, and `arrive`, which `word` orders.
    stack: AtomicUsize,
    /// Of a carried thread: its own thread of the kernel. Relaxed, for the same reason.
    kernel_thread: AtomicU32,
}

/// The thread of the kernel is on the way to where it sleeps.
const COMING: u32 = 0;
/// It sleeps, and the stack may be taken up by the carrier.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "nothing is carried")
)]
const PARKED: u32 = 1;
/// The stack may be taken up by its own thread again.
const HOME: u32 = 2;

impl Baton {
    pub(crate) fn new(threads: Threads) -> Baton {
        Baton {
            threads,
            word: AtomicU32::new(COMING),
            stack: AtomicUsize::new(0),
            kernel_thread: AtomicU32::new(0),
        }
    }

    /// A new thread waits for its first turn.
    pub(crate) fn arrive(&self) {
        match self.threads {
            Threads::Own => self.wait(),
            Threads::Carried => {
                // Nothing of the program runs here, and a fault could not be answered.
                tsc::give_back();
                block_signals();
                // Relaxed, both: see the fields. The store of `PARKED` comes after.
                self.kernel_thread.store(kernel_thread(), Relaxed);
                // SAFETY: the thread has its stack from the C library, and the places live as long
                // as the world.
                let gone = unsafe { exchange::park(&self.stack, &self.word) };
                send_home(gone);
            }
        }
    }

    /// By the thread that has made another: returns when that one can have a turn, so that nothing
    /// of how it begins happens beside what comes next.
    pub(crate) fn await_arrival(&self) {
        if self.threads == Threads::Carried {
            // Acquire: pairs with the store in `park`, which on this processor is a Release.
            while self.word.load(Acquire) == COMING {
                sleep_while(&self.word, COMING, None);
            }
        }
    }

    /// The thread of this one, which runs, lets that of `next` run until it is its turn again.
    pub(crate) fn exchange(&self, next: &Baton) {
        match self.threads {
            Threads::Own => {
                next.pass();
                self.wait();
            }
            Threads::Carried => {
                let stack = next.stack.load(Relaxed);
                // SAFETY: that thread does not run, so its registers are there; this one is on the
                // carrier.
                let gone = unsafe { exchange::exchange(&self.stack, stack, std::ptr::null()) };
                send_home(gone);
            }
        }
    }

    /// The thread of this one runs for the last time in its world, and goes on outside of it.
    pub(crate) fn leave_for(&self, next: &Baton) {
        match self.threads {
            Threads::Own => {
                tsc::give_back();
                next.pass();
            }
            Threads::Carried => {
                let stack = next.stack.load(Relaxed);
                // SAFETY: as in `exchange`. It comes back on its own thread of the kernel.
                unsafe { exchange::exchange(&self.stack, stack, self) };
            }
        }
    }

    /// To the thread that waits, or will wait.
    fn pass(&self) {
        // Release: pairs with the Acquire in `wait`, and hands on all that this thread has written.
        self.word.store(1, Release);
        wake_all(&self.word);
    }

    fn wait(&self) {
        // Acquire: pairs with the Release in `pass`.
        while self.word.load(Acquire) == 0 {
            sleep_while(&self.word, 0, None);
        }
        // SeqCst, without need of an order: the next `pass` comes after this thread has run.
        self.word.store(0, SeqCst);
    }
}

/// Looks for the end of a thread that comes after this real time are given up.
const PATIENCE_NS: u64 = 1_000_000_000;

/// Has the thread that has just left its world end, and waits for that: it gives back memory that
/// others use next, and which that is may not depend on who is quicker.
fn send_home(gone: *const Baton) {
    // SAFETY: null, or what `leave_for` was called on: its world keeps it.
    let Some(gone) = (unsafe { gone.as_ref() }) else {
        return;
    };
    let thread = gone.kernel_thread.load(Relaxed);
    // Release: pairs with the load in `park`, and hands on all that the thread has written.
    gone.word.store(HOME, Release);
    wake_all(&gone.word);
    let begun = now_ns();
    while is_there(thread) && now_ns() - begun < PATIENCE_NS {
        // SAFETY: no pointers.
        unsafe { syscall(libc::SYS_sched_yield, [0; 6]) };
    }
}

/// Nothing interrupts this thread of the kernel any more: a handler would run on the stack that it
/// is at, which is in use elsewhere.
fn block_signals() {
    let all = u64::MAX;
    let set = std::ptr::from_ref(&all) as usize;
    // SAFETY: the set is as long as is said, and nothing is written.
    unsafe {
        let how = libc::SIG_BLOCK as usize;
        syscall(libc::SYS_rt_sigprocmask, [how, set, 0, 8, 0, 0]);
    }
}

fn kernel_thread() -> u32 {
    // SAFETY: no pointers.
    unsafe { syscall(libc::SYS_gettid, [0; 6]) as u32 }
}

/// Whether a thread of the kernel is one of this process.
fn is_there(thread: u32) -> bool {
    // SAFETY: no pointers; the signal 0 is none.
    unsafe {
        let process = syscall(libc::SYS_getpid, [0; 6]) as usize;
        syscall(libc::SYS_tgkill, [process, thread as usize, 0, 0, 0, 0]) == 0
    }
}

/// Of a real clock.
fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let clock = libc::CLOCK_MONOTONIC as usize;
    let place = std::ptr::from_mut(&mut now) as usize;
    // SAFETY: the call writes the time.
    unsafe { syscall(libc::SYS_clock_gettime, [clock, place, 0, 0, 0, 0]) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Whether an interpreter, Valgrind, stands between the program and the processor.
#[cfg(target_arch = "x86_64")]
pub(crate) fn is_interpreted() -> bool {
    exchange::is_interpreted()
}

#[cfg(target_arch = "x86_64")]
mod exchange {
    use super::{Baton, PARKED};
    use std::arch::{asm, global_asm};
    use std::ffi::c_void;
    use std::sync::atomic::{AtomicU32, AtomicUsize};

    /// Whether a program may set the base of its thread-locals, and exchange its stack.
    pub(super) fn is_possible() -> bool {
        /// `wrfsbase` and its like may be used: of `asm/hwcap2.h`.
        const FSGSBASE: u64 = 1 << 1;
        // SAFETY: no pointers.
        let features = unsafe { libc::getauxval(libc::AT_HWCAP2) };
        features & FSGSBASE != 0 && !has_shadow_stack() && !is_interpreted()
    }

    /// Whether returns are compared with a second stack, which is not exchanged.
    fn has_shadow_stack() -> bool {
        let place: u64;
        // SAFETY: reads a register; does nothing where there is none.
        unsafe {
            asm!("rdsspq {0}", inout(reg) 0u64 => place, options(nomem, nostack, preserves_flags));
        }
        place != 0
    }

    /// Whether Valgrind runs the program, which does not know the instruction. It answers to this
    /// sequence, which changes nothing elsewhere.
    pub(super) fn is_interpreted() -> bool {
        // `RUNNING_ON_VALGRIND`, of `valgrind.h`, and its five arguments.
        let question = [0x1001u64, 0, 0, 0, 0, 0];
        let answer: u64;
        // SAFETY: the rotations are a whole turn of the register, and the exchange is of one with
        // itself.
        unsafe {
            asm!(
                "rol rdi, 3",
                "rol rdi, 13",
                "rol rdi, 61",
                "rol rdi, 51",
                "xchg rbx, rbx",
                in("rax") question.as_ptr(),
                inout("rdx") 0u64 => answer,
                inout("rdi") 0u64 => _,
                options(nostack),
            );
        }
        answer != 0
    }

    unsafe extern "C" {
        /// Leaves the registers on this stack and its place in `own`, and takes those from the
        /// stack at `other`. Returns when somebody takes up this one: what that one's `message`
        /// was.
        ///
        /// # Safety
        ///
        /// `other` is what was written to an `own`, and has not been taken up since.
        #[link_name = "yamanote_sim_exchange"]
        fn exchange_stacks(own: *mut usize, other: usize, message: *const c_void) -> *const c_void;

        /// Leaves the registers on this stack and its place in `own`, writes `PARKED` to `word`,
        /// and sleeps, at no stack, while it is that; then takes up the stack at `own`. Returns as
        /// the other does, on the thread that has taken the stack up; null, if that is its own.
        ///
        /// # Safety
        ///
        /// No signal interrupts the thread. Both places live as long as it does.
        #[link_name = "yamanote_sim_park"]
        fn park_stack(own: *mut usize, word: *mut u32) -> *const c_void;
    }

    /// # Safety
    ///
    /// As of [`exchange_stacks`].
    pub(super) unsafe fn exchange(
        own: &AtomicUsize,
        other: usize,
        message: *const Baton,
    ) -> *const Baton {
        // SAFETY: as the caller promises.
        unsafe { exchange_stacks(own.as_ptr(), other, message.cast()).cast() }
    }

    /// # Safety
    ///
    /// As of [`park_stack`].
    pub(super) unsafe fn park(own: &AtomicUsize, word: &AtomicU32) -> *const Baton {
        // SAFETY: as the caller promises.
        unsafe { park_stack(own.as_ptr(), word.as_ptr()).cast() }
    }

    // What a function has to keep, by the ABI, and the base. At `fs:0` there is the base itself, as
    // the ABI of thread-locals has it.
    global_asm!(
        ".macro yamanote_sim_leave_registers",
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push qword ptr fs:[0]",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        ".endm",
        ".pushsection .text.yamanote_sim_exchange, \"ax\", @progbits",
        ".globl yamanote_sim_exchange",
        ".hidden yamanote_sim_exchange",
        ".type yamanote_sim_exchange, @function",
        ".p2align 4",
        "yamanote_sim_exchange:",
        "yamanote_sim_leave_registers",
        "mov rsp, rsi",
        "mov rax, rdx",
        "2:",
        "fldcw [rsp + 4]",
        "ldmxcsr [rsp]",
        "add rsp, 8",
        "pop rcx",
        "wrfsbase rcx",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        ".globl yamanote_sim_park",
        ".hidden yamanote_sim_park",
        ".type yamanote_sim_park, @function",
        ".p2align 4",
        "yamanote_sim_park:",
        "yamanote_sim_leave_registers",
        "mov r12, rdi",
        "mov rbx, rsi",
        // A plain store, which on this processor is a Release: pairs with the Acquire in
        // `await_arrival`.
        "mov dword ptr [rbx], {parked}",
        "mov rdi, rbx",
        "mov esi, {wake}",
        "mov edx, 0x7fffffff",
        "mov eax, {futex}",
        "syscall",
        "3:",
        "mov rdi, rbx",
        "mov esi, {wait}",
        "mov edx, {parked}",
        "xor r10d, r10d",
        "mov eax, {futex}",
        "syscall",
        // An Acquire here, which pairs with the Release in `send_home`.
        "cmp dword ptr [rbx], {parked}",
        "je 3b",
        "mov rsp, [r12]",
        "xor eax, eax",
        "jmp 2b",
        ".popsection",
        parked = const PARKED,
        futex = const libc::SYS_futex,
        wake = const libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
        wait = const libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
    );
}

#[cfg(not(target_arch = "x86_64"))]
mod exchange {
    use super::Baton;
    use std::sync::atomic::{AtomicU32, AtomicUsize};

    pub(super) fn is_possible() -> bool {
        false
    }

    pub(super) unsafe fn exchange(_: &AtomicUsize, _: usize, _: *const Baton) -> *const Baton {
        unreachable!("each thread has its own")
    }

    pub(super) unsafe fn park(_: &AtomicUsize, _: &AtomicU32) -> *const Baton {
        unreachable!("each thread has its own")
    }
}
