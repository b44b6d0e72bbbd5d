//! `broadcast`: everybody gets every value once and in order, or is told how many they missed.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;
use yamanote::sync::broadcast::error::{RecvError, SendError, TryRecvError};
use yamanote::sync::broadcast::{self, Receiver, Sender};
use yamanote_test::{CountingWaker, matrix};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[test]
fn texts() {
    let (sender, receiver) = broadcast::channel::<u32>(1);
    assert_eq!(
        format!("{sender:?} {receiver:?} {:?}", sender.downgrade()),
        "broadcast::Sender broadcast::Receiver broadcast::WeakSender"
    );
    assert_eq!(
        format!("{0} {0:?}", SendError(1)),
        "channel closed SendError(1)"
    );
    assert_eq!(
        format!("{0} {0:?}", RecvError::Lagged(3)),
        "channel lagged by 3 Lagged(3)"
    );
    assert_eq!(RecvError::Closed.to_string(), "channel closed");
    let texts = [
        TryRecvError::Empty,
        TryRecvError::Closed,
        TryRecvError::Lagged(2),
    ];
    assert_eq!(
        texts.map(|error| error.to_string()),
        ["channel empty", "channel closed", "channel lagged by 2"]
    );
}

#[test]
fn capacities_that_cannot_be() {
    for (capacity, text) in [
        (0, "broadcast channel capacity cannot be zero"),
        (
            usize::MAX / 2 + 1,
            "broadcast channel capacity exceeded `usize::MAX / 2`",
        ),
    ] {
        let panic = catch_unwind(|| broadcast::channel::<u32>(capacity)).unwrap_err();
        assert_eq!(*panic.downcast::<&str>().unwrap(), text);
        assert!(catch_unwind(|| Sender::<u32>::new(capacity)).is_err());
    }
}

#[test]
fn values_are_dropped_by_the_last_reader_the_overwriter_or_the_channel() {
    let value = Arc::new(());
    let count = || Arc::strong_count(&value) - 1;
    let (sender, mut first) = broadcast::channel(2);
    let mut second = sender.subscribe();
    for _ in 0..2 {
        sender.send(value.clone()).unwrap();
    }
    drop(first.try_recv().unwrap());
    assert_eq!(count(), 2);
    drop(second.try_recv().unwrap());
    assert_eq!(count(), 1);
    // Two more overwrite one that both receivers have yet to read.
    sender.send(value.clone()).unwrap();
    sender.send(value.clone()).unwrap();
    assert_eq!(count(), 2);
    assert_eq!(first.try_recv(), Err(TryRecvError::Lagged(1)));
    drop(first);
    assert_eq!(count(), 2);
    drop(second);
    assert_eq!((count(), sender.len()), (0, 0));
    assert!(sender.send(value.clone()).is_err());
    let _receiver = sender.subscribe();
    sender.send(value.clone()).unwrap();
    drop(_receiver);
    assert_eq!(count(), 0);
}

/// The drop of a value may use the channel, whichever end drops it.
#[test]
fn drops_run_outside_the_locks() {
    struct Sends(Option<Sender<Sends>>, Arc<AtomicUsize>);
    impl Clone for Sends {
        fn clone(&self) -> Self {
            Sends(None, self.1.clone())
        }
    }
    impl Drop for Sends {
        fn drop(&mut self) {
            if let Some(sender) = self.0.take() {
                self.1.fetch_add(1, SeqCst);
                let _ = sender.len();
                let _ = sender.send(Sends(None, self.1.clone()));
            }
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, mut receiver) = broadcast::channel(1);
    let sends = || Sends(Some(sender.clone()), drops.clone());
    // Overwritten.
    sender.send(sends()).ok().unwrap();
    sender.send(sends()).ok().unwrap();
    assert_eq!(
        drops.load(SeqCst),
        2,
        "the drop of the first overwrote the second"
    );
    // Read by the last.
    receiver = receiver.resubscribe();
    sender.send(sends()).ok().unwrap();
    assert!(receiver.try_recv().is_ok());
    assert_eq!(drops.load(SeqCst), 3);
    // The last receiver goes.
    receiver = receiver.resubscribe();
    sender.send(sends()).ok().unwrap();
    drop(receiver);
    assert_eq!(drops.load(SeqCst), 4);
}

#[test]
fn a_panicking_clone_counts_as_read_and_poisons_nothing() {
    #[derive(Debug, PartialEq)]
    struct Panics(bool);
    impl Clone for Panics {
        fn clone(&self) -> Self {
            assert!(!self.0, "as the test wants");
            Panics(false)
        }
    }
    let (sender, mut receiver) = broadcast::channel(4);
    sender.send(Panics(true)).unwrap();
    sender.send(Panics(false)).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| receiver.try_recv())).is_err());
    assert_eq!((receiver.len(), sender.len()), (1, 1));
    assert_eq!(receiver.try_recv(), Ok(Panics(false)));
    sender.send(Panics(true)).unwrap();
    {
        let mut recv = pin!(receiver.recv());
        let panicked = catch_unwind(AssertUnwindSafe(|| poll(recv.as_mut(), Waker::noop())));
        assert!(panicked.is_err());
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    for _ in 0..4 {
        sender.send(Panics(false)).unwrap();
    }
    assert_eq!(receiver.try_recv(), Ok(Panics(false)));
}

