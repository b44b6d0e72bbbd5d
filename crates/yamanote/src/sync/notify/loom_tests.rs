//! Every order of notifying, waiting and giving up: a permit is neither lost nor doubled.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::Notify;

/// Polls once, drops the future, and returns whether it was ready.
fn once(notify: &Notify) -> bool {
    block_on(async {
        let mut notified = pin!(notify.notified());
        poll_fn(|cx| Poll::Ready(notified.as_mut().poll(cx).is_ready())).await
    })
}

#[test]
fn loom_notify_one_wakes_or_stays() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let telling = thread::spawn({
            let notify = Arc::clone(&notify);
            move || notify.notify_one()
        });
        block_on(notify.notified());
        telling.join().unwrap();
        assert!(!once(&notify));
    });
}

#[test]
fn loom_notify_goes_on_from_a_waiter_that_gave_up() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let giving_up = thread::spawn({
            let notify = Arc::clone(&notify);
            move || once(&notify)
        });
        let telling = thread::spawn({
            let notify = Arc::clone(&notify);
            move || notify.notify_one()
        });
        let taken = giving_up.join().unwrap();
        telling.join().unwrap();
        assert_eq!(once(&notify), !taken);
    });
}

#[test]
fn loom_notify_waiters_reaches_all_created_before() {
    loom::model(|| {
        let notify = std::sync::Arc::new(Notify::new());
        let first = notify.clone().notified_owned();
        let second = notify.clone().notified_owned();
        let waiting = thread::spawn(move || {
            block_on(async {
                let mut first = pin!(first);
                first.as_mut().enable();
                second.await;
                first.await;
            });
        });
        notify.notify_waiters();
        waiting.join().unwrap();
        assert!(!once(&notify));
    });
}

#[test]
fn loom_notify_waiters_meets_a_waiter_that_gives_up() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let giving_up = thread::spawn({
            let notify = Arc::clone(&notify);
            move || once(&notify)
        });
        let telling = thread::spawn({
            let notify = Arc::clone(&notify);
            move || notify.notify_waiters()
        });
        Box::pin(notify.notified()).as_mut().enable();
        telling.join().unwrap();
        giving_up.join().unwrap();
        // No permit came of it.
        assert!(!once(&notify));
    });
}

/// Whoever is notified sees what was done before. No wake-up is waited for here, which would order
/// it too.
#[test]
fn loom_notify_shows_what_was_done_before() {
    loom::model(|| {
        let shared = Arc::new((Notify::new(), AtomicUsize::new(0)));
        let mut notified = pin!(shared.0.notified());
        notified.as_mut().enable();
        let telling = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.1.store(1, Relaxed);
                shared.0.notify_one();
            }
        });
        let polled = notified.poll(&mut Context::from_waker(Waker::noop()));
        if polled.is_ready() {
            assert_eq!(shared.1.load(Relaxed), 1);
        }
        telling.join().unwrap();
    });
}
