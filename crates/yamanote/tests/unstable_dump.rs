//! Tokio's task dumps: every task with the calls that led to where it waits, and nobody disturbed.
#![cfg(all(tokio_unstable, feature = "taskdump"))]

use std::collections::HashSet;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use yamanote::runtime::dump::{BacktraceSymbol, Dump, Trace, trace_with};
use yamanote::runtime::{Builder, Handle};
use yamanote::sync::{Notify, Semaphore, mpsc};
use yamanote::task::{Id, yield_now};
use yamanote_test::{CountingWaker, Setup, Snapshot, builder, matrix};

fn ids(dump: &Dump) -> HashSet<Id> {
    dump.tasks().iter().map(|task| task.id()).collect()
}

#[track_caller]
fn tree(dump: &Dump, id: Id) -> String {
    let task = dump.tasks().iter().find(|task| task.id() == id);
    task.expect("it is in the dump").trace().to_string()
}

/// The lines of `text` contain these, in this order.
#[track_caller]
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut lines = text.lines();
    for part in parts {
        let found = lines.any(|line| line.contains(part));
        assert!(found, "no {part} where it should be in\n{text}");
    }
}

/// Where this file first says so, as a trace names the place. (The name of a function is that of
/// its symbol or, with all information for debuggers, a short one.)
fn place(code: &str) -> String {
    let lines = include_str!("unstable_dump.rs").lines();
    let line = 1 + lines.take_while(|line| !line.contains(code)).count();
    format!("tests/unstable_dump.rs:{line}:")
}

#[inline(never)]
async fn outer(notify: Arc<Notify>) {
    middle(&notify).await;
}

#[inline(never)]
async fn middle(notify: &Notify) {
    yamanote::join!(inner(notify), other());
}

#[inline(never)]
async fn inner(notify: &Notify) {
    notify.notified().await;
}

#[inline(never)]
async fn other() {
    yamanote::time::sleep(Duration::from_secs(600)).await;
}

const CHAIN: [&str; 4] = [
    "middle(&notify).await",
    "join!(inner(notify), other())",
    "notify.notified().await",
    "sleep(Duration::from_secs(600)).await",
];

