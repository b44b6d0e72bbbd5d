//! The current-thread runtime: which thread drives, which waits, and what survives a panic.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use yamanote::runtime::{Builder, Handle, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Pending until it is opened, from any thread.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    fn open(&self) {
        let wakers = {
            let mut gate = self.0.lock().unwrap();
            gate.0 = true;
            std::mem::take(&mut gate.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mut gate = self.0.lock().unwrap();
            if gate.0 {
                return Poll::Ready(());
            }
            gate.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct CountDrops(Arc<AtomicUsize>);

impl Drop for CountDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn tasks_are_polled_in_the_order_they_became_runnable() {
    let rt = runtime();
    let order = Arc::new(Mutex::new(Vec::new()));
    rt.block_on(async {
        let joins: Vec<_> = (0..3)
            .map(|number| {
                let order = order.clone();
                rt.spawn(async move {
                    for _ in 0..3 {
                        order.lock().unwrap().push(number);
                        yield_once().await;
                    }
                })
            })
            .collect();
        for join in joins {
            join.await.unwrap();
        }
    });
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn each_block_on_may_come_from_another_thread() {
    let rt = Arc::new(runtime());
    let gate = Gate::default();
    let task = {
        let gate = gate.clone();
        rt.spawn(async move {
            gate.wait().await;
            yield_once().await;
            9
        })
    };
    let first = rt.clone();
    thread::spawn(move || first.block_on(async { yield_once().await }))
        .join()
        .unwrap();
    let second = rt.clone();
    let got = thread::spawn(move || {
        gate.open();
        second.block_on(task).unwrap()
    })
    .join()
    .unwrap();
    assert_eq!(got, 9);
}

/// The thread that has the core leaves at a random moment; the others must go on.
#[test]
fn many_threads_block_on_at_once_and_hand_the_core_over() {
    const THREADS: usize = 4;
    for round in 0..yamanote_test::rounds(200) {
        let rt = Arc::new(runtime());
        let gates: Vec<Gate> = (0..THREADS).map(|_| Gate::default()).collect();
        let start = Arc::new(Barrier::new(THREADS + 1));
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let rt = rt.clone();
                let gates = gates.clone();
                let start = start.clone();
                thread::spawn(move || {
                    start.wait();
                    rt.block_on(async {
                        // A task that another thread may have to run for us.
                        let gate = gates[number].clone();
                        let join = rt.spawn(async move {
                            gate.wait().await;
                            yield_once().await;
                            number
                        });
                        assert_eq!(join.await.unwrap(), number);
                    })
                })
            })
            .collect();
        start.wait();
        for turn in 0..THREADS {
            gates[(turn + round) % THREADS].open();
            if round % 3 == 0 {
                thread::yield_now();
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn wake_ups_and_spawns_from_foreign_threads_arrive() {
    let rt = runtime();
    let (sender, receiver) = mpsc::channel::<Gate>();
    let waker_thread = thread::spawn(move || {
        for gate in receiver {
            gate.open();
        }
    });
    rt.block_on(async {
        for _ in 0..yamanote_test::rounds(2_000) {
            let gate = Gate::default();
            sender.send(gate.clone()).unwrap();
            gate.wait().await;
        }
        let handle = Handle::current();
        let (done, results) = mpsc::channel();
        let spawned = yamanote_test::rounds(500);
        thread::spawn(move || {
            for number in 0..spawned {
                let done = done.clone();
                handle.spawn(async move { done.send(number).unwrap() });
            }
        });
        let mut got = 0;
        while got < spawned {
            got += results.try_iter().count();
            yield_once().await;
        }
    });
    drop(sender);
    waker_thread.join().unwrap();
}

#[test]
fn handle_block_on_is_served_by_the_driving_thread() {
    let rt = runtime();
    let handle = rt.handle().clone();
    let thread = thread::spawn(move || {
        let inner = handle.clone();
        handle.block_on(async move { inner.spawn(async { 3 }).await.unwrap() })
    });
    rt.block_on(async {
        while !thread.is_finished() {
            yield_once().await;
        }
    });
    assert_eq!(thread.join().unwrap(), 3);
}

#[test]
fn a_panic_in_block_on_leaves_the_runtime_usable() {
    let rt = runtime();
    let gate = Gate::default();
    let task = {
        let gate = gate.clone();
        rt.spawn(async move {
            gate.wait().await;
            5
        })
    };
    for _ in 0..3 {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            rt.block_on(async {
                yield_once().await;
                panic!("from the main future");
            })
        }));
        assert!(caught.is_err());
        assert!(Handle::try_current().is_err());
        assert_eq!(rt.block_on(async { 1 }), 1);
    }
    gate.open();
    assert_eq!(rt.block_on(task).unwrap(), 5);
}

#[test]
fn a_waiting_thread_whose_future_panics_does_not_take_the_news_with_it() {
    let rt = Arc::new(runtime());
    let driver_leaves = Gate::default();
    let waiter_panics = Gate::default();
    let driving = {
        let (rt, gate) = (rt.clone(), driver_leaves.clone());
        thread::spawn(move || rt.block_on(gate.wait()))
    };
    thread::sleep(Duration::from_millis(20));
    let panicking = {
        let (rt, gate) = (rt.clone(), waiter_panics.clone());
        thread::spawn(move || {
            rt.block_on(async {
                gate.wait().await;
                panic!("from a waiting thread");
            })
        })
    };
    thread::sleep(Duration::from_millis(20));
    let last = {
        let rt = rt.clone();
        thread::spawn(move || rt.block_on(async { rt.spawn(async { 8 }).await.unwrap() }))
    };
    thread::sleep(Duration::from_millis(20));
    driver_leaves.open();
    waiter_panics.open();
    driving.join().unwrap();
    assert!(panicking.join().is_err());
    assert_eq!(last.join().unwrap(), 8);
}

#[test]
fn entering_twice_panics_with_the_known_text() {
    let rt = runtime();
    let other = runtime();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        rt.block_on(async { other.block_on(async {}) })
    }))
    .unwrap_err();
    let text = caught.downcast_ref::<&str>().unwrap();
    assert!(
        text.starts_with("Cannot start a runtime from within a runtime."),
        "{text}"
    );
    other.block_on(async {});
    rt.block_on(async {});
}

