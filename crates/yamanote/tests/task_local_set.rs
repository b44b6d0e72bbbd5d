//! `LocalSet`: where its tasks run, what they may do, and how it ends.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;
use yamanote::runtime::{Builder, Runtime};
use yamanote::task::{self, LocalSet, spawn_local};
use yamanote::time;
use yamanote_test::{CountingWaker, Setup, matrix};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Pushes its number when it is dropped.
struct Tell(u32, Rc<RefCell<Vec<u32>>>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

matrix! {
    fn tasks_run_beside_the_future_on_its_thread(setup: Setup) {
        let rt = yamanote_test::builder!(setup).build().unwrap();
        let here = thread::current().id();
        let local = LocalSet::new();
        let count = Rc::new(Cell::new(0));
        local.block_on(&rt, async {
            let handles: Vec<_> = (0..100).map(|n| {
                let count = count.clone();
                spawn_local(async move {
                    time::sleep(Duration::from_millis(n % 3)).await;
                    assert_eq!(thread::current().id(), here);
                    count.set(count.get() + 1);
                    let elsewhere = yamanote::spawn(async move { n }).await.unwrap();
                    assert_eq!(thread::current().id(), here);
                    elsewhere
                })
            }).collect();
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.await.unwrap(), n as u64);
            }
        });
        assert_eq!(count.get(), 100);
        assert_eq!(Rc::strong_count(&count), 1);
    }

    fn awaited_it_ends_with_its_last_task(setup: Setup) {
        let rt = yamanote_test::builder!(setup).build().unwrap();
        let local = LocalSet::new();
        let log = Rc::new(RefCell::new(Vec::new()));
        let inner = log.clone();
        let first = local.spawn_local(async move {
            let second = inner.clone();
            spawn_local(async move {
                time::sleep(Duration::from_millis(1)).await;
                second.borrow_mut().push(2);
            });
            inner.borrow_mut().push(1);
        });
        rt.block_on(local);
        assert!(first.is_finished());
        assert_eq!(*log.borrow(), [1, 2]);
    }

    fn aborted_from_another_thread_the_future_is_dropped_here(setup: Setup) {
        let rt = yamanote_test::builder!(setup).build().unwrap();
        struct DropHere(thread::ThreadId, Rc<Cell<u32>>);
        impl Drop for DropHere {
            fn drop(&mut self) {
                assert_eq!(thread::current().id(), self.0);
                self.1.set(self.1.get() + 1);
            }
        }
        let drops = Rc::new(Cell::new(0));
        let local = LocalSet::new();
        local.block_on(&rt, async {
            for _ in 0..20 {
                let guard = DropHere(thread::current().id(), drops.clone());
                let handle = spawn_local(async move {
                    let _guard = guard;
                    pending::<()>().await
                });
                let abort = handle.abort_handle();
                task::yield_now().await;
                task::spawn_blocking(move || abort.abort());
                assert!(handle.await.unwrap_err().is_cancelled());
            }
        });
        assert_eq!(drops.get(), 20);
    }
}

#[test]
fn a_poll_is_bounded() {
    let local = LocalSet::new();
    let count = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let count = count.clone();
        local.spawn_local(async move { count.set(count.get() + 1) });
    }
    let counting = CountingWaker::new();
    let waker = counting.waker();
    let mut cx = Context::from_waker(&waker);
    let mut local = pin!(local);
    assert!(local.as_mut().poll(&mut cx).is_pending());
    assert!((1..100).contains(&count.get()));
    assert_eq!(counting.wakes(), 1, "it asks to go on");
    assert!(local.as_mut().poll(&mut cx).is_ready());
    assert_eq!(count.get(), 100);
}

#[test]
fn dropped_it_drops_the_oldest_first() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let local = LocalSet::new();
    let handles: Vec<_> = (0..4)
        .map(|n| {
            let tell = Tell(n, log.clone());
            local.spawn_local(async move {
                let _tell = tell;
                pending::<()>().await
            })
        })
        .collect();
    // Some have been polled, some have not.
    current_thread().block_on(local.run_until(task::yield_now()));
    local.spawn_local({
        let tell = Tell(4, log.clone());
        async move { drop(tell) }
    });
    drop(local);
    assert_eq!(*log.borrow(), [0, 1, 2, 3, 4]);
    for handle in handles {
        let error = current_thread().block_on(handle).unwrap_err();
        assert!(error.is_cancelled());
    }
    assert_eq!(Rc::strong_count(&log), 1);
}