matrix! {
    /// Each await is a line, and what a task waits for at the same time is a branch each.
    async fn a_chain_of_awaits_is_named() {
        let notify = Arc::new(Notify::new());
        let task = yamanote::spawn(outer(notify.clone()));
        for _ in 0..3 {
            let dump = Handle::current().dump().await;
            assert_eq!(ids(&dump), HashSet::from([task.id()]));
            let tree = tree(&dump, task.id());
            let [outer, middle, inner, other] = CHAIN.map(place);
            assert!(tree.lines().next().unwrap().contains(&outer), "{tree}");
            assert_in_order(&tree, &[&outer, &middle, &inner, "src/sync/notify"]);
            assert_in_order(&tree, &[&outer, &middle, &other, "src/time/"]);
            let depth = |place: &str| {
                let line = tree.lines().find(|line| line.contains(place)).unwrap();
                line.chars().position(|c| c == '╼').unwrap()
            };
            assert_eq!(depth(&inner), depth(&other), "branches of one join\n{tree}");
            assert_eq!(tree.matches(&middle).count(), 1, "{tree}");
            for noise in ["src/util/", "src/runtime/", "src/panic"] {
                assert!(!tree.contains(noise), "{noise} in\n{tree}");
            }
        }
        let dump = Handle::current().dump().await;
        let [task_found] = dump.tasks().iter().collect::<Vec<_>>()[..] else {
            panic!("one task");
        };
        let stacks = task_found.trace().resolve_backtraces();
        assert_eq!(stacks.len(), 2);
        for stack in &stacks {
            let symbols: Vec<_> = stack.frames().flat_map(|frame| frame.symbols()).collect();
            let file = |symbol: &BacktraceSymbol| symbol.filename().unwrap().display().to_string();
            assert!(file(symbols[0]).contains("yamanote/src/"), "the leaf first: {symbols:#?}");
            let last = symbols.last().unwrap();
            let ends_at = format!("{}:{}:", file(last), last.lineno().unwrap());
            assert!(ends_at.ends_with(&place(CHAIN[0])), "{symbols:#?}");
            assert!(symbols.iter().all(|symbol| symbol.name_demangled().is_some()));
            for frame in stack.frames() {
                assert!(frame.symbol_address() <= frame.ip());
            }
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(ids(&Handle::current().dump().await).is_empty());
    }

    /// Tasks that are always runnable, that never ran, and that wait for somebody else's future.
    async fn whatever_a_task_does() {
        let spinning = yamanote::spawn(async { loop { yield_now().await } });
        for _ in 0..3 {
            yield_now().await;
        }
        let forgotten = yamanote::spawn(pending::<()>());
        let dump = Handle::current().dump().await;
        assert_eq!(ids(&dump), HashSet::from([spinning.id(), forgotten.id()]));
        assert_in_order(&tree(&dump, spinning.id()), &["src/task/yield_now.rs"]);
        assert_eq!(tree(&dump, forgotten.id()), "");
        spinning.abort();
        forgotten.abort();
    }

    fn ten_thousand_tasks(setup: Setup) {
        const TASKS: usize = 10_000;
        let runtime = builder!(setup).build().unwrap();
        let semaphore = Arc::new(Semaphore::new(0));
        runtime.block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let semaphore = semaphore.clone();
                    yamanote::spawn(async move {
                        semaphore.acquire().await.unwrap().forget();
                    })
                })
                .collect();
            let start = Instant::now();
            let dump = Handle::current().dump().await;
            println!("{setup:?}: {TASKS} tasks in {:?}", start.elapsed());
            assert_eq!(ids(&dump), tasks.iter().map(|task| task.id()).collect());
            let last = tree(&dump, tasks[TASKS - 1].id());
            assert_in_order(&last, &[&place("semaphore.acquire().await"), "src/sync/semaphore"]);
            semaphore.add_permits(TASKS);
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(Handle::current().dump().await.tasks().iter().count(), 0);
        });
    }

    /// A worker that does not come out of a poll is not waited for: its task is left out.
    fn a_stuck_worker(setup: Setup) {
        let Some(workers) = setup.workers else {
            return;
        };
        let runtime = builder!(setup).build().unwrap();
        let (release, is_stuck) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (released, stuck) = (release.clone(), is_stuck.clone());
        let blocking = runtime.spawn(async move {
            stuck.store(true, Relaxed);
            while !released.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        while !is_stuck.load(Relaxed) {
            std::thread::yield_now();
        }
        let waiting = runtime.spawn(pending::<()>());
        let start = Instant::now();
        let dump = runtime.block_on(runtime.handle().dump());
        assert!(start.elapsed() < Duration::from_secs(20));
        match workers {
            1 => assert!(ids(&dump).is_empty()),
            _ => assert_eq!(ids(&dump), HashSet::from([waiting.id()])),
        }
        release.store(true, Relaxed);
        runtime.block_on(blocking).unwrap();
        let dump = runtime.block_on(runtime.handle().dump());
        assert_eq!(ids(&dump), HashSet::from([waiting.id()]));
    }

    /// Dump after dump, while tasks are born and die.
    async fn while_tasks_come_and_go() {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::new(AtomicU64::new(0));
        let keep = || {
            let (stop, ended) = (stop.clone(), ended.clone());
            async move {
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
            }
        };
        let keepers: Vec<_> = (0..4).map(|_| yamanote::spawn(keep())).collect();
        for _ in 0..200 {
            let found = ids(&Handle::current().dump().await);
            assert!(keepers.iter().all(|keeper| found.contains(&keeper.id())));
        }
        stop.store(true, Relaxed);
        let mut born = 0;
        for keeper in keepers {
            born += keeper.await.unwrap();
        }
        assert_eq!(born, ended.load(Relaxed));
        assert!(ids(&Handle::current().dump().await).is_empty());
    }

    /// Tasks that ask for dumps at the same time, each in those of the others.
    async fn dumps_of_each_other() {
        let askers: Vec<_> = (0..4)
            .map(|_| {
                yamanote::spawn(async {
                    let mut most = 0;
                    for _ in 0..20 {
                        let found = ids(&Handle::current().dump().await);
                        assert!(!found.contains(&yamanote::task::id()), "not of itself");
                        most = most.max(found.len());
                        yield_now().await;
                    }
                    most
                })
            })
            .collect();
        for asker in askers {
            assert!(asker.await.unwrap() <= 3);
        }
    }

    /// A dump that nobody waits for any more leaves nothing behind.
    fn a_dropped_dump(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let (to, mut from) = mpsc::channel::<usize>(1);
            let polls = Arc::new(AtomicUsize::new(0));
            let counted = polls.clone();
            let task = yamanote::spawn(async move {
                let mut received = pin!(from.recv());
                poll_fn(|cx| {
                    counted.fetch_add(1, Relaxed);
                    received.as_mut().poll(cx)
                })
                .await
            });
            let handle = Handle::current();
            let waker = CountingWaker::new();
            for _ in 0..100 {
                let mut dump = pin!(handle.dump());
                let polled = dump.as_mut().poll(&mut Context::from_waker(&waker.waker()));
                if setup.workers.is_none() {
                    assert!(polled.is_pending());
                }
            }
            assert_eq!(waker.alive(), 0, "no waker is kept");
            assert_eq!(ids(&handle.dump().await), HashSet::from([task.id()]));
            // It comes to rest: nobody looks at it any more.
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut before = polls.load(Relaxed);
            loop {
                yamanote::time::sleep(Duration::from_millis(20)).await;
                let now = polls.load(Relaxed);
                if now == before {
                    break;
                }
                assert!(Instant::now() < deadline);
                before = now;
            }
            to.send(7).await.unwrap();
            assert_eq!(task.await.unwrap(), Some(7));
        });
    }

    alone fn no_thread_and_no_descriptor_is_left(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let task = yamanote::spawn(pending::<()>());
            drop(Handle::current().dump().await);
            // Until each worker has its name.
            std::thread::sleep(Duration::from_secs(1));
            let before = Snapshot::take();
            for _ in 0..50 {
                drop(Handle::current().dump().await);
            }
            before.assert_restored();
            task.abort();
        });
    }

    /// From a thread that does not drive the runtime: a multi-thread runtime tells, of a
    /// current-thread one nothing is known there.
    fn from_elsewhere(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let task = runtime.spawn(pending::<()>());
        let other = Builder::new_current_thread().build().unwrap();
        let found = ids(&other.block_on(runtime.handle().dump()));
        match setup.workers {
            None => assert!(found.is_empty()),
            Some(_) => assert_eq!(found, HashSet::from([task.id()])),
        }
        let handle = runtime.handle().clone();
        drop(runtime);
        assert!(ids(&other.block_on(handle.dump())).is_empty());
    }

    /// Futures that end or panic while they are only looked at.
    async fn the_end_in_a_look() {
        fn at_a_look(end: impl Fn()) -> impl Future<Output = ()> {
            poll_fn(move |cx| {
                if Handle::is_tracing() {
                    end();
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
        }
        assert!(!Handle::is_tracing());
        let ready = yamanote::spawn(at_a_look(|| ()));
        let panicking = yamanote::spawn(at_a_look(|| panic!("on purpose")));
        let waiting = yamanote::spawn(pending::<()>());
        let found = ids(&Handle::current().dump().await);
        assert_eq!(found, HashSet::from([waiting.id()]));
        ready.await.unwrap();
        assert!(panicking.await.unwrap_err().is_panic());
        waiting.abort();
    }

    /// A look at one future, which goes on as if nothing had been.
    async fn a_capture() {
        let notify = Arc::new(Notify::new());
        let mut future = pin!(Trace::root(outer(notify.clone())));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            let (polled, trace) = Trace::capture(|| future.as_mut().poll(&mut cx));
            assert!(polled.is_pending());
            let tree = trace.to_string();
            assert!(tree.lines().next().unwrap().contains(&place(CHAIN[0])), "{tree}");
            assert_in_order(&tree, &[&place(CHAIN[2]), &place(CHAIN[3])]);
            assert!(future.as_mut().poll(&mut cx).is_pending());
        }
        notify.notify_one();
        let mut leaves = 0;
        let polled = trace_with(|| future.as_mut().poll(&mut cx), |meta| {
            assert!(meta.root_addr.is_some());
            leaves += 1;
        });
        assert!(polled.is_pending(), "a look changes nothing");
        assert_eq!(leaves, 2);
    }

    /// What a capture is to wake after the poll is woken before the task blocks in place.
    fn a_capture_before_a_block_in_place(setup: Setup) {
        if setup.workers.is_none() {
            return;
        }
        let runtime = builder!(setup).build().unwrap();
        let task = runtime.spawn(async {
            let waker = CountingWaker::new();
            let mut future = pin!(yield_now());
            let mut look = || future.as_mut().poll(&mut Context::from_waker(&waker.waker()));
            assert!(trace_with(&mut look, |_| ()).is_pending());
            assert_eq!(waker.wakes(), 0, "not in the poll");
            yamanote::task::block_in_place(|| {
                assert_eq!(waker.wakes(), 1);
                assert!(trace_with(&mut look, |_| ()).is_pending());
                assert_eq!(waker.wakes(), 2, "at once");
            });
        });
        runtime.block_on(task).unwrap();
    }

    /// Of captures inside of each other the innermost hears of a leaf; and a panic leaves nothing
    /// behind.
    async fn captures_inside_of_each_other() {
        let waker = CountingWaker::new();
        let mut future = pin!(yield_now());
        let mut look = || future.as_mut().poll(&mut Context::from_waker(&waker.waker()));
        let (mut outer, mut inner) = (0, 0);
        trace_with(
            || {
                assert!(trace_with(&mut look, |_| inner += 1).is_pending());
                assert!(look().is_pending());
            },
            |_| outer += 1,
        );
        assert_eq!((outer, inner), (1, 1));
        let mut another = pin!(yield_now());
        let mut poll = || another.as_mut().poll(&mut Context::from_waker(&waker.waker()));
        let panics = || trace_with(&mut poll, |_| panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert!(!Handle::is_tracing());
        assert!(look().is_pending());
        assert!(look().is_ready());
    }
}
