//! Aborting tasks in every state, from everywhere, on every driver and flavour.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;
use yamanote::task::{self, AbortHandle, JoinHandle};
use yamanote_test::matrix;

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A task that waits for ever, and the count of its future's drops.
fn waiting() -> (JoinHandle<()>, Arc<AtomicUsize>) {
    let drops = Arc::new(AtomicUsize::new(0));
    let in_the_future = CountDrop(drops.clone());
    let handle = yamanote::spawn(async move {
        let _in_the_future = in_the_future;
        pending::<()>().await;
    });
    (handle, drops)
}

matrix! {
    async fn before_the_first_poll() {
        let (handle, drops) = waiting();
        handle.abort();
        let error = handle.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(drops.load(SeqCst), 1);
    }

    async fn while_it_waits() {
        let (handle, drops) = waiting();
        for _ in 0..3 {
            task::yield_now().await;
        }
        let abort = handle.abort_handle();
        abort.abort();
        abort.abort();
        assert!(handle.await.unwrap_err().is_cancelled());
        assert_eq!(drops.load(SeqCst), 1);
        assert!(abort.is_finished());
        abort.abort();
    }

    async fn by_itself() {
        let own: Arc<Mutex<Option<AbortHandle>>> = Arc::default();
        let polls = Arc::new(AtomicUsize::new(0));
        let (task_own, task_polls) = (own.clone(), polls.clone());
        let handle = yamanote::spawn(poll_fn(move |cx| -> Poll<()> {
            task_polls.fetch_add(1, SeqCst);
            if let Some(own) = &*task_own.lock().unwrap() {
                own.abort();
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
        *own.lock().unwrap() = Some(handle.abort_handle());
        assert!(handle.await.unwrap_err().is_cancelled());
        let polled = polls.load(SeqCst);
        task::yield_now().await;
        assert_eq!(polls.load(SeqCst), polled, "polled after its end");
        *own.lock().unwrap() = None;
    }

    async fn after_its_end() {
        let handle = yamanote::spawn(async { 7 });
        while !handle.is_finished() {
            task::yield_now().await;
        }
        handle.abort();
        assert_eq!(handle.await.unwrap(), 7);
    }

    /// A task that holds its own join handle, or its neighbour's, does not leak when aborted.
    async fn a_cycle_of_handles() {
        let (first, drops) = waiting();
        let abort_first = first.abort_handle();
        let second = yamanote::spawn(async move { first.await.unwrap_err().is_cancelled() });
        task::yield_now().await;
        abort_first.abort();
        assert!(second.await.unwrap());
        assert_eq!(drops.load(SeqCst), 1);
    }

    /// From other threads, racing with wakes and the task's end: each task ends once.
    async fn from_other_threads() {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut handles = Vec::new();
        for index in 0..300_u32 {
            let in_the_future = CountDrop(drops.clone());
            handles.push(yamanote::spawn(async move {
                let _in_the_future = in_the_future;
                for _ in 0..index % 5 {
                    task::yield_now().await;
                }
                index
            }));
        }
        let aborts: Vec<_> = handles.iter().map(JoinHandle::abort_handle).collect();
        let (reversed, forward) = (aborts.iter().rev().cloned().collect::<Vec<_>>(), aborts);
        let threads = [reversed, forward].map(|aborts| {
            std::thread::spawn(move || aborts.iter().for_each(AbortHandle::abort))
        });
        let mut done = 0;
        for (index, handle) in handles.into_iter().enumerate() {
            match handle.await {
                Ok(value) => assert_eq!(value as usize, index),
                Err(error) => assert!(error.is_cancelled()),
            }
            done += 1;
            assert!(drops.load(SeqCst) >= done);
        }
        assert_eq!(drops.load(SeqCst), 300);
        for thread in threads {
            thread.join().unwrap();
        }
    }

    async fn a_running_blocking_job_is_not_aborted() {
        let (started, has_started) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let job = task::spawn_blocking(move || {
            started.send(()).unwrap();
            ended.recv_timeout(Duration::from_secs(20)).unwrap();
            "done"
        });
        while has_started.try_recv().is_err() {
            task::yield_now().await;
        }
        job.abort();
        end.send(()).unwrap();
        assert_eq!(job.await.unwrap(), "done");
    }

    async fn what_the_error_says() {
        let (handle, _) = waiting();
        let id = handle.id();
        handle.abort();
        let error = handle.await.unwrap_err();
        assert_eq!(error.id(), id);
        assert_eq!(error.to_string(), format!("task {id} was cancelled"));
        assert!(error.try_into_panic().is_err());
    }
}
