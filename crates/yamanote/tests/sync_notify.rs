//! `Notify`: a permit is kept once, and handed on when its waiter is dropped; `notify_waiters`
//! reaches each waiter only once.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use yamanote::sync::Notify;
use yamanote::sync::futures::{Notified, OwnedNotified};
use yamanote_test::{CountingWaker, WakerCall, hooked_waker, matrix};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn is_ready(future: Pin<&mut Notified<'_>>) -> bool {
    poll(future, Waker::noop()).is_ready()
}

#[test]
fn one_permit_is_kept_at_most() {
    let notify = Notify::const_new();
    notify.notify_one();
    notify.notify_last();
    assert!(is_ready(pin!(notify.notified())));
    assert!(!is_ready(pin!(notify.notified())));
}

#[test]
fn a_ready_future_stays_ready_and_takes_nothing_more() {
    let notify = Notify::new();
    let mut first = pin!(notify.notified());
    notify.notify_one();
    assert!(is_ready(first.as_mut()));
    notify.notify_one();
    assert!(is_ready(first.as_mut()));
    assert!(first.as_mut().enable());
    assert!(is_ready(pin!(notify.notified())));
}

/// Dropped in each state: never polled, enabled, queued, notified in each of the three ways, ready.
#[test]
fn dropped_in_every_state_nothing_is_lost_or_doubled() {
    type Tell = fn(&Notify);
    let tells: [(Tell, bool); 3] = [
        (Notify::notify_one, true),
        (Notify::notify_last, true),
        (Notify::notify_waiters, false),
    ];
    for (tell, goes_on) in tells {
        for next_waits in [false, true] {
            let notify = Notify::new();
            let (first, second) = (CountingWaker::new(), CountingWaker::new());
            let mut told = Box::pin(notify.notified());
            assert!(poll(told.as_mut(), &first.waker()).is_pending());
            tell(&notify);
            assert_eq!((first.wakes(), first.alive()), (1, 0));
            let mut next = Box::pin(notify.notified());
            if next_waits {
                assert!(poll(next.as_mut(), &second.waker()).is_pending());
            }
            drop(told);
            assert_eq!(second.wakes(), usize::from(next_waits && goes_on));
            assert_eq!(is_ready(next.as_mut()), goes_on);
            // Once.
            assert!(!is_ready(pin!(notify.notified())));
        }
    }

    let notify = Notify::new();
    drop(notify.notified());
    let waker = CountingWaker::new();
    let mut queued = Box::pin(notify.notified());
    assert!(poll(queued.as_mut(), &waker.waker()).is_pending());
    drop(queued);
    assert_eq!((waker.wakes(), waker.alive()), (0, 0));
    let mut enabled = Box::pin(notify.notified());
    assert!(!enabled.as_mut().enable());
    drop(enabled);
    let mut ready = Box::pin(notify.notified());
    notify.notify_one();
    assert!(is_ready(ready.as_mut()));
    drop(ready);
    assert!(!is_ready(pin!(notify.notified())));
}

#[test]
fn an_enabled_future_keeps_what_it_is_told_until_it_is_polled_or_dropped() {
    let notify = Notify::new();
    let mut enabled = Box::pin(notify.notified());
    assert!(!enabled.as_mut().enable());
    notify.notify_one();
    assert!(!is_ready(pin!(notify.notified())));
    drop(enabled);
    assert!(is_ready(pin!(notify.notified())));
}

#[test]
fn notify_waiters_reaches_exactly_those_created_before() {
    let notify = Notify::new();
    let mut unpolled = pin!(notify.notified());
    let mut polled = pin!(notify.notified());
    assert!(!is_ready(polled.as_mut()));
    notify.notify_waiters();
    let mut later = pin!(notify.notified());
    assert!(!is_ready(later.as_mut()));
    assert!(is_ready(unpolled.as_mut()));
    assert!(is_ready(polled.as_mut()));
    // No permit was made.
    assert!(!is_ready(pin!(notify.notified())));
}

/// More than one batch of wakers, each of which makes a new future wait: the new ones are not
/// notified.
#[test]
fn wakers_that_wait_again_are_not_told_again() {
    thread_local! {
        static WAITING: RefCell<Vec<Pin<Box<OwnedNotified>>>> = const { RefCell::new(Vec::new()) };
    }
    struct Again {
        notify: Arc<Notify>,
        wakes: Arc<AtomicUsize>,
    }
    impl Wake for Again {
        fn wake(self: Arc<Self>) {
            self.wakes.fetch_add(1, SeqCst);
            let mut again = Box::pin(self.notify.clone().notified_owned());
            assert!(poll(again.as_mut(), &Waker::from(self)).is_pending());
            WAITING.with_borrow_mut(|waiting| waiting.push(again));
        }
    }
    let notify = Arc::new(Notify::new());
    let wakes = Arc::new(AtomicUsize::new(0));
    let mut first: Vec<_> = (0..100)
        .map(|_| Box::pin(notify.clone().notified_owned()))
        .collect();
    for future in &mut first {
        let (notify, wakes) = (notify.clone(), wakes.clone());
        let waker = Waker::from(Arc::new(Again { notify, wakes }));
        assert!(poll(future.as_mut(), &waker).is_pending());
    }
    notify.notify_waiters();
    assert_eq!(wakes.load(SeqCst), 100);
    let mut again = WAITING.take();
    assert_eq!(again.len(), 100);
    for future in &mut again {
        assert!(poll(future.as_mut(), Waker::noop()).is_pending());
    }
    for future in &mut first {
        assert!(poll(future.as_mut(), Waker::noop()).is_ready());
    }
}

