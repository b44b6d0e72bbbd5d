//! Wakes of a `LocalSet` and of its tasks: from its own thread, from others, from destructors, and
//! after the set has ended.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::catch_unwind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use yamanote::runtime::{Builder, Runtime};
use yamanote::task::{self, LocalSet, spawn_local};
use yamanote_test::{CountingWaker, Setup, matrix};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Leaves its waker in `place` and waits until it is woken. Counts its polls.
fn parked(
    place: &Arc<Mutex<Option<Waker>>>,
    polls: &Rc<Cell<u32>>,
) -> impl Future<Output = ()> + use<> {
    let (place, polls) = (place.clone(), polls.clone());
    poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        match polls.get() {
            1 => {
                *place.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    })
}

fn take(place: &Mutex<Option<Waker>>) -> Waker {
    place.lock().unwrap().take().expect("the task was polled")
}

matrix! {
    fn wakes_from_other_threads_arrive(setup: Setup) {
        let rt = yamanote_test::builder!(setup).build().unwrap();
        let local = LocalSet::new();
        let done = Rc::new(Cell::new(0));
        local.block_on(&rt, async {
            let handles: Vec<_> = (0..200).map(|_| {
                let done = done.clone();
                spawn_local(async move {
                    let mut asked = false;
                    poll_fn(|cx| {
                        if std::mem::replace(&mut asked, true) {
                            return Poll::Ready(());
                        }
                        let waker = cx.waker().clone();
                        task::spawn_blocking(move || waker.wake());
                        Poll::Pending
                    })
                    .await;
                    done.set(done.get() + 1);
                })
            }).collect();
            for handle in handles {
                handle.await.unwrap();
            }
        });
        assert_eq!(done.get(), 200);
    }
}

#[test]
fn a_wake_on_the_same_thread_wakes_the_set_once() {
    let local = LocalSet::new();
    let mut local = pin!(local);
    let counting = CountingWaker::new();
    let waker = counting.waker();
    let mut cx = Context::from_waker(&waker);
    let polls: Vec<_> = (0..3).map(|_| Rc::new(Cell::new(0))).collect();
    let places: Vec<_> = polls
        .iter()
        .map(|polls| {
            let place = Arc::default();
            local.spawn_local(parked(&place, polls));
            place
        })
        .collect();
    assert!(local.as_mut().poll(&mut cx).is_pending());
    assert_eq!(counting.wakes(), 0);
    for place in &places {
        let waker = take(place);
        waker.wake_by_ref();
        waker.wake();
    }
    assert_eq!(counting.wakes(), 1);
    assert!(local.as_mut().poll(&mut cx).is_ready());
    assert!(polls.iter().all(|polls| polls.get() == 2));
    assert_eq!(counting.wakes(), 1);
    // Spawned from outside, a task has the set polled again.
    local.spawn_local(async {});
    local.spawn_local(async {});
    assert_eq!(counting.wakes(), 2);
    assert!(local.as_mut().poll(&mut cx).is_ready());
    drop(waker);
    assert!(counting.alive() > 0);
}

#[test]
fn wakes_from_another_thread_wake_the_set_once() {
    let counting = CountingWaker::new();
    let other = CountingWaker::new();
    {
        let mut local = pin!(LocalSet::new());
        let polls = Rc::new(Cell::new(0));
        let more = Rc::new(Cell::new(0));
        let (place, another) = (Arc::default(), Arc::default());
        local.spawn_local(parked(&place, &polls));
        local.spawn_local(parked(&another, &more));
        let waker = other.waker();
        assert!(
            local
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let waker = counting.waker();
        let mut cx = Context::from_waker(&waker);
        assert!(local.as_mut().poll(&mut cx).is_pending());
        assert_eq!(
            other.alive(),
            1,
            "the waker of the last poll replaces the one before"
        );
        let wakers = [take(&place), take(&another)];
        thread::spawn(move || wakers.map(Waker::wake))
            .join()
            .unwrap();
        assert_eq!((other.wakes(), counting.wakes()), (0, 1));
        assert_eq!((polls.get(), more.get()), (1, 1));
        assert!(local.as_mut().poll(&mut cx).is_ready());
        assert_eq!((polls.get(), more.get()), (2, 2));
        assert_eq!(counting.wakes(), 1);
    }
    assert_eq!((other.alive(), counting.alive()), (0, 0));
}

#[test]
fn tasks_that_wake_each_other_in_their_destructors() {
    struct WakesOnDrop(Arc<Mutex<Option<Waker>>>);
    impl Drop for WakesOnDrop {
        fn drop(&mut self) {
            if let Some(waker) = self.0.lock().unwrap().take() {
                waker.wake();
            }
        }
    }
    let counting = CountingWaker::new();
    let waker = counting.waker();
    let local = LocalSet::new();
    let polls = Rc::new(Cell::new(0));
    let place = Arc::default();
    let wakes = WakesOnDrop(Arc::clone(&place));
    local.spawn_local(async move {
        let _wakes = wakes;
        pending::<()>().await
    });
    local.spawn_local(parked(&place, &polls));
    let mut local = Box::pin(local);
    assert!(
        local
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(local);
    drop(waker);
    assert_eq!((polls.get(), counting.wakes(), counting.alive()), (1, 0, 0));
}

#[test]
fn wakers_and_handles_outlive_the_set() {
    let local = LocalSet::new();
    let polls = Rc::new(Cell::new(0));
    let place = Arc::default();
    let handle = local.spawn_local(parked(&place, &polls));
    current_thread().block_on(local.run_until(task::yield_now()));
    let abort = handle.abort_handle();
    let waker = take(&place);
    drop(local);
    thread::spawn(move || {
        waker.wake_by_ref();
        abort.abort();
        assert!(abort.is_finished());
        drop((waker, abort));
    })
    .join()
    .unwrap();
    assert!(handle.is_finished());
    assert_eq!(polls.get(), 1);
}

#[test]
fn threads_wake_while_the_set_is_dropped() {
    for round in 0..200 {
        let local = LocalSet::new();
        let places: Vec<Arc<Mutex<Option<Waker>>>> = (0..4).map(|_| Arc::default()).collect();
        let polls = Rc::new(Cell::new(1));
        for place in &places {
            let (place, polls) = (place.clone(), polls.clone());
            local.spawn_local(poll_fn(move |cx| -> Poll<()> {
                let _ = &polls;
                *place.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            }));
        }
        let mut local = Box::pin(local);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(local.as_mut().poll(&mut cx).is_pending());
        let wakers: Vec<_> = places.iter().map(|place| take(place)).collect();
        let thread = thread::spawn(move || {
            for waker in wakers {
                waker.wake_by_ref();
                drop(waker);
            }
        });
        if round % 2 == 0 {
            let _ = local.as_mut().poll(&mut cx);
        }
        drop(local);
        thread.join().unwrap();
        assert_eq!(Rc::strong_count(&polls), 1);
    }
}

#[test]
fn an_entered_set_is_woken_by_what_is_spawned_into_it() {
    let local = LocalSet::new();
    let counting = CountingWaker::new();
    let waker = counting.waker();
    let mut cx = Context::from_waker(&waker);
    let entered = local.enter();
    assert_eq!(format!("{entered:?}"), "LocalEnterGuard");
    let mut local = pin!(local);
    assert!(local.as_mut().poll(&mut cx).is_ready());
    let handle = spawn_local(async { 1 });
    assert_eq!(counting.wakes(), 1);
    assert!(local.as_mut().poll(&mut cx).is_ready());
    assert!(handle.is_finished());
    drop(entered);
    assert!(catch_unwind(|| spawn_local(async {})).is_err());
}
