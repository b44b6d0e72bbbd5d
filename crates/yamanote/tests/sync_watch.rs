//! `watch`: the last value, seen once by each, with no change slept through.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use yamanote::sync::watch::{self, error::RecvError, error::SendError};
use yamanote_test::{CountingWaker, matrix};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn texts() {
    let (sender, mut receiver) = watch::channel("one");
    assert_eq!(
        format!("{receiver:?}"),
        "Receiver { shared: Shared { value: \"one\", version: Version(0), is_closed: false, \
         ref_count_rx: 1 }, version: Version(0) }"
    );
    sender.send("two").unwrap();
    assert_eq!(
        format!("{sender:?}"),
        "Sender { shared: Shared { value: \"two\", version: Version(2), is_closed: false, \
         ref_count_rx: 1 } }"
    );
    let seen = format!("{:?}", receiver.borrow());
    assert_eq!(seen, "Ref { inner: \"two\", has_changed: true }");
    sender.send_if_modified(|_| {
        assert!(format!("{receiver:?}").contains("<locked>"));
        false
    });
    let error = SendError(Cell::new(1));
    assert_eq!(
        (format!("{error:?}").as_str(), error.to_string().as_str()),
        ("SendError { .. }", "channel closed")
    );
    drop(sender);
    receiver.mark_unchanged();
    let error: RecvError = receiver.has_changed().unwrap_err();
    assert_eq!(format!("{error} {error:?}"), "channel closed RecvError(())");
}

#[test]
fn a_value_that_nobody_receives_comes_back_and_changes_nothing() {
    let (sender, receiver) = watch::channel(1);
    drop(receiver);
    assert_eq!(sender.send(2), Err(SendError(2)));
    assert_eq!(*sender.borrow(), 1);
    assert_eq!(sender.send_replace(3), 1);
    sender.send_modify(|value| *value += 1);
    // Sent without a receiver; a new receiver has seen it.
    let receiver = sender.subscribe();
    assert_eq!(*receiver.borrow(), 4);
    assert!(!receiver.has_changed().unwrap());
}

#[test]
fn each_waiter_is_woken_once_per_change() {
    let (sender, receiver) = watch::channel(0);
    let mut receivers: Vec<_> = (0..20).map(|_| receiver.clone()).collect();
    let wakers: Vec<_> = receivers.iter().map(|_| CountingWaker::new()).collect();
    for round in 1..4 {
        let mut futures: Vec<_> = receivers
            .iter_mut()
            .map(|receiver| Box::pin(receiver.changed()))
            .collect();
        for (future, waker) in futures.iter_mut().zip(&wakers) {
            assert!(poll(future.as_mut(), &waker.waker()).is_pending());
        }
        sender.send(round).unwrap();
        sender.send(round).unwrap();
        for (future, waker) in futures.iter_mut().zip(&wakers) {
            assert_eq!((waker.wakes(), waker.alive()), (round, 0));
            assert!(poll(future.as_mut(), Waker::noop()).is_ready());
        }
    }
    assert!(receiver.has_changed().unwrap());
}

/// Never polled, waiting, woken: a future that is dropped has marked nothing.
#[test]
fn dropped_in_every_state_the_change_stays_unseen() {
    let (sender, mut receiver) = watch::channel(0);
    drop(receiver.changed());
    let waker = CountingWaker::new();
    {
        let mut changed = pin!(receiver.changed());
        assert!(poll(changed.as_mut(), &waker.waker()).is_pending());
    }
    assert_eq!((waker.wakes(), waker.alive()), (0, 0));
    {
        let mut changed = pin!(receiver.changed());
        assert!(poll(changed.as_mut(), &waker.waker()).is_pending());
        sender.send(1).unwrap();
        assert_eq!(waker.wakes(), 1);
    }
    assert!(receiver.has_changed().unwrap());
    let mut changed = Box::pin(receiver.changed());
    assert!(poll(changed.as_mut(), Waker::noop()).is_ready());
    drop(changed);
    let mut closed = Box::pin(sender.closed());
    assert!(poll(closed.as_mut(), &waker.waker()).is_pending());
    drop(closed);
    assert_eq!(waker.alive(), 0);
}

#[test]
fn panics_poison_nothing() {
    let (sender, mut receiver) = watch::channel(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        sender.send_modify(|value| {
            *value = 2;
            panic!("as the test wants");
        })
    }));
    assert!(panicked.is_err());
    assert!(!receiver.has_changed().unwrap());
    assert_eq!(*receiver.borrow(), 2);
    {
        let mut wait = pin!(receiver.wait_for(|_| panic!("as the test wants")));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _ = poll(wait.as_mut(), Waker::noop());
        }));
        assert!(panicked.is_err());
    }
    sender.send(3).unwrap();
    assert_eq!(*receiver.borrow_and_update(), 3);
    assert!(format!("{receiver:?}").contains("value: 3"));
}

