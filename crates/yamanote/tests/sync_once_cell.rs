//! `OnceCell`: filled once, by the first initializer that succeeds.
#![forbid(unsafe_code)]

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use yamanote::sync::{OnceCell, SetError};
use yamanote_test::{CountingWaker, matrix};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// The one that fills goes away, panics or fails: the next in line takes over, and only it is
/// called.
#[test]
fn whoever_fails_makes_room_for_the_next() {
    for way in 0..3 {
        let cell = OnceCell::new();
        let (next, last) = (CountingWaker::new(), CountingWaker::new());
        let ends = AtomicUsize::new(0);
        let mut first = Box::pin(cell.get_or_try_init(|| async {
            std::future::poll_fn(|_| match ends.load(SeqCst) {
                0 => Poll::Pending,
                1 => Poll::Ready(Err("fails")),
                _ => panic!("fails loudly"),
            })
            .await
        }));
        assert!(poll(first.as_mut(), Waker::noop()).is_pending());
        let mut second = Box::pin(cell.get_or_init(|| async { 2 }));
        let mut third = Box::pin(cell.get_or_init(|| async { 3 }));
        assert!(poll(second.as_mut(), &next.waker()).is_pending());
        assert!(poll(third.as_mut(), &last.waker()).is_pending());
        assert_eq!(cell.set(4), Err(SetError::InitializingError(4)));
        match way {
            0 => drop(first),
            1 => {
                ends.store(1, SeqCst);
                assert_eq!(
                    poll(first.as_mut(), Waker::noop()),
                    Poll::Ready(Err("fails"))
                );
            }
            _ => {
                ends.store(2, SeqCst);
                let panics = AssertUnwindSafe(|| poll(first.as_mut(), Waker::noop()).is_ready());
                catch_unwind(panics).unwrap_err();
            }
        }
        assert_eq!((next.wakes(), last.wakes()), (1, 0));
        assert!(!cell.initialized());
        assert_eq!(poll(second.as_mut(), &next.waker()), Poll::Ready(&2));
        assert_eq!((next.wakes(), last.wakes()), (1, 1));
        assert_eq!(poll(third.as_mut(), &last.waker()), Poll::Ready(&2));
        assert_eq!(cell.set(4), Err(SetError::AlreadyInitializedError(4)));
    }
}

#[test]
fn a_waiter_that_goes_is_not_missed() {
    let cell = OnceCell::new();
    let mut fills = Box::pin(cell.get_or_init(pending::<u8>));
    assert!(poll(fills.as_mut(), Waker::noop()).is_pending());
    let waker = CountingWaker::new();
    let mut waits = Box::pin(cell.get_or_init(|| async { 1 }));
    assert!(poll(waits.as_mut(), &waker.waker()).is_pending());
    // Woken, and gone before it looks.
    drop(fills);
    assert_eq!(waker.wakes(), 1);
    drop(waits);
    assert_eq!(waker.alive(), 0);
    assert_eq!(cell.set(2), Ok(()));
}

#[test]
fn values_are_dropped_once() {
    let value = Arc::new(());
    let count = || Arc::strong_count(&value) - 1;
    let cell = OnceCell::new();
    assert!(cell.set(value.clone()).is_ok());
    let error = cell.set(value.clone()).unwrap_err();
    assert_eq!(count(), 2);
    drop(error);
    let copy = cell.clone();
    assert!(copy == cell);
    assert_eq!(count(), 2);
    drop(cell);
    assert_eq!(count(), 1);
    assert!(copy.into_inner().is_some());
    assert_eq!(count(), 0);
    let mut cell = OnceCell::const_new_with(value.clone());
    assert!(cell.take().is_some());
    assert_eq!(count(), 0);
    // Empty again, it can be filled again.
    assert!(!cell.initialized());
    assert!(cell.set(value.clone()).is_ok());
    drop(OnceCell::new_with(Some(value.clone())));
    drop(OnceCell::from(value.clone()));
    assert_eq!(count(), 1);
}

#[test]
fn it_is_read_and_changed() {
    static NUMBER: OnceCell<u8> = OnceCell::const_new_with(7);
    assert_eq!(NUMBER.get(), Some(&7));
    assert!(NUMBER.set(8).unwrap_err().is_already_init_err());
    let mut cell = OnceCell::new_with(None);
    assert_eq!((cell.get(), cell.initialized()), (None, false));
    assert_eq!(cell.get_mut(), None);
    cell.set(1).unwrap();
    *cell.get_mut().unwrap() += 1;
    assert_eq!(cell.get(), Some(&2));
    assert_eq!(OnceCell::<u8>::default().into_inner(), None);
    assert_ne!(cell, OnceCell::new());
}

#[test]
fn texts_are_tokios() {
    let cell = OnceCell::from(1);
    assert_eq!(format!("{cell:?}"), "OnceCell { value: Some(1) }");
    assert_eq!(
        format!("{:?}", OnceCell::<u8>::new()),
        "OnceCell { value: None }"
    );
    let error = cell.set(2).unwrap_err();
    assert_eq!(
        format!("{error} {error:?}"),
        "AlreadyInitializedError AlreadyInitializedError(2)"
    );
    let error = SetError::InitializingError(2);
    assert_eq!(
        format!("{error} {error:?}"),
        "InitializingError InitializingError(2)"
    );
    assert!(error.is_initializing_err() && !error.is_already_init_err());
}

#[test]
fn what_is_there_is_not_waited_for() {
    let cell = OnceCell::from(1);
    let again = pin!(cell.get_or_init(|| async { unreachable!("it is filled") }));
    assert_eq!(poll(again, Waker::noop()), Poll::Ready(&1));
    let again = pin!(cell.get_or_try_init(|| async { Err(()) }));
    assert_eq!(poll(again, Waker::noop()), Poll::Ready(Ok(&1)));
}

matrix! {
    async fn a_crowd_computes_it_once() {
        for _ in 0..50 {
            let cell = Arc::new(OnceCell::new());
            let computed = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..8)
                .map(|number| {
                    let (cell, computed) = (cell.clone(), computed.clone());
                    yamanote::spawn(async move {
                        let init = || async {
                            yamanote::task::yield_now().await;
                            match computed.fetch_add(1, SeqCst) {
                                // The first two fail.
                                0 | 1 => Err(()),
                                _ => Ok(Box::new(number)),
                            }
                        };
                        cell.get_or_try_init(init).await.map(|value| **value)
                    })
                })
                .collect();
            let mut got = Vec::new();
            for task in tasks {
                got.extend(task.await.unwrap());
            }
            assert_eq!(computed.load(SeqCst), 3);
            assert_eq!(got, vec![**cell.get().unwrap(); 6]);
        }
    }
}