/// A value whose drop panics while its last receiver is dropped: the rest is given back all the
/// same, and senders learn of it.
#[test]
fn a_panicking_drop_leaves_nothing_behind() {
    #[derive(Clone)]
    struct Panics(Arc<AtomicUsize>, bool);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            assert!(!self.1, "as the test wants");
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = broadcast::channel(4);
    for number in 0..4 {
        sender
            .send(Panics(drops.clone(), number == 1))
            .ok()
            .unwrap();
    }
    let waker = CountingWaker::new();
    let mut closed = pin!(sender.closed());
    assert!(poll(closed.as_mut(), &waker.waker()).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(receiver))).is_err());
    assert_eq!((drops.load(SeqCst), sender.len(), waker.wakes()), (4, 0, 1));
    assert!(poll(closed, Waker::noop()).is_ready());
}

/// Never polled, waiting, woken: a `recv` that is dropped has taken nothing.
#[test]
fn dropped_in_every_state_no_value_is_lost() {
    let (sender, mut receiver) = broadcast::channel(4);
    drop(receiver.recv());
    let waker = CountingWaker::new();
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(recv.as_mut(), &waker.waker()).is_pending());
    drop(recv);
    assert_eq!((waker.wakes(), waker.alive()), (0, 0));
    let mut recv = Box::pin(receiver.recv());
    assert!(poll(recv.as_mut(), &waker.waker()).is_pending());
    sender.send(1).unwrap();
    assert_eq!((waker.wakes(), waker.alive()), (1, 0));
    drop(recv);
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn who_waits_is_woken_once_by_the_first_value() {
    let (sender, receiver) = broadcast::channel(4);
    let mut receivers: Vec<_> = (0..50).map(|_| receiver.resubscribe()).collect();
    let wakers: Vec<_> = (0..50).map(|_| CountingWaker::new()).collect();
    let mut futures: Vec<_> = receivers.iter_mut().map(|rx| Box::pin(rx.recv())).collect();
    for (future, waker) in futures.iter_mut().zip(&wakers) {
        for _ in 0..2 {
            assert!(poll(future.as_mut(), &waker.waker()).is_pending());
        }
    }
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    for (future, waker) in futures.iter_mut().zip(&wakers) {
        assert_eq!((waker.wakes(), waker.alive()), (1, 0));
        assert_eq!(poll(future.as_mut(), &waker.waker()), Poll::Ready(Ok(1)));
    }
    drop(futures);
    // Closing wakes too.
    assert_eq!(receivers[0].try_recv(), Ok(2));
    drop(receiver);
    let mut recv = pin!(receivers[0].recv());
    let waker = CountingWaker::new();
    assert!(poll(recv.as_mut(), &waker.waker()).is_pending());
    drop(sender);
    assert_eq!(waker.wakes(), 1);
    assert_eq!(
        poll(recv, Waker::noop()),
        Poll::Ready(Err(RecvError::Closed))
    );
}

/// One of many wakers panics: the others are woken, and the channel works on.
#[test]
fn a_panicking_waker_takes_nobody_with_it() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("as the test wants");
        }
    }
    let (sender, receiver) = broadcast::channel(4);
    let mut receivers: Vec<_> = (0..50).map(|_| receiver.resubscribe()).collect();
    let counting = CountingWaker::new();
    let mut futures: Vec<_> = receivers.iter_mut().map(|rx| Box::pin(rx.recv())).collect();
    for (number, future) in futures.iter_mut().enumerate() {
        let waker = match number {
            20 => Waker::from(Arc::new(Panics)),
            _ => counting.waker(),
        };
        assert!(poll(future.as_mut(), &waker).is_pending());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| sender.send(1))).is_err());
    assert_eq!((counting.wakes(), counting.alive()), (49, 0));
    for future in &mut futures {
        assert_eq!(poll(future.as_mut(), Waker::noop()), Poll::Ready(Ok(1)));
    }
}

#[test]
fn opened_again_it_works_again() {
    let (sender, receiver) = broadcast::channel(2);
    drop(receiver);
    assert!(sender.send(1).is_err());
    let mut receiver = sender.subscribe();
    let mut recv = Box::pin(receiver.recv());
    let waker = CountingWaker::new();
    assert!(poll(recv.as_mut(), &waker.waker()).is_pending());
    sender.send(2).unwrap();
    assert_eq!(waker.wakes(), 1);
    assert_eq!(poll(recv.as_mut(), Waker::noop()), Poll::Ready(Ok(2)));
}

