//! `Semaphore`: the count is exact, the line is kept, and a waiter that gives up leaves everything
//! behind.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use yamanote::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};
use yamanote_test::{CountingWaker, in_own_process, matrix};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Dropped in each state, with none, a part or all of what it wants: everything goes to the next
/// waiter, which is woken once.
#[test]
fn dropped_in_every_state_the_permits_go_on() {
    for given_before in 0..=3 {
        for next_waits in [false, true] {
            let semaphore = Semaphore::new(given_before);
            let (first, next) = (CountingWaker::new(), CountingWaker::new());
            let mut gives_up = Box::pin(semaphore.acquire_many(4));
            assert!(poll(gives_up.as_mut(), &first.waker()).is_pending());
            let mut line = next_waits.then(|| Box::pin(semaphore.acquire_many(4)));
            if let Some(waits) = &mut line {
                assert!(poll(waits.as_mut(), &next.waker()).is_pending());
            }
            assert_eq!(semaphore.available_permits(), 0);
            // All but one, and that one.
            semaphore.add_permits(3 - given_before);
            assert_eq!(first.wakes(), 0);
            assert_eq!(semaphore.forget_permits(4), 0);
            semaphore.add_permits(1);
            assert_eq!(first.wakes(), 1);
            assert_eq!(next.wakes(), 0);
            drop(gives_up);
            assert_eq!(next.wakes(), usize::from(next_waits));
            assert_eq!(first.alive(), 0);
            match line {
                Some(mut waits) => {
                    let got = poll(waits.as_mut(), &next.waker());
                    assert!(matches!(&got, Poll::Ready(Ok(p)) if p.num_permits() == 4));
                    assert_eq!(semaphore.available_permits(), 0);
                }
                None => assert_eq!(semaphore.available_permits(), 4),
            }
            assert_eq!(next.alive(), 0);
        }
    }
}

#[test]
fn half_of_what_was_wanted_goes_on() {
    let semaphore = Semaphore::new(2);
    let (first, next) = (CountingWaker::new(), CountingWaker::new());
    let mut wants_five = Box::pin(semaphore.acquire_many(5));
    let mut wants_three = Box::pin(semaphore.acquire_many(3));
    assert!(poll(wants_five.as_mut(), &first.waker()).is_pending());
    assert!(poll(wants_three.as_mut(), &next.waker()).is_pending());
    semaphore.add_permits(2);
    assert_eq!((first.wakes(), next.wakes()), (0, 0));
    drop(wants_five);
    assert_eq!(next.wakes(), 1);
    assert_eq!(semaphore.available_permits(), 1);
    drop(wants_three);
    assert_eq!(semaphore.available_permits(), 4);
}

#[test]
fn nobody_overtakes() {
    let semaphore = Semaphore::new(1);
    let mut many = pin!(semaphore.acquire_many(3));
    assert!(poll(many.as_mut(), Waker::noop()).is_pending());
    // A permit comes back: it goes to the one that waits for three.
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 0);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    let mut one = pin!(semaphore.acquire());
    assert!(poll(one.as_mut(), Waker::noop()).is_pending());
    // To acquire none is not to wait.
    assert!(poll(pin!(semaphore.acquire_many(0)), Waker::noop()).is_ready());
    semaphore.add_permits(1);
    assert!(poll(one.as_mut(), Waker::noop()).is_pending());
    let three = poll(many.as_mut(), Waker::noop());
    drop(three);
    assert!(poll(one.as_mut(), Waker::noop()).is_ready());
}

#[test]
fn the_last_waker_is_called_and_only_it() {
    let semaphore = Semaphore::new(0);
    let (old, new) = (CountingWaker::new(), CountingWaker::new());
    let mut acquire = pin!(semaphore.acquire());
    assert!(poll(acquire.as_mut(), &old.waker()).is_pending());
    assert!(poll(acquire.as_mut(), &new.waker()).is_pending());
    assert_eq!(old.alive(), 0);
    semaphore.add_permits(1);
    assert_eq!((old.wakes(), new.wakes()), (0, 1));
    assert!(poll(acquire.as_mut(), &old.waker()).is_ready());
    assert_eq!((old.alive(), new.alive()), (0, 0));
}

