//! A runtime that threads drive in turn, while others spawn, wake, abort and join its tasks.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use yamanote::runtime::Runtime;
use yamanote::task::{JoinHandle, yield_now};
use yamanote_test::{Setup, builder, matrix};

/// Counts its drops.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// What a task and those that wake it share.
#[derive(Default)]
struct Place {
    letter: AtomicUsize,
    answer: AtomicUsize,
    over: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Place {
    /// Answers the last letter at each poll, and leaves a waker if there is none.
    fn answered(self: Arc<Self>, drops: &Arc<AtomicUsize>) -> impl Future<Output = ()> + use<> {
        let dropped = Dropped(drops.clone());
        poll_fn(move |cx| {
            let _in_the_future = &dropped;
            if self.over.load(SeqCst) {
                return Poll::Ready(());
            }
            self.answer.store(self.letter.load(SeqCst), SeqCst);
            let mut waker = self.waker.lock().unwrap();
            waker.get_or_insert_with(|| cx.waker().clone());
            Poll::Pending
        })
    }

    /// Wakes the task in one of several ways; false if there was no waker.
    fn wake(&self, how: usize) -> bool {
        let waker = match how % 2 {
            0 => self.waker.lock().unwrap().take(),
            _ => self.waker.lock().unwrap().clone(),
        };
        let Some(waker) = waker else { return false };
        match how % 3 {
            0 => waker.wake(),
            1 => waker.wake_by_ref(),
            _ => {
                let again = waker.clone();
                drop(waker);
                again.wake();
            }
        }
        true
    }
}

/// Writes letters, each of which must be answered, whoever drives.
fn write_letters(to: &Place, letters: usize) {
    for letter in 1..=letters {
        to.letter.store(letter, SeqCst);
        while !to.wake(letter) {
            thread::yield_now();
        }
        while to.answer.load(SeqCst) != letter {
            thread::yield_now();
        }
    }
}

/// Tasks that are aborted by turns, at once.
fn spawn_and_abort(runtime: &Runtime, drops: &Arc<AtomicUsize>, tasks: usize) {
    let mut handles = Vec::new();
    for task in 0..tasks {
        let dropped = Dropped(drops.clone());
        let handle: JoinHandle<Dropped> = runtime.spawn(async move {
            yield_now().await;
            dropped
        });
        match task % 4 {
            0 => handle.abort(),
            1 => drop(runtime.block_on(handle).expect("nobody aborted it")),
            2 => handles.push(handle),
            _ => handle.abort_handle().abort(),
        }
    }
    handles.iter().for_each(JoinHandle::abort);
    for handle in handles {
        match runtime.block_on(handle) {
            Ok(dropped) => drop(dropped),
            Err(error) => assert!(error.is_cancelled()),
        }
    }
}

matrix! {
    fn a_task_woken_by_another_thread_in_its_poll_is_next_in_its_own_line(setup: Setup) {
        if setup.workers.is_some() {
            return;
        }
        let runtime = builder!(setup).build().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (task, other) = (log.clone(), log.clone());
        runtime.spawn(async move { other.lock().unwrap().push("the injected") });
        runtime.block_on(async {
            let mut polls = ["the second poll", "the first poll"].to_vec();
            yamanote::spawn(poll_fn(move |cx| {
                task.lock().unwrap().extend(polls.pop());
                if polls.is_empty() {
                    return Poll::Ready(());
                }
                let waker = cx.waker().clone();
                thread::spawn(move || waker.wake()).join().unwrap();
                Poll::Pending
            }));
            yield_now().await;
        });
        let expected = ["the first poll", "the second poll", "the injected"];
        assert_eq!(*log.lock().unwrap(), expected);
    }

    fn no_wake_up_is_lost_between_those_that_drive(setup: Setup) {
        const TASKS: usize = 3;
        const LETTERS: usize = 300;
        let runtime = builder!(setup).build().unwrap();
        let drops = Arc::new(AtomicUsize::new(0));
        let places: Vec<Arc<Place>> = (0..TASKS).map(|_| Arc::default()).collect();
        let mut handles = Vec::new();
        for to in &places {
            handles.push(runtime.spawn(to.clone().answered(&drops)));
        }
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut how = 0;
                    while !is_over.load(SeqCst) {
                        runtime.block_on(async {
                            for to in &places {
                                how += 1;
                                to.wake(how);
                                yield_now().await;
                            }
                        });
                    }
                });
            }
            let mut writing = Vec::new();
            for to in &places {
                writing.push(scope.spawn(|| write_letters(to, LETTERS)));
            }
            spawn_and_abort(&runtime, &drops, LETTERS);
            let ends: Vec<_> = writing.into_iter().map(|writing| writing.join()).collect();
            is_over.store(true, SeqCst);
            assert!(ends.iter().all(Result::is_ok));
        });
        for (to, handle) in places.iter().zip(handles) {
            to.over.store(true, SeqCst);
            while !handle.is_finished() {
                to.wake(0);
                runtime.block_on(yield_now());
            }
            runtime.block_on(handle).unwrap();
        }
        drop(runtime);
        assert_eq!(drops.load(SeqCst), TASKS + LETTERS);
    }

    fn wakers_go_on_while_the_runtime_ends_elsewhere(setup: Setup) {
        for _ in 0..20 {
            let runtime = builder!(setup).build().unwrap();
            let drops = Arc::new(AtomicUsize::new(0));
            let places: Vec<Arc<Place>> = (0..3).map(|_| Arc::default()).collect();
            for to in &places {
                runtime.spawn(to.clone().answered(&drops));
            }
            let has_waker = |to: &Arc<Place>| to.waker.lock().unwrap().is_some();
            while !places.iter().all(has_waker) {
                runtime.block_on(yield_now());
            }
            let is_over = AtomicBool::new(false);
            thread::scope(|scope| {
                for to in &places {
                    scope.spawn(|| {
                        let waker = to.waker.lock().unwrap().take().unwrap();
                        while !is_over.load(SeqCst) {
                            waker.wake_by_ref();
                            let again = waker.clone();
                            again.wake();
                            drop(waker.clone());
                        }
                        waker.wake();
                    });
                }
                scope.spawn(|| {
                    drop(runtime);
                    is_over.store(true, SeqCst);
                });
            });
            assert_eq!(drops.load(SeqCst), places.len());
            drop(places);
        }
    }
}
