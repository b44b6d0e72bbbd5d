//! How threads of a world begin and end, whatever the kernel's thread is that runs them: the last
//! things that they do, and what they leave to others.

mod support;

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;
use support::check;
use yamanote_sim::{Config, Threads, run};

const BOTH: [Threads; 2] = [Threads::Carried, Threads::Own];

fn on<R: Send + 'static>(threads: Threads, experiment: fn() -> R) -> R {
    let mut config = Config::new(1);
    config.threads = threads;
    run(config, experiment).0.unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Has `destructor` called with `value` when this thread ends, after the destructors of its Rust
/// locals.
fn at_the_end(destructor: unsafe extern "C" fn(*mut c_void), value: *mut c_void) {
    let mut key = 0;
    // SAFETY: the place is valid, and the destructor can be called with the value on this thread.
    unsafe {
        check(libc::pthread_key_create(&mut key, Some(destructor)) as isize).unwrap();
        check(libc::pthread_setspecific(key, value) as isize).unwrap();
    }
}

static LOCK: Mutex<()> = Mutex::new(());

unsafe extern "C" fn unlock(guard: *mut c_void) {
    let begun = yamanote_sim::now();
    thread::sleep(ms(1000));
    assert_eq!(yamanote_sim::now().as_secs(), begun.as_secs() + 1);
    // SAFETY: made for this call below.
    drop(unsafe { Box::from_raw(guard.cast::<MutexGuard<'static, ()>>()) });
}

#[test]
fn what_destructors_of_the_c_library_do_is_done_in_the_world() {
    for threads in BOTH {
        on(threads, || {
            let ends = thread::spawn(|| {
                let guard = Box::new(LOCK.lock().unwrap());
                at_the_end(unlock, Box::into_raw(guard).cast());
                thread::sleep(ms(1000));
            });
            thread::sleep(ms(1));
            drop(LOCK.lock().unwrap());
            assert_eq!(yamanote_sim::now().as_secs(), 2);
            ends.join().unwrap();
        });
    }
}

/// A destructor of a thread-local that waits, and one that another waits for.
#[test]
fn destructors_of_thread_locals_may_wait() {
    struct Last(u64);
    static DONE: AtomicU32 = AtomicU32::new(0);
    impl Drop for Last {
        fn drop(&mut self) {
            thread::sleep(ms(self.0));
            DONE.fetch_add(1, SeqCst);
        }
    }
    thread_local! {
        static LAST: std::cell::Cell<Option<Last>> = const { std::cell::Cell::new(None) };
    }
    for threads in BOTH {
        on(threads, || {
            DONE.store(0, SeqCst);
            let ends = |n: u64| thread::spawn(move || LAST.set(Some(Last(n * 100))));
            let all: Vec<_> = (1..=20).map(ends).collect();
            all.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(DONE.load(SeqCst), 20);
            assert_eq!(yamanote_sim::now().as_secs(), 2);
        });
    }
}

unsafe extern "C" {
    // Of the C library's mathematics.
    fn fesetround(mode: i32) -> i32;
    fn fegetround() -> i32;
}

/// Of `fenv.h`.
#[cfg(target_arch = "x86_64")]
const MODES: [i32; 4] = [0, 0x400, 0x800, 0xc00];
#[cfg(target_arch = "aarch64")]
const MODES: [i32; 4] = [0, 0x40_0000, 0x80_0000, 0xc0_0000];

#[test]
fn a_thread_keeps_the_mode_in_which_its_numbers_are_rounded() {
    for threads in BOTH {
        on(threads, || {
            let rounds = |n: usize| {
                thread::spawn(move || {
                    let mode = MODES[n % 4];
                    // SAFETY: no pointers, and nothing is computed in that mode but this.
                    unsafe { assert_eq!(fesetround(mode), 0) };
                    let third = || std::hint::black_box(1.0f64) / std::hint::black_box(3.0);
                    let before = third();
                    for round in 0..20u64 {
                        thread::sleep(Duration::from_micros(round % (n as u64 + 1)));
                        // SAFETY: no pointers.
                        assert_eq!(unsafe { fegetround() }, mode);
                        assert_eq!(third().to_bits(), before.to_bits());
                    }
                    before.to_bits()
                })
            };
            let all: Vec<_> = (0..12).map(rounds).collect();
            let bits = all.into_iter().map(|thread| thread.join().unwrap());
            let bits: std::collections::BTreeSet<u64> = bits.collect();
            assert_eq!(bits.len(), 2, "rounded up, and down");
        });
    }
}

/// The processor that a run is on is none of its business.
#[test]
fn a_thread_is_told_of_no_real_processor() {
    let told = |processor| {
        let mut config = Config::new(1);
        config.processor = Some(processor);
        let ask = || {
            let (mut processor, mut node) = (77u32, 77u32);
            let (place, other) = (&raw mut processor, &raw mut node);
            // SAFETY: the places are valid.
            unsafe {
                let by_name = libc::sched_getcpu();
                assert_eq!(libc::syscall(libc::SYS_getcpu, place, other, 0usize), 0);
                (by_name, processor, node)
            }
        };
        run(config, ask).0.unwrap()
    };
    let last = thread::available_parallelism().unwrap().get() - 1;
    assert_eq!(told(last), told(0));
}
