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
    if me::current().is_some_and(|me| !me.world().is_adopted()) {
        // The experiment. An orderly exit would have this thread leave the world before.
        _exit(code)
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
pub extern "C" fn abort() -> ! {
    if let Some((me, life)) = signals::own_process() {
        signals::end_own(me, life, End::Signal(libc::SIGABRT))
    }
    next!(ABORT, Abort,)
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
