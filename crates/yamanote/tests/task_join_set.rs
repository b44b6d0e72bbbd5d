//! `JoinSet`: what comes out, in which order, what is dropped and which tasks are woken.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use yamanote::runtime::{Builder, LocalRuntime};
use yamanote::task::{self, JoinSet, LocalSet};
use yamanote_test::{CountingWaker, matrix};

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A future that waits for ever and counts its drop.
fn waiting(drops: &Arc<AtomicUsize>) -> impl Future<Output = ()> + Send + use<> {
    let guard = CountDrop(drops.clone());
    async move {
        let _guard = guard;
        pending().await
    }
}

matrix! {
    async fn every_output_comes_out_once() {
        const TASKS: usize = yamanote_test::rounds(200);
        let mut set = JoinSet::new();
        for n in 0..TASKS {
            set.spawn(async move {
                for _ in 0..n % 5 {
                    task::yield_now().await;
                }
                n
            });
        }
        assert_eq!(set.len(), TASKS);
        let mut seen = vec![0; TASKS];
        while let Some(output) = set.join_next().await {
            seen[output.unwrap()] += 1;
        }
        assert_eq!(seen, vec![1; TASKS]);
        assert!(set.is_empty());
        assert!(set.join_next().await.is_none());
        assert!(set.try_join_next().is_none());
    }

    async fn ids_are_the_tasks() {
        let mut set = JoinSet::new();
        let fine = set.spawn(async { 1 });
        let (id, output) = set.join_next_with_id().await.unwrap().unwrap();
        assert_eq!((id, output), (fine.id(), 1));
        let failed = set.spawn(async { panic!("as planned") });
        let error = set.join_next_with_id().await.unwrap().unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.id(), failed.id());
    }

    async fn dropping_aborts() {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut set = JoinSet::new();
        let aborts: Vec<_> = (0..50).map(|_| set.spawn(waiting(&drops))).collect();
        task::yield_now().await;
        drop(set);
        while !aborts.iter().all(|abort| abort.is_finished()) {
            task::yield_now().await;
        }
        assert_eq!(drops.load(SeqCst), 50);
    }

    async fn detached_tasks_run_on() {
        let mut set = JoinSet::new();
        let (sender, receiver) = mpsc::channel();
        let keep = set.spawn(async move {
            for _ in 0..3 {
                task::yield_now().await;
            }
            sender.send(7).unwrap();
        });
        set.detach_all();
        assert_eq!(set.len(), 0);
        assert!(set.join_next().await.is_none());
        while !keep.is_finished() {
            task::yield_now().await;
        }
        assert_eq!(receiver.recv(), Ok(7));
        set.spawn(async {});
        assert!(set.join_next().await.unwrap().is_ok(), "used again");
    }

    async fn shutdown_waits_for_the_drops() {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut set = JoinSet::new();
        for _ in 0..20 {
            set.spawn(waiting(&drops));
        }
        set.shutdown().await;
        assert_eq!(drops.load(SeqCst), 20);
        assert!(set.is_empty());
    }

    async fn aborted_tasks_come_out_as_cancelled() {
        let mut set = JoinSet::new();
        for _ in 0..5 {
            set.spawn(pending::<()>());
        }
        set.abort_all();
        for _ in 0..5 {
            assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
        }
        assert!(set.join_next().await.is_none());
    }

    async fn blocking_jobs_are_members_too() {
        let mut set: JoinSet<u32> = JoinSet::new();
        let handle = yamanote::runtime::Handle::current();
        set.spawn_blocking(|| 1);
        set.spawn_blocking_on(|| 2, &handle);
        set.spawn_on(ready(4), &handle);
        set.extend([ready(8), ready(16)]);
        let outputs = set.join_all().await;
        assert_eq!(outputs.iter().sum::<u32>(), 31);
    }

    async fn a_panic_ends_join_all() {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut set = JoinSet::new();
        let waits = set.spawn(waiting(&drops));
        set.spawn(async { panic!("as planned") });
        let error = yamanote::spawn(set.join_all()).await.unwrap_err();
        let payload = error.into_panic();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"as planned"));
        while !waits.is_finished() {
            task::yield_now().await;
        }
        assert_eq!(drops.load(SeqCst), 1);
    }
}

/// A set of tasks that have all ended.
async fn ended(count: usize) -> JoinSet<()> {
    let mut set = JoinSet::new();
    let aborts: Vec<_> = (0..count).map(|_| set.spawn(ready(()))).collect();
    while !aborts.iter().all(|abort| abort.is_finished()) {
        task::yield_now().await;
    }
    set
}

fn current_thread() -> yamanote::runtime::Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn outputs_come_in_the_order_of_the_ends() {
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        for n in [3u32, 1, 2] {
            set.spawn(async move {
                for _ in 0..n {
                    task::yield_now().await;
                }
                n
            });
        }
        assert_eq!(set.join_all().await, [1, 2, 3]);
    });
}

