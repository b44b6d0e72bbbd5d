//! Who is asked first when a thread has done what it must not: the machine, because the processor's
//! time stamp counter is read by an instruction that is made to fault in a world.
//!
//! `SIGSEGV` has one action in a process. Once there has been a world that is the one here, and the
//! program's own, whether it was there before or is set later, is kept beside it and gets whatever
//! is not of the counter.

use super::next::{Next, next};
use super::tsc;
use crate::me;
use crate::raw::syscall;
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

pub(super) fn keep() {
    black_box((
        sigaction as *const (),
        signal as *const (),
        pthread_sigmask as *const (),
        sigprocmask as *const (),
    ));
}

type Act = unsafe extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int;
type Signal = unsafe extern "C" fn(c_int, libc::sighandler_t) -> libc::sighandler_t;
type Mask = unsafe extern "C" fn(c_int, *const libc::sigset_t, *mut libc::sigset_t) -> c_int;

static ACT: Next = Next::new(c"sigaction");
static SIGNAL: Next = Next::new(c"signal");
static THREAD_MASK: Next = Next::new(c"pthread_sigmask");
static MASK: Next = Next::new(c"sigprocmask");

/// The program's own action; null before there was a world. Release and Acquire of its users hand
/// on what is behind it, which is never freed: a handler may be looking at it.
static OWN: AtomicPtr<libc::sigaction> = AtomicPtr::new(null_mut());

/// An action in memory that lasts.
fn keep_for_ever(action: libc::sigaction) -> *mut libc::sigaction {
    Box::into_raw(Box::new(action))
}

/// What the kernel does by itself. Made once: a handler may ask for it, which must not allocate.
fn by_default() -> *mut libc::sigaction {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
    // SAFETY: zeros are an action: `SIG_DFL`, no flags, no signals.
    let zeros = || keep_for_ever(unsafe { std::mem::zeroed() }).expose_provenance();
    std::ptr::with_exposed_provenance_mut(*DEFAULT.get_or_init(zeros))
}

/// From now on `SIGSEGV` comes here first; false if that is refused.
pub(super) fn come_here() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| {
        by_default();
        // SAFETY: zeros are an action.
        let mut own: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: the place is valid.
        if unsafe { act(std::ptr::null(), &mut own) } != 0 {
            return false;
        }
        OWN.store(keep_for_ever(own), Release);
        stand_before(&own) == 0
    })
}

/// # Safety
///
/// As of `sigaction`.
unsafe fn act(new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int {
    next!(ACT, Act, libc::SIGSEGV, new, old)
}

/// Puts the handler here in the place of an action, beside which it blocks what that one blocks. On
/// the thread's other stack, if it has one: this one may be full.
fn stand_before(own: &libc::sigaction) -> c_int {
    let mut ours = *own;
    ours.sa_sigaction = on_fault as *const () as libc::sighandler_t;
    ours.sa_flags &= libc::SA_RESTART | libc::SA_NODEFER;
    ours.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is valid, and its handler may run wherever the signal comes.
    unsafe { act(&ours, null_mut()) }
}

/// The next fault ends the process, as the kernel does by itself.
fn stand_aside() {
    // SAFETY: the action is valid.
    unsafe { act(by_default(), null_mut()) };
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes both, of this thread and this fault.
    let is_answered = unsafe { tsc::answer(&*info, &mut *context.cast()) };
    if is_answered {
        return;
    }
    // The signal may be blocked until the program's handler returns: the counter is real in it.
    let was_trapped = me::is_of_a_world() && tsc::give_back();
    // SAFETY: as above; the place was filled before this handler was set.
    unsafe { pass_on(signal, info, context) };
    if was_trapped {
        tsc::trap();
    }
}

/// Does what the program wants to be done.
///
/// # Safety
///
/// In a handler of `SIGSEGV`, with what that got.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    type Plain = extern "C" fn(c_int);
    type Full = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
    // Acquire: pairs with the Release in `come_here`, and the one in `set_own`.
    let place = OWN.load(Acquire);
    // SAFETY: never null here, and never freed.
    let own = unsafe { &*place };
    // SAFETY: as the caller promises.
    let was_sent = unsafe { (*info).si_code } <= 0;
    match own.sa_sigaction {
        libc::SIG_IGN if was_sent => return,
        libc::SIG_IGN | libc::SIG_DFL => {
            // The instruction faults again. What was sent is sent again.
            stand_aside();
            if was_sent {
                send_to_this_thread(signal);
            }
            return;
        }
        _ => {}
    }
    if own.sa_flags & libc::SA_RESETHAND != 0 {
        // AcqRel: see `OWN`. Another thread may have set an action meanwhile, which stays.
        let _ = OWN.compare_exchange(place, by_default(), AcqRel, Acquire);
    }
    let handler = own.sa_sigaction;
    match own.sa_flags & libc::SA_SIGINFO {
        // SAFETY: without the flag it is such a function.
        0 => unsafe { std::mem::transmute::<usize, Plain>(handler)(signal) },
        // SAFETY: with it, such a one; the arguments are what it would have got.
        _ => unsafe { std::mem::transmute::<usize, Full>(handler)(signal, info, context) },
    }
}