#[test]
fn closing_goes_before_permits_that_were_not_looked_at() {
    let semaphore = Semaphore::new(0);
    let waker = CountingWaker::new();
    let mut acquire = Box::pin(semaphore.acquire_many(2));
    assert!(poll(acquire.as_mut(), &waker.waker()).is_pending());
    semaphore.add_permits(2);
    semaphore.close();
    assert_eq!(waker.wakes(), 1);
    assert!(matches!(
        poll(acquire.as_mut(), &waker.waker()),
        Poll::Ready(Err(AcquireError { .. }))
    ));
    assert_eq!(semaphore.available_permits(), 2);
    // The permits that it keeps do not open it again.
    assert_eq!(semaphore.forget_permits(1), 1);
    semaphore.add_permits(5);
    assert!(semaphore.is_closed());
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
    semaphore.close();
    assert_eq!(semaphore.available_permits(), 6);
}

#[test]
fn closing_calls_everybody_once() {
    let semaphore = Semaphore::new(1);
    let mut line: Vec<_> = (0..50)
        .map(|_| (Box::pin(semaphore.acquire_many(2)), CountingWaker::new()))
        .collect();
    for (acquire, waker) in &mut line {
        assert!(poll(acquire.as_mut(), &waker.waker()).is_pending());
    }
    semaphore.close();
    assert!(line.iter().all(|(_, waker)| waker.wakes() == 1));
    assert!(
        line.iter_mut()
            .all(|(a, w)| matches!(poll(a.as_mut(), &w.waker()), Poll::Ready(Err(_))))
    );
    assert_eq!(semaphore.available_permits(), 1);
}

/// A waker whose last copy gives a permit back, like a task that is dropped by its own wake-up.
struct Reenters {
    semaphore: Arc<Semaphore>,
    _permit: Option<OwnedSemaphorePermit>,
}
impl Wake for Reenters {
    fn wake(self: Arc<Self>) {
        drop(self.semaphore.try_acquire());
    }
}

#[test]
fn wakers_may_use_the_semaphore() {
    let semaphore = Arc::new(Semaphore::new(3));
    let waker = || -> Waker {
        Arc::new(Reenters {
            semaphore: semaphore.clone(),
            _permit: semaphore.clone().try_acquire_owned().ok(),
        })
        .into()
    };
    let mut acquire = Box::pin(semaphore.acquire_many(3));
    // The first waker holds a permit, and returns it when the second takes its place.
    assert!(poll(acquire.as_mut(), &waker()).is_pending());
    assert!(poll(acquire.as_mut(), &waker()).is_pending());
    assert!(poll(acquire.as_mut(), Waker::noop()).is_ready());
    assert_eq!(semaphore.available_permits(), 3);
    for end in [Semaphore::close, |s: &Semaphore| s.add_permits(5)] {
        let mut acquire = Box::pin(semaphore.acquire_many(5));
        let _ = poll(acquire.as_mut(), &waker());
        end(&semaphore);
        drop(acquire);
    }
}

#[test]
fn a_waker_that_panics_loses_nothing() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let semaphore = Semaphore::new(0);
    let mut line: Vec<_> = (0..40).map(|_| Box::pin(semaphore.acquire())).collect();
    let others = CountingWaker::new();
    for (number, acquire) in line.iter_mut().enumerate() {
        let waker = match number {
            3 => Arc::new(Panics).into(),
            _ => others.waker(),
        };
        assert!(poll(acquire.as_mut(), &waker).is_pending());
    }
    catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(45))).unwrap_err();
    assert_eq!(others.wakes(), 39);
    assert_eq!(semaphore.available_permits(), 5);
    drop(line);
    assert_eq!(semaphore.available_permits(), 45);
}

