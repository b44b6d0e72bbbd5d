//! Hooks of tasks: which are called, how often, in which order, and what their panics do.
#![cfg(tokio_unstable)]

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yamanote::runtime::{Builder, TaskMeta};
use yamanote::task::{self, Id, JoinSet, LocalSet, yield_now};
use yamanote_test::{Setup, builder};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Spawned,
    Before,
    After,
    Terminated,
}

/// What the hooks were told, by task.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<HashMap<Id, Vec<Event>>>>);

impl Log {
    fn listen(&self, builder: &mut Builder) {
        let note = |event| {
            let log = self.clone();
            move |task: &TaskMeta<'_>| {
                assert_eq!(task.spawned_at().file(), file!());
                log.0
                    .lock()
                    .unwrap()
                    .entry(task.id())
                    .or_default()
                    .push(event);
            }
        };
        builder
            .on_task_spawn(note(Event::Spawned))
            .on_before_task_poll(note(Event::Before))
            .on_after_task_poll(note(Event::After))
            .on_task_terminate(note(Event::Terminated));
    }

    fn of(&self, id: Id) -> Vec<Event> {
        self.0.lock().unwrap().get(&id).cloned().unwrap_or_default()
    }

    fn tasks(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

use Event::{After, Before, Spawned, Terminated};

yamanote_test::matrix! {
    fn each_event_is_told_once_and_in_order(setup: Setup) {
        let log = Log::default();
        let mut builder = builder!(setup);
        log.listen(&mut builder);
        let rt = builder.build().unwrap();
        let mut ids = Vec::new();
        let outside = rt.spawn(yield_now());
        ids.push(outside.id());
        ids.extend(rt.block_on(async {
            outside.await.unwrap();
            let mut ids = Vec::new();
            let mut set = JoinSet::new();
            for _ in 0..64 {
                ids.push(set.spawn(yield_now()).id());
                let nested = task::spawn(async {
                    let inner = task::spawn(yield_now());
                    let id = inner.id();
                    inner.await.unwrap();
                    id
                });
                let outer = nested.id();
                ids.push(nested.await.unwrap());
                // How often the outer one is polled is up to the scheduler.
                assert_eq!(log.of(outer)[..2], [Spawned, Before]);
            }
            set.join_all().await;
            ids
        }));
        // The hook after a last poll runs when the task is joined already.
        drop(rt);
        let whole = [Spawned, Before, After, Before, Terminated, After];
        for id in &ids {
            assert_eq!(log.of(*id), whole, "{id}");
        }
        assert_eq!(log.tasks(), ids.len() + 64);
    }

    fn every_end_is_told(setup: Setup) {
        let log = Log::default();
        let mut builder = builder!(setup);
        log.listen(&mut builder);
        let rt = builder.build().unwrap();
        let waiting = rt.spawn(std::future::pending::<()>()).id();
        let (panicked, aborted, blocking) = rt.block_on(async {
            let panicked = task::spawn(async { panic!("on purpose") });
            let aborted = task::spawn(std::future::pending::<()>());
            aborted.abort();
            let blocking = task::spawn_blocking(|| ());
            let ids = (panicked.id(), aborted.id(), blocking.id());
            assert!(panicked.await.unwrap_err().is_panic());
            // Told before whoever joins it hears of it.
            assert!(log.of(ids.0).contains(&Terminated));
            assert!(aborted.await.unwrap_err().is_cancelled());
            assert!(log.of(ids.1).contains(&Terminated));
            blocking.await.unwrap();
            ids
        });
        assert_eq!(log.of(blocking), [Terminated]);
        assert!(!log.of(waiting).contains(&Terminated));
        let handle = rt.handle().clone();
        drop(rt);
        assert_eq!(log.of(panicked), [Spawned, Before, Terminated, After]);
        for id in [waiting, aborted] {
            let events = log.of(id);
            assert_eq!(events.iter().filter(|it| **it == Terminated).count(), 1);
            assert_eq!(events[0], Spawned);
        }
        let late = handle.spawn(async {}).id();
        assert_eq!(log.of(late), [Spawned, Terminated]);
    }

    fn tasks_of_a_local_set_are_not_told(setup: Setup) {
        let log = Log::default();
        let mut builder = builder!(setup);
        log.listen(&mut builder);
        let rt = builder.build().unwrap();
        let set = LocalSet::new();
        set.block_on(&rt, async { task::spawn_local(yield_now()).await.unwrap() });
        assert_eq!(log.tasks(), 0);
    }

    fn a_spawn_hook_may_enter_a_runtime_and_spawn(setup: Setup) {
        let depth = Arc::new(AtomicUsize::new(0));
        let (seen, slot) = (depth.clone(), Arc::new(Mutex::new(None)));
        let handle: Arc<Mutex<Option<yamanote::runtime::Handle>>> = slot.clone();
        let rt = builder!(setup)
            .on_task_spawn(move |_| {
                let handle = handle.lock().unwrap().clone();
                if let Some(handle) = handle {
                    let _entered = handle.enter();
                    if seen.fetch_add(1, Relaxed) < 3 {
                        task::spawn(async {});
                    }
                }
            })
            .build()
            .unwrap();
        *slot.lock().unwrap() = Some(rt.handle().clone());
        rt.block_on(async { task::spawn(async {}).await.unwrap() });
        assert_eq!(depth.load(Relaxed), 4);
        *slot.lock().unwrap() = None;
    }

    fn a_worker_survives_the_panics_of_hooks(setup: Setup) {
        if setup.workers.is_none() {
            return;
        }
        let rt = builder!(setup)
            .on_before_task_poll(|_| panic!("before"))
            .on_after_task_poll(|_| panic!("after"))
            .on_task_terminate(|_| panic!("at the end"))
            .build()
            .unwrap();
        rt.block_on(async {
            for n in 0..32 {
                let task = task::spawn(async move {
                    yield_now().await;
                    n
                });
                assert_eq!(task.await.unwrap(), n);
            }
            task::spawn_blocking(|| ()).await.unwrap();
        });
    }
}

#[test]
fn a_panic_of_a_hook_leaves_block_on() {
    let rt = Builder::new_current_thread()
        .on_before_task_poll(|_| panic!("before"))
        .build()
        .unwrap();
    let task = rt.spawn(async {});
    let payload = catch_unwind(AssertUnwindSafe(|| rt.block_on(yield_now()))).unwrap_err();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "before");
    // The thread is free, and the task waits for the end.
    assert_eq!(rt.block_on(async { 5 }), 5);
    assert!(!task.is_finished());
    drop(rt);
    assert!(task.is_finished());
}

#[test]
fn a_panic_of_the_spawn_hook_is_the_spawners() {
    let rt = Builder::new_multi_thread()
        .worker_threads(2)
        .on_task_spawn(|_| panic!("no"))
        .build()
        .unwrap();
    for _ in 0..8 {
        assert!(catch_unwind(AssertUnwindSafe(|| rt.spawn(async {}))).is_err());
        rt.block_on(async {
            assert!(catch_unwind(|| task::spawn(async {})).is_err());
        });
    }
    rt.shutdown_timeout(Duration::from_secs(60));
}
