//! The time stamp counter, and what else comes by the signal by which it is answered: each in a
//! process of its own, which is forked while nothing runs in this one.
#![cfg(target_arch = "x86_64")]

mod support;

use std::arch::x86_64::_rdtsc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::thread;
use support::{check, outcome_of};
use yamanote_sim::processes::End;
use yamanote_sim::{Config, Record, Threads, Trace, run};

const BOTH: [Threads; 2] = [Threads::Carried, Threads::Own];

fn ticks() -> u64 {
    // SAFETY: every processor of this architecture has the instruction.
    unsafe { _rdtsc() }
}

fn on<R: Send + 'static>(threads: Threads, experiment: fn() -> R) -> (R, Trace) {
    let mut config = Config::new(1);
    config.threads = threads;
    config.record = Record::Text(Vec::new());
    let (answer, trace) = run(config, experiment);
    (answer.unwrap(), trace)
}

/// How a process ends that does this, and what it has said: what is changed here is a process's.
fn in_a_process(child: fn()) -> (End, String) {
    static ONE_BY_ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    outcome_of(move || {
        child();
        0
    })
}

fn passes_in_a_process(child: fn()) {
    let (how, said) = in_a_process(child);
    assert_eq!(how, End::Exit(0), "{said}");
}

fn block(how: i32, signals: &libc::sigset_t) {
    // SAFETY: a valid set, and nothing is written.
    let answer = unsafe { libc::pthread_sigmask(how, signals, std::ptr::null_mut()) };
    assert_eq!(answer, 0);
}

fn all_signals() -> libc::sigset_t {
    // SAFETY: zeros are a set, which is filled.
    unsafe {
        let mut all = std::mem::zeroed();
        check(libc::sigfillset(&mut all) as isize).unwrap();
        all
    }
}

/// A fault that is blocked would end the process.
#[test]
fn a_thread_that_blocks_all_signals_reads_it() {
    passes_in_a_process(|| {
        // What a parent has blocked, a child has.
        block(libc::SIG_BLOCK, &all_signals());
        for threads in BOTH {
            on(threads, || {
                let from = ticks();
                for how in [libc::SIG_BLOCK, libc::SIG_SETMASK] {
                    block(how, &all_signals());
                    assert!(ticks() - from < 1_000);
                }
                let of_another = thread::spawn(|| {
                    block(libc::SIG_BLOCK, &all_signals());
                    ticks()
                });
                assert!(of_another.join().unwrap() - from < 1_000_000);
            });
        }
    });
}

/// A page that must not be written to.
fn guarded_page() -> *mut u8 {
    // SAFETY: new memory, which nobody else has.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, flags, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        page.cast()
    }
}

static FAULTS: AtomicUsize = AtomicUsize::new(0);

/// Lets the thread go on that has written there.
extern "C" fn unguard(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    FAULTS.fetch_add(1, SeqCst);
    // SAFETY: the kernel says which page, and it is one of `guarded_page`.
    unsafe {
        let page = (*info).si_addr().map_addr(|at| at & !4095);
        libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_WRITE);
    }
}

fn handler() -> libc::sigaction {
    // SAFETY: zeros are an action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = unguard as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    action
}

fn set_handler(action: &libc::sigaction) -> usize {
    let mut before = handler();
    // SAFETY: both are valid.
    check(unsafe { libc::sigaction(libc::SIGSEGV, action, &mut before) } as isize).unwrap();
    before.sa_sigaction
}

fn fault_and_look() {
    let from = ticks();
    let before = FAULTS.load(SeqCst);
    for count in 1..=3 {
        // SAFETY: the handler makes it a place that may be written to.
        unsafe { guarded_page().write_volatile(1) };
        assert_eq!(FAULTS.load(SeqCst), before + count);
        assert!(ticks() - from < 1_000);
    }
}

/// Of before the world, and of in it.
#[test]
fn a_program_handles_its_own_faults() {
    passes_in_a_process(|| {
        set_handler(&handler());
        for threads in BOTH {
            on(threads, || {
                fault_and_look();
                assert_eq!(set_handler(&handler()), unguard as *const () as usize);
                fault_and_look();
                thread::spawn(fault_and_look).join().unwrap();
            });
        }
        let mut once = handler();
        once.sa_flags |= libc::SA_RESETHAND;
        set_handler(&once);
        // SAFETY: the handler makes it a place that may be written to.
        unsafe { guarded_page().write_volatile(1) };
        assert_eq!(set_handler(&handler()), libc::SIG_DFL);
        // SAFETY: a handler, and it does what it may.
        let before = unsafe { libc::signal(libc::SIGSEGV, libc::SIG_IGN) };
        assert_eq!(before, unguard as *const () as usize);
        // SAFETY: the signal is ignored.
        unsafe { libc::raise(libc::SIGSEGV) };
        assert_eq!(set_handler(&handler()), libc::SIG_IGN);
    });
}

#[test]
fn what_nobody_handles_ends_the_process() {
    fn fault() {
        ticks();
        // SAFETY: the process ends.
        unsafe { guarded_page().write_volatile(1) };
    }
    let ways: [fn(); 4] = [
        || drop(on(Threads::Carried, fault)),
        || drop(on(Threads::Own, fault)),
        || {
            on(Threads::Carried, ticks);
            fault();
        },
        || {
            on(Threads::Carried, ticks);
            // SAFETY: no pointers that are followed.
            unsafe {
                libc::signal(libc::SIGSEGV, libc::SIG_DFL);
                libc::raise(libc::SIGSEGV);
            }
        },
    ];
    for way in ways {
        let (how, said) = in_a_process(way);
        assert_eq!(how, End::Signal(libc::SIGSEGV), "{said}");
    }
}

/// Has the kernel refuse it to this process, as a container's filter may.
fn refuse_the_trap() {
    let load = |from: usize| libc::sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: from as u32,
    };
    let unless = |value: i64, skip: u8| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: skip,
        k: value as u32,
    };
    let answer = |with: u32| libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: with,
    };
    let mut filter = [
        load(std::mem::offset_of!(libc::seccomp_data, nr)),
        unless(libc::SYS_prctl, 3),
        load(std::mem::offset_of!(libc::seccomp_data, args)),
        unless(libc::PR_SET_TSC.into(), 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program is valid through the call.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) as isize).unwrap();
        let mode = libc::SECCOMP_MODE_FILTER;
        check(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) as isize).unwrap();
    }
}

#[test]
fn where_it_stays_real_the_trace_says_so() {
    fn says(trace: &Trace) -> usize {
        let Record::Text(events) = trace.record() else {
            panic!("it is a text")
        };
        events.iter().filter(|event| event.code == "tsc").count()
    }
    passes_in_a_process(|| {
        assert_eq!(says(&on(Threads::Carried, ticks).1), 0);
        refuse_the_trap();
        let (_, trace) = on(Threads::Carried, ticks);
        assert_eq!(says(&trace), 1);
    });
}
