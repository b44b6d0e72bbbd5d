//! Tasks that hold themselves, that are large, that run on little stack; a minute's worth of
//! wake-ups in a second; runtimes entered and dropped in unexpected places.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::runtime::{Handle, Runtime};
use yamanote::task::{self, JoinHandle};
use yamanote::time::{interval, interval_at, sleep, timeout, timeout_at};
use yamanote_test::{Setup, TempDir, builder};

struct CountDrops(Arc<AtomicUsize>);

impl Drop for CountDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// What has not come by then never will. A sync of a busy disk takes ten seconds and more.
const LOST: Duration = Duration::from_secs(60);

yamanote_test::matrix! {
    // T14: the only waker of a task is in the task, and two tasks hold each other's handles. They
    // end with the runtime, and not later.
    fn tasks_that_hold_themselves(setup: Setup) {
        let drops = Arc::new(AtomicUsize::new(0));
        let runtime = builder!(setup).build().unwrap();
        for _ in 0..100 {
            let own = Arc::new(Mutex::new(None::<Waker>));
            let counted = CountDrops(drops.clone());
            runtime.spawn(poll_fn(move |cx| {
                let _counted = &counted;
                *own.lock().unwrap() = Some(cx.waker().clone());
                Poll::<()>::Pending
            }));

            let handles = Arc::new(Mutex::new(Vec::<JoinHandle<()>>::new()));
            for other in [1, 0] {
                let (handles_here, counted) = (handles.clone(), CountDrops(drops.clone()));
                let task = runtime.spawn(poll_fn(move |cx| {
                    let _counted = &counted;
                    let mut handles = handles_here.lock().unwrap();
                    match handles.get_mut(other) {
                        Some(handle) => Pin::new(handle).poll(cx).map(drop),
                        None => {
                            cx.waker().wake_by_ref();
                            Poll::Pending
                        }
                    }
                }));
                handles.lock().unwrap().push(task);
            }
        }
        runtime.block_on(async { sleep(Duration::from_millis(5)).await });
        assert_eq!(drops.load(SeqCst), 0);
        drop(runtime);
        assert_eq!(drops.load(SeqCst), 300);
    }

    // T15: a future of a mebibyte on threads with a stack of 64 KiB, which poll, abort and drop it.
    fn a_large_future_on_little_stack(setup: Setup) {
        let runtime = builder!(setup).thread_stack_size(64 * 1024).build().unwrap();
        let handle = runtime.handle().clone();
        // Without optimization, making it takes several times its size on the stack.
        let spawning = thread::Builder::new().stack_size(64 << 20).spawn(move || {
            [false, true].map(|endless| {
                handle.spawn(async move {
                    let large = [7u8; 1 << 20];
                    task::yield_now().await;
                    if endless {
                        pending::<()>().await;
                    }
                    large.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>()
                })
            })
        });
        let [ends, endless] = spawning.unwrap().join().unwrap();
        runtime.block_on(async {
            assert_eq!(ends.await.unwrap(), 7 * 256);
            endless.abort();
            assert!(endless.await.unwrap_err().is_cancelled());
            assert_eq!(task::spawn_blocking(|| 1).await.unwrap(), 1);
        });
    }

    // T12: tasks, a foreign thread, timers, a socket and files wake each other at random for a
    // while; a task that makes no progress for a minute has missed a wake-up.
    fn wake_ups_of_every_origin(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let directory = TempDir::new();
        let over = Arc::new(AtomicBool::new(false));
        let progress: Arc<Vec<AtomicU64>> = Arc::new((0..7).map(|_| AtomicU64::new(0)).collect());
        let note = |number: usize| {
            let (progress, over) = (progress.clone(), over.clone());
            move || {
                progress[number].fetch_add(1, SeqCst);
                !over.load(SeqCst)
            }
        };
        let mut tasks = Vec::new();

        // A token goes round among eight tasks.
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..8).map(|_| futures::channel::mpsc::unbounded::<bool>()).unzip();
        for (number, mut receiver) in receivers.into_iter().enumerate() {
            let next = senders[(number + 1) % 8].clone();
            let note = note(0);
            tasks.push(runtime.spawn(async move {
                loop {
                    let go_on = receiver.next().await.unwrap() && note();
                    let _ = next.unbounded_send(go_on);
                    if !go_on {
                        return;
                    }
                }
            }));
        }
        senders[0].unbounded_send(true).unwrap();

        // A thread outside asks and waits for the answer.
        let (asking, mut asked) = futures::channel::mpsc::unbounded::<mpsc::Sender<()>>();
        tasks.push(runtime.spawn(async move {
            while let Some(answer) = asked.next().await {
                let _ = answer.send(());
            }
        }));
        let note_thread = note(1);
        let outside = thread::spawn(move || loop {
            let (answer, answered) = mpsc::channel();
            asking.unbounded_send(answer).unwrap();
            answered.recv_timeout(LOST).expect("a lost wake-up");
            if !note_thread() {
                return;
            }
        });

        let note_timer = note(2);
        tasks.push(runtime.spawn(async move {
            while note_timer() {
                sleep(Duration::from_micros(700)).await;
            }
        }));
        let note_blocking = note(3);
        tasks.push(runtime.spawn(async move {
            while note_blocking() {
                task::spawn_blocking(|| ()).await.unwrap();
            }
        }));
        let note_file = note(4);
        let path = directory.path().join("file");
        tasks.push(runtime.spawn(async move {
            while note_file() {
                let mut file = yamanote::fs::File::create(&path).await.unwrap();
                file.write_all(&[1; 5000]).await.unwrap();
                file.sync_data().await.unwrap();
            }
        }));
        let note_socket = note(5);
        tasks.push(runtime.spawn(async move {
            let listener = yamanote::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = yamanote::spawn(yamanote::net::TcpStream::connect(address));
            let (mut server, _) = listener.accept().await.unwrap();
            let mut client = client.await.unwrap().unwrap();
            let echo = yamanote::spawn(async move {
                let mut byte = [0];
                while server.read(&mut byte).await.unwrap() > 0 {
                    server.write_all(&byte).await.unwrap();
                }
            });
            while note_socket() {
                client.write_all(&[1]).await.unwrap();
                client.read_u8().await.unwrap();
            }
            drop(client);
            echo.await.unwrap();
        }));
        let note_pipe = note(6);
        tasks.push(runtime.spawn(async move {
            let (mut near, mut far) = yamanote::io::duplex(3);
            let echo = yamanote::spawn(async move {
                let mut byte = [0];
                while far.read(&mut byte).await.unwrap() > 0 {
                    far.write_all(&byte).await.unwrap();
                }
            });
            while note_pipe() {
                near.write_all(&[1]).await.unwrap();
                near.read_u8().await.unwrap();
            }
            drop(near);
            echo.await.unwrap();
        }));

        // The watchdog is outside. A current-thread runtime needs someone to drive it.
        let watched = progress.clone();
        let watchdog = thread::spawn(move || {
            let look = || watched.iter().map(|count| count.load(SeqCst)).collect::<Vec<_>>();
            let end = Instant::now() + Duration::from_millis(700);
            let (mut before, mut since) = (look(), Instant::now());
            let mut moved = vec![false; before.len()];
            while Instant::now() < end || !moved.iter().all(|moved| *moved) {
                thread::sleep(Duration::from_millis(20));
                let now = look();
                for (number, moved) in moved.iter_mut().enumerate() {
                    *moved |= now[number] > before[number];
                }
                if moved.iter().all(|moved| *moved) {
                    (before, since) = (now, Instant::now());
                    if Instant::now() < end {
                        moved.fill(false);
                    }
                }
                assert!(since.elapsed() < LOST, "stranded: {moved:?}");
            }
            over.store(true, SeqCst);
        });
        runtime.block_on(async {
            for task in tasks {
                timeout(2 * LOST, task).await.expect("a lost wake-up").unwrap();
            }
        });
        watchdog.join().unwrap();
        outside.join().unwrap();
    }

    // T3: a destructor that blocks panics where futures run, and harms nothing.
    fn blocking_in_a_destructor(setup: Setup) {
        struct Blocks {
            handle: Handle,
            texts: mpsc::Sender<String>,
        }
        impl Drop for Blocks {
            fn drop(&mut self) {
                let blocked = catch_unwind(AssertUnwindSafe(|| {
                    self.handle.block_on(task::yield_now())
                }));
                self.texts
                    .send(match blocked {
                        Ok(()) => "blocked".to_owned(),
                        Err(panic) => panic.downcast_ref::<&str>().unwrap().to_string(),
                    })
                    .unwrap();
            }
        }
        let runtime = builder!(setup).build().unwrap();
        let other = builder!(setup).build().unwrap();
        let (texts, told) = mpsc::channel();
        let blocks = |runtime: &Runtime| Blocks {
            handle: runtime.handle().clone(),
            texts: texts.clone(),
        };
        let refused = |text: String| {
            assert!(text.starts_with("Cannot start a runtime from within a runtime."), "{text}");
        };
        let inside = blocks(&runtime);
        runtime.block_on(async move { drop(inside) });
        refused(told.recv().unwrap());
        let in_a_task = blocks(&other);
        runtime.block_on(runtime.spawn(async move { drop(in_a_task) })).unwrap();
        refused(told.recv().unwrap());
        // The output of a task that nobody joins is dropped by the worker or, if the task was
        // faster, here, where blocking is allowed.
        let output = blocks(&other);
        drop(runtime.spawn(async move { output }));
        runtime.block_on(async { sleep(Duration::from_millis(1)).await });
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        // Both runtimes still work.
        assert_eq!(runtime.block_on(runtime.spawn(async { 1 })).unwrap(), 1);
        assert_eq!(other.block_on(other.spawn(async { 2 })).unwrap(), 2);
        // Dropped by the shutdown.
        let left = blocks(&other);
        runtime.spawn(async move {
            let _left = left;
            pending::<()>().await
        });
        drop(runtime);
        let text = told.recv_timeout(Duration::from_secs(10)).unwrap();
        match setup.workers {
            // Here as well.
            None => assert_eq!(text, "blocked"),
            Some(_) => refused(text),
        }
        assert_eq!(other.block_on(async { 3 }), 3);
    }

    // T3: the last of several owners drops the runtime, on whichever thread that is; also at the
    // end of a thread.
    fn dropped_by_the_last_owner(setup: Setup) {
        thread_local! {
            static KEPT: RefCell<Option<Arc<Runtime>>> = const { RefCell::new(None) };
        }
        for _ in 0..20 {
            let drops = Arc::new(AtomicUsize::new(0));
            let runtime = Arc::new(builder!(setup).build().unwrap());
            let counted = CountDrops(drops.clone());
            runtime.spawn(async move {
                let _counted = counted;
                pending::<()>().await
            });
            runtime.block_on(task::yield_now());
            let threads: Vec<_> = (0..2)
                .map(|number| {
                    let runtime = runtime.clone();
                    thread::spawn(move || match number {
                        0 => drop(runtime),
                        _ => KEPT.with(|kept| *kept.borrow_mut() = Some(runtime)),
                    })
                })
                .collect();
            drop(runtime);
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(drops.load(SeqCst), 1);
        }
    }

    // T2: each task panics with an operation under way; the operation ends, and takes nothing with
    // it.
    fn panics_with_operations_under_way(setup: Setup) {
        use yamanote::buf::IoBuf;
        if !yamanote_test::require(yamanote_test::Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        let path = directory.path().join("direct");
        std::fs::write(&path, vec![5; 64 * 1024]).unwrap();
        let runtime = builder!(setup).build().unwrap();
        let metrics = runtime.handle().metrics();
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().flatten().filter(|entry| {
            std::fs::read_link(entry.path()).is_ok_and(|target| target == path)
        }).count();
        runtime.block_on(async {
            let mut tasks = Vec::new();
            for _ in 0..200 {
                let path = path.clone();
                tasks.push(yamanote::spawn(async move {
                    let mut options = yamanote::fs::OpenOptions::new();
                    options.read(true).custom_flags(libc::O_DIRECT);
                    let file = options.open(&path).await.unwrap();
                    let bytes = vec![0; 8192];
                    let start = bytes.as_ptr().align_offset(4096);
                    let mut read = Box::pin(file.read_at(bytes.slice(start..start + 4096), 0));
                    poll_fn(|cx| {
                        let _ = read.as_mut().poll(cx);
                        if true {
                            std::panic::resume_unwind(Box::new("under way"));
                        }
                        Poll::Ready(())
                    })
                    .await
                }));
            }
            for task in tasks {
                assert!(task.await.unwrap_err().is_panic());
            }
            let start = Instant::now();
            while metrics.live_ops() > 0 || descriptors() > 0 {
                assert!(start.elapsed() < Duration::from_secs(10), "something is left");
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(yamanote::fs::read(&path).await.unwrap(), vec![5; 64 * 1024]);
        });
    }

    // C1: everything that takes a time can wait for the farthest future, and give up.
    async fn the_farthest_future() {
        let now = yamanote::time::Instant::now();
        let years = |n: u64| Duration::from_secs(n * 365 * 86_400);
        let is_pending = async |future: Pin<&mut dyn Future<Output = ()>>| {
            let mut future = future;
            poll_fn(|cx: &mut Context<'_>| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
        };
        // Beyond the reach of a wheel of six levels of 64 milliseconds, and beyond that of an
        // `Instant`.
        for far in [years(3), years(30), years(1000), Duration::from_secs(u64::MAX >> 1), Duration::MAX] {
            assert!(is_pending(std::pin::pin!(sleep(far))).await);
            assert!(is_pending(std::pin::pin!(async { timeout(far, pending::<()>()).await.unwrap() })).await);
            let mut ticks = interval(far);
            ticks.tick().await;
            assert!(is_pending(std::pin::pin!(async { let _ = ticks.tick().await; })).await);
        }
        for years in [3, 30, 200].map(years) {
            let at = now + years;
            assert!(is_pending(std::pin::pin!(yamanote::time::sleep_until(at))).await);
            assert!(is_pending(std::pin::pin!(async { timeout_at(at, pending::<()>()).await.unwrap() })).await);
            let mut ticks = interval_at(at, Duration::from_secs(1));
            assert!(is_pending(std::pin::pin!(async { let _ = ticks.tick().await; })).await);
        }
        // A near timer is not held up by them.
        let _far = sleep(Duration::MAX);
        sleep(Duration::from_millis(1)).await;
    }
}