/// When the handler is over.
fn send_to_this_thread(signal: c_int) {
    // SAFETY: no pointers.
    unsafe {
        let process = syscall(libc::SYS_getpid, [0; 6]) as usize;
        let thread = syscall(libc::SYS_gettid, [0; 6]) as usize;
        let args = [process, thread, signal as usize, 0, 0, 0];
        syscall(libc::SYS_tgkill, args);
    }
}

/// # Safety
///
/// Each pointer is valid or null.
unsafe fn set_own(new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int {
    // SAFETY: as the caller promises.
    let new = unsafe { new.as_ref() }.copied();
    let before = match new {
        None => OWN.load(Acquire),
        Some(new) => {
            // A handler that asks for the default must not allocate; whatever else it asks for, it
            // does so when it has not interrupted an allocation.
            let place = match new.sa_sigaction {
                libc::SIG_DFL => by_default(),
                _ => keep_for_ever(new),
            };
            // AcqRel: see `OWN`.
            let before = OWN.swap(place, AcqRel);
            stand_before(&new);
            before
        }
    };
    // SAFETY: as the caller promises; what was own is never freed.
    unsafe {
        if let Some(old) = old.as_mut() {
            *old = *before;
        }
    }
    0
}

fn is_ours(signal: c_int) -> bool {
    // Acquire: see `OWN`.
    signal == libc::SIGSEGV && !OWN.load(Acquire).is_null()
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigaction(
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    match is_ours(signal) {
        // SAFETY: as the caller promises.
        true => unsafe { set_own(new, old) },
        false => next!(ACT, Act, signal, new, old),
    }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn signal(number: c_int, handler: libc::sighandler_t) -> libc::sighandler_t {
    if !is_ours(number) || handler == libc::SIG_ERR {
        return next!(SIGNAL, Signal, number, handler);
    }
    // SAFETY: zeros are an action; both places are valid.
    unsafe {
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = handler;
        new.sa_flags = libc::SA_RESTART;
        let mut old = new;
        set_own(&new, &mut old);
        old.sa_sigaction
    }
}

/// A thread of a world blocks everything but `SIGSEGV`, with which the kernel would end the process
/// if the counter was read.
///
/// # Safety
///
/// As of the C functions.
unsafe fn mask(
    function: &Next,
    how: c_int,
    set: *const libc::sigset_t,
    old: *mut libc::sigset_t,
) -> c_int {
    // SAFETY: as the caller promises.
    let set = unsafe { set.as_ref() };
    let Some(set) = set.filter(|_| how != libc::SIG_UNBLOCK && me::is_of_a_world()) else {
        let set = set.map_or(std::ptr::null(), std::ptr::from_ref);
        return next!(function, Mask, how, set, old);
    };
    let mut set = *set;
    // SAFETY: a valid set.
    unsafe { libc::sigdelset(&mut set, libc::SIGSEGV) };
    next!(function, Mask, how, &set, old)
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_sigmask(
    how: c_int,
    set: *const libc::sigset_t,
    old: *mut libc::sigset_t,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { mask(&THREAD_MASK, how, set, old) }
}

/// # Safety
///
/// As of the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigprocmask(
    how: c_int,
    set: *const libc::sigset_t,
    old: *mut libc::sigset_t,
) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { mask(&MASK, how, set, old) }
}
