//! Signals: every listener hears, in whichever runtime, whatever the drivers are doing. A signal
//! concerns the whole process, so each test has a process of its own.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::runtime::{Builder, Runtime};
use yamanote::signal::ctrl_c;
use yamanote::signal::unix::{Signal, SignalKind, signal};
use yamanote::time::{sleep, timeout};
use yamanote_test::{CountingWaker, Setup, Snapshot, builder, matrix};

const PATIENCE: Duration = Duration::from_secs(20);

fn runtime(setup: Setup) -> Runtime {
    builder!(setup).build().unwrap()
}

fn raise(kind: SignalKind) {
    // SAFETY: signals this process, which has a handler.
    let result = unsafe { libc::kill(libc::getpid(), kind.as_raw_value()) };
    assert_eq!(result, 0);
}

async fn hear(listener: &mut Signal) {
    timeout(PATIENCE, listener.recv())
        .await
        .expect("a signal was lost")
        .expect("never None");
}

/// Nothing more comes; asked without the help of a runtime.
fn is_silent(listener: &mut Signal) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    listener.poll_recv(&mut cx).is_pending()
}

/// Waits until what has been raised so far is delivered: it is once later signals are. There are
/// two of these, because the thread that delivers the first may have looked before; and a while for
/// another thread that is still delivering.
async fn delivered() {
    let kind = SignalKind::io();
    let mut fence = signal(kind).unwrap();
    for _ in 0..2 {
        raise(kind);
        hear(&mut fence).await;
    }
    sleep(Duration::from_millis(20)).await;
}