#[test]
fn permits_are_split_merged_and_forgotten() {
    let semaphore = Arc::new(Semaphore::new(10));
    let mut five = semaphore.try_acquire_many(5).unwrap();
    let two = five.split(2).unwrap();
    assert!(five.split(4).is_none());
    assert_eq!((five.num_permits(), two.num_permits()), (3, 2));
    five.merge(two);
    five.split(1).unwrap().forget();
    drop(five);
    assert_eq!(semaphore.available_permits(), 9);

    let mut all = semaphore.clone().try_acquire_many_owned(9).unwrap();
    assert_eq!(
        semaphore.clone().try_acquire_owned().unwrap_err(),
        TryAcquireError::NoPermits
    );
    all.split(4).unwrap().forget();
    let none = all.split(0).unwrap();
    all.merge(none);
    assert!(Arc::ptr_eq(all.semaphore(), &semaphore));
    drop(all);
    assert_eq!(semaphore.available_permits(), 5);
    assert_eq!(Arc::strong_count(&semaphore), 1);
}

#[test]
fn texts_are_tokios() {
    let semaphore = Semaphore::new(3);
    assert_eq!(
        format!("{semaphore:?}"),
        "Semaphore { ll_sem: Semaphore { permits: 3 } }"
    );
    assert_eq!(
        format!("{:?}", semaphore.try_acquire_many(2).unwrap()),
        "SemaphorePermit { sem: Semaphore { ll_sem: Semaphore { permits: 1 } }, permits: 2 }"
    );
    let error = semaphore.try_acquire_many(4).unwrap_err();
    assert_eq!(
        (error.to_string(), format!("{error:?}")),
        ("no permits available".into(), "NoPermits".into())
    );
    semaphore.close();
    let error = semaphore.try_acquire().unwrap_err();
    assert_eq!(error.to_string(), "semaphore closed");
    let Poll::Ready(Err(error)) = poll(pin!(semaphore.acquire()), Waker::noop()) else {
        panic!("closed");
    };
    assert_eq!(
        (error.to_string(), format!("{error:?}")),
        ("semaphore closed".into(), "AcquireError(())".into())
    );
}

#[test]
#[should_panic(expected = "a semaphore may not have more than MAX_PERMITS permits (")]
fn too_many_to_begin_with() {
    let _ = Semaphore::new(Semaphore::MAX_PERMITS + 1);
}

#[test]
#[should_panic(expected = "number of added permits (7) would overflow MAX_PERMITS (")]
fn too_many_added() {
    Semaphore::const_new(Semaphore::MAX_PERMITS - 6).add_permits(7);
}

#[test]
fn the_place_of_a_panic_is_the_callers() {
    // The hook belongs to the process.
    in_own_process(
        module_path!(),
        "the_place_of_a_panic_is_the_callers",
        || {
            let line = Arc::new(AtomicUsize::new(0));
            let seen = line.clone();
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let here = info.location().map(Location::file) == Some(file!());
                seen.store(if here { 1 } else { 2 }, SeqCst);
            }));
            let (one, other) = (Semaphore::new(1), Semaphore::new(1));
            let merge = || {
                one.try_acquire()
                    .unwrap()
                    .merge(other.try_acquire().unwrap())
            };
            let result = catch_unwind(AssertUnwindSafe(merge));
            std::panic::set_hook(hook);
            result.unwrap_err();
            assert_eq!(line.load(SeqCst), 1);
            assert_eq!((one.available_permits(), other.available_permits()), (1, 1));
        },
    );
}

