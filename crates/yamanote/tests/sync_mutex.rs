//! `Mutex`: one at a time, in order, and the lock returns whatever becomes of its holder.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use yamanote::sync::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
use yamanote_test::{CountingAlloc, CountingWaker, in_own_process, matrix};

#[global_allocator]
static HEAP: CountingAlloc = CountingAlloc::new();

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn is_locked<T: ?Sized>(mutex: &Mutex<T>) -> bool {
    mutex.try_lock().is_err()
}

/// Dropped in each state: never polled, waiting, woken but not polled since, with the guard.
#[test]
fn dropped_in_every_state_the_next_gets_the_lock() {
    for polled_since in [false, true] {
        let mutex = Mutex::new(0);
        drop(mutex.lock());
        let held = mutex.try_lock().unwrap();
        let (first, next) = (CountingWaker::new(), CountingWaker::new());
        let mut gives_up = Box::pin(mutex.lock());
        let mut waits = Box::pin(mutex.lock());
        assert!(poll(gives_up.as_mut(), &first.waker()).is_pending());
        assert!(poll(waits.as_mut(), &next.waker()).is_pending());
        drop(held);
        assert_eq!((first.wakes(), next.wakes()), (1, 0));
        if polled_since {
            assert!(poll(gives_up.as_mut(), &first.waker()).is_ready());
        } else {
            drop(gives_up);
        }
        assert_eq!((first.alive(), next.wakes()), (0, 1));
        assert!(is_locked(&mutex));
        assert!(poll(waits.as_mut(), &next.waker()).is_ready());
        assert!(!is_locked(&mutex));
        assert_eq!((first.wakes(), next.wakes()), (1, 1));
    }
}

#[test]
fn one_in_the_middle_of_the_line_goes() {
    let mutex = Mutex::new(());
    let held = mutex.try_lock().unwrap();
    let wakers = [(); 3].map(|()| CountingWaker::new());
    let mut line: Vec<_> = wakers
        .iter()
        .map(|waker| {
            let mut lock = Box::pin(mutex.lock());
            assert!(poll(lock.as_mut(), &waker.waker()).is_pending());
            lock
        })
        .collect();
    drop(line.remove(1));
    drop(held);
    assert_eq!(wakers.each_ref().map(CountingWaker::wakes), [1, 0, 0]);
    drop(line);
    assert_eq!(wakers.each_ref().map(CountingWaker::wakes), [1, 0, 1]);
    assert!(!is_locked(&mutex));
}

#[test]
fn guards_narrow_and_stay_locked() {
    let mutex = Mutex::new((1, vec![2, 3]));
    let guard = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.1);
    let mut guard = MappedMutexGuard::map(guard, |list| &mut list[0]);
    *guard += 10;
    assert!(is_locked(&mutex));
    assert_eq!(format!("{guard} {guard:?}"), "12 12");
    let guard = MappedMutexGuard::try_map(guard, |_| None::<&mut ()>).unwrap_err();
    assert!(is_locked(&mutex));
    let guard = MappedMutexGuard::try_map(guard, |number| Some(number)).unwrap();
    drop(guard);
    let guard = mutex.try_lock().unwrap();
    assert!(std::ptr::eq(MutexGuard::mutex(&guard), &mutex));
    let guard = MutexGuard::try_map(guard, |_| None::<&mut ()>).unwrap_err();
    let guard = MutexGuard::try_map(guard, |pair| pair.1.get_mut(1)).unwrap();
    assert_eq!(*guard, 3);
    assert!(is_locked(&mutex));
    drop(guard);
    assert_eq!(mutex.into_inner(), (1, vec![12, 3]));
}

#[test]
fn owned_guards_narrow_and_keep_the_mutex() {
    let mutex = Arc::new(Mutex::new((1, vec![2, 3])));
    let weak = Arc::downgrade(&mutex);
    let guard = mutex.clone().try_lock_owned().unwrap();
    assert!(mutex.clone().try_lock_owned().is_err());
    assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&guard), &mutex));
    drop(mutex);
    let guard = OwnedMutexGuard::try_map(guard, |_| None::<&mut ()>).unwrap_err();
    let guard = OwnedMutexGuard::map(guard, |pair| &mut pair.1);
    let guard = OwnedMappedMutexGuard::map(guard, |list| &mut list[1]);
    let guard = OwnedMappedMutexGuard::try_map(guard, |_| None::<&mut ()>).unwrap_err();
    let mut guard = OwnedMappedMutexGuard::try_map(guard, |number| Some(number)).unwrap();
    *guard += 1;
    assert_eq!(format!("{guard} {guard:?}"), "4 4");
    let mutex = weak.upgrade().unwrap();
    assert!(is_locked(&mutex));
    drop(guard);
    assert_eq!(*mutex.try_lock().unwrap(), (1, vec![2, 4]));
    let guard = OwnedMutexGuard::try_map(mutex.try_lock_owned().unwrap(), |p| Some(&mut p.0));
    assert_eq!(*guard.unwrap(), 1);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_panic_while_narrowing_unlocks() {
    let mutex = Arc::new(Mutex::new(0));
    for attempt in 0..4 {
        let panics = AssertUnwindSafe(|| match attempt {
            0 => drop(MutexGuard::map(mutex.try_lock().unwrap(), |_| -> &mut u8 {
                panic!()
            })),
            1 => drop(MutexGuard::try_map(
                mutex.try_lock().unwrap(),
                |_| -> Option<&mut u8> { panic!() },
            )),
            2 => drop(OwnedMutexGuard::map(
                mutex.clone().try_lock_owned().unwrap(),
                |_| -> &mut u8 { panic!() },
            )),
            _ => {
                let _guard = mutex.try_lock().unwrap();
                panic!();
            }
        });
        catch_unwind(panics).unwrap_err();
        assert!(!is_locked(&mutex));
        assert_eq!(Arc::strong_count(&mutex), 1);
    }
}

