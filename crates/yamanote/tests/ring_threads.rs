//! Threads come and go while their operations are in the ring. The kernel runs the end of an
//! operation on the thread that submitted it, and gives up what that thread leaves behind when it
//! exits; users of the runtime notice neither.

mod ring_support;

use std::ffi::CString;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ring_support::{
    PAGES, assert_by_ring, current_thread, numbered_file, open_direct, read_page, work, write_page,
};
use yamanote::fs::File;
use yamanote::io::AsyncReadExt;
use yamanote_test::{Capability, Driver, Setup, TempDir, builder, matrix, require};

fn fifo(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("fifo");
    let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a NUL-terminated path that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
    path
}

matrix! {
    /// Built here, used there; then that thread is gone and another comes.
    fn built_on_one_thread_used_on_others(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = numbered_file(&dir);
        let runtime = builder!(setup).build().unwrap();
        thread::scope(|scope| {
            let (runtime, path) = (&runtime, &path);
            for seed in 0..8 {
                let life = move || {
                    runtime.block_on(async {
                        yamanote::spawn(work(path.clone(), seed, 16)).await.unwrap();
                    });
                };
                scope.spawn(life).join().unwrap();
            }
        });
        assert_by_ring(setup, &runtime, 8 * 16);
        assert_eq!(runtime.metrics().live_ops(), 0);
    }

    /// Tasks spawned in one thread's `block_on` go on in another's, while the first sleeps.
    fn begun_here_ended_there(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = numbered_file(&dir);
        let runtime = builder!(setup).build().unwrap();
        for round in 0..20 {
            let sleeps = round % 2 == 0;
            let (over, wait) = mpsc::channel::<()>();
            let (pass, tasks) = mpsc::channel();
            thread::scope(|scope| {
                let (runtime, path) = (&runtime, &path);
                let first = scope.spawn(move || {
                    let tasks: Vec<_> = runtime.block_on(async {
                        let tasks = (0..8).map(|seed| yamanote::spawn(work(path.clone(), seed, 4)));
                        let tasks = tasks.collect();
                        // The reads are pushed, and maybe submitted.
                        yamanote::task::yield_now().await;
                        tasks
                    });
                    pass.send(tasks).unwrap();
                    if sleeps {
                        let _ = wait.recv();
                    }
                });
                let tasks = tasks.recv().unwrap();
                if !sleeps {
                    first.join().unwrap();
                }
                runtime.block_on(async {
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
                drop(over);
            });
        }
        assert_by_ring(setup, &runtime, 20 * 8 * 4);
    }

    /// Several at once: one drives, the others are served, and take over when it leaves.
    fn four_threads_in_block_on_at_once(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = numbered_file(&dir);
        let runtime = builder!(setup).build().unwrap();
        for _ in 0..5 {
            thread::scope(|scope| {
                for seed in 0..4 {
                    let (runtime, path) = (&runtime, &path);
                    scope.spawn(move || {
                        runtime.block_on(async {
                            let task = yamanote::spawn(work(path.clone(), seed, 8 + 8 * seed));
                            work(path.clone(), seed + 4, 8).await;
                            task.await.unwrap();
                        });
                    });
                }
            });
        }
        assert_by_ring(setup, &runtime, 5 * 4 * 8);
        assert_eq!(runtime.metrics().live_ops(), 0);
    }

    /// The main future of `block_on` belongs to no worker, unless there is only one thread: where
    /// nobody turns a ring for it, the pool works for it.
    fn the_main_future_reads_and_writes(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = numbered_file(&dir);
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(work(path.clone(), 0, 200));
        let by_ring = runtime.metrics().ops_submitted();
        match (setup.driver, setup.workers) {
            (Driver::Uring, None) => assert!(by_ring >= 200, "{by_ring}"),
            _ => assert_eq!(by_ring, 0),
        }
        // `Handle::block_on` drives nothing.
        runtime.handle().clone().block_on(work(path, 1, 50));
        assert_eq!(runtime.metrics().ops_submitted(), by_ring);
    }

    /// Reads begun in one thread's `block_on`, awaited by a thread that drives nothing.
    fn begun_in_block_on_awaited_outside(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = numbered_file(&dir);
        let runtime = builder!(setup).build().unwrap();
        for round in 0..20 {
            let mut reads: Vec<_> = runtime.block_on(async {
                let file = Arc::new(open_direct(&path).await);
                let reads = (0..8).map(|page| {
                    let file = file.clone();
                    Box::pin(async move { read_page(&file, page).await })
                });
                let mut reads: Vec<_> = reads.map(Some).collect();
                for read in &mut reads {
                    let mut first = read.take().unwrap();
                    let over = std::future::poll_fn(|cx| {
                        std::task::Poll::Ready(first.as_mut().poll(cx).is_ready())
                    });
                    *read = (!over.await).then_some(first);
                }
                reads
            });
            let mut finish = || {
                let _context = runtime.enter();
                for read in reads.iter_mut().flatten() {
                    run_alone(read);
                }
            };
            match round % 2 {
                0 => finish(),
                _ => thread::scope(|scope| scope.spawn(finish).join().unwrap()),
            }
            assert_eq!(runtime.metrics().live_ops(), 0);
        }
    }
}

struct Unpark(thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end with no runtime that drives anything; it is polled again when it was
/// woken.
fn run_alone<F: Future + Unpin>(mut future: F) -> F::Output {
    let waker = std::task::Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let poll =
            std::pin::Pin::new(&mut future).poll(&mut std::task::Context::from_waker(&waker));
        if let std::task::Poll::Ready(output) = poll {
            return output;
        }
        thread::park_timeout(Duration::from_secs(21));
        assert!(Instant::now() < deadline, "it was not woken");
    }
}

/// No file operation takes a thread of the kernel: there are few of these, and they count where
/// threads are limited.
#[test]
fn no_thread_of_the_kernel_is_needed() {
    yamanote_test::in_own_process(module_path!(), "no_thread_of_the_kernel_is_needed", || {
        let Some(runtime) = current_thread() else {
            return;
        };
        let dir = TempDir::on_ext4();
        let path = numbered_file(&dir);
        runtime.block_on(async {
            work(path.clone(), 0, 64).await;
            // Not cached, and beyond the end of a file that grows.
            let cold = std::fs::File::open(&path).unwrap();
            let file = Arc::new(open_direct(&path).await);
            let tasks: Vec<_> = (0..PAGES)
                .map(|page| {
                    let (file, path) = (file.clone(), path.clone());
                    yamanote::spawn(async move {
                        write_page(&file, PAGES + page).await;
                        let cached = File::open(&path).await.unwrap();
                        read_page(&cached, page).await;
                        cached.sync_all().await.unwrap();
                    })
                })
                .collect();
            use std::os::fd::AsRawFd;
            // SAFETY: touches no memory of ours.
            unsafe { libc::posix_fadvise(cold.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert!(runtime.metrics().ops_submitted() >= 64);
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let of_the_kernel: Vec<_> = threads
            .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
            .filter(|name| name.starts_with("iou-"))
            .collect();
        assert!(of_the_kernel.is_empty(), "{of_the_kernel:?}");
    });
}

/// Threads that lend their worker come and go within milliseconds.
#[test]
fn workers_change_threads_while_reads_are_in_flight() {
    for workers in [1, 2, 8] {
        let setup = Setup {
            driver: Driver::Uring,
            workers: Some(workers),
        };
        if !(setup.is_possible() && require(Capability::Ext4)) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = numbered_file(&dir);
        let mut builder = builder!(setup);
        builder.thread_keep_alive(Duration::from_millis(1));
        let runtime = builder.build().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        runtime.block_on(async {
            let lenders: Vec<_> = (0..4)
                .map(|_| {
                    let over = over.clone();
                    yamanote::spawn(async move {
                        while !over.load(Relaxed) {
                            yamanote::task::block_in_place(|| {
                                thread::sleep(Duration::from_millis(2));
                            });
                            yamanote::task::yield_now().await;
                        }
                    })
                })
                .collect();
            let readers: Vec<_> = (0..16)
                .map(|seed| yamanote::spawn(work(path.clone(), seed, 48)))
                .collect();
            for reader in readers {
                reader.await.unwrap();
            }
            over.store(true, Relaxed);
            for lender in lenders {
                lender.await.unwrap();
            }
        });
        assert_by_ring(setup, &runtime, 16 * 48);
        assert_eq!(runtime.metrics().live_ops(), 0);
    }
}

/// An open that waits goes on when the thread that began it is gone.
#[test]
fn an_open_that_waits_survives_its_thread() {
    let Some(runtime) = current_thread() else {
        return;
    };
    let dir = TempDir::on_ext4();
    let path = fifo(&dir);
    let task_path = path.clone();
    let task = thread::scope(|scope| {
        scope
            .spawn(|| {
                runtime.block_on(async {
                    // The file system is known, as in a program that has been running.
                    yamanote::fs::metadata(dir.path()).await.unwrap();
                    let task = yamanote::spawn(async move { File::open(task_path).await });
                    yamanote::time::sleep(Duration::from_millis(10)).await;
                    task
                })
            })
            .join()
            .unwrap()
    });
    // More threads that drive the runtime and exit.
    thread::scope(|scope| {
        for _ in 0..3 {
            let turn = || {
                runtime.block_on(async {
                    yamanote::time::sleep(Duration::from_millis(5)).await;
                })
            };
            scope.spawn(turn).join().unwrap();
        }
    });
    assert!(!task.is_finished());
    let writer = thread::spawn(move || std::fs::OpenOptions::new().write(true).open(path));
    let file = runtime.block_on(task).unwrap();
    writer.join().unwrap().unwrap();
    file.unwrap();
}

/// So does the read of a pipe, on a thread of the pool.
#[test]
fn a_read_that_waits_survives_its_threads() {
    let Some(runtime) = current_thread() else {
        return;
    };
    let dir = TempDir::on_ext4();
    let path = fifo(&dir);
    // Both ways, so that neither end waits for the other.
    let mut writer = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let task = thread::scope(|scope| {
        scope
            .spawn(|| {
                runtime.block_on(async {
                    let mut file = File::open(&path).await.unwrap();
                    let task = yamanote::spawn(async move {
                        let mut buf = [0; 5];
                        file.read_exact(&mut buf).await.map(|_| buf)
                    });
                    yamanote::time::sleep(Duration::from_millis(5)).await;
                    task
                })
            })
            .join()
            .unwrap()
    });
    for byte in b"hello" {
        std::io::Write::write_all(&mut writer, &[*byte]).unwrap();
        thread::scope(|scope| {
            let turn = || {
                runtime.block_on(async {
                    yamanote::time::sleep(Duration::from_millis(2)).await;
                })
            };
            scope.spawn(turn).join().unwrap();
        });
    }
    assert_eq!(&runtime.block_on(task).unwrap().unwrap(), b"hello");
}
