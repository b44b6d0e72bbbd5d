//! The stack of another thread of this process.
//!
//! A thread can be walked by itself only. So it is interrupted by a signal, walks its stack in the
//! handler, and leaves the addresses in a place that is always there:
//!
//! ```text
//!   asker         IDLE --> ASKED(thread) --> IDLE                       it has not come in time
//!   the thread             ASKED(thread) --> WALKING --> ANSWERED
//!   asker                                                ANSWERED --> IDLE
//! ```
//!
//! The word says who may touch the rest of the place: the thread while it walks, else the asker, of
//! whom the lock lets one in. An answer that comes too late finds the place idle, and is none, or
//! is as good as the one that is asked for then.
//!
//! The signal is SIGURG: programs ignore it unless they handle it, and those that do must expect it
//! for no reason.
//!
//! # What a handler may do
//!
//! It walks by `_Unwind_Backtrace`, which no standard lists as safe in a handler. It allocates
//! nothing and takes no lock with a C library that can find an object's tables without one (glibc
//! since 2.35), and else the loader's, which the interrupted thread may enter again and any other
//! gives back. What it sets up once it has set up before anybody is asked ([`prepare`]).

use std::ffi::{CStr, c_void};
use std::io;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, OnceLock, TryLockError};
use std::time::{Duration, Instant};

use super::futex;

/// Calls that are told of one thread: the innermost.
const MOST: usize = 128;

struct Place {
    /// A state, and above it the thread that is asked.
    word: AtomicU64,
    length: AtomicUsize,
    addresses: [AtomicUsize; MOST],
}

static PLACE: Place = Place {
    word: AtomicU64::new(IDLE),
    length: AtomicUsize::new(0),
    addresses: [const { AtomicUsize::new(0) }; MOST],
};

const IDLE: u64 = 0;
const ASKED: u64 = 1;
const WALKING: u64 = 2;
const ANSWERED: u64 = 3;

fn word(thread: i32, state: u64) -> u64 {
    u64::from(thread as u32) << 32 | state
}

fn state(word: u64) -> u64 {
    word & u64::from(u32::MAX)
}

/// From now on threads answer. To be called before anybody asks, where waiting for the loader does
/// no harm.
pub(crate) fn prepare() -> io::Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_some() {
        return Ok(());
    }
    walk(&mut |_| true);
    // SAFETY: the handler is safe in a signal, as far as the walk is (above): else it makes one
    // system call and touches atomics. It does not panic. The registry preserves errno, and calls
    // the handlers that were there.
    unsafe { signal_hook_registry::register(libc::SIGURG, answer) }?;
    let _ = DONE.set(());
    Ok(())
}

/// The calls that a thread of this process is in, the innermost first, each by an address within
/// it. `None` if it does not answer within `limit`.
pub(crate) fn of(thread: i32, limit: Duration) -> Option<Vec<usize>> {
    static ASKER: Mutex<()> = Mutex::new(());
    let _asker = match ASKER.try_lock() {
        Ok(asker) => asker,
        Err(TryLockError::Poisoned(asker)) => asker.into_inner(),
        // Somebody else asks; or, in a forked child, did so at the fork.
        Err(TryLockError::WouldBlock) => return None,
    };
    let place = &PLACE;
    // Relaxed: only a thread that has never finished its walk is looked for.
    if state(place.word.load(Relaxed)) == WALKING {
        return None;
    }
    // Relaxed: the kernel delivers the signal after this.
    place.word.store(word(thread, ASKED), Relaxed);
    let is_answered = interrupt(thread) && await_answer(thread, Instant::now() + limit);
    if !is_answered {
        // Relaxed: nothing is handed over.
        let asked = word(thread, ASKED);
        let _ = (place.word).compare_exchange(asked, IDLE, Relaxed, Relaxed);
        return None;
    }
    // Relaxed: the Acquire in `await_answer`.
    let length = place.length.load(Relaxed).min(MOST);
    let addresses = place.addresses[..length].iter();
    let addresses = addresses.map(|address| address.load(Relaxed)).collect();
    // Release: the next walk, whose compare-and-swap is an Acquire, overwrites what was read.
    place.word.store(IDLE, Release);
    Some(addresses)
}

fn interrupt(thread: i32) -> bool {
    // SAFETY: no pointers are involved.
    unsafe {
        let process = libc::getpid();
        libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGURG) == 0
    }
}

fn await_answer(thread: i32, deadline: Instant) -> bool {
    loop {
        // Acquire: pairs with the Release in `answer`.
        if PLACE.word.load(Acquire) == word(thread, ANSWERED) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        futex::rest(Duration::from_millis(1));
    }
}

