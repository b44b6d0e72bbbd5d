//! Channels for one value: every order of steps against a naive channel, exact wake-ups, threads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use yamanote::sync::oneshot::error::TryRecvError;
use yamanote::sync::oneshot::{self, Receiver, Sender};
use yamanote_test::{CountingWaker, matrix};

/// Counts its drops.
#[derive(Debug, Clone)]
struct Value(Arc<AtomicUsize>);

impl Drop for Value {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Send,
    DropSender,
    PollClosed,
    Receive,
    TryReceive,
    Close,
    DropReceiver,
}

const STEPS: [Step; 7] = [
    Step::Send,
    Step::DropSender,
    Step::PollClosed,
    Step::Receive,
    Step::TryReceive,
    Step::Close,
    Step::DropReceiver,
];

/// What a channel is, without any cleverness.
#[derive(Default)]
struct Naive {
    value: bool,
    sender_through: bool,
    closed: bool,
    sender_waits: bool,
    receiver_waits: bool,
    sender_wakes: usize,
    receiver_wakes: usize,
}

impl Naive {
    fn sender_ends(&mut self) {
        if !self.sender_through && !self.closed && self.receiver_waits {
            self.receiver_wakes += 1;
        }
        self.sender_through = true;
    }

    fn close(&mut self) {
        if !self.sender_through && !self.closed && self.sender_waits {
            self.sender_wakes += 1;
        }
        self.closed = true;
    }
}

/// Runs one order of steps; steps of an end that is gone do nothing.
fn run(steps: &[Step]) {
    let drops = Arc::new(AtomicUsize::new(0));
    let (tx_waker, rx_waker) = (CountingWaker::new(), CountingWaker::new());
    let (tx, rx) = oneshot::channel();
    let (mut tx, mut rx): (Option<Sender<Value>>, Option<Receiver<Value>>) = (Some(tx), Some(rx));
    let mut naive = Naive::default();
    let mut values = 0;
    for step in steps {
        match step {
            Step::Send => {
                let Some(tx) = tx.take() else { continue };
                values += 1;
                let sent = tx.send(Value(drops.clone())).is_ok();
                assert_eq!(sent, !naive.closed, "{steps:?}");
                naive.value |= sent;
                naive.sender_ends();
            }
            Step::DropSender => {
                if tx.take().is_some() {
                    naive.sender_ends();
                }
            }
            Step::PollClosed => {
                let Some(tx) = &mut tx else { continue };
                let polled = tx.poll_closed(&mut Context::from_waker(&tx_waker.waker()));
                assert_eq!(polled.is_ready(), naive.closed, "{steps:?}");
                assert_eq!(tx.is_closed(), naive.closed, "{steps:?}");
                naive.sender_waits |= polled.is_pending();
            }
            Step::Receive | Step::TryReceive => {
                let Some(receiver) = &mut rx else { continue };
                if receiver.is_terminated() {
                    assert_eq!(receiver.try_recv().unwrap_err(), TryRecvError::Closed);
                    continue;
                }
                assert_eq!(receiver.is_empty(), !naive.value, "{steps:?}");
                let over = naive.sender_through || naive.closed;
                let received = match step {
                    Step::TryReceive => match receiver.try_recv() {
                        Ok(value) => Some(Ok(value)),
                        Err(TryRecvError::Closed) => Some(Err(())),
                        Err(TryRecvError::Empty) => None,
                    },
                    _ => {
                        let waker = rx_waker.waker();
                        match Pin::new(receiver).poll(&mut Context::from_waker(&waker)) {
                            Poll::Ready(received) => Some(received.map_err(drop)),
                            Poll::Pending => {
                                naive.receiver_waits = true;
                                None
                            }
                        }
                    }
                };
                assert_eq!(received.is_some(), over, "{steps:?}");
                if let Some(received) = received {
                    assert_eq!(received.is_ok(), naive.value, "{steps:?}");
                    naive.value = false;
                    assert!(rx.as_ref().unwrap().is_terminated());
                }
            }
            Step::Close => {
                if let Some(rx) = &mut rx {
                    if !rx.is_terminated() {
                        naive.close();
                    }
                    rx.close();
                }
            }
            Step::DropReceiver => {
                if let Some(rx) = rx.take() {
                    if !rx.is_terminated() {
                        naive.close();
                    }
                    naive.value = false;
                }
            }
        }
        assert_eq!(tx_waker.wakes(), naive.sender_wakes, "{steps:?}");
        assert_eq!(rx_waker.wakes(), naive.receiver_wakes, "{steps:?}");
        let gone = |end: bool, waker: &CountingWaker| {
            // An end that is gone, or was woken, has no waker in the channel.
            assert!(!end || waker.alive() == 0, "{steps:?}");
        };
        gone(tx.is_none() || naive.closed, &tx_waker);
        gone(rx.is_none() || naive.sender_through, &rx_waker);
    }
    drop((tx, rx));
    assert_eq!((tx_waker.alive(), rx_waker.alive()), (0, 0), "{steps:?}");
    assert_eq!(drops.load(SeqCst), values, "{steps:?}");
}

