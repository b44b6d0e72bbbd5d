//! A process that ends by what a thread does which the world's own thread carries.

mod support;

use std::thread;
use std::time::Duration;
use support::outcome_of;
use yamanote_sim::processes::End;
use yamanote_sim::{Config, Threads, adopt, run};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How a forked process ends, and what it has said.
fn outcome(child: fn()) -> (End, String) {
    outcome_of(|| {
        child();
        0
    })
}

fn overflow(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    match room[depth as usize % 64] {
        u64::MAX => 0,
        _ => overflow(depth + 1) + room[1],
    }
}

fn ends_by_an_overflow() {
    let mut config = Config::new(1);
    config.threads = Threads::Carried;
    let _ = run(config, || {
        let deep = thread::Builder::new().name("deep".to_owned());
        let deep = deep.spawn(|| {
            thread::sleep(ms(1));
            overflow(0)
        });
        deep.unwrap().join()
    });
}

/// Another thread than the first ends the program, for which the first waits.
fn exits_on_another_thread() {
    adopt(Config::new(1));
    thread::spawn(|| {
        thread::sleep(ms(1000));
        std::process::exit(7);
    });
    thread::park();
}

/// Two at once: `std` has all but one wait for the end.
fn exits_on_two_threads() {
    extern "C" fn last() {
        thread::sleep(ms(1000));
        eprintln!("last, after {:?}", yamanote_sim::now());
    }
    adopt(Config::new(1));
    // SAFETY: the function may be called at any exit.
    assert_eq!(unsafe { libc::atexit(last) }, 0);
    for n in [1, 2] {
        thread::spawn(move || {
            thread::sleep(ms(1000 + n));
            std::process::exit(n as i32);
        });
    }
    thread::park();
}

// One test: a child is to be forked while no other thread does anything.
#[test]
fn the_end_of_a_process_is_as_it_says() {
    let (how, said) = outcome(ends_by_an_overflow);
    assert_eq!(how, End::Signal(libc::SIGABRT), "{said}");
    assert!(said.contains("thread 'deep'"), "{said}");
    assert!(said.contains("has overflowed its stack"), "{said}");
    let (how, said) = outcome(exits_on_another_thread);
    assert_eq!((how, said.as_str()), (End::Exit(7), ""));
    let (how, said) = outcome(exits_on_two_threads);
    assert_eq!(how, End::Exit(1), "{said}");
    assert!(said.contains("last, after 2.0"), "{said}");
}
