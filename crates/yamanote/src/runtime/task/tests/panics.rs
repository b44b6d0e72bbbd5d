//! Panics in places where the runtime can only go on.

use super::{Dropped, Scheduler, poll};
use std::future::{pending, poll_fn};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

#[derive(Clone, Copy, PartialEq)]
enum Fails {
    Clone,
    Wake,
    Drop,
}

/// What a failing waker points to.
struct Data {
    fails: Fails,
    clones: AtomicUsize,
}

/// A waker that panics in one of its functions; its clones are counted. The data must be kept for
/// longer than any of them.
fn failing(fails: Fails) -> (ManuallyDrop<Waker>, Arc<Data>) {
    fn data<'a>(data: *const ()) -> &'a Data {
        // SAFETY: only pointers to a `Data` come here that the test keeps.
        unsafe { &*data.cast::<Data>() }
    }
    fn fail_if(same: bool) {
        if same {
            resume_unwind(Box::new("waker"));
        }
    }
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |this| {
            fail_if(data(this).fails == Fails::Clone);
            data(this).clones.fetch_add(1, SeqCst);
            RawWaker::new(this, &VTABLE)
        },
        |this| {
            data(this).clones.fetch_sub(1, SeqCst);
            fail_if(data(this).fails == Fails::Wake);
        },
        |this| fail_if(data(this).fails == Fails::Wake),
        |this| {
            data(this).clones.fetch_sub(1, SeqCst);
            fail_if(data(this).fails == Fails::Drop);
        },
    );
    let data = Arc::new(Data {
        fails,
        clones: AtomicUsize::new(0),
    });
    // SAFETY: the functions above keep no more than a count, and the test keeps the data to its
    // end.
    let waker = unsafe { Waker::new(Arc::as_ptr(&data).cast(), &VTABLE) };
    (ManuallyDrop::new(waker), data)
}

/// The joiner gets its own panic; the task is unharmed.
#[test]
fn a_join_waker_that_cannot_be_cloned() {
    let scheduler = Scheduler::new();
    let mut handle = scheduler.spawn(async { 5 });
    let (waker, _data) = failing(Fails::Clone);
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut handle, &waker))).is_err());
    scheduler.run_all();
    assert!(matches!(
        poll(&mut handle, Waker::noop()),
        Poll::Ready(Ok(5))
    ));
    drop(handle);
    assert!(scheduler.is_last());
}

/// The panic does not reach the runner.
#[test]
fn a_join_waker_that_cannot_be_woken() {
    let scheduler = Scheduler::new();
    let mut handle = scheduler.spawn(async { 5 });
    let (waker, data) = failing(Fails::Wake);
    assert!(poll(&mut handle, &waker).is_pending());
    scheduler.run_all();
    assert_eq!(data.clones.load(SeqCst), 0);
    assert!(matches!(poll(&mut handle, &waker), Poll::Ready(Ok(5))));
    drop(handle);
    assert!(scheduler.is_last());
}

#[test]
fn a_join_waker_that_cannot_be_dropped() {
    let scheduler = Scheduler::new();
    let mut handle = scheduler.spawn(async { 5 });
    let (waker, data) = failing(Fails::Drop);
    assert!(poll(&mut handle, &waker).is_pending());
    // Replaced by another one: the panic is the joiner's, and the new waker is in place.
    let replaced = catch_unwind(AssertUnwindSafe(|| poll(&mut handle, Waker::noop())));
    assert!(replaced.is_err());
    assert_eq!(data.clones.load(SeqCst), 0);
    assert!(poll(&mut handle, &waker).is_pending());
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(handle)));
    assert!(dropped.is_err());
    assert_eq!(data.clones.load(SeqCst), 0);
    scheduler.run_all();
    assert!(scheduler.is_last());
}

