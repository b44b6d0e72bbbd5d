//! Every interleaving of delivering, clearing, waiting and releasing.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::source::Source;
use super::{Direction, Interest, Ready};
use crate::util::wake_list::WakeList;

/// Outside loom's view on purpose: it only counts, and is read after the join.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn deliver(source: &Source, ready: Ready) {
    let mut wakers = WakeList::new();
    assert!(source.deliver(0, ready, &mut wakers));
}

/// A kernel in which a byte arrives: `data` first, then the event.
struct Kernel {
    data: loom::sync::atomic::AtomicUsize,
}

impl Kernel {
    fn new() -> Self {
        Kernel {
            data: loom::sync::atomic::AtomicUsize::new(0),
        }
    }

    fn send(&self, source: &Source) {
        self.data.fetch_add(1, Ordering::SeqCst);
        deliver(source, Ready::READABLE);
    }

    /// Everything there is, or `None` for `WouldBlock`.
    fn receive(&self) -> Option<usize> {
        match self.data.swap(0, Ordering::SeqCst) {
            0 => None,
            bytes => Some(bytes),
        }
    }
}

/// Polls as a socket does: `Some` of what was read, or `None` with a waker left behind.
fn poll_read(source: &Source, kernel: &Kernel, cx: &mut Context<'_>) -> Option<usize> {
    loop {
        let Poll::Ready(event) = source.poll_ready(cx, Direction::Read) else {
            return None;
        };
        match kernel.receive() {
            Some(bytes) => return Some(bytes),
            None => source.clear(event),
        }
    }
}

/// Two events from two draining threads against one reader: once all is quiet, either the reader
/// got every byte or it was woken for the rest.
#[test]
fn loom_readiness_event_against_poll_and_clear() {
    // Three threads in all: every interleaving takes minutes, every one with three preemptions
    // none.
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(3);
    model.check(|| {
        let source = loom::sync::Arc::new(Source::new());
        let kernel = loom::sync::Arc::new(Kernel::new());
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let (source, kernel) = (source.clone(), kernel.clone());
                loom::thread::spawn(move || kernel.send(&source))
            })
            .collect();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut received = 0;
        while let Some(bytes) = poll_read(&source, &kernel, &mut cx) {
            received += bytes;
        }
        for sender in senders {
            sender.join().unwrap();
        }
        if received < 2 {
            assert_eq!(count.0.load(Ordering::SeqCst), 1, "asleep beside its data");
            received += poll_read(&source, &kernel, &mut cx).expect("readiness was cleared away");
        }
        assert_eq!(received, 2);
    });
}

/// The same for a future in the list of waiters, beside one that leaves.
#[test]
fn loom_readiness_event_against_waiters() {
    loom::model(|| {
        let source = loom::sync::Arc::new(Source::new());
        let driver = {
            let source = source.clone();
            loom::thread::spawn(move || deliver(&source, Ready::READABLE))
        };
        let leaver = {
            let source = source.clone();
            loom::thread::spawn(move || {
                let mut wait = source.wait(Interest::READABLE);
                let mut cx = Context::from_waker(Waker::noop());
                let _ = std::pin::Pin::new(&mut wait).poll(&mut cx);
            })
        };
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut wait = source.wait(Interest::READABLE);
        let first = std::pin::Pin::new(&mut wait).poll(&mut cx);
        driver.join().unwrap();
        leaver.join().unwrap();
        if first.is_pending() {
            assert_eq!(count.0.load(Ordering::SeqCst), 1);
            assert!(std::pin::Pin::new(&mut wait).poll(&mut cx).is_ready());
        }
        drop(wait);
    });
}

/// A late event of a former registration neither marks nor wakes the next one.
#[test]
fn loom_readiness_late_event_after_release() {
    loom::model(|| {
        let source = loom::sync::Arc::new(Source::new());
        let driver = {
            let source = source.clone();
            loom::thread::spawn(move || {
                let mut wakers = WakeList::new();
                source.deliver(0, Ready::READABLE, &mut wakers)
            })
        };
        source.release();
        let event = source.look(Interest::READABLE);
        driver.join().unwrap();
        assert!(event.ready.is_empty());
        assert!(source.look(Interest::READABLE).ready.is_empty());
    });
}

/// Shutdown against a task that begins to wait.
#[test]
fn loom_readiness_shutdown_against_poll() {
    loom::model(|| {
        let source = loom::sync::Arc::new(Source::new());
        let driver = {
            let source = source.clone();
            loom::thread::spawn(move || {
                let mut wakers = WakeList::new();
                source.shut_down(&mut wakers);
            })
        };
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let first = source.poll_ready(&mut cx, Direction::Write);
        driver.join().unwrap();
        match first {
            Poll::Ready(event) => assert!(event.is_shutdown),
            Poll::Pending => assert_eq!(count.0.load(Ordering::SeqCst), 1),
        }
        let again = source.poll_ready(&mut cx, Direction::Write);
        assert!(matches!(again, Poll::Ready(event) if event.is_shutdown));
    });
}
