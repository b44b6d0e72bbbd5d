//! The core's protocol under every order of its steps, with few permits and threads.
#![forbid(unsafe_code)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use super::SemaphoreCore;

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn loom_semaphore_a_release_meets_a_waiter() {
    loom::model(|| {
        let core = Arc::new(SemaphoreCore::new(0));
        let waits = {
            let core = core.clone();
            thread::spawn(move || block_on(core.acquire(2)).unwrap())
        };
        core.add_permits(1);
        core.add_permits(2);
        waits.join().unwrap();
        assert_eq!(core.available_permits(), 1);
    });
}

#[test]
fn loom_semaphore_two_hold_one_permit_in_turn() {
    loom::model(|| {
        let core = Arc::new(SemaphoreCore::new(1));
        let value = Arc::new(loom::cell::UnsafeCell::new(0));
        let turn = |core: &SemaphoreCore, value: &loom::cell::UnsafeCell<i32>| {
            block_on(core.acquire(1)).unwrap();
            value.with_mut(|_alone| ());
            core.add_permits(1);
        };
        let other = {
            let (core, value) = (core.clone(), value.clone());
            thread::spawn(move || turn(&core, &value))
        };
        turn(&core, &value);
        other.join().unwrap();
        assert_eq!(core.available_permits(), 1);
    });
}

#[test]
fn loom_semaphore_a_waiter_gives_up() {
    loom::model(|| {
        let core = Arc::new(SemaphoreCore::new(1));
        let releases = {
            let core = core.clone();
            thread::spawn(move || core.add_permits(2))
        };
        {
            let mut gives_up = pin!(core.acquire(2));
            let _ = poll_once(gives_up.as_mut()).map(|got| {
                got.unwrap();
                core.add_permits(2);
            });
        }
        // Whatever it had goes on to the next.
        block_on(core.acquire(3)).unwrap();
        releases.join().unwrap();
        assert_eq!(core.available_permits(), 0);
    });
}

#[test]
fn loom_semaphore_closing_calls_everybody() {
    loom::model(|| {
        let core = Arc::new(SemaphoreCore::new(1));
        let waits = {
            let core = core.clone();
            thread::spawn(move || block_on(core.acquire(2)).is_ok())
        };
        let releases = {
            let core = core.clone();
            thread::spawn(move || core.add_permits(1))
        };
        core.close();
        let got = waits.join().unwrap();
        releases.join().unwrap();
        assert_eq!(core.available_permits(), if got { 0 } else { 2 });
    });
}
