//! What a snapshot of a runtime says.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use yamanote::insight::Snapshot;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::UnixStream;
use yamanote::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use yamanote::task::yield_now;
use yamanote_test::matrix;

fn polls(snapshot: &Snapshot) -> u64 {
    snapshot.workers.iter().map(|worker| worker.polls).sum()
}

fn local_schedules(snapshot: &Snapshot) -> u64 {
    let of = |worker: &yamanote::insight::Worker| worker.local_schedules;
    snapshot.workers.iter().map(of).sum()
}

fn multi_thread(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

matrix! {
    /// Descriptors, events and timers are counted as they come and go.
    async fn what_waits_is_counted() {
        let metrics = Handle::current().metrics();
        let before = metrics.insight();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let there = metrics.insight();
        assert_eq!(there.io.watched, before.io.watched + 2);
        assert_eq!(there.io.registered, before.io.registered + 2);

        let reader = yamanote::spawn(async move { far.read_u8().await.unwrap() });
        yamanote::time::sleep(Duration::from_millis(2)).await;
        near.write_u8(7).await.unwrap();
        assert_eq!(reader.await.unwrap(), 7);
        let told = metrics.insight();
        assert!(told.io.events > before.io.events && told.io.drains > before.io.drains);
        assert!(told.timers.fired > before.timers.fired);

        drop(near);
        let gone = metrics.insight();
        assert_eq!(gone.io.watched, before.io.watched);
        assert_eq!(gone.io.registered, before.io.registered + 2);
    }

    /// What a file cannot do inline or by a ring is counted: nothing in /proc is done inline.
    async fn jobs_of_files_are_counted() {
        let metrics = Handle::current().metrics();
        let before = metrics.insight().files.pool_jobs;
        yamanote::fs::read("/proc/self/stat").await.unwrap();
        assert!(metrics.insight().files.pool_jobs > before);
    }

    /// A task that uses up its budget is counted once for each poll that does.
    async fn forced_yields_are_counted() {
        let metrics = Handle::current().metrics();
        yamanote::spawn(async {
            for _ in 0..1000 {
                yamanote::task::consume_budget().await;
            }
        })
        .await
        .unwrap();
        // 1000 units are seven polls that spend 128 each, and a rest.
        yamanote::time::timeout(Duration::from_secs(10), async {
            while metrics.insight().tasks.forced_yields != 7 {
                yamanote::time::sleep(Duration::from_millis(1)).await;
            }
        }).await.expect("workers publish their counts when they park");
    }
}

/// Each spawn, poll and wake is counted, and what is counted agrees.
#[test]
fn every_poll_is_counted() {
    const TASKS: u64 = 100;
    for rt in [
        Builder::new_current_thread().build().unwrap(),
        multi_thread(1),
    ] {
        let metrics = rt.metrics();
        rt.block_on(async {
            yamanote::spawn(async {
                let children = (0..TASKS).map(|_| yamanote::spawn(yield_now()));
                for child in children.collect::<Vec<_>>() {
                    child.await.unwrap();
                }
            })
            .await
            .unwrap();
        });
        let is_current = rt.handle().runtime_flavor() == RuntimeFlavor::CurrentThread;
        drop(rt);
        let end = metrics.insight();
        assert_eq!((end.tasks.spawned, end.tasks.alive), (TASKS + 1, 0));
        // A child is spawned and yields; its parent is woken at least once.
        assert!(polls(&end) > 2 * TASKS, "{end:?}");
        // The parent of a multi-thread runtime comes from outside.
        assert_eq!(end.tasks.remote_schedules, u64::from(!is_current));
        assert_eq!(
            local_schedules(&end) + end.tasks.remote_schedules,
            polls(&end),
            "{end:?}"
        );
    }
}

/// A worker that others have robbed is no news; one that has robbed others says so.
#[test]
fn steals_are_counted() {
    let rt = multi_thread(2);
    let metrics = rt.metrics();
    rt.block_on(rt.spawn(async {
        let (told, is_told) = mpsc::channel();
        // The second takes the first out of the place that is left to this worker, and is left
        // there itself.
        yamanote::spawn(async move { told.send(()).unwrap() });
        yamanote::spawn(async {});
        is_told
            .recv_timeout(Duration::from_secs(60))
            .expect("the sibling comes");
    }))
    .unwrap();
    drop(rt);
    let end = metrics.insight();
    let steals: u64 = end.workers.iter().map(|worker| worker.steals).sum();
    let operations: u64 = end
        .workers
        .iter()
        .map(|worker| worker.steal_operations)
        .sum();
    assert!((1..=3).contains(&steals), "{end:?}");
    assert!((1..=steals).contains(&operations), "{end:?}");
}

/// A line that outgrows its ring does so once, however much longer it gets; all of it is seen.
#[test]
fn a_long_line_is_one_overflow() {
    let rt = multi_thread(1);
    let metrics = rt.metrics();
    let inside = metrics.clone();
    rt.block_on(rt.spawn(async move {
        for _ in 0..1000 {
            yamanote::spawn(async {});
        }
        // All but the last, which runs next.
        assert_eq!(inside.insight().workers[0].queued, 999);
    }))
    .unwrap();
    drop(rt);
    let end = metrics.insight();
    assert_eq!((end.workers[0].overflows, end.workers[0].queued), (1, 0));
    assert_eq!((end.tasks.alive, end.tasks.spawned), (0, 1001));
}

/// The pool's threads and jobs; none is left at the end.
#[test]
fn blocking_jobs_are_counted() {
    let rt = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let metrics = rt.metrics();
    assert_eq!(metrics.insight().blocking.threads, 0);
    let (begun, has_begun) = mpsc::channel();
    let (go, may_go) = mpsc::channel::<()>();
    let first = rt.spawn_blocking(move || {
        begun.send(()).unwrap();
        may_go.recv().unwrap();
    });
    has_begun.recv().unwrap();
    let second = rt.spawn_blocking(|| ());
    let busy = metrics.insight().blocking;
    assert_eq!((busy.threads, busy.idle, busy.queued), (1, 0, 1));
    go.send(()).unwrap();
    rt.block_on(async { (first.await.unwrap(), second.await.unwrap()) });
    assert_eq!(metrics.insight().blocking.queued, 0);
    drop(rt);
    let end = metrics.insight().blocking;
    assert_eq!((end.threads, end.idle, end.queued), (0, 0, 0));
}

/// Snapshots in any number beside tasks that are born and die: counts never decrease, and at the
/// end every task is in the sums exactly once.
#[test]
fn snapshots_are_taken_while_tasks_come_and_go() {
    const SNAPSHOTS: usize = if cfg!(miri) { 20 } else { 10_000 };
    for workers in [1, 2, 8] {
        let rt = multi_thread(workers);
        let metrics = rt.metrics();
        let is_over = Arc::new(AtomicBool::new(false));
        let feeder = rt.spawn({
            let is_over = is_over.clone();
            async move {
                let mut spawned = 1;
                while !is_over.load(Relaxed) {
                    let children = (0..8).map(|_| yamanote::spawn(yield_now()));
                    for child in children.collect::<Vec<_>>() {
                        child.await.unwrap();
                        spawned += 1;
                    }
                }
                spawned
            }
        });
        let mut last = metrics.insight();
        for _ in 0..SNAPSHOTS {
            let next = metrics.insight();
            assert!(next.tasks.spawned >= last.tasks.spawned);
            assert!(polls(&next) >= polls(&last));
            assert!(local_schedules(&next) >= local_schedules(&last));
            last = next;
        }
        is_over.store(true, Relaxed);
        let spawned: u64 = rt.block_on(feeder).unwrap();
        drop(rt);
        let end = metrics.insight();
        assert_eq!((end.tasks.spawned, end.tasks.alive), (spawned, 0));
        // Every task but the feeder is polled twice at least, and each poll was scheduled once.
        assert!(polls(&end) >= 2 * spawned - 1, "{end:?}");
        assert_eq!(
            polls(&end),
            local_schedules(&end) + end.tasks.remote_schedules,
            "{end:?}"
        );
    }
}

/// Operations of the ring, where there is one.
#[test]
fn a_ring_counts_its_system_calls() {
    let rt = multi_thread(1);
    if rt.handle().driver() != yamanote::runtime::DriverKind::Uring {
        return;
    }
    let ring = rt.metrics().insight().ring;
    assert_eq!((ring.submitted, ring.in_flight, ring.leaked), (0, 0, 0));
}
