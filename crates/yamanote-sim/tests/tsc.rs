//! The time stamp counter, which programs read by an instruction.
#![cfg(target_arch = "x86_64")]

mod support;

use std::arch::x86_64::{__rdtscp, _rdtsc};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use support::check;
use yamanote_sim::{Config, Threads, run};

const BOTH: [Threads; 2] = [Threads::Carried, Threads::Own];
const HOUR_NS: u64 = 3_600_000_000_000;
/// What a look at it takes, as one at a clock.
const LOOK_NS: u64 = 20;

fn ticks() -> u64 {
    // SAFETY: every processor of this architecture has the instruction.
    unsafe { _rdtsc() }
}

fn ticks_and_processor() -> (u64, u32) {
    let mut processor = u32::MAX;
    // SAFETY: every processor that these tests are for has the instruction.
    let ticks = unsafe { __rdtscp(&mut processor) };
    (ticks, processor)
}

fn on<R: Send + 'static>(threads: Threads, experiment: fn() -> R) -> R {
    let mut config = Config::new(1);
    config.threads = threads;
    run(config, experiment).0.unwrap()
}

/// Whether the real counter is read: virtual time stands still when a thread of no world sleeps.
fn assert_is_real() {
    let from = ticks();
    thread::sleep(Duration::from_millis(1));
    assert!(ticks() - from > 50_000);
}

#[test]
fn it_counts_virtual_nanoseconds() {
    let looks = || {
        let before = yamanote_sim::now().as_nanos() as u64;
        let first = ticks();
        thread::sleep(Duration::from_nanos(HOUR_NS));
        let (second, processor) = ticks_and_processor();
        assert_eq!(processor, 0);
        assert_eq!(first, before + LOOK_NS + 24 * HOUR_NS);
        assert!((first + HOUR_NS..first + HOUR_NS + 1_000).contains(&second));
        let of_another = thread::spawn(ticks).join().unwrap();
        assert!((second..second + 1_000_000).contains(&of_another));
        (first, second, of_another, yamanote_sim::trace_hash())
    };
    let first = on(Threads::Carried, looks);
    for threads in BOTH {
        assert_eq!(on(threads, looks), first);
    }
}

/// As crates do that find out how fast it counts.
#[test]
fn who_looks_until_time_has_passed_sees_it_pass() {
    for threads in BOTH {
        let counted = on(threads, || {
            let (from, begun) = (ticks(), Instant::now());
            while begun.elapsed() < Duration::from_micros(10) {}
            let by_clock = ticks() - from;
            let from = ticks();
            while ticks() - from < 10_000 {}
            by_clock
        });
        assert!((10_000..11_000).contains(&counted), "{counted}");
    }
}

#[test]
fn outside_of_a_world_it_is_real() {
    for threads in BOTH {
        assert_is_real();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let beside = thread::spawn(move || {
            while wait.try_recv().is_err() {
                assert_is_real();
            }
        });
        on(threads, || thread::spawn(ticks).join().unwrap());
        go.send(()).unwrap();
        beside.join().unwrap();
        assert_is_real();
        assert_is_real_where_a_world_has_ended(threads);
    }
}

/// A destructor runs on the first thread when that is in its world no more.
fn assert_is_real_where_a_world_has_ended(threads: Threads) {
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            let is_inside = yamanote_sim::is_inside();
            SEEN.fetch_add(1 + u32::from(is_inside), SeqCst);
            if !is_inside {
                assert_is_real();
            }
        }
    }
    static SEEN: AtomicU32 = AtomicU32::new(0);
    SEEN.store(0, SeqCst);
    thread_local! {
        static LOOKS: std::cell::Cell<Option<Looks>> = const { std::cell::Cell::new(None) };
    }
    on(threads, || LOOKS.set(Some(Looks)));
    assert_eq!(SEEN.load(SeqCst), 1);
}

/// The C library looks at real clocks by the real counter, also on a thread of a world.
#[test]
fn the_c_librarys_own_clock_is_real() {
    fn real() -> Duration {
        type Look = unsafe extern "C" fn(i32, *mut libc::timespec) -> i32;
        // SAFETY: the C library's own function, not the one that a world answers.
        unsafe {
            let place = libc::dlsym(libc::RTLD_NEXT, c"clock_gettime".as_ptr());
            let look = std::mem::transmute::<*mut libc::c_void, Look>(place);
            let mut now = std::mem::zeroed::<libc::timespec>();
            check(look(libc::CLOCK_MONOTONIC, &mut now) as isize).unwrap();
            Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
        }
    }
    for threads in BOTH {
        let before = real();
        let inside = on(threads, || {
            let first = real();
            thread::sleep(Duration::from_nanos(HOUR_NS));
            [first, real()]
        });
        let after = real();
        assert!(before <= inside[0] && inside[0] <= inside[1] && inside[1] <= after);
    }
}
