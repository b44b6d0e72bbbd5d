//! A worker that is blocked by its task holds up no other task's sockets, timers or files.
//!
//! These are the fairness tests that look at the clock. They run alone (one at a time, in a binary
//! of their own), against a control without the hog in the same run, and judge medians of five.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use yamanote::buf::{IoBuf, Slice};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::runtime::{Builder, DriverChoice, Runtime};
use yamanote::sync::Semaphore;
use yamanote_test::{Capability, Driver, Setup, TempDir, require};

const CONNECTIONS: usize = 200;
const HOG: Duration = Duration::from_secs(2);
const CONTROL: Duration = Duration::from_millis(500);
/// The bound that is promised. The goal is 50 ms, and the figures are printed.
const BOUND: Duration = Duration::from_millis(250);

/// How a task blocks its worker.
#[derive(Debug, Clone, Copy)]
enum Hog {
    Sleep,
    Spin,
    PoolJoin,
}

impl Hog {
    /// Blocks the calling thread until `end`.
    fn block(self, end: Instant) {
        let left = end.saturating_duration_since(Instant::now());
        match self {
            Hog::Sleep => std::thread::sleep(left),
            Hog::Spin => {
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
            }
            Hog::PoolJoin => {
                let (done, joined) = std::sync::mpsc::channel();
                yamanote::task::spawn_blocking(move || {
                    std::thread::sleep(left);
                    let _ = done.send(());
                });
                joined.recv().expect("the job runs");
            }
        }
    }
}

/// The longest delay seen so far, in microseconds, readable while it is measured.
#[derive(Clone, Default)]
struct Longest {
    echo_us: Arc<AtomicU64>,
    inside_us: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Longest {
    fn note(to: &AtomicU64, since: Instant, expected: Duration) {
        let late = since.elapsed().saturating_sub(expected);
        to.fetch_max(late.as_micros() as u64, Relaxed);
    }

    fn take(&self) -> (Duration, Duration) {
        let take = |from: &AtomicU64| Duration::from_micros(from.swap(0, Relaxed));
        (take(&self.echo_us), take(&self.inside_us))
    }
}

macro_rules! hog_tests {
    ($($name:ident: $driver:ident, $hog:ident, $hogs:literal of $workers:literal;)*) => {
        $(
            #[test]
            fn $name() {
                let setup = Setup { driver: Driver::$driver, workers: Some($workers) };
                if setup.is_possible() && require(Capability::Ext4) {
                    judge(setup, Hog::$hog, $hogs);
                }
            }
        )*
    };
}

hog_tests! {
    uring_sleep_one_of_two: Uring, Sleep, 1 of 2;
    uring_sleep_three_of_four: Uring, Sleep, 3 of 4;
    uring_spin_one_of_two: Uring, Spin, 1 of 2;
    uring_spin_three_of_four: Uring, Spin, 3 of 4;
    uring_pool_join_one_of_two: Uring, PoolJoin, 1 of 2;
    uring_pool_join_three_of_four: Uring, PoolJoin, 3 of 4;
    epoll_sleep_one_of_two: Epoll, Sleep, 1 of 2;
    epoll_sleep_three_of_four: Epoll, Sleep, 3 of 4;
    epoll_spin_one_of_two: Epoll, Spin, 1 of 2;
    epoll_spin_three_of_four: Epoll, Spin, 3 of 4;
    epoll_pool_join_one_of_two: Epoll, PoolJoin, 1 of 2;
    epoll_pool_join_three_of_four: Epoll, PoolJoin, 3 of 4;
}

static ALONE: Mutex<()> = Mutex::new(());

fn judge(setup: Setup, hog: Hog, hogs: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);

    let directory = TempDir::on_ext4();
    let runtime = yamanote_test::builder!(setup)
        .build()
        .expect("the runtime starts");
    let longest = Longest::default();
    let address = runtime.block_on(serve());
    let clients = clients(address, longest.clone());
    inside(&runtime, directory.path().join("file"), &longest);
    std::thread::sleep(Duration::from_millis(200));

    let (mut controls, mut hogged) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        longest.take();
        std::thread::sleep(CONTROL);
        controls.push(longest.take());

        let end = Instant::now() + HOG;
        for _ in 0..hogs {
            // Each blocks a worker as soon as one picks it up.
            runtime.spawn(async move { hog.block(end) });
        }
        std::thread::sleep(HOG);
        hogged.push(longest.take());
        std::thread::sleep(Duration::from_millis(50));
    }
    longest.stop.store(true, Relaxed);
    clients.join().expect("every echo was right");

    let median = |runs: &[(Duration, Duration)], of: fn(&(Duration, Duration)) -> Duration| {
        let mut sorted: Vec<Duration> = runs.iter().map(of).collect();
        sorted.sort();
        sorted[sorted.len() / 2]
    };
    for (what, of) in [
        (
            "echoes",
            (|run| run.0) as fn(&(Duration, Duration)) -> Duration,
        ),
        ("timers and files", |run| run.1),
    ] {
        let (control, hogged) = (median(&controls, of), median(&hogged, of));
        println!("{setup:?}, {hogs} x {hog:?}: {what} late by {hogged:?}, control {control:?}");
        assert!(
            hogged <= control + BOUND,
            "{what} were late by {hogged:?} with {hogs} x {hog:?}, by {control:?} without"
        );
    }
}

