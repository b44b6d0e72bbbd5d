//! `RwLock`: readers together, writers alone, in the order they came.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::thread;

use yamanote::sync::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
use yamanote_test::{CountingWaker, matrix};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[derive(PartialEq, Eq, Debug)]
enum Held {
    Free,
    ByReaders,
    ByAWriter,
}

fn held<T: ?Sized>(lock: &RwLock<T>) -> Held {
    let readable = lock.try_read().is_ok();
    let writable = lock.try_write().is_ok();
    match (readable, writable) {
        (true, true) => Held::Free,
        (true, false) => Held::ByReaders,
        (false, _) => Held::ByAWriter,
    }
}

#[test]
fn a_writer_that_waits_is_not_overtaken_and_its_going_lets_readers_in() {
    let lock = RwLock::new(0);
    let reads = lock.try_read().unwrap();
    let (writer, reader) = (CountingWaker::new(), CountingWaker::new());
    let mut write = Box::pin(lock.write());
    assert!(poll(write.as_mut(), &writer.waker()).is_pending());
    let mut late: Vec<_> = (0..20).map(|_| Box::pin(lock.read())).collect();
    for read in &mut late {
        assert!(poll(read.as_mut(), &reader.waker()).is_pending());
    }
    assert!(lock.try_read().is_err());
    drop(write);
    assert_eq!((writer.wakes(), reader.wakes()), (0, 20));
    let late: Vec<_> = late
        .iter_mut()
        .map(|read| poll(read.as_mut(), &reader.waker()))
        .collect();
    assert!(late.iter().all(Poll::is_ready));
    drop(reads);
    assert_eq!(held(&lock), Held::ByReaders);
    drop(late);
    assert_eq!(held(&lock), Held::Free);
    assert_eq!((writer.alive(), reader.alive()), (0, 0));
}

/// Dropped in each state: never polled, waiting with some permits, woken but not polled since.
#[test]
fn dropped_in_every_state_the_next_gets_the_lock() {
    for called in [false, true] {
        for next_writes in [false, true] {
            let lock = RwLock::with_max_readers(0, 3);
            drop((lock.read(), lock.write()));
            let (one, other) = (lock.try_read().unwrap(), lock.try_read().unwrap());
            let (first, next) = (CountingWaker::new(), CountingWaker::new());
            let mut gives_up = Box::pin(lock.write());
            assert!(poll(gives_up.as_mut(), &first.waker()).is_pending());
            let mut waits: Pin<Box<dyn Future<Output = ()>>> = match next_writes {
                true => Box::pin(async { drop(lock.write().await) }),
                false => Box::pin(async { drop(lock.read().await) }),
            };
            assert!(poll(waits.as_mut(), &next.waker()).is_pending());
            drop(one);
            if called {
                drop(other);
                assert_eq!((first.wakes(), next.wakes()), (1, 0));
                drop(gives_up);
            } else {
                drop(gives_up);
                assert_eq!(
                    (first.wakes(), next.wakes()),
                    (0, usize::from(!next_writes))
                );
                drop(other);
            }
            assert_eq!((next.wakes(), first.alive()), (1, 0));
            assert!(poll(waits.as_mut(), &next.waker()).is_ready());
            assert_eq!(held(&lock), Held::Free);
        }
    }
}

#[test]
fn as_many_readers_as_it_says() {
    let lock = RwLock::with_max_readers((), 2);
    let two = (lock.try_read().unwrap(), lock.try_read().unwrap());
    let mut third = pin!(lock.read());
    assert!(poll(third.as_mut(), Waker::noop()).is_pending());
    drop(two.0);
    assert!(poll(third.as_mut(), Waker::noop()).is_ready());
    drop(two.1);
    assert_eq!(held(&lock), Held::Free);
}

#[test]
fn wrong_numbers_of_readers_are_refused() {
    let text = |readers| {
        let error = catch_unwind(|| RwLock::with_max_readers((), readers)).unwrap_err();
        error.downcast::<String>().map_or_else(
            |e| (*e.downcast::<&str>().unwrap()).to_owned(),
            |text| *text,
        )
    };
    assert!(text(0).contains("a RwLock may not be created with 0 readers"));
    assert_eq!(
        text((u32::MAX >> 3) + 1),
        "a RwLock may not be created with more than 536870911 readers"
    );
}