/// While a waker of `notify_waiters` runs: a permit given then is not swallowed by the waiters that
/// are being notified anyway, and they may be polled or dropped.
#[test]
fn in_the_middle_of_notify_waiters() {
    struct Middle(Box<dyn Fn() + Send + Sync>);
    impl Wake for Middle {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    type Slot = Arc<std::sync::Mutex<Vec<Option<Pin<Box<OwnedNotified>>>>>>;
    let notify = Arc::new(Notify::new());
    let slots: Slot = Arc::default();
    let count = 64;
    for number in 0..count {
        let mut future = Box::pin(notify.clone().notified_owned());
        let waker = match number {
            0 => {
                let (notify, slots) = (notify.clone(), slots.clone());
                Waker::from(Arc::new(Middle(Box::new(move || {
                    notify.notify_one();
                    let mut slots = slots.lock().unwrap();
                    drop(slots[count - 1].take());
                    drop(slots[count / 2].take());
                    let late = slots[count - 2].as_mut().unwrap();
                    assert!(poll(late.as_mut(), Waker::noop()).is_ready());
                }))))
            }
            _ => Waker::noop().clone(),
        };
        assert!(poll(future.as_mut(), &waker).is_pending());
        slots.lock().unwrap().push(Some(future));
    }
    notify.notify_waiters();
    let mut slots = slots.lock().unwrap();
    for future in slots.iter_mut().flatten() {
        assert!(poll(future.as_mut(), Waker::noop()).is_ready());
    }
    slots.clear();
    assert!(is_ready(pin!(notify.notified())), "the permit is there");
    assert!(!is_ready(pin!(notify.notified())));
}

/// A waker that panics in the middle: the others are notified and woken all the same.
#[test]
fn a_panicking_waker_takes_nobody_with_it() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("as the test wants");
        }
    }
    let notify = Notify::new();
    let counting = CountingWaker::new();
    let mut futures: Vec<_> = (0..50).map(|_| Box::pin(notify.notified())).collect();
    for (number, future) in futures.iter_mut().enumerate() {
        let waker = match number {
            7 => Waker::from(Arc::new(Panics)),
            _ => counting.waker(),
        };
        assert!(poll(future.as_mut(), &waker).is_pending());
    }
    assert!(std::panic::catch_unwind(|| notify.notify_waiters()).is_err());
    assert_eq!((counting.wakes(), counting.alive()), (49, 0));
    for future in &mut futures {
        assert!(is_ready(future.as_mut()));
    }
    notify.notify_one();
    assert!(is_ready(pin!(notify.notified())));
}

