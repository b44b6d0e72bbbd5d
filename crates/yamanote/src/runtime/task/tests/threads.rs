//! Biased tasks with a second thread on the far side. Miri watches what each side does with memory
//! that the other one frees.
#![forbid(unsafe_code)]

use super::AnyScheduler;
use crate::runtime::task::JoinHandle;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

const ROUNDS: usize = if cfg!(miri) { 20 } else { 1000 };

/// A task that has left two wakers behind and ends with its next poll, for which it is due.
fn due(scheduler: &AnyScheduler<true>) -> (JoinHandle<()>, Waker, Waker) {
    let wakers = Arc::new(Mutex::new(Vec::new()));
    let kept = wakers.clone();
    let _near = scheduler.stand(true);
    let handle = scheduler.spawn(poll_fn(move |cx| {
        let mut wakers = kept.lock().unwrap();
        if !wakers.is_empty() {
            return Poll::Ready(());
        }
        wakers.extend([cx.waker().clone(), cx.waker().clone()]);
        Poll::Pending
    }));
    assert!(scheduler.run_one());
    let mut wakers = wakers.lock().unwrap();
    wakers[0].wake_by_ref();
    (handle, wakers.remove(0), wakers[0].clone())
}

/// The task ends near while `far` is done elsewhere; `near` is what is left here.
fn end_against(far: impl Fn(JoinHandle<()>, Waker) + Sync, is_done: bool) {
    for _ in 0..ROUNDS {
        let scheduler = AnyScheduler::<true>::new();
        let (handle, near, waker) = due(&scheduler);
        if is_done {
            assert!(scheduler.run_one());
        }
        let there = AtomicUsize::new(0);
        let meet = || {
            there.fetch_add(1, Relaxed);
            while there.load(Relaxed) < 2 {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                meet();
                far(handle, waker);
            });
            let _near = scheduler.stand(true);
            meet();
            assert!(is_done || scheduler.run_one());
            drop(near);
        });
        scheduler.shut_down();
        assert!(scheduler.is_last(), "the task was not freed");
    }
}

#[test]
fn a_waker_is_dropped_far_while_the_task_ends() {
    end_against(|_handle, waker| drop(waker), false);
}

#[test]
fn a_waker_is_woken_far_while_the_task_ends() {
    end_against(|_handle, waker| waker.wake(), false);
}

#[test]
fn the_handle_goes_far_while_the_task_ends() {
    end_against(
        |handle, waker| {
            drop(waker);
            drop(handle);
        },
        false,
    );
}

#[test]
fn the_last_wakers_go_on_both_sides() {
    end_against(|_handle, waker| drop(waker), true);
    end_against(|_handle, waker| waker.wake(), true);
}
