//! The multi-thread runtime: which worker runs what, what a stuck worker holds up, and how it ends.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use yamanote::runtime::{Builder, Runtime};
use yamanote::task::{block_in_place, yield_now};
use yamanote::time::sleep;

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

struct CountDrops(Arc<AtomicUsize>);

impl Drop for CountDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Foreign threads wake tasks a hundred thousand times; each wake-up leads to a poll.
#[test]
fn no_wake_up_from_other_threads_is_lost() {
    const WAKES: usize = yamanote_test::rounds(25_000);
    #[derive(Default)]
    struct Mailbox {
        waker: Mutex<Option<Waker>>,
        letter: AtomicBool,
        taken: AtomicUsize,
    }
    let rt = runtime(3);
    let boxes: Vec<Arc<Mailbox>> = (0..4).map(|_| Arc::default()).collect();
    let readers: Vec<_> = boxes
        .iter()
        .cloned()
        .map(|mailbox| {
            rt.spawn(async move {
                for _ in 0..WAKES {
                    poll_fn(|cx| {
                        *mailbox.waker.lock().unwrap() = Some(cx.waker().clone());
                        match mailbox.letter.swap(false, SeqCst) {
                            true => Poll::Ready(()),
                            false => Poll::Pending,
                        }
                    })
                    .await;
                    mailbox.taken.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    thread::scope(|scope| {
        for mailbox in &boxes {
            scope.spawn(move || {
                for sent in 0..WAKES {
                    mailbox.letter.store(true, SeqCst);
                    if let Some(waker) = mailbox.waker.lock().unwrap().take() {
                        waker.wake();
                    }
                    let start = Instant::now();
                    while mailbox.taken.load(SeqCst) <= sent {
                        assert!(start.elapsed() < Duration::from_secs(10), "lost at {sent}");
                        thread::yield_now();
                    }
                }
            });
        }
    });
    for reader in readers {
        rt.block_on(reader).unwrap();
    }
}

#[test]
fn a_yielding_task_runs_after_the_others() {
    let rt = runtime(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let task = rt.spawn({
        let order = order.clone();
        async move {
            let others: Vec<_> = (0..3)
                .map(|i| {
                    let order = order.clone();
                    yamanote::spawn(async move { order.lock().unwrap().push(i) })
                })
                .collect();
            yield_now().await;
            order.lock().unwrap().push(100);
            for other in others {
                other.await.unwrap();
            }
        }
    });
    rt.block_on(task).unwrap();
    let order = order.lock().unwrap();
    assert_eq!(order.last(), Some(&100), "{order:?}");
}

/// Two tasks that wake each other use the LIFO place in turn; a third one runs all the same.
#[test]
fn a_ping_pong_pair_lets_a_third_task_run() {
    let rt = runtime(1);
    let stop = Arc::new(AtomicBool::new(false));
    let wakers = Arc::new(Mutex::new([None::<Waker>, None]));
    for side in [0, 1] {
        let (stop, wakers) = (stop.clone(), wakers.clone());
        rt.spawn(poll_fn(move |cx| {
            let other = {
                let mut wakers = wakers.lock().unwrap();
                wakers[side] = Some(cx.waker().clone());
                wakers[1 - side].take()
            };
            if let Some(other) = other {
                other.wake();
            }
            match stop.load(SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
    }
    let third = rt.spawn(async {
        for _ in 0..1000 {
            yield_now().await;
        }
    });
    rt.block_on(third).unwrap();
    stop.store(true, SeqCst);
}

/// A task wakes others (one is in the LIFO place, some overflow the queue) and then blocks its
/// thread, until all of them have run.
#[test]
fn tasks_behind_a_stuck_one_are_taken_by_a_sibling() {
    for behind in [1, 2, 600] {
        let rt = runtime(2);
        let (done, all_done) = mpsc::channel();
        let blocked = rt.spawn(async move {
            for _ in 0..behind {
                let done = done.clone();
                yamanote::spawn(async move { done.send(()).unwrap() });
            }
            for _ in 0..behind {
                let heard = all_done.recv_timeout(Duration::from_secs(10));
                heard.expect("a sibling has taken it");
            }
        });
        rt.block_on(blocked).unwrap();
    }
}

#[test]
fn a_lone_task_wakes_no_second_worker() {
    let unparks = Arc::new(AtomicUsize::new(0));
    let rt = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .on_thread_unpark({
            let unparks = unparks.clone();
            move || {
                unparks.fetch_add(1, SeqCst);
            }
        })
        .build()
        .unwrap();
    let task = rt.spawn(async move {
        // The workers that came with the task go to sleep.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(20) {
            yield_now().await;
        }
        let (start, before) = (Instant::now(), unparks.load(SeqCst));
        for _ in 0..200_000 {
            yield_now().await;
        }
        for _ in 0..10_000 {
            yamanote::spawn(async {}).await.unwrap();
        }
        (unparks.load(SeqCst) - before, start.elapsed())
    });
    let (unparks, elapsed) = rt.block_on(task).unwrap();
    // One sentry looks every 5 ms.
    let naps = elapsed.as_millis() as usize / 4 + 1;
    assert!(unparks <= naps, "{unparks} in {elapsed:?}");
}

#[test]
fn block_in_place_lets_the_other_tasks_go_on() {
    let rt = runtime(1);
    let task = rt.spawn(async {
        let (sender, receiver) = mpsc::channel();
        // One in the LIFO place, one in the queue.
        for i in 0..2 {
            let sender = sender.clone();
            yamanote::spawn(async move {
                sleep(Duration::from_millis(5)).await;
                sender.send(i).unwrap();
            });
        }
        drop(sender);
        let mut got = block_in_place(|| receiver.iter().collect::<Vec<_>>());
        got.sort();
        // This thread has no core now; the task goes on all the same.
        sleep(Duration::from_millis(5)).await;
        yield_now().await;
        got
    });
    assert_eq!(rt.block_on(task).unwrap(), [0, 1]);
}

/// A thread that has lent its worker does not take with it what it submitted: reads in flight, with
/// threads that would like to exit at once.
#[test]
fn block_in_place_with_file_reads_in_flight() {
    let rt = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(Duration::from_millis(1))
        .enable_all()
        .build()
        .unwrap();
    let path = yamanote_test::temp::directory_for_all()
        .join(format!("yamanote-{}-reads", std::process::id()));
    std::fs::write(&path, vec![7; 100_000]).unwrap();
    rt.block_on(async {
        let readers: Vec<_> = (0..16)
            .map(|_| {
                let path = path.clone();
                yamanote::spawn(async move {
                    for _ in 0..20 {
                        let bytes = yamanote::fs::read(&path).await.unwrap();
                        assert!(bytes.len() == 100_000 && bytes.iter().all(|b| *b == 7));
                        block_in_place(|| thread::sleep(Duration::from_micros(300)));
                    }
                })
            })
            .collect();
        for reader in readers {
            reader.await.unwrap();
        }
    });
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_panic_in_block_in_place_is_the_tasks() {
    let rt = runtime(1);
    let task = rt.spawn(async { block_in_place(|| panic!("as the test wants")) });
    assert!(rt.block_on(task).unwrap_err().is_panic());
    assert_eq!(rt.block_on(rt.spawn(async { 5 })).unwrap(), 5);
}

/// Futures of every kind, spawned while the runtime goes: each is dropped exactly once.
#[test]
fn shutdown_drops_every_future_once() {
    for round in 0..yamanote_test::rounds(150) {
        let rt = runtime(1 + round % 4);
        let dropped = Arc::new(AtomicUsize::new(0));
        let made = Arc::new(AtomicUsize::new(0));
        let token = |made: &AtomicUsize| {
            made.fetch_add(1, SeqCst);
            CountDrops(dropped.clone())
        };
        let spawner = {
            let (handle, made) = (rt.handle().clone(), made.clone());
            let tokens: Vec<_> = (0..50).map(|_| token(&made)).collect();
            thread::spawn(move || {
                for token in tokens {
                    handle.spawn(async move {
                        let _token = token;
                        yield_now().await;
                        pending::<()>().await;
                    });
                }
            })
        };
        for _ in 0..3 {
            let t = token(&made);
            rt.spawn(async move {
                let _token = t;
                loop {
                    yield_now().await;
                }
            });
            let t = token(&made);
            rt.spawn(async move {
                let _token = t;
                block_in_place(|| thread::sleep(Duration::from_micros(50)));
                sleep(Duration::from_secs(1000)).await;
            });
            // A destructor that blocks in place, and wakes another task.
            struct Blocks {
                _count: CountDrops,
            }
            impl Drop for Blocks {
                fn drop(&mut self) {
                    block_in_place(thread::yield_now);
                    yamanote::spawn(async {});
                }
            }
            let t = Blocks {
                _count: token(&made),
            };
            rt.spawn(async move {
                let _token = t;
                pending::<()>().await;
            });
        }
        if round % 3 == 0 {
            thread::sleep(Duration::from_micros(500));
        }
        drop(rt);
        spawner.join().unwrap();
        assert_eq!(made.load(SeqCst), dropped.load(SeqCst), "round {round}");
    }
}
