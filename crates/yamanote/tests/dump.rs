//! A dump names each task, where it was spawned, and what it waits for; and it disturbs nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use yamanote::insight::{self, Activity, Detail, Dump, TaskDump, TaskState};
use yamanote::io::AsyncReadExt;
use yamanote::net::{TcpListener, UnixStream};
use yamanote::sync::{Notify, mpsc};
use yamanote::task::{Id, yield_now};
use yamanote_test::{Setup, builder, matrix};

#[track_caller]
fn task(dump: &Dump, id: Id) -> &TaskDump {
    let mut tasks = dump.tasks().unwrap().iter();
    tasks
        .find(|task| task.id() == id)
        .unwrap_or_else(|| panic!("{id} is not in {dump}"))
}

/// Waits until the tasks wait, on whatever thread.
async fn settled(tasks: usize) -> Dump {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let dump = insight::dump().await;
        let waiting = |task: &&TaskDump| task.state() == TaskState::Waiting;
        let found = dump.tasks().unwrap();
        if found.len() == tasks && found.iter().filter(waiting).count() == tasks {
            return dump;
        }
        assert!(Instant::now() < deadline, "{dump}");
        yield_now().await;
    }
}

async fn waits_in_a_chain(notify: Arc<Notify>) {
    async fn inner(notify: &Notify) {
        notify.notified().await;
    }
    inner(&notify).await;
}

