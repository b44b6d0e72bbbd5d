//! The runtime's promises, on every driver and flavour: entering and leaving, panics, shutdown, and
//! runtimes beside each other.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::runtime::{Handle, Runtime, RuntimeFlavor};
use yamanote::{fs, task, time};
use yamanote_test::{Setup, TempDir, builder};

fn runtime(setup: Setup) -> Runtime {
    builder!(setup).build().unwrap()
}

fn panic_text(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().unwrap().to_string(),
    }
}

struct CountDrops(Arc<AtomicUsize>);

impl Drop for CountDrops {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

yamanote_test::matrix! {
    fn a_handle_knows_its_runtime(setup: Setup) {
        let rt = builder!(setup).name("circle line").build().unwrap();
        let handle = rt.handle();
        assert_eq!(handle.name(), Some("circle line"));
        assert_eq!(handle.metrics().num_workers(), setup.workers.unwrap_or(1));
        let flavor = match setup.workers {
            None => RuntimeFlavor::CurrentThread,
            Some(_) => RuntimeFlavor::MultiThread,
        };
        assert_eq!(handle.runtime_flavor(), flavor);
        assert_eq!(handle.driver().to_string(), setup.driver.name());
        let id = handle.id();
        rt.block_on(async {
            assert_eq!(Handle::current().id(), id);
            let inside = task::spawn(async { Handle::current().id() }).await.unwrap();
            assert_eq!(inside, id);
            let inside = task::spawn_blocking(|| Handle::current().id()).await.unwrap();
            assert_eq!(inside, id);
        });
        assert!(Handle::try_current().unwrap_err().is_missing_context());
    }

    fn contexts_nest_and_unwind(setup: Setup) {
        let (a, b) = (runtime(setup), runtime(setup));
        let outer = a.enter();
        {
            let _inner = b.enter();
            assert_eq!(Handle::current().id(), b.handle().id());
        }
        assert_eq!(Handle::current().id(), a.handle().id());
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _inner = b.enter();
            panic!("inside");
        }));
        assert!(caught.is_err());
        assert_eq!(Handle::current().id(), a.handle().id());
        drop(outer);
        assert!(Handle::try_current().is_err());
    }

    fn guards_left_out_of_order_panic(setup: Setup) {
        let (a, b) = (runtime(setup), runtime(setup));
        let text = thread::spawn(move || {
            let (first, second) = (a.enter(), b.enter());
            let text = panic_text(AssertUnwindSafe(move || drop(first)).0);
            drop(second);
            text
        })
        .join()
        .unwrap();
        assert!(text.starts_with("`EnterGuard` values dropped out of order."), "{text}");
    }

    fn blocking_inside_panics_and_harms_nothing(setup: Setup) {
        let rt = runtime(setup);
        let other = runtime(setup);
        let entered = "Cannot start a runtime from within a runtime.";
        let text = panic_text(|| rt.block_on(async { other.block_on(async {}) }));
        assert!(text.starts_with(entered), "{text}");
        let text = panic_text(|| rt.block_on(async { other.handle().block_on(async {}) }));
        assert!(text.starts_with(entered), "{text}");
        let text = panic_text(|| rt.handle().block_on(async { rt.block_on(async {}) }));
        assert!(text.starts_with(entered), "{text}");

        // In a task the panic belongs to the task.
        let other = Arc::new(other);
        let inner = other.clone();
        let error = rt
            .block_on(rt.spawn(async move { inner.block_on(async {}) }))
            .unwrap_err();
        assert!(error.is_panic());

        // A blocking thread may block.
        let inner = other.clone();
        let join = rt.spawn_blocking(move || inner.block_on(async { 4 }));
        assert_eq!(rt.block_on(join).unwrap(), 4);
        let join = rt.spawn_blocking(|| Handle::current().block_on(task::yield_now()));
        rt.block_on(join).unwrap();
        assert_eq!(other.block_on(async { 5 }), 5);
    }

    fn a_runtime_is_not_dropped_where_futures_run(setup: Setup) {
        let rt = runtime(setup);
        let dropped = "Cannot drop a runtime in a context where blocking is not allowed.";
        let inner = runtime(setup);
        let text = panic_text(|| rt.block_on(async move { drop(inner) }));
        assert!(text.starts_with(dropped), "{text}");
        let inner = runtime(setup);
        let text = panic_text(|| {
            rt.block_on(async move { inner.shutdown_timeout(Duration::from_secs(1)) })
        });
        assert!(text.starts_with(dropped), "{text}");

        let inner = runtime(setup);
        inner.spawn(pending::<()>());
        rt.block_on(async move { inner.shutdown_background() });
        let inner = runtime(setup);
        let join = rt.spawn_blocking(move || drop(inner));
        rt.block_on(join).unwrap();
    }

    fn a_panic_in_block_on_leaves_everything_in_order(setup: Setup) {
        let rt = runtime(setup);
        let beats = Arc::new(AtomicUsize::new(0));
        let beat = beats.clone();
        rt.spawn(async move {
            loop {
                beat.fetch_add(1, SeqCst);
                time::sleep(Duration::from_millis(1)).await;
            }
        });
        for round in 0..5 {
            let text = panic_text(|| {
                rt.block_on(async {
                    let _ = task::spawn(async { panic!("in a task") }).await;
                    time::sleep(Duration::from_millis(1)).await;
                    panic!("in the main future");
                })
            });
            assert_eq!(text, "in the main future");
            let before = beats.load(SeqCst);
            rt.block_on(async {
                while beats.load(SeqCst) < before + 2 {
                    task::yield_now().await;
                }
            });
            assert_eq!(rt.block_on(rt.spawn(async move { round })).unwrap(), round);
        }
    }

    fn several_threads_block_on_sockets_timers_and_files_at_once(setup: Setup) {
        let rt = Arc::new(runtime(setup));
        let directory = TempDir::new();
        let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let server = rt.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                task::spawn(async move {
                    let mut bytes = [0; 4];
                    while stream.read_exact(&mut bytes).await.is_ok() {
                        stream.write_all(&bytes).await.unwrap();
                    }
                });
            }
        });
        let threads: Vec<_> = (0..4u32)
            .map(|number| {
                let rt = rt.clone();
                let path = directory.path().join(number.to_string());
                thread::spawn(move || {
                    for round in 0..20u32 {
                        rt.block_on(async {
                            let mut stream = TcpStream::connect(address).await.unwrap();
                            stream.write_all(&round.to_be_bytes()).await.unwrap();
                            let mut bytes = [0; 4];
                            stream.read_exact(&mut bytes).await.unwrap();
                            assert_eq!(u32::from_be_bytes(bytes), round);
                            fs::write(&path, bytes).await.unwrap();
                            time::sleep(Duration::from_micros(300)).await;
                            assert_eq!(fs::read(&path).await.unwrap(), bytes);
                        });
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        server.abort();
    }

    /// What one thread has given to the kernel may be finished by another, also after the first has
    /// gone.
    fn work_begun_on_a_thread_that_exits_is_finished_elsewhere(setup: Setup) {
        let rt = Arc::new(runtime(setup));
        let directory = TempDir::new();
        for round in 0..20 {
            let path = directory.path().join(round.to_string());
            let first = rt.clone();
            let join = thread::spawn(move || {
                // Spawned here, polled by the thread that drives: first in this thread's
                // `block_on`.
                let join = first.spawn(async move {
                        let mut file = fs::File::create(&path).await?;
                        file.write_all(&[7; 10_000]).await?;
                        file.sync_all().await?;
                        drop(file);
                        fs::read(&path).await
                    });
                first.block_on(async {
                    // Far enough to be in the kernel's hands, at a different place each time.
                    for _ in 0..round {
                        task::yield_now().await;
                    }
                });
                join
            })
            .join()
            .unwrap();
            let contents = rt.block_on(join).unwrap().unwrap();
            assert_eq!(contents.len(), 10_000);
        }
    }

    /// Every kind of waiting, for each way to end the runtime.
    fn shutdown_drops_each_future_once_and_keeps_its_bound(setup: Setup) {
        let ends: [fn(Runtime); 3] = [
            drop,
            |rt| rt.shutdown_timeout(Duration::from_secs(20)),
            |rt| rt.shutdown_background(),
        ];
        for (way, end) in ends.into_iter().enumerate() {
            let rt = runtime(setup);
            let drops = Arc::new(AtomicUsize::new(0));
            let guard = || CountDrops(drops.clone());
            let (listener, client) = rt.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                (listener, client)
            });
            let (a, b, c, d) = (guard(), guard(), guard(), guard());
            let mut tasks = vec![
                rt.spawn(async move {
                    let _counted = a;
                    pending::<()>().await
                }),
                rt.spawn(async move {
                    let _counted = b;
                    time::sleep(Duration::from_secs(3600)).await
                }),
                rt.spawn(async move {
                    let _counted = c;
                    let mut client = client;
                    client.read_u8().await.unwrap();
                }),
                rt.spawn(async move {
                    let _counted = d;
                    let _connected = listener.accept().await.unwrap();
                    listener.accept().await.unwrap();
                }),
            ];
            let e = guard();
            tasks.push(rt.spawn(async move {
                let _counted = e;
                loop {
                    task::yield_now().await;
                }
            }));
            rt.block_on(async { time::sleep(Duration::from_millis(5)).await });
            let handle = rt.handle().clone();
            let start = Instant::now();
            end(rt);
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
            for task in tasks {
                assert!(handle.block_on(task).unwrap_err().is_cancelled());
            }
            assert_eq!(drops.load(SeqCst), 5, "way {way}");
            let late = handle.spawn(async {});
            assert!(handle.block_on(late).unwrap_err().is_cancelled());
            let late = handle.spawn_blocking(|| ());
            assert!(handle.block_on(late).unwrap_err().is_cancelled());
        }
    }

    fn shutdown_waits_for_blocking_work_as_long_as_it_is_told(setup: Setup) {
        let start_job = |rt: &Runtime, length| {
            let (started, is_started) = mpsc::channel();
            let ended = Arc::new(AtomicUsize::new(0));
            let ends = ended.clone();
            rt.spawn_blocking(move || {
                started.send(()).unwrap();
                thread::sleep(length);
                ends.fetch_add(1, SeqCst);
            });
            is_started.recv().unwrap();
            ended
        };

        let rt = runtime(setup);
        let ended = start_job(&rt, Duration::from_millis(50));
        drop(rt);
        assert_eq!(ended.load(SeqCst), 1);

        let rt = runtime(setup);
        start_job(&rt, Duration::from_millis(3_000));
        let start = Instant::now();
        rt.shutdown_timeout(Duration::from_millis(50));
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(50), "{waited:?}");
        assert!(waited < Duration::from_millis(2_000), "{waited:?}");

        let rt = runtime(setup);
        start_job(&rt, Duration::from_millis(3_000));
        let start = Instant::now();
        rt.shutdown_background();
        assert!(start.elapsed() < Duration::from_millis(2_000));
    }

    fn what_outlives_the_runtime_says_so(setup: Setup) {
        let rt = runtime(setup);
        let other = runtime(setup);
        let (listener, waker) = rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            (listener, waker)
        });
        let task_waker = rt
            .block_on(rt.spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone()))))
            .unwrap();
        drop(rt);
        waker.wake();
        thread::spawn(move || task_waker.wake()).join().unwrap();
        let error = other.block_on(listener.accept()).unwrap_err();
        assert!(yamanote::runtime::is_rt_shutdown_err(&error), "{error}");
    }

    fn sockets_and_timers_may_be_used_in_another_runtime(setup: Setup) {
        let (home, abroad) = (runtime(setup), runtime(setup));
        let (listener, mut sleep) = home.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (listener, Box::pin(time::sleep(Duration::from_millis(5))))
        });
        // A current-thread runtime drives its resources only while somebody is in its `block_on`.
        let (stop, stopped) = mpsc::channel::<()>();
        let stopped = Mutex::new(stopped);
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                home.block_on(async {
                    while stopped.lock().unwrap().try_recv() == Err(mpsc::TryRecvError::Empty) {
                        time::sleep(Duration::from_millis(1)).await;
                    }
                })
            });
            abroad.block_on(async {
                let client = task::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.write_all(b"abroad").await.unwrap();
                });
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                assert_eq!(text, "abroad");
                client.await.unwrap();
                sleep.as_mut().await;
            });
            stop.send(()).unwrap();
        });
    }

    fn hooks_and_names_reach_every_thread(setup: Setup) {
        let starts = Arc::new(AtomicUsize::new(0));
        let stops = Arc::new(AtomicUsize::new(0));
        let (count_start, count_stop) = (starts.clone(), stops.clone());
        let rt = builder!(setup)
            .thread_name("loop-line")
            .on_thread_start(move || {
                count_start.fetch_add(1, SeqCst);
                assert!(Handle::try_current().is_ok());
            })
            .on_thread_stop(move || {
                count_stop.fetch_add(1, SeqCst);
            })
            .build()
            .unwrap();
        let name = || thread::current().name().map(str::to_owned);
        let blocking = rt.spawn_blocking(name);
        assert_eq!(rt.block_on(blocking).unwrap().as_deref(), Some("loop-line"));
        if setup.workers.is_some() {
            let worker = rt.spawn(async move { name() });
            assert_eq!(rt.block_on(worker).unwrap().as_deref(), Some("loop-line"));
        }
        drop(rt);
        let threads = setup.workers.unwrap_or(0) + 1;
        assert_eq!(starts.load(SeqCst), threads);
        assert_eq!(stops.load(SeqCst), threads);
    }
}