#[test]
fn what_destructors_spawn_into_a_dropped_set_is_cancelled() {
    struct Spawns(Rc<Cell<u32>>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let count = self.0.clone();
            let handle = spawn_local(async move { count.set(100) });
            assert!(handle.is_finished());
            self.0.set(self.0.get() + 1);
        }
    }
    let count = Rc::new(Cell::new(0));
    let local = LocalSet::new();
    for _ in 0..3 {
        let spawns = Spawns(count.clone());
        local.spawn_local(async move {
            let _spawns = spawns;
            pending::<()>().await
        });
    }
    drop(local);
    assert_eq!(count.get(), 3);
    assert_eq!(Rc::strong_count(&count), 1);
}

#[test]
fn a_panic_of_a_task_stays_in_its_handle() {
    let local = LocalSet::new();
    let rt = current_thread();
    local.block_on(&rt, async {
        let error = spawn_local(async { panic!("as planned") })
            .await
            .unwrap_err();
        assert!(error.is_panic());
        assert!(spawn_local(async { 1 }).await.is_ok());
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        local.block_on(&rt, async { panic!("the future itself") })
    }));
    assert!(panicked.is_err());
    assert!(
        catch_unwind(|| spawn_local(async {})).is_err(),
        "the set was left"
    );
    assert_eq!(
        local.block_on(&rt, async { spawn_local(async { 2 }).await.unwrap() }),
        2
    );
}

#[test]
fn sets_nest() {
    let rt = current_thread();
    let outer = LocalSet::new();
    outer.block_on(&rt, async {
        let inner = LocalSet::new();
        let from_inner = inner
            .run_until(async { spawn_local(async { 1 }).await.unwrap() })
            .await;
        let from_outer = spawn_local(async { 2 }).await.unwrap();
        assert_eq!((from_inner, from_outer), (1, 2));
        {
            let _entered = inner.enter();
            spawn_local(async {});
        }
        inner.await;
    });
}

#[test]
fn no_blocking_in_place_inside() {
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let local = LocalSet::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        local.block_on(&rt, async { task::block_in_place(|| ()) })
    }));
    let payload = panicked.unwrap_err();
    assert_eq!(
        payload.downcast_ref::<&str>(),
        Some(&"can call blocking only when running on the multi-threaded runtime")
    );
    rt.block_on(async { task::block_in_place(|| ()) });
}

#[test]
fn every_task_has_a_budget_of_its_own() {
    let rt = current_thread();
    let local = LocalSet::new();
    local.block_on(&rt, async {
        let spender = spawn_local(async {
            for _ in 0..100_000 {
                task::coop::consume_budget().await;
            }
        });
        let other = spawn_local(async { task::coop::has_budget_remaining() });
        assert!(other.await.unwrap());
        assert!(!spender.is_finished());
        spender.await.unwrap();
    });
}

#[test]
fn a_large_future_is_moved_out_of_the_way() {
    let rt = current_thread();
    let local = LocalSet::new();
    let bytes = [7u8; 100_000];
    let sum = local.block_on(&rt, async {
        spawn_local(async move {
            task::yield_now().await;
            bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>()
        })
        .await
        .unwrap()
    });
    assert_eq!(sum, 700_000);
}

#[test]
fn a_set_in_a_thread_local_is_dropped_with_its_thread() {
    thread_local! {
        static SET: RefCell<Option<LocalSet>> = const { RefCell::new(None) };
    }
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let count = Count(drops.clone());
    thread::spawn(move || {
        let local = LocalSet::new();
        local.spawn_local(async move {
            let _count = count;
            pending::<()>().await
        });
        let mut cx = Context::from_waker(Waker::noop());
        let mut local = local;
        assert!(Pin::new(&mut local).poll(&mut cx).is_pending());
        SET.set(Some(local));
    })
    .join()
    .unwrap();
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn its_own_numbers_and_text() {
    let (a, b) = (LocalSet::new(), LocalSet::default());
    assert_ne!(a.id(), b.id());
    assert_eq!(format!("{a:?}"), "LocalSet");
}
