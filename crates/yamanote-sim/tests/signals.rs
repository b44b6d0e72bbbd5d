//! Real signals, which reach threads of a world at any moment, and threads outside of it.

mod support;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use support::{counter, take};
use yamanote_sim::{Config, Threads, run};

/// Signals are the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_signal(handler: extern "C" fn(i32)) {
    // SAFETY: a zeroed `sigaction` is valid, and the handler only makes a call and stores numbers.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
            0
        );
    }
}

static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);
/// What the handler's call has answered; 0 before.
static ANSWER: AtomicI32 = AtomicI32::new(0);

/// As handlers do: a byte through a pipe, an event on a descriptor.
extern "C" fn add_one(_: i32) {
    let one = 1u64;
    // SAFETY: there are eight bytes; the address of the error number is this thread's own.
    unsafe {
        let before = *libc::__errno_location();
        let answer = libc::write(DESCRIPTOR.load(SeqCst), (&raw const one).cast(), 8);
        let number = *libc::__errno_location();
        *libc::__errno_location() = before;
        ANSWER.store(if answer < 0 { -number } else { answer as i32 }, SeqCst);
    }
}

#[test]
fn a_handler_on_a_thread_that_waits_does_not_reach_into_the_world() {
    let _alone = alone();
    on_signal(add_one);
    let mut config = Config::new(1);
    // A carried thread has no signals of its own.
    config.threads = Threads::Own;
    let (answer, _) = run(config, || {
        let counter = counter(0, libc::EFD_NONBLOCK);
        DESCRIPTOR.store(counter.as_raw_fd(), SeqCst);
        let (sender, receiver) = channel::<()>();
        let (tell, told) = channel();
        let waits = thread::spawn(move || {
            // SAFETY: no pointers.
            tell.send(unsafe { libc::pthread_self() }).unwrap();
            receiver.recv()
        });
        let thread = told.recv().unwrap();
        // It waits for the channel, and for its turn.
        thread::sleep(Duration::from_secs(1));
        // SAFETY: the thread has not been joined.
        assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
        // In real time, while this thread runs.
        while ANSWER.load(SeqCst) == 0 {
            std::hint::spin_loop();
        }
        assert_eq!(ANSWER.load(SeqCst), -libc::EBADF);
        assert_eq!(take(&counter), Err(libc::EAGAIN));
        sender.send(()).unwrap();
        waits.join().unwrap().unwrap();
    });
    answer.unwrap();
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, SeqCst);
}

/// Sends the signal to every other thread of the process.
fn signal_all() {
    // SAFETY: no pointers.
    let own = unsafe { libc::gettid() };
    for entry in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        if number != own {
            // SAFETY: no pointers.
            unsafe { libc::tgkill(libc::getpid(), number, libc::SIGUSR1) };
        }
    }
}

#[test]
fn signals_do_not_make_the_watch_impatient() {
    let _alone = alone();
    on_signal(count);
    static IS_OVER: AtomicI32 = AtomicI32::new(0);
    let sender = thread::spawn(|| {
        thread::sleep(Duration::from_millis(300));
        for _ in 0..20 {
            signal_all();
            thread::sleep(Duration::from_millis(20));
        }
        IS_OVER.store(1, SeqCst);
    });
    let mut config = Config::new(1);
    config.patience = Duration::from_secs(120);
    let (answer, _) = run(config, || {
        // Without a call, as a long computation does.
        while IS_OVER.load(SeqCst) == 0 {
            std::hint::spin_loop();
        }
    });
    answer.unwrap();
    sender.join().unwrap();
    assert!(SIGNALS.load(SeqCst) > 0);
}

#[test]
fn outside_of_every_world_a_sleep_says_what_a_signal_has_left_of_it() {
    let _alone = alone();
    on_signal(count);
    static THREAD: AtomicU64 = AtomicU64::new(0);
    let sleeper = thread::spawn(|| {
        // SAFETY: no pointers.
        THREAD.store(unsafe { libc::pthread_self() }, SeqCst);
        // SAFETY: no pointers.
        unsafe { libc::sleep(1000) }
    });
    let begin = Instant::now();
    while !sleeper.is_finished() {
        thread::sleep(Duration::from_millis(50));
        match THREAD.load(SeqCst) {
            0 => {}
            // SAFETY: the thread has not been joined.
            thread => unsafe {
                libc::pthread_kill(thread, libc::SIGUSR1);
            },
        }
    }
    let left = sleeper.join().unwrap();
    let slept = begin.elapsed().as_secs() as u32;
    assert!(
        (999 - slept..1000).contains(&left),
        "{left} s left after {slept} s"
    );
}
