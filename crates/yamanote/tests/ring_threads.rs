//! Threads come and go while their operations are in the ring. The kernel runs an operation's end on
//! the thread that submitted it, and gives up what that thread leaves behind when it exits; users of
//! the runtime see neither.

use std::ffi::CString;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use yamanote::buf::IoBuf;
use yamanote::fs::{File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::runtime::{Builder, Runtime};
use yamanote_test::{Capability, Driver, Setup, TempDir, builder, matrix, require};

const PAGE: usize = 4096;
const PAGES: usize = 64;

fn byte_of(page: usize) -> u8 {
    (page * 7 + 1) as u8
}

/// A file of [`PAGES`] pages, each full of its own byte, on a disk.
fn numbered_file(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("numbered");
    let bytes: Vec<u8> = (0..PAGES).flat_map(|page| [byte_of(page); PAGE]).collect();
    std::fs::write(&path, bytes).unwrap();
    std::fs::File::open(&path).unwrap().sync_all().unwrap();
    path
}

async fn open_direct(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_DIRECT);
    options.open(path).await.unwrap()
}

fn aligned() -> (Vec<u8>, usize) {
    let buf = vec![0; 2 * PAGE];
    let start = buf.as_ptr().align_offset(PAGE);
    (buf, start)
}

async fn read_page(file: &File, page: usize) {
    let (buf, start) = aligned();
    let offset = (page * PAGE) as u64;
    let (result, buf) = file.read_at(buf.slice(start..start + PAGE), offset).await;
    assert_eq!(result.unwrap(), PAGE, "page {page}");
    assert!(
        buf[..].iter().all(|byte| *byte == byte_of(page)),
        "page {page}"
    );
}

async fn write_page(file: &File, page: usize) {
    let (mut buf, start) = aligned();
    buf[start..start + PAGE].fill(byte_of(page));
    let offset = (page * PAGE) as u64;
    let (result, _) = file.write_at(buf.slice(start..start + PAGE), offset).await;
    assert_eq!(result.unwrap(), PAGE, "page {page}");
}

/// Reads, writes and syncs, `rounds` times.
async fn work(path: PathBuf, seed: usize, rounds: usize) {
    let file = open_direct(&path).await;
    for round in 0..rounds {
        let page = (seed + round * 5) % PAGES;
        read_page(&file, page).await;
        if round % 4 == 1 {
            write_page(&file, page).await;
        }
        if round % 8 == 3 {
            file.sync_data().await.unwrap();
        }
    }
}

fn assert_by_ring(setup: Setup, runtime: &Runtime, at_least: u64) {
    let submitted = runtime.metrics().ops_submitted();
    match setup.driver {
        Driver::Uring => assert!(submitted >= at_least, "{submitted} operations by the ring"),
        Driver::Epoll => assert_eq!(submitted, 0),
    }
}

fn current_thread() -> Option<Runtime> {
    if !(require(Capability::IoUring) && require(Capability::Ext4)) {
        return None;
    }
    let setup = Setup {
        driver: Driver::Uring,
        workers: None,
    };
    Some(builder!(setup).build().unwrap())
}

fn fifo(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("fifo");
    let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a NUL-terminated path that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
    path
}