matrix! {
    async fn what_tasks_wait_for() {
        let notify = Arc::new(Notify::new());
        let (to, mut from) = mpsc::channel::<()>(1);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let sleeper = async { yamanote::time::sleep(Duration::from_secs(600)).await };
        let both = {
            let notify = notify.clone();
            async move { yamanote::join!(notify.notified(), yield_now()); }
        };
        let tasks = [
            (yamanote::spawn(waits_in_a_chain(notify.clone())), line!(), "sync::notify"),
            (yamanote::spawn(async move { assert_eq!(from.recv().await, None) }), line!(), "sync::mpsc"),
            (yamanote::spawn(async move { drop(listener.accept().await) }), line!(), "readiness"),
            (yamanote::spawn(async move { drop(ours.read(&mut [0; 8]).await) }), line!(), "readiness"),
            (yamanote::spawn(sleeper), line!(), "time::timer"),
            (yamanote::spawn(both), line!(), "sync::notify"),
        ];
        let dump = settled(tasks.len()).await;
        for (handle, line, leaf) in &tasks {
            let task = task(&dump, handle.id());
            assert_eq!((task.spawned_at().file(), task.spawned_at().line()), (file!(), *line));
            // Where Tokio's dumps are built in, a yield is one, too.
            let leaves = task.waits_for().filter(|leaf| leaf != "task::yield_now");
            let leaves: Vec<_> = leaves.collect();
            assert!(leaves.len() == 1 && leaves[0].contains(leaf), "{leaves:?}, not {leaf}");
            assert!(dump.to_string().contains(&format!("task {}, spawned at ", task.id())));
        }
        // They have lost nothing by it.
        for _ in 0..3 {
            settled(tasks.len()).await;
        }
        notify.notify_waiters();
        drop((to, theirs));
        for (n, (handle, ..)) in tasks.into_iter().enumerate() {
            match n {
                2 | 4 => handle.abort(),
                _ => handle.await.unwrap(),
            }
        }
        settled(0).await;
    }

    /// What has waited since the last dump is known to have; polls for dumps do not count.
    async fn how_long_they_wait() {
        const STEP: Duration = Duration::from_millis(100);
        let deadline = Instant::now() + Duration::from_secs(60);
        let notify = Arc::new(Notify::new());
        let notified = notify.clone();
        let waiter = yamanote::spawn(async move {
            loop {
                notified.notified().await;
            }
        });
        let never = yamanote::spawn(std::future::pending::<()>());
        let ids = [waiter.id(), never.id()];
        let first = insight::dump().await;
        assert!(first.tasks().unwrap().iter().all(|task| task.waits_at_least().is_none()));
        // On a busy machine a dump may end before the tasks that it has polled wait again: then it
        // does not know them the next time.
        loop {
            notify.notify_one();
            yamanote::time::sleep(STEP).await;
            let start = Instant::now();
            settled(2).await;
            let middle = Instant::now();
            yamanote::time::sleep(STEP).await;
            let slept = middle.elapsed();
            let second = insight::dump().await;
            let [waits, never_waits] = ids.map(|id| task(&second, id).waits_at_least());
            // Whatever is known is true.
            assert!(waits.is_none_or(|least| least <= start.elapsed() + STEP), "{second}");
            notify.notify_one();
            yamanote::time::sleep(STEP).await;
            let third = insight::dump().await;
            let [was_woken, never_woken] = ids.map(|id| task(&third, id).waits_at_least());
            let is_known = waits >= Some(slept) && never_waits >= Some(slept);
            if is_known && was_woken.is_none() && never_woken > never_waits {
                let told = third.to_string();
                assert!(told.contains("waits for at least "), "{told}");
                break;
            }
            assert!(Instant::now() < deadline, "{second}\n{third}");
        }
        for task in [waiter, never] {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    }

    /// From another thread, and with stacks.
    fn from_outside(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let notify = Arc::new(Notify::new());
        let handle = runtime.handle().clone();
        let task_handle = runtime.spawn(waits_in_a_chain(notify.clone()));
        let id = task_handle.id();
        let done = notify.clone();
        let watcher = std::thread::spawn(move || {
            let deadline = Instant::now() + Duration::from_secs(30);
            loop {
                let dump = insight::dump_of(&handle, Detail::Stacks, Duration::from_secs(30));
                let task = task(&dump, id);
                if let Some(stack) = task.stacks().next() {
                    // The two functions that await.
                    let frames = stack.matches("tests/dump.rs:").count();
                    done.notify_one();
                    break assert_eq!(frames, 2, "{stack}");
                }
                assert!(Instant::now() < deadline, "{dump}");
            }
        });
        runtime.block_on(task_handle).unwrap();
        watcher.join().unwrap();
    }

    /// A worker that is stuck is named, and not waited for.
    fn a_worker_that_is_stuck(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let release = Arc::new(AtomicBool::new(false));
        let is_stuck = Arc::new(AtomicBool::new(false));
        let (released, stuck) = (release.clone(), is_stuck.clone());
        let block = async move {
            stuck.store(true, Relaxed);
            while !released.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        let (stuck_task, line) = (runtime.spawn(block), line!());
        let id = stuck_task.id();
        let handle = runtime.handle().clone();
        let watcher = std::thread::spawn(move || {
            while !is_stuck.load(Relaxed) {
                std::thread::yield_now();
            }
            let start = Instant::now();
            let dump = insight::dump_of(&handle, Detail::Leaves, Duration::from_millis(300));
            assert!(start.elapsed() < Duration::from_secs(20));
            let worker = dump.workers().iter().find(|worker| worker.task() == Some(id));
            let worker = worker.unwrap_or_else(|| panic!("{dump}"));
            assert_eq!(worker.spawned_at().unwrap().line(), line);
            assert!(!matches!(worker.activity().unwrap(), Activity::AwaitsThread), "{dump}");
            match setup.workers {
                None => assert!(dump.tasks().is_none(), "{dump}"),
                Some(_) => assert_eq!(task(&dump, id).state(), TaskState::Polled),
            }
            release.store(true, Relaxed);
        });
        runtime.block_on(stuck_task).unwrap();
        watcher.join().unwrap();
    }

    /// Dump after dump, while tasks are born and die.
    async fn while_tasks_come_and_go() {
        const DUMPS: u64 = 1_250;
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::new(AtomicU64::new(0));
        let keepers: Vec<_> = (0..4)
            .map(|_| {
                let (stop, ended) = (stop.clone(), ended.clone());
                yamanote::spawn(async move {
                    let mut born = 0;
                    while !stop.load(Relaxed) {
                        let ended = ended.clone();
                        let child = yamanote::spawn(async move {
                            yamanote::time::sleep(Duration::from_micros(50)).await;
                            yield_now().await;
                            ended.fetch_add(1, Relaxed);
                        });
                        born += 1;
                        child.await.unwrap();
                    }
                    born
                })
            })
            .collect();
        for _ in 0..DUMPS {
            let dump = insight::dump().await;
            let tasks = dump.tasks().unwrap();
            let is_there = |id| tasks.iter().any(|task| task.id() == id);
            assert!(keepers.iter().all(|keeper| is_there(keeper.id())), "{dump}");
            assert!(tasks.iter().all(|task| task.spawned_at().file() == file!()), "{dump}");
        }
        stop.store(true, Relaxed);
        let mut born = 0;
        for keeper in keepers {
            born += keeper.await.unwrap();
        }
        assert_eq!(born, ended.load(Relaxed));
        assert!(settled(0).await.tasks().unwrap().is_empty());
    }
}
