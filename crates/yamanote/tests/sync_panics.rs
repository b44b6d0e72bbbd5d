//! Some of a crowd's wakers panic: all others are woken, and the first panic comes out.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};

use yamanote::sync::{Notify, Semaphore, broadcast, mpsc, watch};
use yamanote_test::CountingWaker;

/// More than are woken in one batch; the lock is taken again in between.
const CROWD: usize = 50;

/// Counts its wake-ups and panics at each.
#[derive(Default)]
struct Panics(AtomicUsize);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        let before = self.0.fetch_add(1, Relaxed);
        panic!("wake-up {before}");
    }
}

type Waiting<'a> = Vec<Pin<Box<dyn Future<Output = ()> + 'a>>>;

/// A crowd waits, and every tenth of it panics when woken, the first too. `tell` wakes all of them.
fn all_are_woken<'a>(mut waiting: Waiting<'a>, tell: impl FnOnce()) -> Waiting<'a> {
    let (calm, panics) = (CountingWaker::new(), Arc::new(Panics::default()));
    let mut panicking = 0;
    for (index, future) in waiting.iter_mut().enumerate() {
        let waker = match index % 10 {
            0 => Waker::from(panics.clone()),
            _ => calm.waker(),
        };
        panicking += usize::from(index % 10 == 0);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    let payload = catch_unwind(AssertUnwindSafe(tell)).expect_err("a waker panicked");
    assert_eq!(*payload.downcast::<String>().unwrap(), "wake-up 0");
    assert_eq!(panics.0.load(Relaxed), panicking);
    assert_eq!(calm.wakes(), waiting.len() - panicking);
    assert_eq!(calm.alive(), 0);
    for future in &mut waiting {
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready());
    }
    waiting
}

#[test]
fn a_closed_semaphore() {
    let semaphore = Semaphore::new(0);
    let acquire = || -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async { assert!(semaphore.acquire().await.is_err()) })
    };
    let waiting = (0..CROWD).map(|_| acquire()).collect();
    all_are_woken(waiting, || semaphore.close());
    assert!(semaphore.try_acquire().is_err());
}

#[test]
fn released_permits() {
    let semaphore = Semaphore::new(0);
    let acquire = || -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async { semaphore.acquire().await.unwrap().forget() })
    };
    let waiting = (0..CROWD).map(|_| acquire()).collect();
    all_are_woken(waiting, || semaphore.add_permits(CROWD + 2));
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn notified() {
    let notify = Notify::new();
    let notified = || -> Pin<Box<dyn Future<Output = ()> + '_>> { Box::pin(notify.notified()) };
    let waiting = (0..CROWD).map(|_| notified()).collect();
    all_are_woken(waiting, || notify.notify_waiters());
}

#[test]
fn receivers_of_a_broadcast() {
    let (sender, receiver) = broadcast::channel(1);
    let recv = |mut receiver: broadcast::Receiver<u32>| -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { assert_eq!(receiver.recv().await, Ok(1)) })
    };
    let waiting = (0..CROWD).map(|_| recv(receiver.resubscribe())).collect();
    all_are_woken(waiting, || drop(sender.send(1)));
}

#[test]
fn the_end_of_a_broadcast() {
    let (sender, receiver) = broadcast::channel::<u32>(1);
    let recv = |mut receiver: broadcast::Receiver<u32>| -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { assert!(receiver.recv().await.is_err()) })
    };
    let waiting = (0..CROWD).map(|_| recv(receiver.resubscribe())).collect();
    all_are_woken(waiting, || drop(sender));
}

/// Receivers of a watch stand in several lists.
#[test]
fn receivers_of_a_watch() {
    let (sender, receiver) = watch::channel(0);
    let changed = |mut receiver: watch::Receiver<u32>| -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { receiver.changed().await.unwrap() })
    };
    let waiting = (0..CROWD).map(|_| changed(receiver.clone())).collect();
    all_are_woken(waiting, || sender.send(1).unwrap());
}

#[test]
fn the_end_of_a_watch() {
    let (sender, receiver) = watch::channel(0);
    let changed = |mut receiver: watch::Receiver<u32>| -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move { assert!(receiver.changed().await.is_err()) })
    };
    let waiting = (0..CROWD).map(|_| changed(receiver.clone())).collect();
    all_are_woken(waiting, || drop(sender));
}

/// Senders that wait for room, and those that wait for the end.
#[test]
fn senders_whose_receiver_goes() {
    let value = Arc::new(());
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(value.clone()).unwrap();
    let send = |_| -> Pin<Box<dyn Future<Output = ()>>> {
        let (sender, value) = (sender.clone(), value.clone());
        Box::pin(async move { assert!(sender.send(value).await.is_err()) })
    };
    let closed = |_| -> Pin<Box<dyn Future<Output = ()>>> {
        let sender = sender.clone();
        Box::pin(async move { sender.closed().await })
    };
    let waiting = (0..CROWD).map(send).chain((0..CROWD).map(closed)).collect();
    drop(all_are_woken(waiting, || drop(receiver)));
    assert_eq!(Arc::strong_count(&value), 1, "what was sent is dropped too");
}