#[test]
fn texts_are_tokios() {
    let mut mutex = Mutex::from(5);
    assert_eq!(format!("{mutex:?}"), "Mutex { data: 5 }");
    let guard = mutex.try_lock().unwrap();
    assert_eq!(format!("{mutex:?}"), "Mutex { data: <locked> }");
    assert_eq!(format!("{guard} {guard:?}"), "5 5");
    let error: TryLockError = mutex.try_lock().unwrap_err();
    assert_eq!(
        (error.to_string(), format!("{error:?}")),
        ("operation would block".into(), "TryLockError(())".into())
    );
    drop(guard);
    *mutex.get_mut() += 1;
    assert_eq!(mutex.into_inner(), 6);
    assert_eq!(Mutex::<u8>::default().into_inner(), 0);
}

#[test]
fn unsized_values_are_locked_too() {
    let mutex: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2, 3]));
    mutex.try_lock().unwrap()[1] = 7;
    let guard = MutexGuard::map(mutex.try_lock().unwrap(), |bytes| &mut bytes[1..]);
    assert_eq!(*guard, [7, 3]);
}

#[test]
fn locking_takes_no_memory() {
    // Nobody else takes any in a process of its own.
    in_own_process(module_path!(), "locking_takes_no_memory", || {
        let mutex = Mutex::new(0);
        let waker = CountingWaker::new();
        let waker = waker.waker();
        let before = HEAP.allocations();
        {
            let held = match poll(pin!(mutex.lock()), &waker) {
                Poll::Ready(guard) => guard,
                Poll::Pending => panic!("nobody has it"),
            };
            let mut first = pin!(mutex.lock());
            let mut second = pin!(mutex.lock());
            assert!(poll(first.as_mut(), &waker).is_pending());
            assert!(poll(second.as_mut(), &waker).is_pending());
            drop(held);
            assert!(poll(first.as_mut(), &waker).is_ready());
        }
        assert_eq!(HEAP.allocations(), before);
    });
}

#[test]
fn threads_and_tasks_take_turns() {
    const ROUNDS: usize = yamanote_test::rounds(500);
    let mutex = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let mutex = mutex.clone();
            thread::spawn(move || {
                for _ in 0..ROUNDS {
                    match number % 2 {
                        0 => *mutex.blocking_lock() += 1,
                        _ => *mutex.clone().blocking_lock_owned() += 1,
                    }
                }
            })
        })
        .collect();
    let runtime = yamanote::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for _ in 0..ROUNDS {
            *mutex.lock().await += 1;
        }
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*mutex.blocking_lock(), 5 * ROUNDS);
}

matrix! {
    async fn blocking_where_tasks_run_panics() {
        let mutex = Mutex::new(());
        let result = catch_unwind(AssertUnwindSafe(|| drop(mutex.blocking_lock())));
        let text = *result.unwrap_err().downcast::<&str>().unwrap();
        assert!(text.starts_with("Cannot block the current thread from within a runtime."));
        assert!(!is_locked(&mutex));
    }

    /// A value that is taken out and put back around an await is never missed.
    async fn one_task_at_a_time() {
        const ROUNDS: usize = yamanote_test::rounds(200);
        let mutex = Arc::new(Mutex::new(Some(0)));
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let mutex = mutex.clone();
                yamanote::spawn(async move {
                    for _ in 0..ROUNDS {
                        let mut guard = mutex.lock().await;
                        let value = guard.take().unwrap();
                        yamanote::task::yield_now().await;
                        *guard = Some(value + 1);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*mutex.lock().await, Some(16 * ROUNDS));
    }

    async fn aborted_holders_and_waiters_unlock() {
        let mutex = Arc::new(Mutex::new(()));
        for holds in [true, false] {
            let outer = (!holds).then(|| mutex.clone().try_lock_owned().unwrap());
            let task = yamanote::spawn({
                let mutex = mutex.clone();
                async move {
                    let _guard = mutex.lock().await;
                    std::future::pending::<()>().await;
                }
            });
            while holds && !is_locked(&mutex) {
                yamanote::task::yield_now().await;
            }
            yamanote::task::yield_now().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            drop(outer);
            assert!(!is_locked(&mutex));
        }
    }
}
