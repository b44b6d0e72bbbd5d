//! What channels take from the heap, in a process with nothing else.

use std::pin::pin;
use std::task::{Context, Waker};

use yamanote::sync::{Notify, broadcast, mpsc, oneshot, watch};
use yamanote_test::CountingAlloc;

#[global_allocator]
static HEAP: CountingAlloc = CountingAlloc::new();

fn allocations<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = HEAP.allocations();
    let result = work();
    (result, HEAP.allocations() - before)
}

/// Only one test: a second one would allocate beside it.
#[test]
fn channels_allocate_once_and_values_never() {
    let mut cx = Context::from_waker(Waker::noop());

    let ((), count) = allocations(|| {
        let (tx, rx) = oneshot::channel();
        let mut rx = pin!(rx);
        assert!(rx.as_mut().poll(&mut cx).is_pending());
        tx.send([1; 100]).unwrap();
        assert!(rx.as_mut().poll(&mut cx).is_ready());
    });
    assert_eq!(count, 1);

    // The channel, its first block, and the block that alternates with it.
    let ((), count) = allocations(|| {
        let (tx, mut rx) = mpsc::unbounded_channel();
        for n in 0..10_000 {
            assert!(rx.poll_recv(&mut cx).is_pending());
            tx.send([n; 10]).unwrap();
            assert!(rx.poll_recv(&mut cx).is_ready());
        }
    });
    assert_eq!(count, 3);

    let ((), count) = allocations(|| {
        let (tx, mut rx) = mpsc::channel(20);
        for n in 0..1_000 {
            for _ in 0..20 {
                tx.try_send([n; 10]).unwrap();
            }
            assert!(tx.try_send([n; 10]).is_err());
            while rx.try_recv().is_ok() {}
        }
    });
    assert_eq!(count, 3);

    // A long queue takes a block for 32 values and gives back all but one.
    let (tx, mut rx) = mpsc::unbounded_channel();
    let empty = HEAP.live_bytes();
    for n in 0..32_000_u64 {
        tx.send(n).unwrap();
    }
    let full = HEAP.live_bytes() - empty;
    assert!(full < 32_000 * 10, "{full} bytes for 32,000 values of 8");
    // While the queue empties: what is still queued does not keep what was received.
    for n in 0..16_000 {
        assert_eq!(rx.try_recv(), Ok(n));
    }
    let half = HEAP.live_bytes() - empty;
    assert!(
        half < full * 11 / 20,
        "{half} of {full} bytes for half of it"
    );
    while rx.try_recv().is_ok() {}
    let left = HEAP.live_bytes().saturating_sub(empty);
    assert!(left < 1_000, "{left} bytes left");
    drop((tx, rx));

    // Waiters stand in lists through their futures, wakers that are being called are on the stack.
    let ((), count) = allocations(|| {
        let notify = Notify::new();
        for _ in 0..100 {
            let (mut first, mut second) = (pin!(notify.notified()), pin!(notify.notified()));
            assert!(first.as_mut().poll(&mut cx).is_pending());
            assert!(second.as_mut().poll(&mut cx).is_pending());
            notify.notify_waiters();
            assert!(first.poll(&mut cx).is_ready());
            assert!(second.poll(&mut cx).is_ready());
        }
    });
    assert_eq!(count, 0);

    let ((), count) = allocations(|| {
        let (tx, mut rx) = watch::channel(0);
        for n in 0..100 {
            let mut changed = pin!(rx.changed());
            assert!(changed.as_mut().poll(&mut cx).is_pending());
            tx.send(n).unwrap();
            assert!(changed.poll(&mut cx).is_ready());
        }
    });
    assert_eq!(count, 1);

    // The channel and its cells.
    let ((), count) = allocations(|| {
        let (tx, mut rx) = broadcast::channel(4);
        for n in 0..100 {
            let mut recv = pin!(rx.recv());
            assert!(recv.as_mut().poll(&mut cx).is_pending());
            tx.send(n).unwrap();
            assert!(recv.poll(&mut cx).is_ready());
        }
    });
    assert_eq!(count, 2);
}
