//! Task-local values: where they are seen, how scopes nest, and what panics.
#![forbid(unsafe_code)]

use futures::executor::block_on;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Waker};

yamanote::task_local! {
    /// With an attribute and a visibility.
    pub static NUMBER: u32;
    static TEXT: String
}

#[test]
fn seen_inside_and_nowhere_else() {
    assert!(NUMBER.try_get().is_err());
    block_on(NUMBER.scope(1, async {
        assert_eq!(NUMBER.get(), 1);
        TEXT.scope("a".to_owned(), async {
            assert_eq!((NUMBER.get(), TEXT.get().as_str()), (1, "a"));
            NUMBER.sync_scope(2, || assert_eq!(NUMBER.get(), 2));
        })
        .await;
        assert_eq!(NUMBER.get(), 1);
        let error = TEXT.try_with(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "task-local value not set");
    }));
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn two_futures_on_one_thread_see_their_own() {
    let both = async {
        yamanote::join!(
            NUMBER.scope(1, async { NUMBER.get() }),
            NUMBER.scope(2, async { NUMBER.get() })
        )
    };
    assert_eq!(block_on(both), (1, 2));
}

#[test]
fn the_future_is_dropped_with_its_value_set() {
    struct Report(mpsc::Sender<u32>);
    impl Drop for Report {
        fn drop(&mut self) {
            self.0.send(NUMBER.get()).unwrap();
        }
    }
    let (sender, receiver) = mpsc::channel();
    let report = Report(sender.clone());
    drop(NUMBER.scope(1, async move {
        let _report = report;
        pending::<()>().await
    }));
    assert_eq!(receiver.recv().unwrap(), 1);
    let report = Report(sender);
    block_on(NUMBER.scope(2, async move { drop(report) }));
    assert_eq!(receiver.recv().unwrap(), 2);
}

#[test]
fn the_value_can_be_taken_back() {
    let mut future = pin!(NUMBER.scope(5, async { NUMBER.try_get().ok() }));
    assert_eq!(future.as_mut().take_value(), Some(5));
    assert_eq!(future.as_mut().take_value(), None);
    assert_eq!(block_on(future.as_mut()), None);
    assert_eq!(format!("{:?}", NUMBER), "LocalKey { .. }");
    let shown = format!("{:?}", NUMBER.scope(6, ready(())));
    assert_eq!(shown, "TaskLocalFuture { value: 6 }");
}

#[test]
fn misuse_panics_and_leaves_no_trace() {
    let text = |f: &dyn Fn()| {
        let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => payload.downcast_ref::<&str>().unwrap().to_string(),
        }
    };
    assert_eq!(
        text(&|| assert_eq!(NUMBER.get(), 1)),
        "cannot access a task-local storage value without setting it first"
    );
    let nested = text(&|| NUMBER.sync_scope(1, || NUMBER.with(|_| NUMBER.sync_scope(2, || ()))));
    assert_eq!(
        nested,
        "cannot enter a task-local scope while the task-local storage is borrowed"
    );
    let again = text(&|| {
        let mut future = pin!(NUMBER.scope(1, ready(())));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(cx).is_ready());
        let _ = future.as_mut().poll(cx);
    });
    assert_eq!(again, "`TaskLocalFuture` polled after completion");
    assert!(NUMBER.try_get().is_err());
}
