//! A runtime that ends while everything else goes on: tasks being spawned, operations under way,
//! wakers and handles in other threads' hands.

use std::future::{Future, pending, poll_fn};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use yamanote::buf::IoBuf;
use yamanote::fs::File;
use yamanote::io::AsyncReadExt;
use yamanote::runtime::Runtime;
use yamanote_test::{Setup, TempDir, builder, matrix};

/// Counts the living.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Alive {
        count.fetch_add(1, SeqCst);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits outside of any runtime, for at most five seconds.
fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "it never ends");
        thread::park_timeout(left);
    }
}

/// The ways a runtime ends.
fn end(runtime: Runtime, way: usize) {
    match way % 4 {
        0 => drop(runtime),
        1 => runtime.shutdown_timeout(Duration::ZERO),
        2 => runtime.shutdown_timeout(Duration::from_secs(5)),
        _ => runtime.shutdown_background(),
    }
}

fn await_none(alive: &AtomicUsize) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while alive.load(SeqCst) > 0 {
        assert!(
            Instant::now() < deadline,
            "{} futures are left",
            alive.load(SeqCst)
        );
        thread::sleep(Duration::from_micros(100));
    }
}

/// Waits until no thread of this process has the name.
fn await_no_thread(name: &str) {
    let is_it = |comm: String| comm.trim_end() == name;
    let is_there = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let mut comms = threads.flatten().map(|thread| thread.path().join("comm"));
        comms.any(|comm| std::fs::read_to_string(comm).is_ok_and(is_it))
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_there() {
        assert!(Instant::now() < deadline, "a thread {name} is left");
        thread::sleep(Duration::from_millis(1));
    }
}

fn rounds(many: usize) -> impl Iterator<Item = usize> {
    let end = Instant::now() + Duration::from_secs(8);
    (0..many).take_while(move |_| Instant::now() < end)
}