/// Cloning and dropping a waker is foreign code too: it may use the `Notify` it waits on.
#[test]
fn wakers_may_notify_when_cloned_and_dropped() {
    struct NotifiesInDrop(Arc<Notify>);
    impl Wake for NotifiesInDrop {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for NotifiesInDrop {
        fn drop(&mut self) {
            self.0.notify_waiters();
            self.0.notify_one();
        }
    }
    let notify = Arc::new(Notify::new());
    let waker = || Waker::from(Arc::new(NotifiesInDrop(notify.clone())));
    // Replaced by another waker.
    let mut future = pin!(notify.notified());
    assert!(poll(future.as_mut(), &waker()).is_pending());
    // The drop of the old waker notifies this very future, when its new waker is in place.
    let counting = CountingWaker::new();
    assert!(poll(future.as_mut(), &counting.waker()).is_pending());
    assert_eq!(counting.wakes(), 1);
    assert!(is_ready(future.as_mut()));
    // Dropped with its future.
    assert!(is_ready(pin!(notify.notified())), "of the notify_one");
    let mut dropped = Box::pin(notify.notified());
    assert!(poll(dropped.as_mut(), &waker()).is_pending());
    drop(dropped);
    assert!(is_ready(pin!(notify.notified())));
}

/// A clone was made to wait with, and is not needed, because all are notified meanwhile.
#[test]
fn a_clone_for_nothing_may_use_the_notify_when_dropped() {
    let notify = Arc::new(Notify::new());
    let (told, is_told) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    // More than are notified in one batch, so that the last is still waiting when the first is
    // woken.
    let mut crowd = Vec::new();
    let may_go_on = Mutex::new(may_go_on);
    let first = hooked_waker(move |call| {
        if call == WakerCall::Wake {
            told.send(()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
        }
    });
    for number in 0..20 {
        crowd.push(Box::pin(notify.clone().notified_owned()));
        let waker = if number == 0 { &first } else { Waker::noop() };
        assert!(poll(crowd[number].as_mut(), waker).is_pending());
    }
    let telling = Arc::new(Mutex::new(None));
    let waker = {
        let (notify, telling, is_told) = (notify.clone(), telling.clone(), Mutex::new(is_told));
        hooked_waker(move |call| match call {
            WakerCall::Clone => {
                let notify = notify.clone();
                let teller = thread::spawn(move || notify.notify_waiters());
                *telling.lock().unwrap() = Some(teller);
                is_told.lock().unwrap().recv().unwrap();
            }
            // Takes the lock of the list.
            _ => assert!(poll(pin!(notify.notified()), Waker::noop()).is_pending()),
        })
    };
    let (done, is_done) = mpsc::channel();
    let poller = thread::spawn(move || {
        let last = crowd.last_mut().unwrap();
        assert!(poll(last.as_mut(), &waker).is_ready());
        done.send(()).unwrap();
    });
    let in_time = is_done.recv_timeout(Duration::from_secs(10));
    assert_eq!(in_time, Ok(()), "the poll hangs or has failed");
    go_on.send(()).unwrap();
    telling.lock().unwrap().take().unwrap().join().unwrap();
    poller.join().unwrap();
}

#[test]
fn the_same_waker_is_not_cloned_again() {
    let notify = Notify::new();
    let counting = CountingWaker::new();
    let waker = counting.waker();
    let mut future = pin!(notify.notified());
    for _ in 0..5 {
        assert!(poll(future.as_mut(), &waker).is_pending());
        assert_eq!(counting.alive(), 2);
    }
    let other = CountingWaker::new();
    assert!(poll(future.as_mut(), &other.waker()).is_pending());
    assert_eq!((counting.alive(), other.alive()), (1, 1));
    notify.notify_one();
    assert_eq!((counting.wakes(), other.wakes()), (0, 1));
}

#[test]
fn a_forgotten_future_harms_nobody() {
    let notify = Box::new(Notify::new());
    // Leaked: its memory stays.
    let forgotten: &'static Notify = Box::leak(notify);
    let mut future = Box::pin(forgotten.notified());
    assert!(!is_ready(future.as_mut()));
    std::mem::forget(future);
    let mut other = pin!(forgotten.notified());
    assert!(!is_ready(other.as_mut()));
    forgotten.notify_waiters();
    assert!(is_ready(other));
}

#[test]
fn debug_says_what_there_is() {
    let notify = Notify::default();
    assert_eq!(
        format!("{notify:?}"),
        "Notify { permit: false, waiters: false, .. }"
    );
    notify.notify_one();
    assert_eq!(
        format!("{notify:?}"),
        "Notify { permit: true, waiters: false, .. }"
    );
    assert!(format!("{:?}", notify.notified()).starts_with("Notified {"));
    assert!(format!("{:?}", Arc::new(notify).notified_owned()).starts_with("OwnedNotified {"));
}

matrix! {
    // Each permit wakes one, and cancelled waiters hand theirs on: the sum is right in the end.
    async fn permits_are_conserved_among_tasks_that_give_up() {
        let notify = Arc::new(Notify::new());
        let (left, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let total = 500;
        let consumers: Vec<_> = (0..4)
            .map(|_| {
                let (notify, left, taken) = (notify.clone(), left.clone(), taken.clone());
                yamanote::spawn(async move {
                    while taken.load(SeqCst) < total {
                        let mut notified = pin!(notify.notified());
                        notified.as_mut().enable();
                        if left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok() {
                            if taken.fetch_add(1, SeqCst) + 1 == total {
                                notify.notify_waiters();
                            }
                            continue;
                        }
                        if taken.load(SeqCst) == total {
                            break;
                        }
                        yamanote::select! {
                            () = notified => {}
                            () = yamanote::task::yield_now() => {}
                        }
                    }
                })
            })
            .collect();
        for number in 0..total {
            left.fetch_add(1, SeqCst);
            notify.notify_one();
            if number % 7 == 0 {
                yamanote::task::yield_now().await;
            }
        }
        for consumer in consumers {
            consumer.await.unwrap();
        }
        assert_eq!(taken.load(SeqCst), total);
    }

    async fn tasks_hand_a_token_around() {
        let notifies: Arc<Vec<Notify>> = Arc::new((0..8).map(|_| Notify::new()).collect());
        let tasks: Vec<_> = (0..8)
            .map(|at| {
                let notifies = notifies.clone();
                yamanote::spawn(async move {
                    for _ in 0..yamanote_test::rounds(200) {
                        notifies[at].notified().await;
                        notifies[(at + 1) % 8].notify_one();
                    }
                })
            })
            .collect();
        notifies[0].notify_one();
        for task in tasks {
            task.await.unwrap();
        }
    }
}