#[test]
fn weak_senders_do_not_keep_it_open() {
    let (sender, mut receiver) = broadcast::channel(2);
    let weak = sender.downgrade();
    let other = weak.clone();
    assert_eq!((weak.strong_count(), weak.weak_count()), (1, 2));
    let strong = weak.upgrade().unwrap();
    drop((sender, other));
    assert_eq!(
        (receiver.sender_strong_count(), receiver.sender_weak_count()),
        (1, 1)
    );
    strong.send(1).unwrap();
    drop(strong);
    assert!(weak.upgrade().is_none());
    assert!(receiver.is_closed());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn blocking_is_refused_inside_a_runtime_only() {
    let (sender, mut receiver) = broadcast::channel(2);
    sender.send(1).unwrap();
    assert_eq!(receiver.blocking_recv(), Ok(1));
    let runtime = yamanote::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { receiver.blocking_recv() })
    }))
    .unwrap_err();
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap();
    assert!(text.starts_with("Cannot block the current thread from within a runtime."));
    let reader = std::thread::spawn(move || receiver.blocking_recv());
    sender.send(2).unwrap();
    assert_eq!(reader.join().unwrap(), Ok(2));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Send,
    Receive(usize),
    Subscribe,
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Send),
        5 => (0..4usize).prop_map(Step::Receive),
        1 => Just(Step::Subscribe),
        1 => (0..4usize).prop_map(Step::Drop),
    ]
}

/// The naive version of a receiver: its own queue of what is left, and what it missed.
#[derive(Default)]
struct Naive {
    unread: VecDeque<u64>,
    missed: u64,
}

proptest! {
    #[test]
    fn as_the_naive_version(capacity in 1..5usize, steps in proptest::collection::vec(step(), 1..80)) {
        let held = capacity.next_power_of_two();
        let sender = Sender::new(capacity);
        let mut receivers: Vec<(Receiver<u64>, Naive)> = Vec::new();
        let mut sent = 0;
        for step in steps {
            match step {
                Step::Send => {
                    sent += 1;
                    let result = sender.send(sent).map_err(|error| error.0);
                    let expected = if receivers.is_empty() { Err(sent) } else { Ok(receivers.len()) };
                    prop_assert_eq!(result, expected);
                    for (_, naive) in &mut receivers {
                        naive.unread.push_back(sent);
                        if naive.unread.len() > held {
                            naive.unread.pop_front();
                            naive.missed += 1;
                        }
                    }
                }
                Step::Receive(at) if at < receivers.len() => {
                    let (receiver, naive) = &mut receivers[at];
                    prop_assert_eq!(receiver.len() as u64, naive.unread.len() as u64 + naive.missed);
                    let expected = match std::mem::take(&mut naive.missed) {
                        0 => naive.unread.pop_front().ok_or(TryRecvError::Empty),
                        missed => Err(TryRecvError::Lagged(missed)),
                    };
                    prop_assert_eq!(receiver.try_recv(), expected);
                }
                Step::Subscribe => receivers.push((sender.subscribe(), Naive::default())),
                Step::Drop(at) if at < receivers.len() => drop(receivers.swap_remove(at)),
                _ => {}
            }
            let longest = receivers.iter().map(|(_, naive)| naive.unread.len()).max();
            prop_assert_eq!(sender.len(), longest.unwrap_or(0));
            prop_assert_eq!(sender.is_empty(), longest.unwrap_or(0) == 0);
            prop_assert_eq!(sender.receiver_count(), receivers.len());
        }
    }
}

matrix! {
    // Each receiver reads or misses every value; those of one sender come in order.
    async fn every_value_reaches_everybody() {
        const EACH: u64 = 300;
        let (sender, receiver) = broadcast::channel(16);
        let receivers: Vec<_> = (0..6)
            .map(|_| {
                let mut receiver = receiver.resubscribe();
                yamanote::spawn(async move {
                    let mut last = [0; 2];
                    let mut got = 0;
                    loop {
                        match receiver.recv().await {
                            Ok((from, value)) => {
                                let from: usize = from;
                                assert!(value > last[from]);
                                last[from] = value;
                                got += 1;
                            }
                            Err(RecvError::Lagged(missed)) => got += missed,
                            Err(RecvError::Closed) => return got,
                        }
                    }
                })
            })
            .collect();
        drop(receiver);
        let senders = [(0, sender.clone()), (1, sender)].map(|(from, sender)| {
            yamanote::spawn(async move {
                for value in 1..=EACH {
                    sender.send((from, value)).unwrap();
                    if value % 8 == 0 {
                        yamanote::task::yield_now().await;
                    }
                }
            })
        });
        for sender in senders {
            sender.await.unwrap();
        }
        for receiver in receivers {
            assert_eq!(receiver.await.unwrap(), 2 * EACH);
        }
    }

    // Receivers come and go during the sending; in the end nothing is left unread.
    async fn receivers_come_and_go() {
        let sender = Sender::new(8);
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let sender: Sender<u64> = sender.clone();
                yamanote::spawn(async move {
                    for round in 0..100 {
                        let mut receiver = sender.subscribe();
                        sender.send(number * 1000 + round).unwrap();
                        if round % 3 != 0 {
                            assert!(matches!(receiver.recv().await, Ok(_) | Err(RecvError::Lagged(_))));
                        }
                        if round % 5 == 0 {
                            yamanote::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        sender.closed().await;
        assert!(sender.is_empty());
    }
}
