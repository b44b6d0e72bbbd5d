//! `SetOnce`: one value, and every waiter gets it.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use yamanote::sync::{SetOnce, SetOnceError};
use yamanote_test::{CountingWaker, matrix};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn made_in_every_way() {
    static EMPTY: SetOnce<u32> = SetOnce::const_new();
    static FULL: SetOnce<u32> = SetOnce::const_new_with(1);
    assert!(!EMPTY.initialized() && FULL.initialized());
    assert_eq!(EMPTY.set(1), Ok(()));
    assert_eq!(EMPTY, FULL);
    assert_eq!(FULL.set(2), Err(SetOnceError(2)));
    assert_eq!(SetOnce::from(1), FULL.clone());
    assert_eq!(SetOnce::new_with(Some(1)), EMPTY.clone());
    let empty = SetOnce::<u32>::default();
    assert_eq!(SetOnce::new_with(None), empty);
    // A clone is set on its own.
    empty.clone().set(3).unwrap();
    assert_eq!(empty.get(), None);
    assert_eq!(
        (empty.into_inner(), SetOnce::from(1).into_inner()),
        (None, Some(1))
    );
    let set = SetOnce::new();
    set.set(5).unwrap();
    assert_eq!(
        format!("{set:?} {}", SetOnceError(1)),
        "SetOnce { value: Some(5) } SetOnceError"
    );
    assert_eq!(set.into_inner(), Some(5));
}

#[test]
fn values_are_dropped_once() {
    let counted = Arc::new(());
    for way in 0..4 {
        let set = match way {
            0 | 1 => {
                let set = SetOnce::new();
                set.set(counted.clone()).unwrap();
                set
            }
            _ => SetOnce::from(counted.clone()),
        };
        assert!(set.set(counted.clone()).is_err());
        assert_eq!(Arc::strong_count(&counted), 2);
        match way % 2 {
            0 => drop(set),
            _ => drop(set.into_inner().unwrap()),
        }
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}

#[test]
fn waiters_are_woken_once_and_may_give_up() {
    let set = SetOnce::new();
    let (first, second) = (CountingWaker::new(), CountingWaker::new());
    drop(set.wait());
    let mut stays = pin!(set.wait());
    let mut goes = Box::pin(set.wait());
    assert!(poll(stays.as_mut(), &first.waker()).is_pending());
    assert!(poll(goes.as_mut(), &second.waker()).is_pending());
    drop(goes);
    assert_eq!(second.alive(), 0);
    set.set(9).unwrap();
    assert!(set.set(10).is_err());
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert_eq!(poll(stays, Waker::noop()), Poll::Ready(&9));
    assert_eq!(poll(pin!(set.wait()), Waker::noop()), Poll::Ready(&9));
}

#[test]
fn a_panicking_clone_harms_nothing() {
    struct Panics;
    impl Clone for Panics {
        fn clone(&self) -> Self {
            panic!("as the test wants");
        }
    }
    let set = SetOnce::from(Panics);
    assert!(catch_unwind(AssertUnwindSafe(|| set.clone())).is_err());
    assert!(set.initialized());
}

matrix! {
    async fn of_many_one_sets_and_all_get_that() {
        for round in 0..50 {
            let set = Arc::new(SetOnce::new());
            let tasks: Vec<_> = (0..8)
                .map(|number| {
                    let set = set.clone();
                    yamanote::spawn(async move {
                        if (number + round) % 2 == 0 {
                            yamanote::task::yield_now().await;
                        }
                        let won = number % 2 == 0 && set.set(number).is_ok();
                        let value = *set.wait().await;
                        assert!(!won || value == number);
                        (won, value)
                    })
                })
                .collect();
            let mut wins = 0;
            for task in tasks {
                let (won, value) = task.await.unwrap();
                assert_eq!(Some(&value), set.get());
                wins += usize::from(won);
            }
            assert_eq!(wins, 1);
        }
    }
}