matrix! {
    /// T7: every handle resolves, every future is dropped, whatever the moment.
    fn tasks_are_spawned_while_the_runtime_ends(setup: Setup) {
        let alive = Arc::new(AtomicUsize::new(0));
        for round in rounds(1_000) {
            let runtime = builder!(setup).build().unwrap();
            let handle = runtime.handle().clone();
            let begun = AtomicBool::new(false);
            thread::scope(|scope| {
                let (alive, begun) = (&alive, &begun);
                for _ in 0..2 {
                    let handle = handle.clone();
                    scope.spawn(move || {
                        let mut joins = Vec::new();
                        for task in 0..40 {
                            let guard = Alive::new(alive);
                            joins.push(match task % 4 {
                                0 => handle.spawn(async move { drop(guard) }),
                                1 => handle.spawn(async move {
                                    yamanote::task::yield_now().await;
                                    drop(guard);
                                }),
                                2 => handle.spawn(async move {
                                    let _guard = guard;
                                    pending().await
                                }),
                                _ => handle.spawn_blocking(move || drop(guard)),
                            });
                            begun.store(true, SeqCst);
                        }
                        for join in joins {
                            if let Err(error) = wait(join) {
                                assert!(error.is_cancelled());
                            }
                        }
                    });
                }
                while !begun.load(SeqCst) {
                    std::hint::spin_loop();
                }
                for _ in 0..(round * 37) % 2_000 {
                    std::hint::spin_loop();
                }
                end(runtime, round);
            });
            await_none(&alive);
        }
    }

    /// T4: each kind of operation is under way; nothing outlives its runtime, and no way to end it
    /// takes long.
    fn operations_are_under_way_when_the_runtime_ends(setup: Setup) {
        let dir = TempDir::new();
        let path = dir.path().join("pages");
        std::fs::write(&path, vec![7; 64 * 4096]).unwrap();
        let alive = Arc::new(AtomicUsize::new(0));
        for round in rounds(200) {
            let runtime = builder!(setup).build().unwrap();
            let metrics = runtime.metrics();
            for task in 0..24 {
                let guard = Alive::new(&alive);
                let path = path.clone();
                runtime.spawn(async move {
                    let _guard = guard;
                    operate(task, path).await;
                });
            }
            runtime.block_on(async {
                for _ in 0..round % 7 {
                    yamanote::task::yield_now().await;
                }
                if round % 5 == 0 {
                    yamanote::time::sleep(Duration::from_millis(1)).await;
                }
            });
            let start = Instant::now();
            end(runtime, round);
            assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
            await_none(&alive);
            let deadline = Instant::now() + Duration::from_secs(3);
            while metrics.live_ops() > 0 {
                assert!(Instant::now() < deadline, "{} operations live", metrics.live_ops());
                thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(metrics.leaked_ops(), 0);
        }
    }

    /// T5: wakers in other threads' hands, called and dropped while the runtime ends and after.
    fn wakers_outlive_the_runtime(setup: Setup) {
        let alive = Arc::new(AtomicUsize::new(0));
        let name = format!("of {:?} {:?}", setup.driver, setup.workers.unwrap_or(0));
        for round in rounds(300) {
            let runtime = builder!(setup).thread_name(&name).build().unwrap();
            let wakers = Arc::new(Mutex::new(Vec::new()));
            for _ in 0..8 {
                let (guard, wakers) = (Alive::new(&alive), wakers.clone());
                runtime.spawn(poll_fn(move |cx| {
                    let _ = &guard;
                    let mut wakers = wakers.lock().unwrap();
                    if wakers.len() < 100 {
                        wakers.push(cx.waker().clone());
                    }
                    Poll::<()>::Pending
                }));
            }
            runtime.block_on(async {
                for _ in 0..10 {
                    yamanote::task::yield_now().await;
                }
            });
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| while !over.load(SeqCst) {
                        let clones: Vec<Waker> = wakers.lock().unwrap().clone();
                        clones.iter().for_each(Waker::wake_by_ref);
                        clones.into_iter().for_each(Waker::wake);
                    });
                }
                end(runtime, round);
                over.store(true, SeqCst);
            });
            let left = std::mem::take(&mut *wakers.lock().unwrap());
            left.into_iter().for_each(Waker::wake);
            await_none(&alive);
        }
        await_no_thread(&name);
    }

    /// Sockets and files that outlive their runtime answer with errors, and can be dropped.
    fn sockets_and_files_outlive_the_runtime(setup: Setup) {
        let dir = TempDir::new();
        let path = dir.path().join("file");
        std::fs::write(&path, b"contents").unwrap();
        for round in 0..40 {
            let runtime = builder!(setup).build().unwrap();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut stream, mut file) = runtime.block_on(async {
                peer.set_nonblocking(true).unwrap();
                let stream = yamanote::net::TcpStream::from_std(peer).unwrap();
                (stream, File::open(&path).await.unwrap())
            });
            let reader = thread::spawn(move || {
                let error = wait(stream.read(&mut [0; 8])).unwrap_err();
                assert!(error.to_string().contains("shutdown"), "{error}");
                stream
            });
            if round % 2 == 0 {
                thread::sleep(Duration::from_micros(200));
            }
            end(runtime, round);
            drop(reader.join().unwrap());
            let other = yamanote::runtime::Builder::new_current_thread().build().unwrap();
            let _inside = other.enter();
            // Whatever the result is, there is one.
            let _ = wait(file.read(&mut [0; 8])).map_err(|error| {
                assert_ne!(error.kind(), ErrorKind::WouldBlock);
            });
        }
    }
}

async fn operate(task: usize, path: PathBuf) {
    match task % 6 {
        0 => loop {
            read_direct(&path).await;
        },
        1 => loop {
            let _ = yamanote::fs::read(&path).await;
            yamanote::time::sleep(Duration::from_micros(50)).await;
        },
        2 => {
            let listener = yamanote::net::TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap();
            let _ = listener.accept().await;
        }
        3 => yamanote::time::sleep(Duration::from_secs(1000)).await,
        4 => {
            let (reader, _writer) = yamanote_test::pipe();
            let mut file = File::from_std(reader);
            // The writer lives in this future, so nothing ever comes.
            let mut buf = [0];
            let read = file.read(&mut buf);
            let mut read = pin!(read);
            poll_fn(|cx| {
                let _ = read.as_mut().poll(cx);
                Poll::<()>::Pending
            })
            .await;
        }
        _ => loop {
            let _ = yamanote::task::spawn_blocking(thread::yield_now).await;
        },
    }
}

async fn read_direct(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECT);
    // tmpfs has no direct reads.
    let Ok(file) = options.open(path) else {
        return pending().await;
    };
    let file = File::from_std(file);
    loop {
        let buf = vec![0; 8192];
        let start = buf.as_ptr().align_offset(4096);
        let (result, _) = file.read_at(buf.slice(start..start + 4096), 0).await;
        if result.is_err() {
            return;
        }
    }
}
