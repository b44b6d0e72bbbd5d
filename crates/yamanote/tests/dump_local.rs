//! A dump has the tasks that stay on a thread, too: those of a `LocalSet` and of a `LocalRuntime`.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use yamanote::insight::{self, Activity, Detail, Dump, LocalSetDump, TaskDump, TaskState};
use yamanote::runtime::{Builder, DriverChoice, Handle, LocalOptions};
use yamanote::sync::Notify;
use yamanote::task::{Id, LocalSet, named, spawn_local, yield_now};
use yamanote::time::sleep;
use yamanote_test::{Capability, Setup, builder, matrix, require};

const LONG: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(60);

fn find(dump: &Dump, id: Id) -> Option<&TaskDump> {
    dump.tasks()?.iter().find(|task| task.id() == id)
}

#[track_caller]
fn task(dump: &Dump, id: Id) -> &TaskDump {
    find(dump, id).unwrap_or_else(|| panic!("{id} is not in {dump}"))
}

#[track_caller]
fn set_of<'a>(dump: &'a Dump, set: &LocalSet) -> &'a LocalSetDump {
    let mut sets = dump.local_sets().iter().filter(|it| it.id() == set.id());
    let (first, second) = (sets.next(), sets.next());
    assert!(second.is_none(), "twice in {dump}");
    first.unwrap_or_else(|| panic!("not in {dump}"))
}

/// Takes dumps until these tasks are there and wait somewhere.
async fn until_they_wait(ids: &[Id]) -> Dump {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let dump = insight::dump().await;
        let waits = |id: &Id| find(&dump, *id).is_some_and(|it| it.waits_for().next().is_some());
        if ids.iter().all(waits) {
            return dump;
        }
        assert!(Instant::now() < deadline, "{dump}");
        yield_now().await;
    }
}

async fn is_notified(notify: Rc<Notify>) {
    notify.notified().await;
}

