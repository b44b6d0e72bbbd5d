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
        kill as *const (),
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

/// There are no other processes.
#[unsafe(no_mangle)]
pub extern "C" fn kill(process: libc::pid_t, signal: c_int) -> c_int {
    if me::current().is_some() {
        if process != 0 && process != super::process::getpid() {
            return raw::answer(-libc::ESRCH as isize) as c_int;
        }
        return to_itself(signal);
    }
    // SAFETY: no pointers.
    let answer = unsafe {
        raw::syscall(
            libc::SYS_kill,
            [process as usize, signal as usize, 0, 0, 0, 0],
        )
    };
    raw::answer(answer) as c_int
}

#[unsafe(no_mangle)]
pub extern "C" fn raise(signal: c_int) -> c_int {
    match me::current() {
        Some(_) => to_itself(signal),
        None => next!(RAISE, Raise, signal),
    }
}

fn to_itself(signal: c_int) -> c_int {
    let Some(me) = me::current() else { return 0 };
    if !(0..=64).contains(&signal) {
        return raw::answer(-libc::EINVAL as isize) as c_int;
    }
    let life = me.life();
    if signal == 0 {
        return 0;
    }
    if life.host == HostId::DRIVER || me.world().is_adopted() {
        if signals::is_told(life, signal) {
            return 0;
        }
        return next!(RAISE, Raise, signal);
    }
    if me.inside(|kernel| kernel.is_over(life)) || signals::send(life.host, signal) == Effect::Ended
    {
        signals::stand_still(me)
    }
    0
}
