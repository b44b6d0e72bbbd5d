//! Joining, detaching and identifying tasks, on every driver and flavour.

use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use yamanote::task::{self, JoinHandle};
use yamanote_test::matrix;

/// Ready when opened.
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
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut gate = self.0.lock().unwrap();
        if gate.0 {
            return Poll::Ready(());
        }
        gate.1.push(cx.waker().clone());
        Poll::Pending
    }
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

matrix! {
    async fn a_task_returns_its_value() {
        let outer = yamanote::spawn(async {
            let inner = yamanote::spawn(async { 40 });
            inner.await.unwrap() + 2
        });
        assert_eq!(outer.await.unwrap(), 42);
    }

    /// A branch that loses does not lose the output.
    async fn joining_by_reference_is_cancel_safe() {
        let gate = Gate::default();
        let task_gate = gate.clone();
        let mut handle = yamanote::spawn(async move {
            task_gate.await;
            "kept"
        });
        for _ in 0..10 {
            yamanote::select! {
                biased;
                _ = &mut handle => panic!("the gate is closed"),
                () = task::yield_now() => {}
            }
        }
        gate.open();
        assert_eq!(handle.await.unwrap(), "kept");
    }

    /// The output of a task that nobody joins is dropped, and so is that of a finished one whose
    /// handle goes.
    async fn outputs_are_dropped_once() {
        let drops = Arc::new(AtomicUsize::new(0));
        for joined in 0..4 {
            drops.store(0, SeqCst);
            let gate = Gate::default();
            let (task_gate, output) = (gate.clone(), CountDrop(drops.clone()));
            let mut handle = Some(yamanote::spawn(async move {
                task_gate.await;
                output
            }));
            let abort = handle.as_ref().unwrap().abort_handle();
            match joined {
                0 => drop(handle.take()),
                1 => {
                    // Its waker is registered when it is dropped.
                    let handle = handle.take().unwrap();
                    yamanote::select! {
                        biased;
                        _ = handle => unreachable!(),
                        () = std::future::ready(()) => {}
                    }
                }
                _ => {}
            }
            gate.open();
            while !abort.is_finished() {
                task::yield_now().await;
            }
            match joined {
                2 => drop(handle),
                3 => drop(handle.unwrap().await.unwrap()),
                _ => {}
            }
            assert_eq!(drops.load(SeqCst), 1, "case {joined}");
        }
    }

    async fn the_future_is_gone_when_the_task_is_finished() {
        for _ in 0..yamanote_test::rounds(200) {
            let drops = Arc::new(AtomicUsize::new(0));
            let in_the_future = CountDrop(drops.clone());
            let handle = yamanote::spawn(async move {
                let _in_the_future = in_the_future;
                task::yield_now().await;
            });
            handle.await.unwrap();
            assert_eq!(drops.load(SeqCst), 1);
        }
    }

    async fn ids_are_the_tasks_own() {
        assert_eq!(task::try_id(), None);
        let (one, two) = (
            yamanote::spawn(async { (task::id(), task::try_id()) }),
            yamanote::spawn(async { (task::id(), task::try_id()) }),
        );
        let (one_id, two_id) = (one.id(), two.id());
        assert_ne!(one_id, two_id);
        assert_eq!(one.await.unwrap(), (one_id, Some(one_id)));
        assert_eq!(two.await.unwrap(), (two_id, Some(two_id)));
        let blocking = task::spawn_blocking(task::id);
        let id = blocking.id();
        assert_eq!(blocking.await.unwrap(), id);
    }

    /// Large futures are boxed on the way, small ones are not, none is truncated.
    async fn a_large_future_keeps_its_bytes() {
        const LEN: usize = if cfg!(miri) { 20_000 } else { 300_000 };
        let bytes = [0x5A_u8; LEN];
        let sum = yamanote::spawn(async move {
            task::yield_now().await;
            bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>()
        });
        assert_eq!(sum.await.unwrap(), LEN * 0x5A);
    }

    /// Tasks that spawn tasks that are joined by their spawners, many levels deep.
    async fn a_tree_of_tasks() {
        fn sum(depth: u32) -> Pin<Box<dyn Future<Output = u64> + Send>> {
            Box::pin(async move {
                if depth == 0 {
                    return 1;
                }
                let left = yamanote::spawn(sum(depth - 1));
                let right = yamanote::spawn(sum(depth - 1));
                left.await.unwrap() + right.await.unwrap()
            })
        }
        let depth = if cfg!(miri) { 4 } else { 10 };
        assert_eq!(sum(depth).await, 1 << depth);
    }

    /// Foreign threads wake, join and drop at random; nothing is lost (T12).
    async fn wakes_from_other_threads() {
        let mut handles: Vec<JoinHandle<usize>> = Vec::new();
        let mut gates = Vec::new();
        for index in 0..yamanote_test::rounds(500) {
            let gate = Gate::default();
            gates.push(gate.clone());
            handles.push(yamanote::spawn(async move {
                gate.await;
                index
            }));
        }
        let opener = std::thread::spawn(move || gates.iter().for_each(Gate::open));
        for (index, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.await.unwrap(), index);
        }
        opener.join().unwrap();
    }

    /// A task that yields runs after its siblings (T9): all of them advance together. With several
    /// workers each has its own queue, so only the order of magnitude is a promise.
    async fn yielding_tasks_advance_together() {
        const ROUNDS: usize = yamanote_test::rounds(1000);
        let rounds: Arc<Vec<AtomicUsize>> =
            Arc::new((0..4).map(|_| AtomicUsize::new(0)).collect());
        let handles: Vec<_> = (0..4)
            .map(|index| {
                let rounds = rounds.clone();
                yamanote::spawn(async move {
                    for _ in 0..ROUNDS {
                        rounds[index].fetch_add(1, SeqCst);
                        task::yield_now().await;
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
        assert!(rounds.iter().all(|rounds| rounds.load(SeqCst) == ROUNDS));
    }

    /// What is spawned outside is refused with Tokio's words.
    fn spawning_needs_a_runtime(setup: yamanote_test::Setup) {
        let _ = setup;
        let panic = std::panic::catch_unwind(|| drop(yamanote::spawn(pending::<()>()))).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("there is no reactor running"), "{message}");
    }

    /// The shutdown drops what waits, and what is spawned after it is cancelled (T4, T7).
    fn the_shutdown_cancels(setup: yamanote_test::Setup) {
        const TASKS: usize = yamanote_test::rounds(100);
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let drops = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..TASKS)
            .map(|index| {
                let in_the_future = CountDrop(drops.clone());
                runtime.spawn(async move {
                    let _in_the_future = in_the_future;
                    if index % 2 == 0 {
                        task::yield_now().await;
                    }
                    pending::<()>().await;
                })
            })
            .collect();
        let handle = runtime.handle().clone();
        runtime.block_on(task::yield_now());
        drop(runtime);
        assert_eq!(drops.load(SeqCst), TASKS);
        let late = handle.spawn(async {});
        futures::executor::block_on(async {
            for task in handles {
                assert!(task.await.unwrap_err().is_cancelled());
            }
            assert!(late.await.unwrap_err().is_cancelled());
        });
    }
}
