//! Channels for many values: nothing lost, nothing twice, exact wake-ups, and ends that go at any
//! time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::time::Duration;

use yamanote::sync::mpsc;
use yamanote::sync::mpsc::error::{SendTimeoutError, TryRecvError, TrySendError};
use yamanote::task::yield_now;
use yamanote_test::{CountingWaker, matrix};

/// Checks that every sender's values come in its order.
struct InOrder(Vec<usize>);

impl InOrder {
    fn new(senders: usize) -> Self {
        InOrder(vec![0; senders])
    }

    fn see(&mut self, (sender, n): (usize, usize)) {
        assert_eq!(self.0[sender], n, "of sender {sender}");
        self.0[sender] += 1;
    }
}

matrix! {
    /// Eight senders, room for three, and a receiver whose waits are cancelled all the time.
    async fn cancelled_receives_lose_nothing() {
        const EACH: usize = 500;
        let (tx, mut rx) = mpsc::channel(3);
        for sender in 0..8 {
            let tx = tx.clone();
            yamanote::spawn(async move {
                for n in 0..EACH {
                    tx.send((sender, n)).await.unwrap();
                }
            });
        }
        drop(tx);
        let mut seen = InOrder::new(8);
        let mut batch = Vec::new();
        loop {
            yamanote::select! {
                value = rx.recv() => match value {
                    Some(value) => seen.see(value),
                    None => break,
                },
                () = yield_now() => {}
            }
            yamanote::select! {
                count = rx.recv_many(&mut batch, 2) => assert_eq!(batch.len(), count),
                () = yield_now() => {}
            }
            batch.drain(..).for_each(|value| seen.see(value));
            if let Ok(value) = rx.try_recv() {
                seen.see(value);
            }
        }
        assert_eq!(seen.0, [EACH; 8]);
    }

    /// Reservations that are dropped at any moment give their room back; what was sent arrives.
    async fn cancelled_sends_leave_no_trace() {
        let (tx, mut rx) = mpsc::channel(4);
        let sent = Arc::new(AtomicUsize::new(0));
        let mut senders = Vec::new();
        for sender in 0..6 {
            let (tx, sent) = (tx.clone(), sent.clone());
            senders.push(yamanote::spawn(async move {
                for n in 0..300 {
                    yamanote::select! {
                        permit = tx.reserve() => {
                            if n % 3 != 0 {
                                permit.unwrap().send(());
                                sent.fetch_add(1, SeqCst);
                            }
                        }
                        permits = tx.reserve_many(1 + sender % 4) => {
                            if let Some(permit) = permits.unwrap().next() {
                                permit.send(());
                                sent.fetch_add(1, SeqCst);
                            }
                        }
                        permit = tx.clone().reserve_owned() => {
                            permit.unwrap().release();
                        }
                        () = yield_now() => {}
                    }
                }
            }));
        }
        let receiver = yamanote::spawn(async move {
            let mut received = 0;
            while rx.recv().await.is_some() {
                received += 1;
            }
            received
        });
        for sender in senders {
            sender.await.unwrap();
        }
        while tx.capacity() < 4 {
            yield_now().await;
        }
        drop(tx);
        assert_eq!(receiver.await.unwrap(), sent.load(SeqCst));
    }

    async fn unbounded_from_many_tasks_and_threads() {
        const EACH: usize = yamanote_test::rounds(2_000);
        let (tx, mut rx) = mpsc::unbounded_channel();
        for sender in 0..4 {
            let tx = tx.clone();
            yamanote::spawn(async move {
                for n in 0..EACH {
                    tx.send((sender, n)).unwrap();
                    if n % 100 == 0 {
                        yield_now().await;
                    }
                }
            });
        }
        let threads: Vec<_> = (4..6)
            .map(|sender| {
                let tx = tx.clone();
                std::thread::spawn(move || {
                    (0..EACH).for_each(|n| tx.send((sender, n)).unwrap());
                })
            })
            .collect();
        drop(tx);
        let mut seen = InOrder::new(6);
        while let Some(value) = rx.recv().await {
            seen.see(value);
        }
        assert_eq!(seen.0, [EACH; 6]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    /// The receiver goes while eight send: every value is dropped once, and all senders learn of
    /// it.
    async fn the_receiver_goes_under_load() {
        struct Counted(Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let (made, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (tx, mut rx) = mpsc::channel(2);
        let mut senders = Vec::new();
        for _ in 0..8 {
            let (tx, made, dropped) = (tx.clone(), made.clone(), dropped.clone());
            senders.push(yamanote::spawn(async move {
                loop {
                    made.fetch_add(1, SeqCst);
                    if tx.send(Counted(dropped.clone())).await.is_err() {
                        break tx.closed().await;
                    }
                }
            }));
        }
        drop(tx);
        for _ in 0..100 {
            rx.recv().await.unwrap();
        }
        drop(rx);
        for sender in senders {
            sender.await.unwrap();
        }
        assert_eq!(dropped.load(SeqCst), made.load(SeqCst));
    }

    async fn receiving_and_reserving_spend_budget() {
        let spent = yamanote::spawn(async {
            yield_now().await;
            let (tx, mut rx) = mpsc::unbounded_channel();
            (0..1_000).for_each(|n| tx.send(n).unwrap());
            let mut count = 0;
            std::future::poll_fn(|cx| {
                while rx.poll_recv(cx).is_ready() {
                    count += 1;
                }
                Poll::Ready(())
            })
            .await;
            yield_now().await;
            // A batch costs as much as one value.
            let mut batch = Vec::new();
            std::future::poll_fn(|cx| rx.poll_recv_many(cx, &mut batch, 1_000).map(drop)).await;
            assert_eq!(batch.len(), 1_000 - count);
            yield_now().await;
            let (tx, _rx) = mpsc::channel::<()>(1_000);
            let mut reserved = 0;
            std::future::poll_fn(|cx| {
                while pin!(tx.reserve_many(1)).poll(cx).is_ready() {
                    reserved += 1;
                }
                Poll::Ready(())
            })
            .await;
            (count, reserved)
        });
        assert_eq!(spent.await.unwrap(), (128, 128));
    }

    async fn threads_may_block_and_tasks_may_not() {
        let (tx, mut rx) = mpsc::channel(1);
        let (back, mut returned) = mpsc::channel(1);
        let thread = std::thread::spawn(move || {
            let mut batch = Vec::new();
            while rx.blocking_recv_many(&mut batch, 10) > 0 {
                batch.drain(..).for_each(|n: u32| back.blocking_send(n + 1).unwrap());
            }
            assert_eq!(rx.blocking_recv(), None);
        });
        for n in 0..100 {
            tx.send(n).await.unwrap();
            assert_eq!(returned.recv().await, Some(n + 1));
        }
        let refused = catch_unwind(AssertUnwindSafe(|| tx.blocking_send(0))).unwrap_err();
        let text = refused.downcast_ref::<&str>().copied().unwrap();
        assert!(text.starts_with("Cannot block the current thread from within a runtime."));
        drop(tx);
        thread.join().unwrap();
    }

    async fn sending_has_a_time_limit() {
        let (tx, mut rx) = mpsc::channel(1);
        let limit = Duration::from_millis(5);
        assert_eq!(tx.send_timeout(1, limit).await, Ok(()));
        assert_eq!(tx.send_timeout(2, limit).await, Err(SendTimeoutError::Timeout(2)));
        assert_eq!(rx.recv().await, Some(1));
        assert_eq!(tx.capacity(), 1);
        drop(rx);
        assert_eq!(tx.send_timeout(3, limit).await, Err(SendTimeoutError::Closed(3)));
    }
}

/// Sending what is awaited wakes its receiver and nobody else; so does dropping the last sender.
#[test]
fn one_wait_one_wake() {
    let waker = CountingWaker::new();
    let task = waker.waker();
    let mut cx = Context::from_waker(&task);
    let (tx, mut rx) = mpsc::unbounded_channel();
    for round in 1..=100 {
        assert!(rx.poll_recv(&mut cx).is_pending());
        assert!(rx.poll_recv(&mut cx).is_pending());
        (0..3).for_each(|n| tx.send(n).unwrap());
        assert_eq!(waker.wakes(), round);
        for n in 0..3 {
            assert_eq!(rx.poll_recv(&mut cx), Poll::Ready(Some(n)));
        }
    }
    assert!(rx.poll_recv(&mut cx).is_pending());
    let another = tx.clone();
    drop(tx);
    assert_eq!(waker.wakes(), 100);
    drop(another);
    assert_eq!(waker.wakes(), 101);
    assert_eq!(rx.poll_recv(&mut cx), Poll::Ready(None));
    drop(rx);
    assert_eq!(waker.alive(), 1);
}

/// Room goes to one waiter at a time; closing wakes all of them.
#[test]
fn who_waits_for_room_is_woken_in_turn() {
    let (tx, mut rx) = mpsc::channel(1);
    tx.try_send(0).unwrap();
    let wakers: Vec<_> = (0..3).map(|_| CountingWaker::new()).collect();
    let mut sends: Vec<_> = wakers.iter().map(|_| Box::pin(tx.send(1))).collect();
    for (send, waker) in sends.iter_mut().zip(&wakers) {
        assert!(
            send.as_mut()
                .poll(&mut Context::from_waker(&waker.waker()))
                .is_pending()
        );
    }
    assert_eq!(rx.try_recv(), Ok(0));
    let wakes = || wakers.iter().map(CountingWaker::wakes).collect::<Vec<_>>();
    assert_eq!(wakes(), [1, 0, 0]);
    // Abandoned, though it was its turn: the next one has it.
    drop(sends.remove(0));
    assert_eq!(wakes(), [1, 1, 0]);
    rx.close();
    assert_eq!(wakes(), [1, 1, 1]);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for send in &mut sends {
        assert!(matches!(send.as_mut().poll(&mut cx), Poll::Ready(Err(_))));
    }
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

/// A closed channel: what was promised still comes, and the end only after it.
#[test]
fn a_closed_channel_keeps_its_promises() {
    let waker = CountingWaker::new();
    let task = waker.waker();
    let mut cx = Context::from_waker(&task);
    let (tx, mut rx) = mpsc::channel(4);
    let kept = tx.try_reserve().unwrap();
    let mut many = tx.try_reserve_many(2).unwrap();
    let owned = tx.clone().try_reserve_owned().unwrap();
    rx.close();
    rx.close();
    assert_eq!(tx.try_send(9), Err(TrySendError::Closed(9)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert!(rx.poll_recv(&mut cx).is_pending());
    kept.send(1);
    assert_eq!(waker.wakes(), 1);
    assert_eq!(rx.try_recv(), Ok(1));
    many.next().unwrap().send(2);
    assert_eq!(rx.try_recv(), Ok(2));
    assert!(rx.poll_recv(&mut cx).is_pending());
    drop(many);
    assert_eq!(waker.wakes(), 1);
    drop(owned.release());
    assert_eq!(waker.wakes(), 2);
    assert_eq!(rx.poll_recv(&mut cx), Poll::Ready(None));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

/// A number read while others send and receive is never absurd.
#[test]
fn the_length_is_never_below_nothing() {
    const SENT: usize = yamanote_test::rounds(50_000);
    let (tx, mut rx) = mpsc::unbounded_channel();
    let thread = std::thread::spawn(move || (0..SENT).for_each(|n| tx.send(n).unwrap()));
    let mut received = 0;
    while received < SENT {
        let len = rx.len();
        assert!(len <= SENT - received, "{len} after {received}");
        received += usize::from(rx.try_recv().is_ok());
    }
    thread.join().unwrap();
    assert_eq!((rx.len(), rx.is_empty(), rx.is_closed()), (0, true, true));
}

/// `try_recv` sees what another thread has sent, though a third is in the middle of sending.
#[test]
fn what_was_sent_is_there() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let (go, gone) = std::sync::mpsc::channel();
    let noise: Vec<_> = (0..2)
        .map(|_| {
            let tx = tx.clone();
            let sent = yamanote_test::rounds(20_000);
            std::thread::spawn(move || (0..sent).for_each(|_| tx.send(None).unwrap()))
        })
        .collect();
    let sender = std::thread::spawn(move || {
        for n in 0..yamanote_test::rounds(2_000) {
            tx.send(Some(n)).unwrap();
            go.send(n).unwrap();
        }
    });
    let mut next = 0;
    for announced in gone {
        while next <= announced {
            match rx.try_recv() {
                Ok(Some(n)) => {
                    assert_eq!(n, next);
                    next += 1;
                }
                Ok(None) => {}
                Err(error) => panic!("{error} with {announced} sent"),
            }
        }
    }
    sender.join().unwrap();
    noise.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Closing races with sending: what was accepted is received, what was not comes back.
#[test]
fn closing_races_with_sending() {
    for _ in 0..yamanote_test::rounds(1_000) {
        let (tx, mut rx) = mpsc::unbounded_channel();
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let tx = tx.clone();
                std::thread::spawn(move || (0..10).filter(|n| tx.send(*n).is_ok()).count())
            })
            .collect();
        rx.close();
        let received = std::iter::from_fn(|| rx.blocking_recv()).count();
        let sent: usize = senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .sum();
        assert_eq!(received, sent);
        assert!(tx.is_closed());
    }
}

/// Every way to receive from an unbounded channel.
#[test]
fn an_unbounded_receiver_receives() {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let (tx, mut rx) = mpsc::unbounded_channel();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert!(rx.is_empty() && !rx.is_closed());
    assert!((0..9).all(|n| tx.send(n).is_ok()));
    assert_eq!(rx.len(), 9);
    let mut batch = Vec::with_capacity(3);
    assert_eq!(rx.poll_recv_many(&mut cx, &mut batch, 3), Poll::Ready(3));
    assert_eq!(rx.blocking_recv_many(&mut batch, 2), 2);
    assert_eq!(batch, [0, 1, 2, 3, 4]);
    assert_eq!(rx.poll_recv(&mut cx), Poll::Ready(Some(5)));
    assert_eq!(rx.try_recv(), Ok(6));
    assert_eq!(rx.blocking_recv(), Some(7));
    drop(tx);
    assert!(rx.is_closed() && !rx.is_empty());
    assert_eq!(rx.try_recv(), Ok(8));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(rx.blocking_recv_many(&mut batch, 2), 0);
}

#[test]
fn texts() {
    let (tx, rx) = mpsc::channel::<i32>(5);
    tx.try_send(1).unwrap();
    let text = format!("{tx:?}");
    assert!(text.starts_with("Sender { chan: Tx { inner: Chan { tx: Tx { block_tail: 0x"));
    let end = "tail_position: 1 }, semaphore: Semaphore { semaphore: Semaphore { permits: 4 }, \
               bound: 5 }, rx_waker: AtomicWaker, tx_count: 1, rx_fields: \"...\" } } }";
    assert!(text.ends_with(end), "{text}");
    assert!(format!("{rx:?}").starts_with("Receiver { chan: Rx { inner: Chan {"));
    assert_eq!(format!("{:?}", tx.downgrade()), "WeakSender");
    assert_eq!(
        format!("{:?}", mpsc::error::SendError(1)),
        "SendError { .. }"
    );
    assert_eq!(format!("{:?}", TrySendError::Full(1)), "Full(..)");
    assert_eq!(TrySendError::Full(1).to_string(), "no available capacity");
}
