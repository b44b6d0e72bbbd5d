//! System calls that begin to fail while a program runs: the nth one, or all from there on.
//!
//! A seccomp filter makes the kernel answer the call with a signal. The signal's handler counts,
//! and either makes the call itself, from the one address that the filter lets pass, or fails it.
//! Compared with a tracer this takes no second process, a few microseconds and no rights, and it
//! can begin at any moment. Calls that make a thread or a process cannot be made from a handler.
//! Only for x86-64, because it names registers.

use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};

/// Which call fails, how, and when.
#[derive(Debug, Clone, Copy)]
pub struct Injection {
    /// The number of the system call.
    pub call: libc::c_long,
    /// The error that it returns instead of being made.
    pub errno: i32,
    /// Which one fails, counted from 1 over all threads.
    pub nth: u64,
    /// Whether all later ones fail too.
    pub forever: bool,
}

static NTH: AtomicU64 = AtomicU64::new(u64::MAX);
static LAST: AtomicU64 = AtomicU64::new(u64::MAX);
static ERRNO: AtomicI32 = AtomicI32::new(0);
static COUNT: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());

mod machine {
    std::arch::global_asm!(
        ".globl yamanote_test_call",
        "yamanote_test_call:",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov r10, r8",
        "mov r8, r9",
        "mov r9, [rsp + 8]",
        "syscall",
        ".globl yamanote_test_call_made",
        "yamanote_test_call_made:",
        "ret",
    );

    unsafe extern "C" {
        fn yamanote_test_call(number: i64, a: i64, b: i64, c: i64, d: i64, e: i64, f: i64) -> i64;
        static yamanote_test_call_made: u8;
    }

    /// The address that the filter lets pass: where the call returns to.
    pub(super) fn passing_address() -> u64 {
        // Only the address is taken.
        (&raw const yamanote_test_call_made) as u64
    }

    /// Makes the call that was caught, or gives it `errno` for an answer.
    ///
    /// # Safety
    ///
    /// `context` is what a handler of SIGSYS was given.
    pub(super) unsafe fn answer(context: *mut libc::c_void, errno: Option<i32>) {
        // SAFETY: by the caller's word; nobody else looks at it while the handler runs.
        let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
        let of = |register: libc::c_int| registers[register as usize];
        let result = match errno {
            Some(errno) => -i64::from(errno),
            // SAFETY: the very call that the program wanted to make, with its arguments.
            None => unsafe {
                yamanote_test_call(
                    of(libc::REG_RAX),
                    of(libc::REG_RDI),
                    of(libc::REG_RSI),
                    of(libc::REG_RDX),
                    of(libc::REG_R10),
                    of(libc::REG_R8),
                    of(libc::REG_R9),
                )
            },
        };
        registers[libc::REG_RAX as usize] = result;
    }
}

extern "C" fn on_call(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: set before the filter, and lives for ever.
    let count = unsafe { &*COUNT.load(Ordering::Relaxed) };
    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
    let fails = (NTH.load(Ordering::Relaxed)..=LAST.load(Ordering::Relaxed)).contains(&number);
    // SAFETY: the context of this very signal.
    unsafe { machine::answer(context, fails.then(|| ERRNO.load(Ordering::Relaxed))) };
}

/// Begins. `count` is the number of calls from now on. This cannot be undone: for tests that run
/// alone in a process.
///
/// # Panics
///
/// If the kernel does not allow it, and when called a second time.
pub fn inject(injection: Injection, count: &'static AtomicU64) {
    ERRNO.store(injection.errno, Ordering::Relaxed);
    NTH.store(injection.nth, Ordering::Relaxed);
    if !injection.forever {
        LAST.store(injection.nth, Ordering::Relaxed);
    }
    let before = COUNT.swap(std::ptr::from_ref(count).cast_mut(), Ordering::Relaxed);
    assert!(before.is_null(), "one injection per process");
    // SAFETY: an all-zero sigaction is valid; the handler is async-signal-safe: it uses atomics and
    // makes system calls.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_call;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
        assert_eq!(
            libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut()),
            0
        );
    }
    filter(injection.call);
}

/// Makes all threads of the process get SIGSYS for `call`, unless it comes from the one address.
fn filter(call: libc::c_long) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let address = machine::passing_address();
    // Offsets in seccomp_data: the call's number at 0, the instruction pointer at 8.
    let mut filter = [
        step(LOAD, 0, 0, 0),
        step(JUMP_IF_EQUAL, 0, 4, call as u32),
        step(LOAD, 0, 0, 8),
        step(JUMP_IF_EQUAL, 0, 3, address as u32),
        step(LOAD, 0, 0, 12),
        step(JUMP_IF_EQUAL, 0, 1, (address >> 32) as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, 0, libc::SECCOMP_RET_TRAP),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program and its filter live through the calls.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let answer = libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        );
        assert_eq!(answer, 0, "{}", std::io::Error::last_os_error());
    }
}
