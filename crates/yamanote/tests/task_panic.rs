//! Panics at a task's edge: they end in the `JoinError` and nowhere else (T1).

use std::future::{pending, poll_fn};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use yamanote::task;
use yamanote_test::matrix;

/// Panics when dropped, without a message on the terminal.
struct PanicOnDrop(Arc<AtomicUsize>);

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        resume_unwind(Box::new("drop"));
    }
}

fn text(error: task::JoinError) -> &'static str {
    *error.into_panic().downcast::<&'static str>().unwrap()
}

matrix! {
    async fn in_the_poll() {
        for yields in 0..3 {
            let handle = yamanote::spawn(async move {
                for _ in 0..yields {
                    task::yield_now().await;
                }
                resume_unwind(Box::new("poll"));
            });
            let error = handle.await.unwrap_err();
            assert!(error.is_panic());
            assert_eq!(text(error), "poll");
        }
        assert_eq!(yamanote::spawn(async { 1 }).await.unwrap(), 1);
    }

    async fn in_the_futures_drop() {
        let drops = Arc::new(AtomicUsize::new(0));
        for abort in [false, true] {
            let bomb = PanicOnDrop(drops.clone());
            let mut polls = 0;
            let handle = yamanote::spawn(poll_fn(move |_| {
                let _in_the_future = &bomb;
                polls += 1;
                if abort { Poll::Pending } else { Poll::Ready(polls) }
            }));
            if abort {
                handle.abort();
            }
            assert_eq!(text(handle.await.unwrap_err()), "drop");
        }
        assert_eq!(drops.load(SeqCst), 2);
    }

    /// The joiner never sees the output, so its panic is nobody's.
    async fn in_the_outputs_drop() {
        let drops = Arc::new(AtomicUsize::new(0));
        for handle_first in [false, true] {
            let output = PanicOnDrop(drops.clone());
            let handle = yamanote::spawn(async move { output });
            let abort = handle.abort_handle();
            let mut handle = Some(handle);
            if handle_first {
                handle = None;
            }
            while !abort.is_finished() {
                task::yield_now().await;
            }
            drop(handle);
        }
        assert_eq!(drops.load(SeqCst), 2);
    }

    async fn in_a_blocking_job() {
        let error = task::spawn_blocking(|| resume_unwind(Box::new("job"))).await.unwrap_err();
        assert_eq!(text(error), "job");
        assert_eq!(task::spawn_blocking(|| 2).await.unwrap(), 2);
    }

    /// Tasks dropped by the shutdown may panic; all are dropped all the same.
    fn in_the_shutdown(setup: yamanote_test::Setup) {
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let bomb = PanicOnDrop(drops.clone());
            runtime.spawn(poll_fn(move |_| -> Poll<()> {
                let _in_the_future = &bomb;
                Poll::Pending
            }));
            runtime.spawn(pending::<()>());
        }
        runtime.block_on(task::yield_now());
        drop(runtime);
        assert_eq!(drops.load(SeqCst), 10);
    }
}