#[test]
fn dropping_a_runtime_inside_another_panics_with_the_known_text() {
    let rt = runtime();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let inner = runtime();
        rt.block_on(async move { drop(inner) });
    }))
    .unwrap_err();
    let text = caught.downcast_ref::<&str>().unwrap();
    assert!(
        text.starts_with("Cannot drop a runtime in a context where blocking is not allowed."),
        "{text}"
    );
    rt.block_on(async {
        runtime().shutdown_background();
    });
}

#[test]
fn shutdown_drops_every_future_once_inside_the_context() {
    struct SpawnsAndWakes {
        drops: CountDrops,
        waker: Option<Waker>,
    }
    impl Future for SpawnsAndWakes {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.waker = Some(cx.waker().clone());
            Poll::Pending
        }
    }
    impl Drop for SpawnsAndWakes {
        fn drop(&mut self) {
            // A destructor may still use the runtime's context; what it spawns is cancelled.
            let drops = CountDrops(self.drops.0.clone());
            let join = Handle::current().spawn(async move {
                let _drops = drops;
                pending::<()>().await
            });
            assert!(join.is_finished());
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    let drops = Arc::new(AtomicUsize::new(0));
    let rt = runtime();
    for _ in 0..10 {
        rt.spawn(SpawnsAndWakes {
            drops: CountDrops(drops.clone()),
            waker: None,
        });
    }
    rt.block_on(yield_once());
    // Five that have never been polled.
    for _ in 0..5 {
        let drops = CountDrops(drops.clone());
        rt.spawn(async move {
            let _drops = drops;
        });
    }
    let handle = rt.handle().clone();
    drop(rt);
    assert_eq!(drops.load(Ordering::SeqCst), 10 + 10 + 5);
    assert_eq!(handle.metrics().num_alive_tasks(), 0);
    let late = handle.spawn(async {});
    assert!(handle.block_on(late).unwrap_err().is_cancelled());
}

#[test]
fn a_waker_that_outlives_the_runtime_does_nothing() {
    let rt = runtime();
    let gate = Gate::default();
    let task = {
        let gate = gate.clone();
        rt.spawn(async move { gate.wait().await })
    };
    let main = Gate::default();
    rt.block_on(async {
        yield_once().await;
        let mut wait = Box::pin(main.wait());
        poll_fn(|cx| {
            assert!(wait.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    });
    drop(rt);
    gate.open();
    main.open();
    let other = runtime();
    assert!(other.block_on(task).unwrap_err().is_cancelled());
}

#[test]
fn a_runtime_dropped_while_another_drives_uses_its_own_queue() {
    struct OpenOnDrop(Gate, #[allow(dead_code)] CountDrops);
    impl Drop for OpenOnDrop {
        fn drop(&mut self) {
            self.0.open();
        }
    }

    let outer = runtime();
    let inner = runtime();
    let drops = Arc::new(AtomicUsize::new(0));
    let gate = Gate::default();
    let opens = OpenOnDrop(gate.clone(), CountDrops(drops.clone()));
    inner.spawn(async move {
        let _opens = opens;
        pending::<()>().await
    });
    inner.block_on(yield_once());
    outer.block_on(async {
        let waits = outer.spawn(async move { gate.wait().await });
        yield_once().await;
        inner.shutdown_background();
        waits.await.unwrap();
    });
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn the_park_hook_may_make_work() {
    let gate = Gate::default();
    let parks = Arc::new(AtomicUsize::new(0));
    let (opened, counted) = (gate.clone(), parks.clone());
    let rt = Builder::new_current_thread()
        .on_thread_park(move || {
            if counted.fetch_add(1, Ordering::SeqCst) == 3 {
                opened.open();
            }
            // Keeps the runtime awake until then.
            Handle::current().spawn(async {});
        })
        .build()
        .unwrap();
    rt.block_on(gate.wait());
    assert!(parks.load(Ordering::SeqCst) >= 4);
}

#[test]
fn a_runtime_can_be_dropped_by_a_thread_locals_destructor() {
    thread_local! {
        static KEPT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = CountDrops(drops.clone());
    thread::spawn(move || {
        KEPT.with(|kept| *kept.borrow_mut() = Some(runtime()));
        KEPT.with(|kept| {
            let kept = kept.borrow();
            let rt = kept.as_ref().unwrap();
            rt.spawn(async move {
                let _counted = counted;
                pending::<()>().await
            });
            rt.block_on(yield_once());
        });
    })
    .join()
    .unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}
