//! A task that is always busy lets the others run: sockets, pipes, timers, spawned and woken tasks.

mod tcp_support;

use std::future::{Future, poll_fn};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::{Duration, Instant};

use tcp_support::pair;
use yamanote::io::{AsyncReadExt, AsyncWriteExt, Interest};
use yamanote::net::TcpStream;
use yamanote::task;
use yamanote::time::{sleep, timeout};
use yamanote_test::{Setup, TempDir, builder};

const LIMIT: Duration = Duration::from_secs(20);

/// As many tasks as the runtime has workers, and one more, do `step` for ever; another task, a
/// timer and a client get their turn all the same.
async fn others_run_beside<F>(workers: Option<usize>, make: impl AsyncFn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut busy = Vec::new();
    for _ in 0..workers.unwrap_or(1) + 1 {
        busy.push(yamanote::spawn(make().await));
    }
    let (mut client, mut server) = pair().await;
    let echo = yamanote::spawn(async move {
        let mut byte = [0];
        while server.read(&mut byte).await.unwrap() > 0 {
            server.write_all(&byte).await.unwrap();
        }
    });
    for round in 0..5u8 {
        let task = yamanote::spawn(async move {
            task::yield_now().await;
            round
        });
        assert_eq!(
            timeout(LIMIT, task).await.expect("a task starves").unwrap(),
            round
        );
        timeout(LIMIT, sleep(Duration::from_millis(1)))
            .await
            .expect("a timer starves");
        let exchange = async {
            client.write_all(&[round]).await.unwrap();
            client.read_u8().await.unwrap()
        };
        assert_eq!(
            timeout(LIMIT, exchange).await.expect("a socket starves"),
            round
        );
    }
    drop(client);
    echo.await.unwrap();
    for task in busy {
        assert!(!task.is_finished());
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

/// A stream that always has something to read, because a thread sees to it.
async fn flooded() -> TcpStream {
    let (source, flooded) = pair().await;
    let mut source = source.into_std().unwrap();
    source.set_nonblocking(false).unwrap();
    std::thread::spawn(move || {
        let bytes = [7; 64 * 1024];
        while source.write_all(&bytes).is_ok() {}
    });
    flooded
}

yamanote_test::matrix! {
    // T9
    async fn by_readers_of_a_flood(setup: Setup) {
        others_run_beside(setup.workers, async || {
            let mut stream = flooded().await;
            async move {
                // Small reads, so that the thread stays ahead.
                let mut bytes = [0; 16];
                loop {
                    stream.read_exact(&mut bytes).await.unwrap();
                }
            }
        })
        .await;
    }

    // T9
    async fn by_who_asks_for_what_is_ready(setup: Setup) {
        others_run_beside(setup.workers, async || {
            let stream = flooded().await;
            async move {
                loop {
                    let ready = stream.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
                    assert!(!ready.is_empty());
                    stream.writable().await.unwrap();
                }
            }
        })
        .await;
    }

    // T9
    async fn by_an_in_memory_pipe(setup: Setup) {
        others_run_beside(setup.workers, async || {
            let (mut near, mut far) = yamanote::io::duplex(1024);
            async move {
                let mut bytes = [1; 100];
                loop {
                    near.write_all(&bytes).await.unwrap();
                    far.read_exact(&mut bytes).await.unwrap();
                }
            }
        })
        .await;
    }

    // T9
    async fn by_readers_of_cached_files(setup: Setup) {
        let directory = TempDir::new();
        let path = directory.path().join("cached");
        std::fs::write(&path, vec![3; 64 * 1024]).unwrap();
        others_run_beside(setup.workers, async || {
            let path = path.clone();
            async move {
                let file = yamanote::fs::File::open(&path).await.unwrap();
                loop {
                    let (n, _) = file.read_at(Vec::with_capacity(64 * 1024), 0).await;
                    assert_eq!(n.unwrap(), 64 * 1024);
                    assert!(yamanote::fs::metadata(&path).await.unwrap().is_file());
                }
            }
        })
        .await;
    }

    // T9
    async fn by_timers_that_are_due(setup: Setup) {
        others_run_beside(setup.workers, async || async {
            loop {
                sleep(Duration::ZERO).await;
                let _ = timeout(Duration::ZERO, std::future::pending::<()>()).await;
            }
        })
        .await;
    }

    // T10: a pair that wakes each other, so that one of them is always the next to run.
    async fn by_a_pair_that_wakes_each_other(setup: Setup) {
        use futures::channel::mpsc;
        use futures::StreamExt;
        others_run_beside(setup.workers, async || {
            let (to_there, mut from_here) = mpsc::unbounded();
            let (to_here, mut from_there) = mpsc::unbounded();
            yamanote::spawn(async move {
                while from_here.next().await.is_some() {
                    if to_here.unbounded_send(()).is_err() {
                        return;
                    }
                }
            });
            async move {
                loop {
                    to_there.unbounded_send(()).unwrap();
                    from_there.next().await.unwrap();
                }
            }
        })
        .await;
    }

    // T10: a task that yields is not the next to run.
    async fn by_yielding(setup: Setup) {
        others_run_beside(setup.workers, async || async {
            loop {
                task::yield_now().await;
            }
        })
        .await;
    }

    // T11: the local queues are never empty, and what comes from outside runs all the same.
    fn spawns_from_outside_are_served(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..600 {
            let over = over.clone();
            runtime.spawn(async move {
                while !over.load(SeqCst) {
                    task::yield_now().await;
                }
            });
        }
        let handle = runtime.handle().clone();
        let outside = std::thread::spawn(move || {
            let start = Instant::now();
            for number in 0..20 {
                let (sender, answer) = std::sync::mpsc::channel();
                handle.spawn(async move { sender.send(number).unwrap() });
                assert_eq!(answer.recv_timeout(LIMIT).expect("it starves"), number);
            }
            start.elapsed()
        });
        let waiting = over.clone();
        runtime.block_on(async {
            while !outside.is_finished() {
                sleep(Duration::from_millis(1)).await;
            }
            waiting.store(true, SeqCst);
        });
        outside.join().unwrap();
    }

    // T10: the task that the blocking task has woken last waits in the LIFO place.
    fn the_next_task_of_a_blocking_one_runs(setup: Setup) {
        let Some(workers @ 1..) = setup.workers else { return };
        let runtime = builder!(setup).build().unwrap();
        for _ in 0..5 {
            let ran = Arc::new(AtomicBool::new(false));
            let outside = ran.clone();
            let blocking = runtime.spawn(async move {
                yamanote::spawn(async move { ran.store(true, SeqCst) });
                task::block_in_place(|| {
                    let start = Instant::now();
                    while !outside.load(SeqCst) {
                        assert!(start.elapsed() < LIMIT, "stuck in the place for the next one");
                        std::thread::yield_now();
                    }
                });
            });
            runtime.block_on(blocking).unwrap();
        }
        assert_eq!(runtime.handle().metrics().num_workers(), workers);
    }

    // C6: while a hundred thousand timers become due at one instant, a socket is served.
    async fn by_a_hundred_thousand_timers() {
        const TIMERS: usize = 100_000;
        let deadline = yamanote::time::Instant::now() + Duration::from_millis(200);
        let fired = Arc::new(AtomicUsize::new(0));
        let timers = fired.clone();
        let all = yamanote::spawn(async move {
            let mut sleeps: Vec<_> =
                (0..TIMERS).map(|_| Box::pin(yamanote::time::sleep_until(deadline))).collect();
            // Registers all of them.
            task::coop::unconstrained(poll_fn(|cx| {
                for sleep in &mut sleeps {
                    let _ = sleep.as_mut().poll(cx);
                }
                Poll::Ready(())
            }))
            .await;
            for sleep in sleeps {
                sleep.await;
                timers.fetch_add(1, SeqCst);
            }
        });
        let (mut client, mut server) = pair().await;
        let echo = yamanote::spawn(async move {
            let mut byte = [0];
            while server.read(&mut byte).await.unwrap() > 0 {
                server.write_all(&byte).await.unwrap();
            }
        });
        let mut longest = Duration::ZERO;
        while !all.is_finished() {
            let start = Instant::now();
            client.write_all(&[1]).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), 1);
            longest = longest.max(start.elapsed());
        }
        all.await.unwrap();
        drop(client);
        echo.await.unwrap();
        assert!(fired.load(SeqCst) == TIMERS);
        assert!(longest < Duration::from_secs(5), "{longest:?}");
    }
}
