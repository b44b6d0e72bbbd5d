//! The cooperative budget as a user sees it (T9), on every driver and flavour.

use std::future::{pending, poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use yamanote::task::{self, coop};
use yamanote_test::matrix;

/// How often `step` returns Ready before the budget of one poll is spent.
async fn in_one_poll(mut step: impl FnMut(&mut std::task::Context<'_>) -> Poll<()>) -> usize {
    task::yield_now().await;
    let mut count = 0;
    poll_fn(|cx| {
        while count < 1000 && step(cx).is_ready() {
            count += 1;
        }
        Poll::Ready(())
    })
    .await;
    count
}

matrix! {
    async fn a_poll_has_128_units() {
        let units = yamanote::spawn(in_one_poll(|cx| {
            coop::poll_proceed(cx).map(|unit| unit.made_progress())
        }));
        assert_eq!(units.await.unwrap(), 128);
        // A step that makes no progress costs nothing.
        let free = yamanote::spawn(in_one_poll(|cx| coop::poll_proceed(cx).map(drop)));
        assert_eq!(free.await.unwrap(), 1000);
    }

    async fn the_main_future_has_a_budget_too() {
        let units = in_one_poll(|cx| coop::poll_proceed(cx).map(|unit| unit.made_progress()));
        assert_eq!(units.await, 128);
    }

    async fn cooperative_futures_spend_and_unconstrained_ones_do_not() {
        let spent = yamanote::spawn(in_one_poll(|cx| {
            let mut future = std::pin::pin!(coop::cooperative(ready(())));
            future.as_mut().poll(cx)
        }));
        assert_eq!(spent.await.unwrap(), 128);
        let kept = yamanote::spawn(async {
            coop::unconstrained(async {
                in_one_poll(|cx| coop::poll_proceed(cx).map(|unit| unit.made_progress())).await
            })
            .await
        });
        assert_eq!(kept.await.unwrap(), 1000);
        let waiting = yamanote::spawn(in_one_poll(|cx| {
            let mut future = std::pin::pin!(coop::cooperative(pending::<()>()));
            assert!(future.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        }));
        assert_eq!(waiting.await.unwrap(), 1000);
    }

    /// A task that computes and consumes lets a sibling on the same worker run.
    async fn consuming_tasks_share() {
        let stop = Arc::new(AtomicBool::new(false));
        let laps = Arc::new(AtomicUsize::new(0));
        let (task_stop, task_laps) = (stop.clone(), laps.clone());
        let busy = yamanote::spawn(async move {
            while !task_stop.load(SeqCst) {
                task_laps.fetch_add(1, SeqCst);
                coop::consume_budget().await;
            }
        });
        while laps.load(SeqCst) < 1000 {
            task::yield_now().await;
        }
        yamanote::spawn(async move { stop.store(true, SeqCst) }).await.unwrap();
        busy.await.unwrap();
    }

    /// Joining finished tasks spends budget as a socket does.
    async fn joining_spends_budget() {
        let mut handles: Vec<_> = (0..300).map(|_| yamanote::spawn(async {})).collect();
        for handle in &handles {
            while !handle.is_finished() {
                task::yield_now().await;
            }
        }
        let joined = yamanote::spawn(async move {
            let mut remaining = handles.iter_mut();
            in_one_poll(move |cx| match remaining.next() {
                Some(handle) => std::pin::Pin::new(handle).poll(cx).map(drop),
                None => Poll::Pending,
            })
            .await
        });
        assert_eq!(joined.await.unwrap(), 128);
    }

    async fn blocking_jobs_have_no_budget() {
        let (before, after) = task::spawn_blocking(|| {
            let before = coop::has_budget_remaining();
            for _ in 0..1000 {
                futures::executor::block_on(coop::consume_budget());
            }
            (before, coop::has_budget_remaining())
        })
        .await
        .unwrap();
        assert!(before && after);
    }
}