/// All orders of up to five steps: 19,607 of them.
#[test]
fn every_order_of_steps() {
    fn extend(steps: &mut Vec<Step>) {
        run(steps);
        if steps.len() < 5 {
            for step in STEPS {
                steps.push(step);
                extend(steps);
                steps.pop();
            }
        }
    }
    extend(&mut Vec::new());
}

/// The waker of the last poll is kept, and the same one is not cloned again.
#[test]
fn the_last_task_to_poll_is_woken() {
    let (first, second) = (CountingWaker::new(), CountingWaker::new());
    let (tx, mut rx) = oneshot::channel();
    for waker in [
        &first.waker(),
        &first.waker(),
        &second.waker(),
        &second.waker(),
    ] {
        assert!(
            Pin::new(&mut rx)
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    assert_eq!((first.alive(), second.alive()), (0, 1));
    tx.send(1).unwrap();
    assert_eq!((first.wakes(), second.wakes(), second.alive()), (0, 1, 0));
}

/// A race that Tokio lost once: closing, or dropping, while the other end ends.
#[test]
fn ends_that_race_share_one_value() {
    let drops = Arc::new(AtomicUsize::new(0));
    const ROUNDS: usize = yamanote_test::rounds(5_000);
    for round in 0..ROUNDS {
        let (tx, mut rx) = oneshot::channel();
        let value = Value(drops.clone());
        let sender = std::thread::spawn(move || tx.send(value).is_ok());
        let received = match round % 3 {
            0 => {
                rx.close();
                Some(rx.try_recv().is_ok())
            }
            1 => {
                drop(rx);
                None
            }
            _ => Some(rx.blocking_recv().is_ok()),
        };
        let sent = sender.join().unwrap();
        assert!(received.is_none_or(|received| received == sent));
        assert_eq!(drops.load(SeqCst), round + 1);
    }
}

matrix! {
    async fn questions_and_answers() {
        let mut answers = Vec::new();
        for n in 0..yamanote_test::rounds(500) {
            let (question, asked) = oneshot::channel();
            let (answer, answered) = oneshot::channel();
            yamanote::spawn(async move { answer.send(asked.await.unwrap() * 2) });
            yamanote::spawn(async move { question.send(n) });
            answers.push(answered);
        }
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.await, Ok(n * 2));
        }
    }

    /// Polled in turns with something else, and dropped: the value goes to the next receive.
    async fn a_cancelled_wait_loses_nothing() {
        let (tx, mut rx) = oneshot::channel();
        let sender = yamanote::spawn(async move {
            yamanote::task::yield_now().await;
            tx.send("kept").unwrap();
        });
        let mut turns = 0;
        let value = loop {
            turns += 1;
            assert!(turns < 1_000_000);
            yamanote::select! {
                biased;
                () = yamanote::task::yield_now() => {}
                value = &mut rx => break value,
            }
            if sender.is_finished() {
                break (&mut rx).await;
            }
        };
        assert_eq!(value, Ok("kept"));
        sender.await.unwrap();
    }

    async fn receiving_spends_budget() {
        let spent = yamanote::spawn(async {
            yamanote::task::yield_now().await;
            let mut count = 0;
            std::future::poll_fn(|cx| {
                loop {
                    let (tx, mut rx) = oneshot::channel();
                    tx.send(()).unwrap();
                    if Pin::new(&mut rx).poll(cx).is_pending() {
                        return Poll::Ready(());
                    }
                    count += 1;
                }
            })
            .await;
            count
        });
        assert_eq!(spent.await.unwrap(), 128);
    }

    async fn blocking_is_refused_in_a_runtime() {
        let (_tx, rx) = oneshot::channel::<()>();
        let blocked = std::panic::AssertUnwindSafe(|| rx.blocking_recv());
        let panic = std::panic::catch_unwind(blocked).unwrap_err();
        let text = panic.downcast_ref::<&str>().copied().unwrap();
        assert!(text.starts_with("Cannot block the current thread from within a runtime."));
    }
}

#[test]
#[should_panic(expected = "called after complete")]
fn polled_after_its_end_it_panics() {
    let (tx, mut rx) = oneshot::channel();
    tx.send(1).unwrap();
    rx.try_recv().unwrap();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let _ = Pin::new(&mut rx).poll(&mut cx);
}

#[test]
fn debug_texts() {
    let (tx, rx) = oneshot::channel::<i32>();
    let state = "Inner { state: State { is_complete: false, is_closed: false, \
                 is_rx_task_set: false, is_tx_task_set: false } }";
    assert_eq!(
        format!("{tx:?}"),
        format!("Sender {{ inner: Some({state}) }}")
    );
    assert_eq!(
        format!("{rx:?}"),
        format!("Receiver {{ inner: Some({state}) }}")
    );
}

/// The value's drop may panic or use the other end's channel; nothing is dropped twice.
#[test]
fn a_value_whose_drop_panics() {
    struct Bomb(Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            panic!("told to");
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let (tx, rx) = oneshot::channel();
    assert!(tx.send(Bomb(drops.clone())).is_ok());
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(rx)));
    assert!(dropped.is_err());
    assert_eq!(drops.load(SeqCst), 1);
}
