//! What the handles say, and what is visible while a task runs and ends.
#![forbid(unsafe_code)]

use super::{AnyScheduler, Dropped, Scheduler, WakeCount, poll};
use crate::runtime::task::{AbortHandle, Id, JoinError, JoinHandle, try_id};
use crate::util::coop;
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

#[test]
fn auto_traits() {
    fn send_sync<T: Send + Sync>() {}
    fn all<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    all::<AbortHandle>();
    all::<JoinHandle<()>>();
    all::<JoinHandle<Cell<()>>>();
    send_sync::<JoinError>();
    all::<Id>();
}

type Sightings = Vec<(&'static str, Option<Id>)>;

/// Records the task ids seen where user code runs.
struct Spy {
    seen: Arc<Mutex<Sightings>>,
    place: &'static str,
}

impl Drop for Spy {
    fn drop(&mut self) {
        self.seen.lock().unwrap().push((self.place, try_id()));
    }
}

#[test]
fn the_id_is_known_wherever_the_tasks_code_runs() {
    let scheduler = Scheduler::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let spy = |place| Spy {
        seen: seen.clone(),
        place,
    };
    for drop_handle_early in [true, false] {
        seen.lock().unwrap().clear();
        let (in_poll, in_future, in_output) = (spy("poll"), spy("future"), spy("output"));
        let mut in_poll = Some(in_poll);
        let mut in_output = Some(in_output);
        let handle = scheduler.spawn(poll_fn(move |_| {
            let _in_the_future = &in_future;
            drop(in_poll.take());
            Poll::Ready(in_output.take())
        }));
        let id = handle.id();
        let handle = (!drop_handle_early).then_some(handle);
        scheduler.run_all();
        drop(handle);
        assert_eq!(
            *seen.lock().unwrap(),
            ["poll", "future", "output"].map(|place| (place, Some(id)))
        );
        assert_eq!(try_id(), None);
    }
}

#[test]
fn abort_handles_count_as_references_only() {
    let scheduler = Scheduler::new();
    let handle = scheduler.spawn(pending::<()>());
    let abort = handle.abort_handle();
    let clone = abort.clone();
    assert_eq!(abort.id(), handle.id());
    assert_eq!(
        format!("{abort:?}"),
        format!("AbortHandle {{ id: {:?} }}", abort.id())
    );
    assert_eq!(
        format!("{handle:?}"),
        format!("JoinHandle {{ id: {:?} }}", abort.id())
    );
    drop(abort);
    scheduler.run_all();
    clone.abort();
    clone.abort();
    assert!(!clone.is_finished());
    scheduler.run_all();
    assert!(clone.is_finished() && handle.is_finished());
    drop(handle);
    clone.abort();
    assert!(!scheduler.is_last());
    drop(clone);
    assert!(scheduler.is_last());
}

#[test]
#[should_panic(expected = "JoinHandle polled after completion")]
fn an_output_is_taken_once() {
    let scheduler = Scheduler::new();
    let mut handle = scheduler.spawn(async {});
    scheduler.run_all();
    assert!(poll(&mut handle, Waker::noop()).is_ready());
    let _ = poll(&mut handle, Waker::noop());
}

/// Joining finished tasks is progress, and progress is bounded (T9).
#[test]
fn joining_spends_budget() {
    let scheduler = Scheduler::new();
    let mut handles: Vec<_> = (0..200)
        .map(|i| scheduler.spawn(async move { i }))
        .collect();
    scheduler.run_all();
    let (count, waker) = WakeCount::new();
    coop::budget(|| {
        let ready = handles
            .iter_mut()
            .map_while(|handle| poll(handle, &waker).is_ready().then_some(()))
            .count();
        assert_eq!(ready, 128);
        assert_eq!(count.get(), 1, "out of budget, so woken");
    });
}

/// A task that wakes itself runs after those that were runnable before.
#[test]
fn a_yield_goes_to_the_back() {
    let scheduler = Scheduler::new();
    let log = Arc::new(Mutex::new(String::new()));
    for name in ['a', 'b', 'c'] {
        let log = log.clone();
        drop(scheduler.spawn(async move {
            log.lock().unwrap().push(name);
            crate::task::yield_now().await;
            log.lock().unwrap().push(name);
        }));
    }
    scheduler.run_all();
    assert_eq!(*log.lock().unwrap(), "abcabc");
}

/// Wakers outlive the task and the scheduler (T5), and cost a count.
#[test]
fn wakers_outlive_everything() {
    let scheduler = Scheduler::new();
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    let handle = scheduler.spawn(poll_fn(move |cx| -> Poll<()> {
        *keep.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }));
    scheduler.run_all();
    let waker = kept.lock().unwrap().take().unwrap();
    assert!(waker.will_wake(&waker.clone()));
    let clones = vec![waker.clone(); 1000];
    scheduler.shut_down();
    drop(handle);
    let weak = Arc::downgrade(&scheduler.0);
    drop(scheduler);
    for clone in clones {
        clone.wake();
    }
    waker.wake_by_ref();
    assert!(weak.upgrade().is_some());
    std::thread::spawn(move || waker.wake()).join().unwrap();
    assert!(
        weak.upgrade().is_none(),
        "the last waker did not free the task"
    );
}

/// A task whose own waker is in its future is a cycle until the shutdown (T14).
#[test]
fn a_cycle_ends_with_the_shutdown() {
    struct Cycle(Arc<AtomicUsize>, Option<Waker>, #[allow(dead_code)] Dropped);
    impl Future for Cycle {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.0.fetch_add(1, SeqCst);
            self.1 = Some(cx.waker().clone());
            Poll::Pending
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let polls = Arc::new(AtomicUsize::new(0));
    let scheduler = Scheduler::new();
    drop(scheduler.spawn(Cycle(polls.clone(), None, Dropped::new(&drops, false))));
    scheduler.run_all();
    assert_eq!((polls.load(SeqCst), drops.load(SeqCst)), (1, 0));
    scheduler.shut_down();
    assert_eq!(drops.load(SeqCst), 1);
    assert!(scheduler.is_last());
}

/// A future dropped by the shutdown spawns (T7): refused, and dropped in turn.
#[test]
fn a_shutdown_that_spawns() {
    let scheduler = Scheduler::new();
    let drops = Arc::new(AtomicUsize::new(0));
    struct SpawnsInDrop(Scheduler, Arc<AtomicUsize>);
    impl Drop for SpawnsInDrop {
        fn drop(&mut self) {
            let dropped = Dropped::new(&self.1, false);
            drop(self.0.spawn(async move {
                let _dropped = dropped;
                pending::<()>().await;
            }));
        }
    }
    for _ in 0..3 {
        let spawns = SpawnsInDrop(scheduler.clone(), drops.clone());
        drop(scheduler.spawn(async move {
            let _spawns = spawns;
            pending::<()>().await;
        }));
    }
    scheduler.shut_down();
    assert_eq!(drops.load(SeqCst), 3);
    assert_eq!(scheduler.0.owned.num_alive_tasks(), 0);
    assert!(scheduler.is_last());
}

/// Through every function that is between.
#[test]
fn a_task_knows_where_it_was_spawned() {
    let scheduler = Scheduler::new();
    let (handle, line) = (scheduler.spawn(async {}), line!());
    let task = scheduler.0.queue.lock().unwrap().pop_front().unwrap();
    let task = scheduler.0.owned.assert_owner(task);
    let meta = task.meta();
    assert_eq!(meta.id, handle.id());
    assert_eq!(
        (meta.spawned_at.file(), meta.spawned_at.line()),
        (file!(), line)
    );
    task.run();
}

#[test]
fn a_task_of_another_scheduler_is_not_run() {
    let (ours, theirs) = (Scheduler::new(), Scheduler::new());
    drop(theirs.spawn(async {}));
    let task = theirs.0.queue.lock().unwrap().pop_front().unwrap();
    let run = catch_unwind(std::panic::AssertUnwindSafe(|| {
        ours.0.owned.assert_owner(task)
    }));
    assert!(run.is_err());
    theirs.shut_down();
    assert!(theirs.is_last());
}

/// Alignment above the header's, sizes from nothing to much.
#[test]
fn futures_of_all_shapes() {
    #[repr(align(256))]
    struct Aligned([u8; 300]);
    let scheduler = Scheduler::new();
    let mut aligned = scheduler.spawn(async {
        let value = Aligned([7; 300]);
        crate::task::yield_now().await;
        assert!((&raw const value).addr().is_multiple_of(256));
        value
    });
    let mut large = scheduler.spawn(async {
        let value = [1_u8; 100_000];
        crate::task::yield_now().await;
        value.len()
    });
    let mut nothing = scheduler.spawn(std::future::ready(()));
    scheduler.run_all();
    let Poll::Ready(Ok(value)) = poll(&mut aligned, Waker::noop()) else {
        panic!("not ready");
    };
    assert_eq!(value.0[299], 7);
    assert!((&raw const value).addr().is_multiple_of(256));
    assert!(matches!(
        poll(&mut large, Waker::noop()),
        Poll::Ready(Ok(100_000))
    ));
    assert!(poll(&mut nothing, Waker::noop()).is_ready());
}

/// More references than are counted near (rule 8), made on one side and given up on the other.
#[test]
fn references_change_sides_by_the_million() {
    let many = if cfg!(miri) { 10 } else { (1 << 20) + 10 };
    let scheduler = AnyScheduler::<true>::new();
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    let handle = scheduler.spawn(poll_fn(move |cx| -> Poll<()> {
        *keep.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }));
    scheduler.run_all();
    let waker: Waker = kept.lock().unwrap().take().unwrap();
    for is_near in [true, false, false] {
        let clones = {
            let _side = scheduler.stand(is_near);
            vec![waker.clone(); many]
        };
        let _side = scheduler.stand(!is_near);
        drop(clones);
    }
    drop(handle);
    scheduler.shut_down();
    assert!(!scheduler.is_last());
    drop(waker);
    assert!(scheduler.is_last());
}

/// A poll answers a wake from far that came before it; what that wake put into the injection queue
/// is void then, and the next such wake is answered by a poll of its own.
#[test]
fn a_poll_answers_what_came_from_far() {
    let scheduler = AnyScheduler::<true>::new();
    let polls = Arc::new(AtomicUsize::new(0));
    let kept = Arc::new(Mutex::new(None));
    let (counted, keep) = (polls.clone(), kept.clone());
    let _handle = scheduler.spawn(poll_fn(move |cx| -> Poll<()> {
        counted.fetch_add(1, SeqCst);
        *keep.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }));
    scheduler.run_all();
    let wake = |is_near| {
        let waker: Waker = kept.lock().unwrap().clone().unwrap();
        let _side = scheduler.stand(is_near);
        waker.wake();
    };
    for round in 1..4 {
        wake(true);
        wake(false);
        assert!(scheduler.run_one());
        assert_eq!(polls.load(SeqCst), 2 * round);
        assert!(!scheduler.run_one(), "a void entry was run");
        wake(false);
        wake(true);
        assert!(scheduler.run_one() && !scheduler.run_one());
        assert_eq!(polls.load(SeqCst), 2 * round + 1);
    }
    scheduler.shut_down();
}