#[test]
fn who_waits_is_woken_once_for_any_number_of_ends() {
    let rt = current_thread();
    let counting = CountingWaker::new();
    let stale = CountingWaker::new();
    rt.block_on(async {
        let mut set: JoinSet<u32> = (0..3).map(ready).collect();
        let waker = stale.waker();
        assert!(
            set.poll_join_next(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let waker = counting.waker();
        let mut cx = Context::from_waker(&waker);
        assert!(set.poll_join_next(&mut cx).is_pending());
        for _ in 0..3 {
            task::yield_now().await;
        }
        assert_eq!((stale.wakes(), counting.wakes()), (0, 1));
        for n in 0..3 {
            match set.poll_join_next(&mut cx) {
                Poll::Ready(Some(Ok(output))) => assert_eq!(output, n),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(None)));
        assert_eq!(counting.wakes(), 1);
    });
    assert_eq!((stale.alive(), counting.alive()), (0, 0));
}

#[test]
fn what_has_ended_is_there_at_once() {
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        let abort = set.spawn(async { 5 });
        assert!(set.try_join_next().is_none());
        task::yield_now().await;
        assert!(abort.is_finished());
        assert_eq!(set.try_join_next().unwrap().unwrap(), 5);
        set.spawn(async { 6 });
        task::yield_now().await;
        let id = set.spawn(pending()).id();
        let (found, output) = set.try_join_next_with_id().unwrap().unwrap();
        assert!(found != id && output == 6);
        assert!(set.try_join_next_with_id().is_none());
    });
}

#[test]
fn who_joins_many_shares_the_thread() {
    current_thread().block_on(async {
        let mut set = ended(1000).await;
        let polls = Rc::new(Cell::new(0));
        let counted = polls.clone();
        let mut join = pin!(async move { while set.join_next().await.is_some() {} });
        poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            join.as_mut().poll(cx)
        })
        .await;
        // 128 units of budget each time.
        assert!((8..=10).contains(&polls.get()), "{} polls", polls.get());
    });
}

#[test]
fn try_join_next_needs_no_budget() {
    current_thread().block_on(async {
        let mut set = ended(300).await;
        let mut count = 0;
        while set.try_join_next().is_some() {
            count += 1;
        }
        assert_eq!(count, 300);
    });
}

#[test]
fn local_tasks_are_members_too() {
    let local = LocalSet::new();
    let not_send = Rc::new(Cell::new(0));
    let mut set: JoinSet<Rc<Cell<u32>>> = JoinSet::new();
    let add = |n: u32| {
        let not_send = not_send.clone();
        async move {
            not_send.set(not_send.get() + n);
            not_send
        }
    };
    set.spawn_local_on(add(1), &local);
    local.block_on(&current_thread(), async {
        set.spawn_local(add(2));
        while let Some(output) = set.join_next().await {
            output.unwrap();
        }
    });
    LocalRuntime::new().unwrap().block_on(async {
        set.spawn_local(add(4));
        set.join_next().await.unwrap().unwrap();
    });
    assert_eq!(not_send.get(), 7);
    assert_eq!(Rc::strong_count(&not_send), 1);
}

#[test]
fn a_set_outlives_its_runtime() {
    let drops = Arc::new(AtomicUsize::new(0));
    let mut set = JoinSet::new();
    let rt = current_thread();
    set.spawn_on(waiting(&drops), rt.handle());
    drop(rt);
    assert_eq!(drops.load(SeqCst), 1);
    assert!(set.try_join_next().unwrap().unwrap_err().is_cancelled());
    assert!(set.try_join_next().is_none());
}

#[test]
fn its_debug_output_is_its_length() {
    let set: JoinSet<()> = JoinSet::default();
    assert_eq!(format!("{set:?}"), "JoinSet { len: 0 }");
    let mut cx = Context::from_waker(Waker::noop());
    let mut set = set;
    assert!(matches!(
        set.poll_join_next_with_id(&mut cx),
        Poll::Ready(None)
    ));
}

#[test]
fn threads_that_end_at_once_lose_nothing() {
    let rt = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    rt.block_on(async {
        for _ in 0..50 {
            let mut set: JoinSet<usize> = JoinSet::new();
            for n in 0..64 {
                match n % 4 {
                    0 => set.spawn_blocking(move || n),
                    _ => set.spawn(async move { n }),
                };
            }
            let join = yamanote::time::timeout(Duration::from_secs(30), set.join_all());
            let outputs = join.await.expect("a wake-up was lost");
            assert_eq!(outputs.iter().sum::<usize>(), 64 * 63 / 2);
        }
    });
}

/// An empty set answers at once, and keeps nothing of the caller.
#[test]
fn an_empty_set_keeps_no_waker() {
    let mut set = JoinSet::<()>::new();
    let waker = CountingWaker::new();
    let polled = set.poll_join_next(&mut Context::from_waker(&waker.waker()));
    assert!(matches!(polled, Poll::Ready(None)));
    assert_eq!(waker.alive(), 0);
}