/// A payload whose drop panics, where nobody takes the payload.
#[test]
fn a_panic_of_a_panics_payload() {
    let drops = Arc::new(AtomicUsize::new(0));
    let scheduler = Scheduler::new();
    let payload = Dropped::new(&drops, true);
    drop(scheduler.spawn(async move { resume_unwind(Box::new(payload)) }));
    scheduler.run_all();
    assert_eq!(drops.load(SeqCst), 1);
    // ... and where the second panic comes from the future's drop after the poll's.
    let (inner, payload) = (Dropped::new(&drops, true), Dropped::new(&drops, true));
    let mut payload = Some(payload);
    drop(scheduler.spawn(poll_fn(move |_| -> Poll<()> {
        let _in_the_future = &inner;
        resume_unwind(Box::new(payload.take()))
    })));
    scheduler.run_all();
    assert_eq!(drops.load(SeqCst), 3);
    assert!(scheduler.is_last());
}

/// Both the poll and the future's drop panic: the first is the result.
#[test]
fn the_first_panic_wins() {
    let drops = Arc::new(AtomicUsize::new(0));
    let scheduler = Scheduler::new();
    let dropped = Dropped::new(&drops, true);
    let mut handle = scheduler.spawn(poll_fn(move |_| -> Poll<()> {
        let _in_the_future = &dropped;
        resume_unwind(Box::new("poll"))
    }));
    scheduler.run_all();
    assert_eq!(scheduler.0.unhandled_panics.load(SeqCst), 1);
    let Poll::Ready(Err(error)) = poll(&mut handle, Waker::noop()) else {
        panic!("not an error");
    };
    assert_eq!(
        *error.into_panic().downcast::<&str>().unwrap(),
        "poll",
        "the panic of the drop won"
    );
    assert_eq!(drops.load(SeqCst), 1);
}

/// A closed list drops the future at once, also if that panics.
#[test]
fn a_future_that_comes_too_late() {
    let drops = Arc::new(AtomicUsize::new(0));
    let scheduler = Scheduler::new();
    scheduler.shut_down();
    for panics in [false, true] {
        let dropped = Dropped::new(&drops, panics);
        let mut handle = scheduler.spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        });
        let Poll::Ready(Err(error)) = poll(&mut handle, Waker::noop()) else {
            panic!("not an error");
        };
        assert_eq!(error.is_panic(), panics);
        assert_eq!(error.is_cancelled(), !panics);
    }
    assert_eq!(drops.load(SeqCst), 2);
    assert!(scheduler.is_last());
}

#[test]
fn what_a_join_error_says() {
    let scheduler = Scheduler::new();
    let failed = |payload: &'static str, owned: bool| {
        let mut handle = scheduler.spawn(async move {
            match owned {
                true => resume_unwind(Box::new(payload.to_owned())),
                false if payload.is_empty() => resume_unwind(Box::new(7_u8)),
                false => resume_unwind(Box::new(payload)),
            }
        });
        let id = handle.id();
        scheduler.run_all();
        match poll(&mut handle, Waker::noop()) {
            Poll::Ready(Err(error)) => (error, id),
            _ => unreachable!(),
        }
    };
    for owned in [false, true] {
        let (error, id) = failed("it \"broke\"", owned);
        assert_eq!(
            error.to_string(),
            format!("task {id} panicked with message \"it \\\"broke\\\"\"")
        );
        assert_eq!(
            format!("{error:?}"),
            format!("JoinError::Panic({id:?}, \"it \\\"broke\\\"\", ...)")
        );
        assert_eq!(std::io::Error::from(error).to_string(), "task panicked");
    }
    let (error, id) = failed("", false);
    assert_eq!(error.to_string(), format!("task {id} panicked"));
    assert_eq!(
        format!("{error:?}"),
        format!("JoinError::Panic({id:?}, ...)")
    );

    let mut handle = scheduler.spawn(pending::<()>());
    let id = handle.id();
    handle.abort();
    scheduler.run_all();
    let Poll::Ready(Err(error)) = poll(&mut handle, Waker::noop()) else {
        panic!("not an error");
    };
    assert_eq!(error.to_string(), format!("task {id} was cancelled"));
    assert_eq!(
        format!("{error:?}"),
        format!("JoinError::Cancelled({id:?})")
    );
    assert_eq!(error.id(), id);
    let error = error.try_into_panic().unwrap_err();
    assert_eq!(
        std::io::Error::from(error).to_string(),
        "task was cancelled"
    );
}
