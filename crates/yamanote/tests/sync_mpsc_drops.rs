//! Values that are dropped with their channel: they may use it, may panic, and are not kept for
//! ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use yamanote::sync::mpsc;

/// Values that use the channel when they are dropped with it.
#[test]
fn values_may_use_the_channel_they_die_in() {
    enum Value {
        Sends(mpsc::UnboundedSender<Value>, Arc<AtomicUsize>),
        Promises(Option<mpsc::OwnedPermit<Value>>, Arc<AtomicUsize>),
        Plain(Arc<AtomicUsize>),
    }
    impl Drop for Value {
        fn drop(&mut self) {
            match self {
                Value::Sends(tx, drops) => {
                    assert!(tx.send(Value::Plain(drops.clone())).is_err());
                    drops.fetch_add(1, SeqCst);
                }
                Value::Promises(permit, drops) => {
                    permit.take().unwrap().send(Value::Plain(drops.clone()));
                    drops.fetch_add(1, SeqCst);
                }
                Value::Plain(drops) => {
                    drops.fetch_add(1, SeqCst);
                }
            }
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let (tx, rx) = mpsc::unbounded_channel();
    for _ in 0..40 {
        assert!(tx.send(Value::Sends(tx.clone(), drops.clone())).is_ok());
    }
    drop(rx);
    drop(tx);
    assert_eq!(drops.swap(0, SeqCst), 80);

    let (tx, rx) = mpsc::channel(80);
    for _ in 0..40 {
        let permit = tx.clone().try_reserve_owned().unwrap();
        assert!(
            tx.try_send(Value::Promises(Some(permit), drops.clone()))
                .is_ok()
        );
    }
    drop(rx);
    drop(tx);
    assert_eq!(drops.load(SeqCst), 80);
}

/// A drop that panics does not keep the other values, nor the room they had.
#[test]
fn a_value_whose_drop_panics() {
    struct Bomb(bool, Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.1.fetch_add(1, SeqCst);
            assert!(!self.0, "told to");
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let (tx, rx) = mpsc::channel(100);
    for n in 0..100 {
        assert!(tx.try_send(Bomb(n == 40, drops.clone())).is_ok());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(rx))).is_err());
    assert_eq!(drops.load(SeqCst), 100);
    assert_eq!(tx.capacity(), 100);
    assert!(tx.is_closed());
}

/// A value that a permit sends to nobody is dropped with the channel; weak senders do not keep it.
#[test]
fn a_permit_outlives_the_receiver() {
    let value = Arc::new(());
    let (tx, rx) = mpsc::channel(1);
    let permit = tx.try_reserve_owned().unwrap();
    drop(rx);
    let tx = permit.send(value.clone());
    drop(tx);
    assert_eq!(Arc::strong_count(&value), 1);
}