macro_rules! tiny_poll_tests {
    ($($name:ident: $driver:ident, $hog:ident;)*) => {
        $(
            #[test]
            fn $name() {
                let setup = Setup { driver: Driver::$driver, workers: Some(2) };
                if setup.is_possible() {
                    judge_tiny_polls(setup, Hog::$hog);
                }
            }
        )*
    };
}

tiny_poll_tests! {
    uring_sleep_among_tiny_polls: Uring, Sleep;
    uring_spin_among_tiny_polls: Uring, Spin;
    epoll_sleep_among_tiny_polls: Epoll, Sleep;
    epoll_spin_among_tiny_polls: Epoll, Spin;
}

/// Tasks that wake each other and run for a moment each are left to one worker. When one of them
/// turns out to run for long, the others go on elsewhere.
///
/// The moment is short enough for that in an optimized build only; `.ci/run` runs this once more in
/// one.
fn judge_tiny_polls(setup: Setup, hog: Hog) {
    const TASKS: usize = 8;
    const HOG: Duration = Duration::from_millis(500);
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);

    let runtime = yamanote_test::builder!(setup).build().unwrap();
    let longest = Longest::default();
    let semaphore = Arc::new(Semaphore::new(2));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (longest, semaphore) = (longest.clone(), semaphore.clone());
            runtime.spawn(async move {
                while !longest.stop.load(Relaxed) {
                    let since = Instant::now();
                    let permit = semaphore.acquire().await.unwrap();
                    yamanote::task::yield_now().await;
                    drop(permit);
                    Longest::note(&longest.inside_us, since, Duration::ZERO);
                }
            })
        })
        .collect();
    let hogs = Arc::new(Mutex::new(None));
    let hog_task = {
        let (longest, semaphore, hogs) = (longest.clone(), semaphore.clone(), hogs.clone());
        runtime.spawn(async move {
            while !longest.stop.load(Relaxed) {
                drop(semaphore.acquire().await.unwrap());
                let end: Option<Instant> = hogs.lock().unwrap().take();
                if let Some(end) = end {
                    hog.block(end);
                }
            }
        })
    };

    // The other worker is called all the time for nothing: it sleeps often, but never for long.
    let caller = std::thread::spawn({
        let (longest, handle) = (longest.clone(), runtime.handle().clone());
        move || {
            while !longest.stop.load(Relaxed) {
                handle.spawn(async {});
                std::thread::sleep(Duration::from_micros(300));
            }
        }
    });

    let (mut controls, mut hogged) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        longest.take();
        std::thread::sleep(HOG);
        controls.push(longest.take().1);
        *hogs.lock().unwrap() = Some(Instant::now() + HOG);
        std::thread::sleep(HOG);
        hogged.push(longest.take().1);
    }
    longest.stop.store(true, Relaxed);
    caller.join().unwrap();
    runtime.block_on(async {
        for task in tasks.into_iter().chain([hog_task]) {
            task.await.unwrap();
        }
    });
    let [control, hogged] = [controls, hogged].map(|mut runs| {
        runs.sort();
        runs[runs.len() / 2]
    });
    println!("{setup:?}, {hog:?} among tiny polls: late by {hogged:?}, control {control:?}");
    assert!(
        hogged <= control + BOUND,
        "late by {hogged:?} beside a {hog:?}, by {control:?} without"
    );
}

/// Echoes on every connection.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    yamanote::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            yamanote::spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..n]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// 200 clients on a runtime of their own; each notes how long its echoes take.
fn clients(address: SocketAddr, longest: Longest) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .driver(DriverChoice::Epoll)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut tasks = Vec::new();
            for id in 0..CONNECTIONS {
                let longest = longest.clone();
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                tasks.push(yamanote::spawn(async move {
                    let message = [id as u8; 64];
                    let mut echo = [0; 64];
                    while !longest.stop.load(Relaxed) {
                        let sent = Instant::now();
                        stream.write_all(&message).await.unwrap();
                        stream.read_exact(&mut echo).await.unwrap();
                        Longest::note(&longest.echo_us, sent, Duration::ZERO);
                        assert_eq!(echo, message);
                        yamanote::time::sleep(Duration::from_millis(10)).await;
                    }
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
    })
}

/// Tasks of the hogged runtime that sleep and read from the device, and note how late they are.
fn inside(runtime: &Runtime, path: PathBuf, longest: &Longest) {
    std::fs::write(&path, [7; 8192]).unwrap();
    for _ in 0..10 {
        let (path, longest) = (path.clone(), longest.clone());
        runtime.spawn(async move {
            let file = yamanote::fs::OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_DIRECT)
                .open(&path)
                .await
                .unwrap();
            let mut buffer = aligned();
            while !longest.stop.load(Relaxed) {
                let started = Instant::now();
                yamanote::time::sleep(Duration::from_millis(5)).await;
                Longest::note(&longest.inside_us, started, Duration::from_millis(5));
                let started = Instant::now();
                let (result, back) = file.read_at(buffer, 0).await;
                assert_eq!(result.unwrap(), 4096);
                Longest::note(&longest.inside_us, started, Duration::ZERO);
                buffer = back;
            }
        });
    }
}

/// 4,096 bytes at an address that O_DIRECT accepts.
fn aligned() -> Slice<Box<[u8]>> {
    let block = vec![0u8; 8192].into_boxed_slice();
    let skip = block.as_ptr().align_offset(4096);
    block.slice(skip..skip + 4096)
}
