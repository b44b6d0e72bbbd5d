//! Tasks that wait for one file: none is forgotten, none is kept after it has ended, and whatever
//! else runs, every operation of a file ends.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use yamanote::fs::File;
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::runtime::Runtime;
use yamanote_test::{Capability, CountingWaker, Setup, TempDir, matrix, require};

/// Polls once; `None` if it is pending.
async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Counts its wake-ups and panics at each.
struct Panics(AtomicUsize);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
        panic!("a waker that panics");
    }
}

/// Runs a future to its end with no runtime that drives anything; it is polled when it was woken.
fn run_alone<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park_timeout(Duration::from_secs(21));
        assert!(Instant::now() < deadline, "it was not woken");
    }
}

fn reader() -> (File, std::fs::File) {
    let (reader, writer) = yamanote_test::pipe();
    (File::from_std(reader), writer)
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not in twenty seconds");
        std::thread::sleep(Duration::from_millis(1));
    }
}

matrix! {
    /// However often and by however many tasks a read that finds nothing is polled, the handle
    /// keeps the last waker.
    fn a_read_that_waits_keeps_one_waker(setup: Setup) {
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let _context = runtime.enter();
        let (mut file, mut writer) = reader();
        let tasks: Vec<CountingWaker> = (0..500).map(|_| CountingWaker::new()).collect();
        for task in &tasks {
            let waker = task.waker();
            let mut cx = Context::from_waker(&waker);
            for _ in 0..10 {
                let mut buf = [0; 8];
                assert!(pin!(file.read(&mut buf)).poll(&mut cx).is_pending());
            }
        }
        let alive: usize = tasks.iter().map(CountingWaker::alive).sum();
        assert_eq!(alive, 1);
        writer.write_all(b"x").unwrap();
        let last = tasks.last().unwrap();
        eventually("it is woken", || last.wakes() > 0);
        assert_eq!(tasks.iter().map(CountingWaker::wakes).sum::<usize>(), 1);
        eventually("nothing is kept", || tasks.iter().all(|task| task.alive() == 0));
        assert_eq!(run_alone(file.read(&mut [0; 8])).unwrap(), 1);
    }

    /// Calls that wait for that read leave nothing behind when they are given up.
    fn calls_that_were_given_up_leave_no_waker(setup: Setup) {
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let _context = runtime.enter();
        let (mut file, mut writer) = reader();
        let mut buf = [0; 8];
        let noop = &mut Context::from_waker(Waker::noop());
        assert!(pin!(file.read(&mut buf)).poll(noop).is_pending());
        let counting = CountingWaker::new();
        for _ in 0..200 {
            let waker = counting.waker();
            let mut cx = Context::from_waker(&waker);
            let mut calls: [Pin<Box<dyn Future<Output = ()> + '_>>; 4] = [
                Box::pin(async { drop(file.sync_all().await) }),
                Box::pin(async { drop(file.sync_data().await) }),
                Box::pin(async { drop(file.set_len(0).await) }),
                Box::pin(async { drop(file.try_clone().await) }),
            ];
            for call in &mut calls {
                for _ in 0..3 {
                    assert!(call.as_mut().poll(&mut cx).is_pending());
                }
            }
        }
        assert_eq!(counting.alive(), 0);
        writer.write_all(b"x").unwrap();
        assert_eq!(run_alone(file.read(&mut buf)).unwrap(), 1);
    }

    /// Reader and writer of a split file are both woken.
    async fn both_halves_are_woken() {
        let dir = TempDir::new();
        for round in 0..50u8 {
            let path = dir.path().join("split");
            let mut options = std::fs::File::options();
            options.read(true).write(true).create(true).truncate(true);
            let file = File::from_std(options.open(&path).unwrap());
            let (mut reading, mut writing) = yamanote::io::split(file);
            let reader = yamanote::spawn(async move {
                for _ in 0..20 {
                    assert!(reading.read(&mut [0; 64]).await.is_ok());
                }
            });
            let writer = yamanote::spawn(async move {
                for _ in 0..20 {
                    writing.write_all(&[round; 100]).await.unwrap();
                    writing.flush().await.unwrap();
                }
            });
            reader.await.unwrap();
            writer.await.unwrap();
        }
    }

    /// A waker that panics holds back nothing that was accepted behind the write it is woken for.
    fn a_waker_that_panics_keeps_no_byte_back(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = dir.path().join("file");
        let mut builder = yamanote_test::builder!(setup);
        builder.max_blocking_threads(1);
        let runtime = builder.build().unwrap();
        let _context = runtime.enter();
        // The file system is known, as in a program that has been running.
        run_alone(pin!(yamanote::fs::metadata(dir.path()))).unwrap();
        let mut file = File::from_std(std::fs::File::create(&path).unwrap());
        file.set_max_buf_size(8);
        // The only thread is busy, so the writes wait for it.
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        let _busy = runtime.spawn_blocking(move || waits.recv());
        let panics = Arc::new(Panics(AtomicUsize::new(0)));
        let bad = Waker::from(panics.clone());
        let mut cx = Context::from_waker(&bad);
        for part in [b"accepted", b"queued  "] {
            let written = pin!(file.write(part)).poll(&mut cx);
            assert!(matches!(written, Poll::Ready(Ok(8))), "{written:?}");
        }
        assert!(pin!(file.write(b"no room")).poll(&mut cx).is_pending());
        go_on.send(()).unwrap();
        eventually("both are written", || {
            std::fs::read(&path).unwrap() == b"acceptedqueued  "
        });
        assert_eq!(panics.0.load(SeqCst), 1);
    }

    /// A waker that panics does not leave the others asleep.
    fn a_waker_that_panics_is_alone_in_it(setup: Setup) {
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let _context = runtime.enter();
        let panics = Arc::new(Panics(AtomicUsize::new(0)));
        let bad = Waker::from(panics.clone());
        let good = CountingWaker::new();
        let (mut file, mut writer) = reader();
        let mut buf = [0; 8];
        let mut cx = Context::from_waker(&bad);
        assert!(pin!(file.read(&mut buf)).poll(&mut cx).is_pending());
        let mut syncs: Vec<_> = (0..3).map(|_| Box::pin(file.sync_all())).collect();
        for (index, sync) in syncs.iter_mut().enumerate() {
            let waker = if index == 0 { bad.clone() } else { good.waker() };
            assert!(sync.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        writer.write_all(b"x").unwrap();
        eventually("the others are woken", || good.wakes() == 2);
        assert_eq!(panics.0.load(SeqCst), 2);
    }
}

/// A runtime of one thread that nobody drives any more.
fn left(begin: impl FnOnce(&Runtime)) -> Runtime {
    let runtime = yamanote::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    begin(&runtime);
    runtime
}

/// Begun in `block_on` and awaited outside of it, on this thread or another: files need no driver.
#[test]
fn what_was_begun_in_block_on_ends_also_when_nobody_drives() {
    let dir = TempDir::new();
    for elsewhere in [false, true] {
        let finish = |future: Pin<Box<dyn Future<Output = ()> + Send>>| match elsewhere {
            false => run_alone(future),
            true => std::thread::spawn(|| run_alone(future)).join().unwrap(),
        };
        // A sync behind a write.
        let path = dir.path().join("synced");
        let mut sync: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        let runtime = left(|runtime| {
            runtime.block_on(async {
                let mut file = File::create(&path).await.unwrap();
                file.write_all(&[7; 100_000]).await.unwrap();
                let mut future = Box::pin(async move {
                    file.sync_all().await.unwrap();
                });
                // It is over at once if the disk is fast.
                if poll_once(future.as_mut()).await.is_none() {
                    sync = Some(future);
                }
            });
        });
        let _context = runtime.enter();
        if let Some(sync) = sync {
            finish(sync);
        }
        assert_eq!(std::fs::read(&path).unwrap(), [7; 100_000]);

        // A read that waits.
        let (mut file, mut writer) = reader();
        let mut read: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        let runtime = left(|runtime| {
            runtime.block_on(async {
                let mut future = Box::pin(async move {
                    let mut buf = [0; 5];
                    file.read_exact(&mut buf).await.unwrap();
                    assert_eq!(&buf, b"hello");
                });
                assert!(poll_once(future.as_mut()).await.is_none());
                read = Some(future);
            });
        });
        let _context = runtime.enter();
        writer.write_all(b"hello").unwrap();
        finish(read.take().unwrap());
    }
}