fn panic_text(f: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

matrix! {
    /// Several listeners to one signal, and listeners to other signals.
    alone fn every_listener_gets_one(setup: Setup) {
        runtime(setup).block_on(async {
            let usr1 = SignalKind::user_defined1();
            let mut deaf = signal(SignalKind::user_defined2()).unwrap();
            let mut listeners: Vec<_> = (0..10).map(|_| signal(usr1).unwrap()).collect();
            let heard = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let mut listener = signal(usr1).unwrap();
                    let heard = heard.clone();
                    yamanote::spawn(async move {
                        for _ in 0..20 {
                            hear(&mut listener).await;
                            heard.fetch_add(1, SeqCst);
                        }
                    })
                })
                .collect();
            for round in 1..=20 {
                raise(usr1);
                for listener in &mut listeners {
                    hear(listener).await;
                    assert!(is_silent(listener));
                }
                // Let the tasks take theirs before the next, which would otherwise merge with it.
                let start = Instant::now();
                while heard.load(SeqCst) < 10 * round {
                    assert!(start.elapsed() < PATIENCE, "a task did not hear");
                    sleep(Duration::from_millis(1)).await;
                }
                assert_eq!(heard.load(SeqCst), 10 * round);
            }
            for task in tasks {
                task.await.unwrap();
            }
            assert!(is_silent(&mut deaf));
            let mut late = signal(usr1).unwrap();
            assert!(is_silent(&mut late));
        });
    }

    /// Signals that nobody has taken yet merge into one.
    alone fn signals_coalesce(setup: Setup) {
        runtime(setup).block_on(async {
            let mut listener = signal(SignalKind::hangup()).unwrap();
            for _ in 0..10 {
                for _ in 0..5 {
                    raise(SignalKind::hangup());
                }
                delivered().await;
                hear(&mut listener).await;
                assert!(is_silent(&mut listener));
            }
        });
    }

    /// Each listener in its runtime, each runtime asleep in its own way.
    alone fn every_runtime_hears(setup: Setup) {
        let kind = SignalKind::hangup();
        for _ in 0..5 {
            let (ready, is_ready) = mpsc::channel();
            let threads: Vec<_> = (0..4)
                .map(|i| {
                    let ready = ready.clone();
                    std::thread::spawn(move || {
                        runtime(setup).block_on(async {
                            if i % 2 == 0 {
                                // Makes the ring, so that the runtime sleeps in it.
                                let file = std::fs::File::open("/proc/self/exe").unwrap();
                                let _ = yamanote::fs::File::from_std(file).sync_all().await;
                            }
                            let mut listener = signal(kind).unwrap();
                            ready.send(()).unwrap();
                            hear(&mut listener).await;
                        });
                    })
                })
                .collect();
            threads.iter().for_each(|_| is_ready.recv().unwrap());
            raise(kind);
            for thread in threads {
                thread.join().unwrap();
            }
        }
    }

    /// A listener outlives its runtime, and hears in the next one what came in between.
    alone fn a_listener_changes_runtimes(setup: Setup) {
        let kind = SignalKind::user_defined1();
        let first = runtime(setup);
        let mut listener = first.block_on(async { signal(kind).unwrap() });
        drop(first);
        for _ in 0..10 {
            raise(kind);
            assert!(is_silent(&mut listener), "there is nobody to tell");
            let next = runtime(setup);
            next.block_on(hear(&mut listener));
            raise(kind);
            next.block_on(hear(&mut listener));
            assert!(is_silent(&mut listener));
        }
    }

    /// Made in a runtime that is not driven, heard in one that existed before any listener did.
    alone fn an_undriven_runtime_is_not_needed(setup: Setup) {
        let driven = runtime(setup);
        let idle = Builder::new_current_thread().enable_all().build().unwrap();
        let mut listener = idle.block_on(async { signal(SignalKind::user_defined2()).unwrap() });
        raise(SignalKind::user_defined2());
        driven.block_on(hear(&mut listener));
        drop(idle);
        raise(SignalKind::user_defined2());
        driven.block_on(hear(&mut listener));
    }

    /// One descriptor for all signals and the whole life of the process; runtimes leave nothing.
    alone fn descriptors(setup: Setup) {
        let before = Snapshot::take().descriptor_count();
        for round in 0..30 {
            let rt = runtime(setup);
            let mut listener = rt.block_on(async {
                for _ in 0..50 {
                    let _ = signal(SignalKind::window_change()).unwrap();
                    let _ = signal(SignalKind::from_raw(libc::SIGRTMIN() + round)).unwrap();
                }
                signal(SignalKind::window_change()).unwrap()
            });
            raise(SignalKind::window_change());
            rt.block_on(hear(&mut listener));
            drop(rt);
            assert_eq!(Snapshot::take().descriptor_count(), before + 1);
        }
    }

    /// The texts are Tokio's.
    alone fn refusals(setup: Setup) {
        let rt = runtime(setup);
        let refusal = |number: i32| {
            let error = signal(SignalKind::from_raw(number)).unwrap_err();
            (error.kind(), error.to_string())
        };
        let handle = rt.handle().clone();
        rt.block_on(async {
            for number in [-1, 0, libc::SIGKILL, libc::SIGSTOP, libc::SIGILL, libc::SIGFPE, libc::SIGSEGV] {
                let text = format!("Refusing to register signal {number}");
                assert_eq!(refusal(number), (std::io::ErrorKind::Other, text));
            }
            assert_eq!(refusal(65).1, "signal too large");
            assert_eq!(refusal(i32::MAX).1, "signal too large");
            // The C library keeps this signal for itself.
            assert_eq!(refusal(32).0, std::io::ErrorKind::InvalidInput);
        });
        drop(rt);
        let entered = handle.enter();
        assert_eq!(refusal(libc::SIGUSR1).1, "signal driver gone");
        drop(entered);
        assert_eq!(
            panic_text(|| drop(signal(SignalKind::hangup()))),
            "there is no reactor running, must be called from the context of a Tokio 1.x runtime"
        );
        let without_io = Builder::new_current_thread().build().unwrap();
        assert_eq!(
            panic_text(|| without_io.block_on(async { drop(signal(SignalKind::from_raw(-1))) })),
            "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime \
             builder to enable IO."
        );
    }

    /// A handler that was there first is still called.
    alone fn earlier_handlers_stay(setup: Setup) {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn count(_signal: libc::c_int) {
            CALLS.fetch_add(1, SeqCst);
        }
        let handler: extern "C" fn(libc::c_int) = count;
        // SAFETY: the handler does one atomic operation.
        unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
        runtime(setup).block_on(async {
            let mut listener = signal(SignalKind::user_defined1()).unwrap();
            raise(SignalKind::user_defined1());
            hear(&mut listener).await;
        });
        assert_eq!(CALLS.load(SeqCst), 1);
    }

    /// Listening begins with the first poll, and ends the default action.
    alone fn ctrl_c_from_the_first_poll(setup: Setup) {
        runtime(setup).block_on(async {
            let mut interrupted = pin!(ctrl_c());
            poll_fn(|cx| {
                assert!(interrupted.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            raise(SignalKind::interrupt());
            timeout(PATIENCE, interrupted).await.unwrap().unwrap();
            // Nobody listens; the process lives on.
            raise(SignalKind::interrupt());
            // A listener made while that signal is under way might hear it or not.
            delivered().await;
            let mut again = signal(SignalKind::interrupt()).unwrap();
            assert!(is_silent(&mut again));
        });
    }

    /// A wait that is dropped loses nothing.
    alone fn cancelled_waits(setup: Setup) {
        runtime(setup).block_on(async {
            let mut listener = signal(SignalKind::alarm()).unwrap();
            for round in 0..200u64 {
                raise(SignalKind::alarm());
                let start = Instant::now();
                loop {
                    let limit = Duration::from_micros(round * 37 % 900);
                    if timeout(limit, listener.recv()).await.is_ok() {
                        break;
                    }
                    assert!(start.elapsed() < PATIENCE, "a signal was lost");
                }
                assert!(is_silent(&mut listener));
            }
        });
    }

    /// A dropped listener leaves no waker behind, and an entry that is used again wakes only its
    /// new owner.
    alone fn wakers(setup: Setup) {
        runtime(setup).block_on(async {
            let counting = CountingWaker::new();
            let kind = SignalKind::user_defined1();
            for _ in 0..100 {
                let mut listener = signal(kind).unwrap();
                let waker = counting.waker();
                assert!(listener.poll_recv(&mut Context::from_waker(&waker)).is_pending());
                assert!(listener.poll_recv(&mut Context::from_waker(&waker)).is_pending());
                assert_eq!(counting.alive(), 2);
            }
            assert_eq!(counting.alive(), 0);
            let mut other = signal(kind).unwrap();
            raise(kind);
            hear(&mut other).await;
            assert_eq!(counting.wakes(), 0);
        });
    }

    /// A storm from another thread beside sockets and files: I/O sees no EINTR, and in every pause
    /// of the storm the listener has heard of the last signal.
    alone fn a_storm(setup: Setup) {
        runtime(setup).block_on(async {
            let kind = SignalKind::user_defined2();
            let mut listener = signal(kind).unwrap();
            let stop = Arc::new(AtomicBool::new(false));
            let storm = {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    let mut sent = 0;
                    while !stop.load(SeqCst) && sent < 100_000 {
                        raise(kind);
                        sent += 1;
                        if sent % 1000 == 0 {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                    sent
                })
            };
            let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
            let (mut server, _) = socket.accept().await.unwrap();
            let mut heard = 0u64;
            for round in 0..300u32 {
                let sent = round.to_le_bytes();
                client.write_all(&sent).await.unwrap();
                let mut received = [0; 4];
                server.read_exact(&mut received).await.unwrap();
                assert_eq!(received, sent);
                assert!(!yamanote::fs::read("/proc/self/stat").await.unwrap().is_empty());
                let output = yamanote::process::Command::new("echo")
                    .arg("x")
                    .stdin(Stdio::null())
                    .output();
                if round % 30 == 0 {
                    assert_eq!(output.await.unwrap().stdout, b"x\n");
                    hear(&mut listener).await;
                    heard += 1;
                }
                if storm.is_finished() {
                    break;
                }
            }
            stop.store(true, SeqCst);
            assert!(storm.join().unwrap() > 0);
            assert!(heard > 0);
            // At most one more comes from the storm; then silence, then a new signal.
            let _ = timeout(Duration::from_millis(200), listener.recv()).await;
            while timeout(Duration::from_millis(50), listener.recv()).await.is_ok() {}
            raise(kind);
            hear(&mut listener).await;
        });
    }

    /// A forked child has its own signals and its own runtimes; its parent hears none of them.
    alone fn a_forked_child_hears_its_own(setup: Setup) {
        let kind = SignalKind::user_defined1();
        let parent = runtime(Setup { workers: None, ..setup });
        let mut listener = parent.block_on(async { signal(kind).unwrap() });
        // SAFETY: no thread of ours holds a lock the child needs: this runtime has none.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let rt = runtime(setup);
                rt.block_on(async {
                    let mut own = signal(kind).unwrap();
                    raise(kind);
                    hear(&mut own).await;
                    // Children, awaited and dropped.
                    let sh = |script: &str| {
                        let mut command = yamanote::process::Command::new("sh");
                        command.args(["-c", script]);
                        command
                    };
                    assert!(sh("exit 0").status().await.unwrap().success());
                    let orphan = sh("sleep 0.05").spawn().unwrap();
                    let pid = orphan.id().unwrap();
                    drop(orphan);
                    let start = Instant::now();
                    while std::path::Path::new(&format!("/proc/{pid}")).exists() {
                        assert!(start.elapsed() < PATIENCE);
                        sleep(Duration::from_millis(5)).await;
                    }
                });
            }));
            // SAFETY: leaves without destructors.
            unsafe { libc::_exit(i32::from(result.is_err())) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert_eq!(status, 0);
        parent.block_on(async {
            sleep(Duration::from_millis(20)).await;
            assert!(is_silent(&mut listener));
            raise(kind);
            hear(&mut listener).await;
        });
    }

    /// Stopped and continued, nothing is lost.
    alone fn stopped_and_continued(setup: Setup) {
        runtime(setup).block_on(async {
            let kind = SignalKind::user_defined1();
            let mut listener = signal(kind).unwrap();
            let me = std::process::id();
            let script = format!("kill -STOP {me}; sleep 0.1; kill -USR1 {me}; kill -CONT {me}");
            let mut helper = std::process::Command::new("sh").args(["-c", &script]).spawn().unwrap();
            hear(&mut listener).await;
            helper.wait().unwrap();
        });
    }
}
