//! How a process ends itself, and signals that it sends.
//!
//! What a host's program calls ends that host's process. The experiment, threads of no world, and a
//! program that is simulated without knowing it end the real one.

use super::next::{Next, next};
use crate::kernel::host::HostId;
use crate::me;
use crate::raw;
use crate::signals::{self, Effect, End};
use std::ffi::c_int;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

pub(super) fn keep() {
    black_box((
        exit as *const (),
        _exit as *const (),
        _Exit as *const (),
        abort as *const (),
        pause as *const (),
        raise as *const (),
    ));
}

type Exit = unsafe extern "C" fn(c_int) -> !;
type Abort = unsafe extern "C" fn() -> !;
type Pause = unsafe extern "C" fn() -> c_int;
type Raise = unsafe extern "C" fn(c_int) -> c_int;

static EXIT: Next = Next::new(c"exit");
static EXIT_NOW: Next = Next::new(c"_exit");
static ABORT: Next = Next::new(c"abort");
static PAUSE: Next = Next::new(c"pause");
static RAISE: Next = Next::new(c"raise");

/// A host's program has called `exit`. Relaxed: threads of a world run one at a time.
static HAS_EXITED: AtomicBool = AtomicBool::new(false);

#[unsafe(no_mangle)]
pub extern "C" fn exit(code: c_int) -> ! {
    if let Some((me, life)) = signals::own_process() {
        HAS_EXITED.store(true, Relaxed);
        // What a parent is told.
        signals::end_own(me, life, End::Exit(Some(code & 0xff)))
    }
    match me::current() {
        // The experiment.
        Some(me) if !me.world().is_adopted() => _exit(code),
        Some(me) => me.stay(),
        None => {}
    }
    next!(EXIT, Exit, code)
}

#[unsafe(no_mangle)]
pub extern "C" fn _exit(code: c_int) -> ! {
    if let Some((me, life)) = signals::own_process() {
        signals::end_own(me, life, End::Exit(Some(code & 0xff)))
    }
    next!(EXIT_NOW, Exit, code)
}

#[unsafe(no_mangle)]
pub extern "C" fn _Exit(code: c_int) -> ! {
    _exit(code)
}

#[unsafe(no_mangle)]
pub extern "C" fn abort() -> ! {
    if let Some((me, life)) = signals::own_process() {
        if is_in_handler() {
            // What `std` has locked there stays locked: no other thread could begin or end.
            me.world().a_stack_has_overflowed()
        }
        signals::end_own(me, life, End::Signal(libc::SIGABRT))
    }
    next!(ABORT, Abort,)
}

/// Whether this thread is on the stack that the handler of `std` runs on which tells of another
/// stack that has overflowed.
fn is_in_handler() -> bool {
    let mut stack = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: 0,
        ss_size: 0,
    };
    let place = std::ptr::from_mut(&mut stack) as usize;
    // SAFETY: the call writes what there is.
    unsafe { raw::syscall(libc::SYS_sigaltstack, [0, place, 0, 0, 0, 0]) };
    stack.ss_flags & libc::SS_ONSTACK != 0
}

/// `std::process::exit` calls this in place of `exit` on every thread but the first that has called
/// it in the real process: it expects that one to end the process. If that was a host's program,
/// the caller's process ends now. What code it has asked for `std` has kept to itself.
#[unsafe(no_mangle)]
pub extern "C" fn pause() -> c_int {
    if let Some((me, life)) = signals::own_process() {
        if HAS_EXITED.load(Relaxed) {
            signals::end_own(me, life, End::Exit(None))
        }
        signals::stand_still(me)
    }
    if let Some(me) = me::current().filter(|me| me.world().is_adopted()) {
        // Another thread ends the process, as soon as it can run.
        signals::stand_still(me)
    }
    if HAS_EXITED.load(Relaxed) {
        // The test program, which has failed: it leaves with another code at its own end only.
        next!(EXIT, Exit, 101)
    }
    next!(PAUSE, Pause,)
}

#[unsafe(no_mangle)]
pub extern "C" fn raise(signal: c_int) -> c_int {
    let number = match me::current() {
        Some(_) => to_itself(signal),
        None => libc::EOPNOTSUPP,
    };
    match number {
        // Nobody here listens to it: the real process is who has called.
        libc::EOPNOTSUPP => next!(RAISE, Raise, signal),
        number => raw::answer(-(number as isize)) as c_int,
    }
}

/// Sends the calling thread's process a signal, which is not 0: an error number, or 0.
/// `EOPNOTSUPP` if that is the real process, and nobody listens in the simulated one.
pub(super) fn to_itself(signal: c_int) -> c_int {
    if !(1..=64).contains(&signal) {
        return libc::EINVAL;
    }
    let Some(me) = me::current() else { return 0 };
    let life = me.life();
    if life.host == HostId::DRIVER || me.world().is_adopted() {
        return match signals::is_told(life, signal) {
            true => 0,
            false => libc::EOPNOTSUPP,
        };
    }
    let is_over = me.inside(|kernel| kernel.is_over(life));
    if is_over || signals::send(life.host, signal) == Effect::Ended {
        signals::stand_still(me)
    }
    0
}