#[test]
fn a_writer_becomes_a_reader_without_letting_a_writer_in() {
    let lock = Arc::new(RwLock::new((1, 2)));
    let (writer, reader) = (CountingWaker::new(), CountingWaker::new());
    for way in 0..4 {
        let mut writes = lock.try_write().unwrap();
        writes.0 += 1;
        let expected = writes.0;
        let mut read = Box::pin(lock.read());
        let mut write = Box::pin(lock.write());
        assert!(poll(read.as_mut(), &reader.waker()).is_pending());
        assert!(poll(write.as_mut(), &writer.waker()).is_pending());
        let reads = match way {
            0 => RwLockReadGuard::map(writes.downgrade(), |pair| &pair.0),
            1 => RwLockWriteGuard::downgrade_map(writes, |pair| &pair.0),
            2 => RwLockWriteGuard::try_downgrade_map(writes, |pair| Some(&pair.0)).unwrap(),
            _ => {
                let writes =
                    RwLockWriteGuard::try_downgrade_map(writes, |_| None::<&i32>).unwrap_err();
                assert_eq!(reader.wakes(), way);
                RwLockWriteGuard::downgrade_map(writes, |pair| &pair.0)
            }
        };
        assert_eq!(*reads, expected);
        assert_eq!((reader.wakes(), writer.wakes()), (way + 1, way));
        assert!(poll(read.as_mut(), &reader.waker()).is_ready());
        drop(reads);
        assert_eq!(writer.wakes(), way + 1);
        assert!(poll(write.as_mut(), &writer.waker()).is_ready());
        assert_eq!(held(&lock), Held::Free);
    }
}

#[test]
fn guards_narrow_and_stay_locked() {
    let lock = RwLock::new((1, vec![2, 3]));
    let reads = RwLockReadGuard::map(lock.try_read().unwrap(), |pair| &pair.1);
    let reads = RwLockReadGuard::try_map(reads, |_| None::<&()>).unwrap_err();
    let reads = RwLockReadGuard::try_map(reads, |list| list.get(1)).unwrap();
    assert_eq!(format!("{reads} {reads:?}"), "3 3");
    assert_eq!(held(&lock), Held::ByReaders);
    drop(reads);

    let writes = RwLockWriteGuard::into_mapped(lock.try_write().unwrap());
    let writes = RwLockMappedWriteGuard::map(writes, |pair| &mut pair.1);
    let writes = RwLockMappedWriteGuard::try_map(writes, |_| None::<&mut ()>).unwrap_err();
    let mut writes = RwLockMappedWriteGuard::try_map(writes, |list| list.get_mut(0)).unwrap();
    *writes += 5;
    assert_eq!(format!("{writes} {writes:?}"), "7 7");
    assert_eq!(held(&lock), Held::ByAWriter);
    drop(writes);

    let writes = lock.try_write().unwrap();
    let writes = RwLockWriteGuard::try_map(writes, |_| None::<&mut ()>).unwrap_err();
    let writes = RwLockWriteGuard::try_map(writes, |pair| Some(&mut pair.0)).unwrap();
    drop(RwLockMappedWriteGuard::map(writes, |number| number));
    assert_eq!(held(&lock), Held::Free);
    assert_eq!(lock.into_inner(), (1, vec![7, 3]));
}

#[test]
fn owned_guards_narrow_and_keep_the_lock() {
    let lock = Arc::new(RwLock::new((1, vec![2, 3])));
    let reads = lock.clone().try_read_owned().unwrap();
    assert!(lock.clone().try_write_owned().is_err());
    assert!(Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&reads), &lock));
    let reads = OwnedRwLockReadGuard::map(reads, |pair| &pair.1);
    let reads = OwnedRwLockReadGuard::try_map(reads, |_| None::<&()>).unwrap_err();
    let reads = OwnedRwLockReadGuard::try_map(reads, |list| list.get(1)).unwrap();
    assert_eq!(format!("{reads} {reads:?}"), "3 3");
    drop(reads);

    let writes = lock.clone().try_write_owned().unwrap();
    assert!(lock.clone().try_read_owned().is_err());
    assert!(Arc::ptr_eq(OwnedRwLockWriteGuard::rwlock(&writes), &lock));
    let writes = OwnedRwLockWriteGuard::try_map(writes, |_| None::<&mut ()>).unwrap_err();
    let writes = OwnedRwLockWriteGuard::map(writes, |pair| &mut pair.1);
    assert!(Arc::ptr_eq(
        OwnedRwLockMappedWriteGuard::rwlock(&writes),
        &lock
    ));
    let writes = OwnedRwLockMappedWriteGuard::try_map(writes, |_| None::<&mut ()>).unwrap_err();
    let writes = OwnedRwLockMappedWriteGuard::try_map(writes, |list| list.get_mut(0)).unwrap();
    let mut writes = OwnedRwLockMappedWriteGuard::map(writes, |number| number);
    *writes += 5;
    assert_eq!(format!("{writes} {writes:?}"), "7 7");
    drop(writes);

    let writes = lock.clone().try_write_owned().unwrap();
    let writes = OwnedRwLockWriteGuard::try_downgrade_map(writes, |_| None::<&()>).unwrap_err();
    let reads = OwnedRwLockWriteGuard::try_downgrade_map(writes, |pair| Some(&pair.0)).unwrap();
    assert_eq!((*reads, held(&lock)), (1, Held::ByReaders));
    drop(reads);
    let writes = lock.clone().try_write_owned().unwrap();
    let reads = OwnedRwLockWriteGuard::downgrade_map(writes, |pair| &pair.0);
    assert_eq!((*reads, held(&lock)), (1, Held::ByReaders));
    drop(reads);
    let writes = OwnedRwLockWriteGuard::into_mapped(lock.clone().try_write_owned().unwrap());
    assert_eq!(writes.1, [7, 3]);
    drop(writes);
    let reads = lock.clone().try_write_owned().unwrap().downgrade();
    assert_eq!((reads.0, held(&lock)), (1, Held::ByReaders));
    drop(reads);
    assert_eq!(held(&lock), Held::Free);
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn a_panic_while_narrowing_unlocks() {
    let lock = Arc::new(RwLock::new(0));
    for attempt in 0..4 {
        let panics = AssertUnwindSafe(|| match attempt {
            0 => drop(RwLockReadGuard::map(lock.try_read().unwrap(), |_| -> &u8 {
                panic!()
            })),
            1 => drop(RwLockWriteGuard::downgrade_map(
                lock.try_write().unwrap(),
                |_| -> &u8 { panic!() },
            )),
            2 => drop(OwnedRwLockWriteGuard::try_map(
                lock.clone().try_write_owned().unwrap(),
                |_| -> Option<&mut u8> { panic!() },
            )),
            _ => drop(OwnedRwLockReadGuard::try_map(
                lock.clone().try_read_owned().unwrap(),
                |_| -> Option<&u8> { panic!() },
            )),
        });
        catch_unwind(panics).unwrap_err();
        assert_eq!(held(&lock), Held::Free);
        assert_eq!(Arc::strong_count(&lock), 1);
    }
}

