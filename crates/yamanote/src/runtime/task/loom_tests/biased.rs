//! What is different for biased tasks.

use super::{Letter, Scheduler, poll, wait_for};
use crate::loom::sync::{Arc, Mutex};
use crate::loom::thread;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// A wake from near and one from far: at least one poll follows each, and the last sees both
/// letters. A poll that answers both leaves a void entry behind.
#[test]
fn near_wakes_against_far_wakes() {
    for by_value in [false, true] {
        loom::model(move || {
            let scheduler = Scheduler::<true>::new();
            let letters = Arc::new([Letter::new(), Letter::new()]);
            let wakers = Arc::new(Mutex::new(Vec::new()));
            let mut handle = scheduler.spawn(wait_for(&letters, &wakers));
            scheduler.run_all();
            let far = wakers.lock().unwrap().pop().unwrap();
            let waking = {
                let letters = letters.clone();
                thread::spawn(move || {
                    letters[0].write();
                    match by_value {
                        true => far.wake(),
                        false => far.wake_by_ref(),
                    }
                })
            };
            let near = wakers.lock().unwrap().pop().unwrap();
            {
                let _near = scheduler.come_near();
                letters[1].write();
                near.wake();
            }
            scheduler.run_all();
            waking.join().unwrap();
            scheduler.run_all();
            letters.iter().for_each(Letter::read);
            assert!(
                poll(&mut handle, Waker::noop()).is_ready(),
                "a lost wake-up"
            );
            wakers.lock().unwrap().clear();
        });
    }
}

/// References made near and given up far, until the near count is moved; nothing is freed early or
/// left behind.
#[test]
fn references_that_change_sides() {
    loom::model(|| {
        let scheduler = Scheduler::<true>::new();
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let kept = wakers.clone();
        let handle = scheduler.spawn(poll_fn(move |cx| -> Poll<()> {
            kept.lock().unwrap().push(cx.waker().clone());
            Poll::Pending
        }));
        scheduler.run_all();
        let waker = wakers.lock().unwrap().pop().unwrap();
        let many = {
            let _near = scheduler.come_near();
            vec![waker.clone(); 4]
        };
        let far = thread::spawn(move || {
            let again = many[0].clone();
            drop(many);
            again
        });
        drop(handle);
        {
            let _near = scheduler.come_near();
            drop(waker);
        }
        scheduler.shut_down();
        {
            let _near = scheduler.come_near();
            drop(far.join().unwrap());
        }
    });
}

/// Another thread drives: what was done near before is near for it.
#[test]
fn near_is_handed_over() {
    loom::model(|| {
        let scheduler = Scheduler::<true>::new();
        let letters = Arc::new([Letter::new(), Letter::new()]);
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let mut handle = scheduler.spawn(wait_for(&letters, &wakers));
        scheduler.run_all();
        let (far, near) = {
            let mut wakers = wakers.lock().unwrap();
            (wakers.pop().unwrap(), wakers.pop().unwrap())
        };
        {
            let _near = scheduler.come_near();
            letters[0].write();
            near.wake();
        }
        let driving = {
            let scheduler = scheduler.clone();
            thread::spawn(move || scheduler.run_all())
        };
        letters[1].write();
        far.wake();
        driving.join().unwrap();
        scheduler.run_all();
        letters.iter().for_each(Letter::read);
        assert!(
            poll(&mut handle, Waker::noop()).is_ready(),
            "a lost wake-up"
        );
        wakers.lock().unwrap().clear();
    });
}