matrix! {
    fn tasks_of_a_local_set(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let (set, made_at) = (LocalSet::new(), line!());
        let notify = Rc::new(Notify::new());
        let (waiter, line) = (set.spawn_local(is_notified(notify.clone())), line!());
        let sleeper = named("sleeper").spawn_local_on(async { sleep(LONG).await }, &set);
        let ids = [waiter.id(), sleeper.id()];
        set.block_on(&runtime, async {
            let outside = yamanote::spawn(async { sleep(LONG).await });
            // Several dumps one after the other see the same.
            for _ in 0..3 {
                let dump = until_they_wait(&ids).await;
                let seen = set_of(&dump, &set);
                assert!(seen.has_answered() && seen.activity().is_none(), "{dump}");
                assert_eq!((seen.made_at().file(), seen.made_at().line()), (file!(), made_at));
                assert_eq!(dump.tasks().unwrap().len(), 3, "{dump}");
                let waiter = task(&dump, waiter.id());
                assert_eq!(waiter.state(), TaskState::Waiting);
                assert_eq!((waiter.spawned_at().file(), waiter.spawned_at().line()), (file!(), line));
                assert_eq!((waiter.local_set(), waiter.name()), (Some(set.id()), None));
                let leaves: Vec<_> = waiter.waits_for().collect();
                assert_eq!(leaves, ["sync::notify::notified"]);
                let sleeper = task(&dump, sleeper.id());
                assert_eq!(sleeper.name(), Some("sleeper"));
                assert!(sleeper.waits_for().all(|leaf| leaf == "time::timer"), "{dump}");
                assert_eq!(task(&dump, outside.id()).local_set(), None);
                let told = format!("of local set {}, waits ", set.id());
                assert!(dump.to_string().contains(&told), "{dump}");
            }
            // How long is known when a dump has seen them before.
            let deadline = Instant::now() + PATIENCE;
            loop {
                let dump = insight::dump().await;
                if ids.iter().all(|id| task(&dump, *id).waits_at_least().is_some()) {
                    break;
                }
                assert!(Instant::now() < deadline, "{dump}");
            }
            // They have lost nothing by it.
            notify.notify_one();
            waiter.await.unwrap();
            for handle in [sleeper, outside] {
                handle.abort();
                assert!(handle.await.unwrap_err().is_cancelled());
            }
        });
    }

    /// With the functions that await.
    fn stacks_of_a_local_set(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let (set, notify) = (LocalSet::new(), Rc::new(Notify::new()));
        let waiter = set.spawn_local(is_notified(notify.clone()));
        let id = waiter.id();
        let handle = runtime.handle().clone();
        let done = Arc::new(Notify::new());
        let is_done = done.clone();
        let watcher = std::thread::spawn(move || {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let dump = insight::dump_of(&handle, Detail::Stacks, Duration::from_secs(30));
                let stack = find(&dump, id).and_then(|task| task.stacks().next());
                if let Some(stack) = stack {
                    is_done.notify_one();
                    break assert!(stack.contains("tests/dump_local.rs:"), "{stack}");
                }
                assert!(Instant::now() < deadline, "{dump}");
            }
        });
        set.block_on(&runtime, done.notified());
        watcher.join().unwrap();
    }

    /// It is named, and its tasks are seen again as soon as somebody polls it; in the dumps of the
    /// runtime in which that happens.
    fn a_set_that_nobody_polls(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let set = LocalSet::new();
        let waiter = set.spawn_local(async { sleep(LONG).await });
        let id = waiter.id();
        let dump = || runtime.block_on(async { insight::dump().await });
        assert!(dump().local_sets().is_empty(), "never polled");
        let seen = set.block_on(&runtime, until_they_wait(&[id]));
        assert!(set_of(&seen, &set).has_answered());
        let unseen = dump();
        assert!(find(&unseen, id).is_none());
        let known = set_of(&unseen, &set);
        assert!(!known.has_answered() && known.activity().is_none(), "{unseen}");
        assert!(unseen.to_string().contains("is not polled"), "{unseen}");
        let other = builder!(setup).build().unwrap();
        // Its timer is the first runtime's, and that goes on.
        let seen = set.block_on(&other, until_they_wait(&[id]));
        assert!(set_of(&seen, &set).has_answered());
        assert!(dump().local_sets().is_empty(), "it is elsewhere now");
        let again = set.block_on(&runtime, until_they_wait(&[id]));
        assert!(set_of(&again, &set).has_answered());
        drop(set);
        assert!(dump().local_sets().is_empty());
        let error = runtime.block_on(waiter).unwrap_err();
        assert!(error.is_cancelled());
    }

    /// It is named with what its thread does, and not waited for.
    fn a_set_that_is_stuck(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let (release, is_stuck) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (released, stuck) = (release.clone(), is_stuck.clone());
        let set = LocalSet::new();
        let block = set.spawn_local(async move {
            stuck.store(true, Relaxed);
            while !released.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let (handle, set_id) = (runtime.handle().clone(), set.id());
        let watcher = std::thread::spawn(move || {
            while !is_stuck.load(Relaxed) {
                std::thread::yield_now();
            }
            let start = Instant::now();
            let dump = insight::dump_of(&handle, Detail::Leaves, Duration::from_millis(300));
            assert!(start.elapsed() < Duration::from_secs(20));
            let set = dump.local_sets().iter().find(|set| set.id() == set_id);
            let set = set.unwrap_or_else(|| panic!("{dump}"));
            assert!(!set.has_answered());
            assert!(!matches!(set.activity().unwrap(), Activity::AwaitsThread), "{dump}");
            assert!(dump.to_string().contains("is stuck in a poll; it "), "{dump}");
            // It is the thread that is in `block_on`: the only worker there is, or none.
            assert_eq!(dump.tasks().is_none(), setup.workers.is_none(), "{dump}");
            let is_named = dump.workers().iter().any(|it| it.thread_id() == Some(set.thread_id()));
            assert_eq!(is_named, setup.workers.is_none(), "{dump}");
            release.store(true, Relaxed);
        });
        set.block_on(&runtime, block).unwrap();
        watcher.join().unwrap();
    }

    /// Dump after dump, while tasks of sets are born and die, and the sets with them.
    fn while_sets_come_and_go(setup: Setup) {
        const SETS: usize = if cfg!(miri) { 2 } else { 20 };
        let runtime = builder!(setup).build().unwrap();
        for round in 0..SETS {
            let set = LocalSet::new();
            let born = set.block_on(&runtime, async {
                let dumps = spawn_local(async {
                    for _ in 0..3 {
                        let dump = Handle::current().spawn(insight::dump()).await.unwrap();
                        assert!(dump.local_sets().len() == 1, "{dump}");
                    }
                });
                let mut born = 0;
                while !dumps.is_finished() {
                    let child = spawn_local(async { yield_now().await });
                    spawn_local(std::future::pending::<()>());
                    child.await.unwrap();
                    born += 1;
                }
                dumps.await.unwrap();
                // The set may end with a request that was not answered, or half.
                if round % 2 == 0 {
                    drop(yamanote::spawn(insight::dump()));
                    yield_now().await;
                }
                born
            });
            assert!(born > 0);
        }
    }
}

/// A runtime all of whose tasks are local has them in its own list.
#[test]
fn tasks_of_a_local_runtime() {
    for driver in [DriverChoice::Uring, DriverChoice::Epoll] {
        if driver == DriverChoice::Uring && !require(Capability::IoUring) {
            continue;
        }
        let mut builder = Builder::new_current_thread();
        builder.enable_all().driver(driver);
        let runtime = builder.build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let notify = Rc::new(Notify::new());
            let (local, line) = (spawn_local(is_notified(notify.clone())), line!());
            let sent = yamanote::spawn(async { sleep(LONG).await });
            let dump = until_they_wait(&[local.id(), sent.id()]).await;
            let seen = task(&dump, local.id());
            assert_eq!(seen.spawned_at().line(), line);
            assert_eq!(
                seen.waits_for().collect::<Vec<_>>(),
                ["sync::notify::notified"]
            );
            assert_eq!(dump.tasks().unwrap().len(), 2, "{dump}");
            notify.notify_one();
            local.await.unwrap();
        });
    }
}