/// The handler.
fn answer() {
    // SAFETY: no pointers are involved.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
    let (asked, walking) = (word(thread, ASKED), word(thread, WALKING));
    let place = &PLACE;
    // Acquire: pairs with the Release at the end of `of`.
    let claimed = (place.word).compare_exchange(asked, walking, Acquire, Relaxed);
    if claimed.is_err() {
        return;
    }
    let (mut length, mut is_beyond) = (0, false);
    walk(&mut |call| {
        // What came so far is the handler.
        if call.was_interrupted && !is_beyond {
            (length, is_beyond) = (0, true);
        }
        if let Some(address) = place.addresses.get(length) {
            address.store(call.address, Relaxed); // the Release below
            length += 1;
        }
        length < MOST
    });
    place.length.store(length, Relaxed); // the Release below
    // Release: pairs with the Acquire in `await_answer`.
    place.word.store(word(thread, ANSWERED), Release);
}

/// A call on a stack.
struct Call {
    /// Within it.
    address: usize,
    /// By a signal.
    was_interrupted: bool,
}

/// Calls `f` for the calls that this thread is in, the innermost first, until it returns false.
#[cfg(not(any(target_arch = "arm", miri)))]
fn walk(mut f: &mut dyn FnMut(Call) -> bool) {
    /// The unwinder's, which std links.
    #[repr(C)]
    struct Context {
        _private: [u8; 0],
    }
    type Callback = extern "C" fn(*mut Context, *mut c_void) -> i32;
    unsafe extern "C" {
        fn _Unwind_Backtrace(callback: Callback, argument: *mut c_void) -> i32;
        fn _Unwind_GetIPInfo(context: *mut Context, before_insn: *mut i32) -> usize;
    }
    const GO_ON: i32 = 0;
    const STOP: i32 = 4;

    extern "C" fn call(context: *mut Context, argument: *mut c_void) -> i32 {
        let mut was_interrupted = 0;
        // SAFETY: the unwinder's context, in its callback.
        let address = unsafe { _Unwind_GetIPInfo(context, &raw mut was_interrupted) };
        let was_interrupted = was_interrupted != 0;
        let call = Call {
            // Where a call returns to may be another function already.
            address: address.saturating_sub(usize::from(!was_interrupted)),
            was_interrupted,
        };
        // SAFETY: what `walk` has passed, which waits for the unwinder.
        let f = unsafe { &mut *argument.cast::<&mut dyn FnMut(Call) -> bool>() };
        if address != 0 && f(call) { GO_ON } else { STOP }
    }
    // SAFETY: the callback gets its argument back, while `f` is borrowed here only.
    unsafe { _Unwind_Backtrace(call, (&raw mut f).cast()) };
}

/// There the unwinder has other functions; and Miri has none.
#[cfg(any(target_arch = "arm", miri))]
fn walk(_: &mut dyn FnMut(Call) -> bool) {}

/// What the loader knows of an address of the program.
pub(crate) struct Loaded {
    /// The file that it was loaded from.
    pub(crate) file: String,
    /// Where in there, counted from its beginning as it was loaded.
    pub(crate) offset: usize,
    /// The function, if the file exports it, and the offset within.
    pub(crate) function: Option<(String, usize)>,
}

/// May wait for the loader.
pub(crate) fn loaded(address: usize) -> Option<Loaded> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: fills `info`, and takes any address.
    let is_known = unsafe { libc::dladdr(address as *const c_void, &raw mut info) } != 0;
    if !is_known || info.dli_fname.is_null() {
        return None;
    }
    let text = |text| {
        // SAFETY: a string of a loaded object, which ends with NUL, and is copied.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_string_lossy().into_owned()
    };
    let function = (!info.dli_sname.is_null()).then(|| {
        let offset = address.wrapping_sub(info.dli_saddr.addr());
        (text(info.dli_sname), offset)
    });
    Some(Loaded {
        file: text(info.dli_fname),
        offset: address.wrapping_sub(info.dli_fbase.addr()),
        function,
    })
}

#[cfg(all(test, not(any(loom, miri, target_arch = "arm"))))]
mod tests {
    use super::super::thread;
    use super::*;

    /// Longer than a busy machine takes to let a thread answer.
    const LONG: Duration = Duration::from_secs(30);

    /// One test, because one may ask at a time.
    #[test]
    fn a_thread_answers_and_sleeps_on_or_it_is_not_waited_for() {
        prepare().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            tell.send(thread::id()).unwrap();
            ended.recv().unwrap();
            block_signal();
            tell.send(thread::id()).unwrap();
            ended.recv().unwrap();
        });
        let id = told.recv().unwrap();
        for _ in 0..3 {
            let calls = of(id, LONG).unwrap();
            assert!(calls.len() > 3, "{calls:x?}");
            assert!(loaded(calls[0]).is_some());
        }
        end.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), id);
        assert_eq!(of(id, Duration::from_millis(20)), None, "it is deaf");
        end.send(()).unwrap();
        sleeper.join().unwrap();
        let start = Instant::now();
        assert_eq!(of(id, LONG), None, "there is no such thread");
        assert!(start.elapsed() < LONG, "and it is not waited for");
    }

    fn block_signal() {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set is initialised first, and only this thread's mask changes.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGURG);
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        }
    }
}