#[test]
fn threads_wait_too() {
    let semaphore = Arc::new(Semaphore::new(0));
    let waits = {
        let semaphore = semaphore.clone();
        thread::spawn(move || {
            let one = semaphore.blocking_acquire().unwrap().num_permits();
            let two = semaphore.blocking_acquire_many(2).unwrap().num_permits();
            let owned = semaphore.clone().blocking_acquire_owned().unwrap();
            let many = semaphore.clone().blocking_acquire_many_owned(2).unwrap();
            one + two + owned.num_permits() + many.num_permits()
        })
    };
    for _ in 0..3 {
        semaphore.add_permits(1);
        thread::yield_now();
    }
    assert_eq!(waits.join().unwrap(), 6);
    semaphore.close();
    assert!(semaphore.blocking_acquire().is_err());
    assert_eq!(semaphore.available_permits(), 3);
}

matrix! {
    /// More tasks than permits, taking and giving up at random: never too many at once, and in the
    /// end all are back.
    async fn a_crowd_never_exceeds_the_permits() {
        let semaphore = Arc::new(Semaphore::new(10));
        let out = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..32u32)
            .map(|number| {
                let (semaphore, out) = (semaphore.clone(), out.clone());
                yamanote::spawn(async move {
                    for round in 0..100 {
                        let wanted = (number * 7 + round * 3) % 10 + 1;
                        let mut acquire = Box::pin(semaphore.acquire_many(wanted));
                        if (number + round) % 3 == 0 {
                            // Looks once and gives up.
                            let _ = poll(acquire.as_mut(), Waker::noop());
                            yamanote::task::yield_now().await;
                            continue;
                        }
                        let permit = acquire.await.unwrap();
                        let before = out.fetch_add(permit.num_permits(), SeqCst);
                        assert!(before + permit.num_permits() <= 10);
                        yamanote::task::yield_now().await;
                        out.fetch_sub(permit.num_permits(), SeqCst);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(semaphore.available_permits(), 10);
        assert_eq!(Arc::strong_count(&semaphore), 1);
    }

    async fn tasks_are_served_in_order() {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut line: Vec<_> = (0..20).map(|_| Box::pin(semaphore.clone().acquire_owned())).collect();
        for acquire in &mut line {
            assert!(poll(acquire.as_mut(), Waker::noop()).is_pending());
        }
        for mut first in line {
            let last = yamanote::spawn({
                let semaphore = semaphore.clone();
                async move { semaphore.acquire().await.unwrap().forget() }
            });
            yamanote::task::yield_now().await;
            semaphore.add_permits(1);
            assert!(!last.is_finished());
            let got = poll(first.as_mut(), Waker::noop());
            let Poll::Ready(Ok(permit)) = got else { panic!("closed") };
            permit.forget();
            last.abort();
            let _ = last.await;
        }
    }

    async fn an_aborted_task_leaves_no_trace() {
        let semaphore = Arc::new(Semaphore::new(1));
        let held = semaphore.acquire().await.unwrap();
        for _ in 0..20 {
            let waits = yamanote::spawn({
                let semaphore = semaphore.clone();
                async move { drop(semaphore.acquire_many(1).await) }
            });
            yamanote::task::yield_now().await;
            waits.abort();
            let _ = waits.await;
        }
        drop(held);
        assert_eq!(semaphore.available_permits(), 1);
    }

    /// Every acquisition spends a unit of the budget: a task that never waits lets others run.
    async fn acquiring_is_cooperative() {
        let semaphore = Arc::new(Semaphore::new(1));
        let most = yamanote::spawn({
            let semaphore = semaphore.clone();
            async move {
                yamanote::task::yield_now().await;
                let mut count = 0;
                std::future::poll_fn(|cx| {
                    while count < 1000 && pin!(semaphore.acquire()).poll(cx).is_ready() {
                        count += 1;
                    }
                    Poll::Ready(())
                })
                .await;
                count
            }
        });
        assert_eq!(most.await.unwrap(), 128);
        assert_eq!(semaphore.available_permits(), 1);
    }
}