matrix! {
    /// Built here, used there; then the user is gone and another comes.
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

    /// The main future of `block_on` is no worker's, unless there is but one thread: where nobody turns
    /// a ring for it, the pool works for it.
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

/// Runs a future to its end with no runtime that drives anything; it is polled when it was woken.
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

/// All workers are in long polls; who asks from elsewhere waits for none of them.
#[test]
fn who_is_no_worker_does_not_wait_for_workers() {
    const LONG: Duration = Duration::from_secs(5);
    let setup = Setup {
        driver: Driver::Uring,
        workers: Some(2),
    };
    if !(setup.is_possible() && require(Capability::Ext4)) {
        return;
    }
    let dir = TempDir::on_ext4();
    let path = numbered_file(&dir);
    let runtime = builder!(setup).build().unwrap();
    // Both workers have rings.
    runtime.block_on(async {
        let tasks: Vec<_> = (0..8)
            .map(|seed| yamanote::spawn(work(path.clone(), seed, 16)))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let hog = || {
        let (busy, is_busy) = mpsc::channel();
        let hog = runtime.spawn(async move {
            busy.send(()).unwrap();
            thread::sleep(LONG);
        });
        is_busy.recv().unwrap();
        hog
    };
    let hogs = [hog(), hog()];
    let start = Instant::now();
    runtime.block_on(work(path.clone(), 0, 8));
    let (handle, there) = (runtime.handle().clone(), path.clone());
    let job = runtime.spawn_blocking(move || handle.block_on(work(there, 1, 8)));
    runtime.block_on(job).unwrap();
    let elapsed = start.elapsed();
    assert!(hogs.iter().all(|hog| !hog.is_finished()), "{elapsed:?}");
    // In `block_in_place` the worker is another thread's.
    for hog in hogs {
        runtime.block_on(hog).unwrap();
    }
    let (handle, there) = (runtime.handle().clone(), path.clone());
    let in_place = runtime.spawn(async move {
        yamanote::task::block_in_place(|| handle.block_on(work(there, 2, 8)));
    });
    runtime.block_on(in_place).unwrap();
}

/// Nothing that files are asked for takes a thread of the kernel: these are few, and count where
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

/// So does a pipe's read, on a thread of the pool.
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

/// Puts this thread into a sleep that only a fatal signal ends, as a slow disk or a process being
/// spawned does.
fn sleep_uninterruptibly(time: Duration) {
    extern "C" fn child(micros: *mut libc::c_void) -> libc::c_int {
        // SAFETY: sleeps and exits, on a stack of its own.
        unsafe {
            libc::usleep(micros as libc::c_uint);
            libc::_exit(0)
        }
    }
    let mut stack = vec![0u8; 64 * 1024];
    let top = stack.as_mut_ptr_range().end;
    let top = top.wrapping_sub(top.addr() % 16).cast();
    let micros = time.as_micros() as usize as *mut libc::c_void;
    let flags = libc::CLONE_VFORK | libc::CLONE_VM | libc::SIGCHLD;
    // SAFETY: the child runs on that stack while we are stopped here, and only makes system calls.
    let pid = unsafe { libc::clone(child, top, flags, micros) };
    assert!(pid > 0);
    let mut status = 0;
    // SAFETY: waits for the child just made.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
}

/// The poll that tells a sleeping ring of its sockets must be the present thread's: of one left
/// behind nothing is heard while the thread that armed it is in an uninterruptible sleep.
fn sockets_are_served_while_the_last_thread_is_stuck(runtime: &Runtime, leave: impl Fn() + Sync) {
    let dir = TempDir::on_ext4();
    let path = numbered_file(&dir);
    let (left, has_left) = mpsc::channel();
    let (ours, theirs) = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| {
            let theirs = std::net::TcpStream::connect(listener.local_addr()?)?;
            Ok((listener.accept()?.0, theirs))
        })
        .unwrap();
    thread::scope(|scope| {
        let (path, leave) = (&path, &leave);
        let stuck = scope.spawn(move || {
            runtime.block_on(async {
                yamanote::spawn(work(path.clone(), 0, 4)).await.unwrap();
                // Sleeps in the ring, with the poll armed.
                yamanote::time::sleep(Duration::from_millis(20)).await;
            });
            left.send(()).unwrap();
            leave();
        });
        has_left.recv().unwrap();
        thread::sleep(Duration::from_millis(20));
        scope.spawn(move || {
            use std::io::{Read, Write};
            let mut theirs = theirs;
            let mut byte = [0];
            while theirs.read(&mut byte).is_ok_and(|n| n == 1) {
                // The reader is asleep by now.
                thread::sleep(Duration::from_millis(1));
                let _ = theirs.write(&byte);
            }
        });
        let start = Instant::now();
        runtime.block_on(async {
            ours.set_nonblocking(true).unwrap();
            let mut ours = yamanote::net::TcpStream::from_std(ours).unwrap();
            for _ in 0..20 {
                ours.write_all(b"x").await.unwrap();
                ours.read_exact(&mut [0]).await.unwrap();
            }
        });
        let elapsed = start.elapsed();
        assert!(!stuck.is_finished(), "the test was too slow to tell");
        assert!(
            elapsed < Duration::from_millis(500),
            "20 echoes in {elapsed:?}"
        );
    });
}

#[test]
fn sockets_are_served_while_an_earlier_user_is_stuck() {
    let Some(runtime) = current_thread() else {
        return;
    };
    sockets_are_served_while_the_last_thread_is_stuck(&runtime, || {
        sleep_uninterruptibly(Duration::from_secs(2));
    });
}

#[test]
fn sockets_are_served_while_a_lender_is_stuck() {
    let setup = Setup {
        driver: Driver::Uring,
        workers: Some(1),
    };
    if !(setup.is_possible() && require(Capability::Ext4)) {
        return;
    }
    let runtime = builder!(setup).build().unwrap();
    let handle = runtime.handle().clone();
    sockets_are_served_while_the_last_thread_is_stuck(&runtime, || {
        let stuck = handle.spawn(async {
            yamanote::task::block_in_place(|| sleep_uninterruptibly(Duration::from_secs(2)));
        });
        while !stuck.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Polls of `tasks` tasks that compute for long and yield, while a page is read so many times.
async fn polls_of_others(path: PathBuf, tasks: usize, reads: usize) -> u64 {
    let file = open_direct(&path).await;
    let (stop, polls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    for _ in 0..tasks {
        let (stop, polls) = (stop.clone(), polls.clone());
        yamanote::spawn(async move {
            while !stop.load(Relaxed) {
                polls.fetch_add(1, Relaxed);
                thread::sleep(Duration::from_millis(1));
                yamanote::task::yield_now().await;
            }
        });
    }
    // Until a worker knows how long polls take.
    while polls.load(Relaxed) < 200 {
        yamanote::task::yield_now().await;
    }
    let before = polls.load(Relaxed);
    for page in 0..reads {
        read_page(&file, page).await;
    }
    let polls = polls.load(Relaxed) - before;
    stop.store(true, Relaxed);
    polls
}

/// An operation needs two looks of the worker that it belongs to. Beside tasks in long polls these come
/// about as soon as a thread of the pool could tell its end.
#[test]
fn an_operation_does_not_wait_for_many_polls_of_others() {
    const TASKS: usize = 32;
    const READS: usize = 10;
    if !require(Capability::Ext4) {
        return;
    }
    // On current_thread each task has its turn before, and every 31st poll something from outside; a
    // worker takes that much sooner.
    for (workers, at_most) in [(None, 2 * TASKS), (Some(1), TASKS / 2)] {
        for driver in [Driver::Uring, Driver::Epoll] {
            let setup = Setup { driver, workers };
            if !setup.is_possible() {
                continue;
            }
            let dir = TempDir::on_ext4();
            let path = numbered_file(&dir);
            let runtime = builder!(setup).build().unwrap();
            let task = runtime.spawn(polls_of_others(path, TASKS, READS));
            let polls = runtime.block_on(task).unwrap() as usize;
            assert!(polls <= READS * at_most, "{polls} polls: {setup:?}");
            // The first read may be the one that makes the file system known.
            assert_by_ring(setup, &runtime, READS as u64 - 1);
        }
    }
}

/// A paused clock moves only when there is nothing to be done; a socket that is ready is something.
#[test]
fn a_paused_clock_waits_for_sockets_beside_a_ring() {
    let dir = TempDir::on_ext4();
    let path = numbered_file(&dir);
    if !(require(Capability::IoUring) && require(Capability::Ext4)) {
        return;
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .driver(yamanote::runtime::DriverChoice::Uring)
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        work(path, 0, 4).await;
        let listener = yamanote::net::TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (a, b) = yamanote::join!(
            yamanote::net::TcpStream::connect(address),
            listener.accept()
        );
        let (mut a, (mut b, _)) = (a.unwrap(), b.unwrap());
        let start = yamanote::time::Instant::now();
        for _ in 0..50 {
            let reader = yamanote::spawn(async move {
                let mut byte = [0];
                b.read_exact(&mut byte).await.unwrap();
                b
            });
            yamanote::task::yield_now().await;
            let sleeper = yamanote::spawn(yamanote::time::sleep(Duration::from_secs(3600)));
            yamanote::task::yield_now().await;
            a.write_all(b"x").await.unwrap();
            b = reader.await.unwrap();
            sleeper.abort();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}