#[test]
fn texts_are_tokios() {
    static LOCK: RwLock<u8> = RwLock::const_new(5);
    assert_eq!(format!("{LOCK:?}"), "RwLock { data: 5 }");
    let reads = LOCK.try_read().unwrap();
    assert_eq!(format!("{LOCK:?} {reads}"), "RwLock { data: 5 } 5");
    drop(reads);
    let writes = LOCK.try_write().unwrap();
    assert_eq!(
        format!("{LOCK:?} {writes:?}"),
        "RwLock { data: <locked> } 5"
    );
    let error = LOCK.try_read().unwrap_err();
    assert_eq!(error.to_string(), "operation would block");
    let mut lock = RwLock::from(1);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 2);
    assert_eq!(RwLock::<u8>::default().into_inner(), 0);
}

#[test]
fn unsized_values_are_locked_too() {
    let lock: Arc<RwLock<[u8]>> = Arc::new(RwLock::new([1, 2, 3]));
    lock.try_write().unwrap()[1] = 7;
    let reads = OwnedRwLockReadGuard::map(lock.try_read_owned().unwrap(), |bytes| &bytes[1..]);
    assert_eq!(*reads, [7, 3]);
}

#[test]
fn threads_wait_too() {
    let lock = Arc::new(RwLock::new(0));
    let writes = lock.try_write().unwrap();
    let waits = {
        let lock = lock.clone();
        thread::spawn(move || {
            *lock.blocking_write() += 1;
            *lock.blocking_read()
        })
    };
    thread::yield_now();
    drop(writes);
    assert_eq!(waits.join().unwrap(), 1);
}

matrix! {
    async fn blocking_where_tasks_run_panics() {
        let lock = RwLock::new(());
        catch_unwind(AssertUnwindSafe(|| drop(lock.blocking_read()))).unwrap_err();
        catch_unwind(AssertUnwindSafe(|| drop(lock.blocking_write()))).unwrap_err();
        assert_eq!(held(&lock), Held::Free);
    }

    /// Counts those inside: any number of readers, or minus one writer.
    async fn readers_together_or_one_writer() {
        let lock = Arc::new(RwLock::with_max_readers(0, 5));
        let inside = Arc::new(AtomicIsize::new(0));
        let tasks: Vec<_> = (0..24)
            .map(|number| {
                let (lock, inside) = (lock.clone(), inside.clone());
                yamanote::spawn(async move {
                    for round in 0..100 {
                        if (number + round) % 4 == 0 {
                            let mut writes = lock.write().await;
                            assert_eq!(inside.fetch_sub(100, SeqCst), 0);
                            yamanote::task::yield_now().await;
                            *writes += 1;
                            inside.fetch_add(100, SeqCst);
                        } else {
                            let reads = lock.read().await;
                            let before = *reads;
                            assert!((0..5).contains(&inside.fetch_add(1, SeqCst)));
                            yamanote::task::yield_now().await;
                            assert_eq!(*reads, before);
                            inside.fetch_sub(1, SeqCst);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*lock.read().await, 600);
        assert_eq!(held(&lock), Held::Free);
    }
}