/// The value that is replaced is dropped with no lock held: its drop may use the channel.
#[test]
fn the_drop_of_an_old_value_may_look_and_send() {
    struct Looks(Option<watch::Sender<Looks>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                assert!(sender.borrow().0.is_none());
                sender.send(Looks(None)).ok().unwrap();
            }
        }
    }
    let (sender, mut receiver) = watch::channel(Looks(None));
    sender.send(Looks(Some(sender.clone()))).ok().unwrap();
    sender.send(Looks(None)).ok().unwrap();
    assert!(receiver.borrow_and_update().0.is_none());
    assert_eq!(sender.sender_count(), 1);
}

/// A waker may look and send.
#[test]
fn wakers_run_outside_the_locks() {
    struct Looks {
        sender: watch::Sender<u32>,
        seen: AtomicUsize,
    }
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            self.seen.store(*self.sender.borrow() as usize, SeqCst);
            self.sender.send_modify(|value| *value += 1);
        }
    }
    let (sender, mut receiver) = watch::channel(0);
    let looks = Arc::new(Looks {
        sender: sender.clone(),
        seen: AtomicUsize::new(0),
    });
    let mut changed = Box::pin(receiver.changed());
    assert!(poll(changed.as_mut(), &Waker::from(looks.clone())).is_pending());
    sender.send(7).unwrap();
    assert_eq!(looks.seen.load(SeqCst), 7);
    drop(changed);
    assert_eq!(*receiver.borrow(), 8);
}

#[test]
fn wait_for_asks_the_present_value_then_each_unseen_one() {
    let (sender, mut receiver) = watch::channel(0);
    let asked = std::cell::RefCell::new(Vec::new());
    {
        let mut wait = pin!(receiver.wait_for(|value| {
            asked.borrow_mut().push(*value);
            *value == 3
        }));
        assert!(poll(wait.as_mut(), Waker::noop()).is_pending());
        assert!(poll(wait.as_mut(), Waker::noop()).is_pending());
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert!(poll(wait.as_mut(), Waker::noop()).is_pending());
        sender.send(3).unwrap();
        drop(sender);
        let Poll::Ready(Ok(value)) = poll(wait.as_mut(), Waker::noop()) else {
            panic!("the last value suits");
        };
        assert_eq!(*value, 3);
    }
    assert_eq!(*asked.borrow(), [0, 2, 3]);
    let mut wait = pin!(receiver.wait_for(|_| false));
    assert!(matches!(
        poll(wait.as_mut(), Waker::noop()),
        Poll::Ready(Err(_))
    ));
}

#[test]
fn counts_and_channels() {
    let sender = watch::Sender::<u32>::default();
    assert_eq!((sender.sender_count(), sender.receiver_count()), (1, 0));
    let second = sender.clone();
    let receiver = second.subscribe();
    let receivers = [receiver.clone(), receiver.clone()];
    assert_eq!((sender.sender_count(), sender.receiver_count()), (2, 3));
    assert!(receivers[0].same_channel(&receiver));
    assert!(!receiver.same_channel(&watch::channel(0).1));
    drop((sender, receivers));
    assert_eq!((second.sender_count(), second.receiver_count()), (1, 1));
    assert!(!receiver.is_closed());
    drop(second);
    assert!(receiver.is_closed());
}

matrix! {
    // Whatever is skipped, each receiver sees values rise and comes to the last.
    async fn all_receivers_come_to_the_last_value() {
        let (sender, receiver) = watch::channel(0u64);
        let watchers: Vec<_> = (0..20)
            .map(|_| {
                let mut receiver = receiver.clone();
                yamanote::spawn(async move {
                    let mut last = 0;
                    while receiver.changed().await.is_ok() {
                        let value = *receiver.borrow_and_update();
                        assert!(value > last);
                        last = value;
                    }
                    last
                })
            })
            .collect();
        drop(receiver);
        let other = sender.clone();
        let senders = [sender, other].map(|sender| {
            yamanote::spawn(async move {
                for n in 0..500 {
                    sender.send_modify(|value| *value += 1);
                    if n % 16 == 0 {
                        yamanote::task::yield_now().await;
                    }
                }
            })
        });
        for sender in senders {
            sender.await.unwrap();
        }
        for watcher in watchers {
            assert_eq!(watcher.await.unwrap(), 1000);
        }
    }

    async fn senders_wait_for_the_last_receiver() {
        let (sender, receiver) = watch::channel(());
        let readers: Vec<_> = (0..10)
            .map(|_| {
                let mut receiver = receiver.clone();
                yamanote::spawn(async move { receiver.changed().await.unwrap() })
            })
            .collect();
        drop(receiver);
        yamanote::task::yield_now().await;
        sender.send(()).unwrap();
        sender.closed().await;
        assert!(sender.is_closed());
        for reader in readers {
            reader.await.unwrap();
        }
    }
}
