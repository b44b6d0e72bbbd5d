//! What a process inherits through fork and exec whether it likes it or not: signals that are
//! blocked or ignored.
//!
//! A script ignores SIGINT in what it starts in the background, `nohup` ignores SIGHUP, and a
//! careless daemon has SIGCHLD blocked or ignored. Tests pass under all of them: what makes it
//! impossible to wait for children or to receive signals is undone before `main`, and a test in a
//! process of its own begins with every signal as it is by default. Tests of the runtime under such
//! an inheritance ask for it, with [`ignore_signals`] and [`block_signals`].

use std::io;

/// The C library calls the functions in this section before `main`, while there is one thread,
/// whose mask all others will inherit.
#[cfg(not(miri))]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = undo_what_stops_tests;

#[cfg(not(miri))]
extern "C" fn undo_what_stops_tests() {
    set_mask(libc::SIG_SETMASK, &[]);
    // Ignored, it makes the kernel reap our children, and nobody learns how they ended.
    set_action(libc::SIGCHLD, libc::SIG_DFL);
}

/// Sets every signal to its default, except SIGPIPE, which Rust's `main` ignores. Signals that have
/// a handler keep it.
pub(crate) fn stop_ignoring_signals() {
    for signal in catchable() {
        if signal != libc::SIGPIPE && is_ignored(signal) {
            set_action(signal, libc::SIG_DFL);
        }
    }
}

/// Ignores every signal that can be ignored, as if the process had inherited that.
pub fn ignore_signals() {
    for signal in catchable() {
        set_action(signal, libc::SIG_IGN);
    }
}

/// Blocks every signal that can be blocked, in this thread and those that it starts, as if the
/// process had inherited that.
pub fn block_signals() {
    let all: Vec<libc::c_int> = catchable().collect();
    set_mask(libc::SIG_BLOCK, &all);
}

/// All signals that a program can catch.
fn catchable() -> impl Iterator<Item = libc::c_int> {
    // The C library keeps those between the standard and the real-time ones for itself.
    (1..32)
        .chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
        .filter(|signal| !matches!(*signal, libc::SIGKILL | libc::SIGSTOP))
}

fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is set, and `action` is writable and lives through the call.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeroed is a valid sigaction, whether or not the call wrote it.
    result == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// `action` is SIG_DFL or SIG_IGN, neither of which is a function.
fn set_action(signal: libc::c_int, action: libc::sighandler_t) {
    // SAFETY: no code of ours is called by either action.
    let result = unsafe { libc::signal(signal, action) };
    assert_ne!(
        result,
        libc::SIG_ERR,
        "signal: {}",
        io::Error::last_os_error()
    );
}

fn set_mask(how: libc::c_int, signals: &[libc::c_int]) {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is writable and lives through the calls; the first one initialises it.
    let result = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        libc::pthread_sigmask(how, set.as_ptr(), std::ptr::null_mut())
    };
    assert_eq!(result, 0, "pthread_sigmask");
}
