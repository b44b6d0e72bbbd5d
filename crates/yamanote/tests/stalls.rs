//! A worker that one poll holds up is named: with the line where the task was spawned, and with
//! what its thread does. Nobody is named who only works.

use std::io::Read;
use std::net::ToSocketAddrs;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use yamanote::insight::{Activity, Stall};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::runtime::{Builder, Handle, Runtime};
use yamanote::task::{LocalSet, named};
use yamanote_test::{
    Capability, Driver, Setup, TempDir, builder, in_own_process, matrix, require, see_mounts_alone,
    sleeps, wait_until, watchdog,
};

/// Long enough for a busy machine not to hold up a poll for as long by itself.
const LIMIT: Duration = Duration::from_millis(150);

/// How long the tasks here block: stalls are noticed after two limits.
const BLOCKED: Duration = Duration::from_millis(1_000);

/// Where there are many more threads than processors, who holds a lock may be without one: that
/// of the allocator, or of the pool. The worker that waits for it is named truly.
const LONGEST_FOR_A_LOCK: Duration = Duration::from_secs(1);

/// A runtime whose stalls come out of the channel.
fn watched(setup: Setup) -> (Runtime, Receiver<Stall>) {
    let (tell, told) = mpsc::channel();
    let runtime = builder!(setup)
        .stall_after(LIMIT)
        .on_stall(move |stall| drop(tell.send(stall.clone())))
        .build()
        .unwrap();
    (runtime, told)
}

#[track_caller]
fn next(told: &Receiver<Stall>) -> Stall {
    let stall = told.recv_timeout(Duration::from_secs(30));
    stall.expect("a stall is told of")
}

/// Checks the two reports of a stall of a task that was spawned at `line`, and returns what it did.
#[track_caller]
fn check(setup: Setup, told: &Receiver<Stall>, task: &Location<'_>, line: u32) -> Activity {
    let (begin, end) = (next(told), next(told));
    for (stall, is_over) in [(&begin, false), (&end, true)] {
        assert_eq!(stall.is_over(), is_over, "{stall}");
        assert_eq!(stall.spawned_at().file(), task.file(), "{stall}");
        assert_eq!(stall.spawned_at().line(), line, "{stall}");
        assert!(stall.worker() < setup.workers.unwrap_or(1));
        assert!(stall.age() >= LIMIT, "{stall}");
        assert!(
            stall
                .to_string()
                .contains(&format!("{}:{line}:", task.file())),
            "{stall}"
        );
    }
    assert_eq!(begin.task(), end.task());
    assert_eq!(begin.thread_id(), end.thread_id());
    assert!(end.age() >= begin.age());
    begin.activity().clone()
}

/// What the kernel tells of a thread's system call, it may be forbidden to tell.
fn kernel_tells() -> bool {
    std::fs::read_to_string("/proc/thread-self/syscall").is_ok()
}

/// Runs `block` in a task, and returns what the watchdog says of it. The task is spawned where this
/// is called.
#[track_caller]
fn stalled(setup: Setup, block: impl FnOnce() + Send + 'static) -> Activity {
    let (runtime, told) = watched(setup);
    let task = runtime.spawn(async move { block() });
    runtime.block_on(task).unwrap();
    let here = Location::caller();
    let activity = check(setup, &told, here, here.line());
    assert_eq!(runtime.metrics().stalls(), 1);
    assert!(runtime.metrics().longest_stall() >= LIMIT);
    drop(runtime);
    assert!(told.recv().is_err(), "it was told of once");
    activity
}

matrix! {
    fn a_sleep(setup: Setup) {
        let activity = stalled(setup, || std::thread::sleep(BLOCKED));
        // A ring may have interrupted its thread meanwhile.
        let goes_on = matches!(&activity, Activity::Waits(call)
            if call.name() == Some("restart_syscall"));
        let is_known = activity == Activity::Sleeps || goes_on;
        assert!(!kernel_tells() || is_known, "{activity}");
    }

    /// Whichever thread the task belongs to; and in a `LocalSet`.
    fn a_task_with_a_name(setup: Setup) {
        let (runtime, told) = watched(setup);
        let block = async { std::thread::sleep(BLOCKED) };
        runtime.block_on(async { named("blocks").spawn(block).await.unwrap() });
        for _ in 0..2 {
            let stall = next(&told);
            assert_eq!(stall.task_name(), Some("blocks"), "{stall}");
            assert!(stall.to_string().contains(" \"blocks\", spawned at "), "{stall}");
        }
        if setup.workers.is_none() {
            let set = LocalSet::new();
            let block = async { std::thread::sleep(BLOCKED) };
            let task = named("blocks the set").spawn_local_on(block, &set);
            set.block_on(&runtime, task).unwrap();
            assert_eq!(next(&told).task_name(), Some("blocks the set"));
        }
    }

    fn a_computation(setup: Setup) {
        // It takes the processor from the watchdog, which may not get one for long.
        let activity = stalled(setup, || {
            let (start, metrics) = (Instant::now(), Handle::current().metrics());
            while metrics.stalls() == 0 && start.elapsed() < Duration::from_secs(60) {
                std::hint::spin_loop();
            }
        });
        assert_eq!(activity, Activity::Runs);
    }

    fn a_lock_that_another_thread_holds(setup: Setup) {
        let lock = Arc::new(Mutex::new(()));
        let (taken, is_taken) = mpsc::channel();
        let theirs = lock.clone();
        let thread = std::thread::spawn(move || {
            let _held = theirs.lock().unwrap();
            taken.send(()).unwrap();
            std::thread::sleep(BLOCKED);
        });
        is_taken.recv().unwrap();
        let activity = stalled(setup, move || drop(lock.lock().unwrap()));
        thread.join().unwrap();
        assert!(!kernel_tells() || activity == Activity::AwaitsThread, "{activity}");
    }

    fn a_read_of_a_pipe(setup: Setup) {
        let (mut from, to) = yamanote_test::pipe();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&from);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(BLOCKED);
            drop(to);
        });
        let activity = stalled(setup, move || {
            assert_eq!(from.read(&mut [0; 8]).unwrap(), 0);
        });
        thread.join().unwrap();
        if kernel_tells() {
            let Activity::Waits(call) = activity else {
                panic!("{activity}");
            };
            assert_eq!((call.name(), call.descriptor()), (Some("read"), Some(descriptor)));
            assert!(call.leads_to().unwrap().starts_with("pipe:["), "{call}");
        }
    }

    fn a_join_with_the_pool(setup: Setup) {
        let activity = stalled(setup, || {
            let (done, is_done) = mpsc::channel();
            yamanote::task::spawn_blocking(move || {
                std::thread::sleep(BLOCKED);
                done.send(()).unwrap();
            });
            is_done.recv().unwrap();
        });
        assert!(!kernel_tells() || activity == Activity::AwaitsThread, "{activity}");
    }
}

/// A name server that never answers, for this thread and those that it starts.
fn deaf_name_server(directory: &TempDir) -> std::net::UdpSocket {
    // An address for each process: the tests run at the same time.
    let process = std::process::id();
    let address = format!("127.77.{}.{}", process >> 8 & 0xff, process & 0xff);
    let socket = std::net::UdpSocket::bind((address.as_str(), 53)).unwrap();
    let path = directory.path().join("resolv.conf");
    let text = format!("nameserver {address}\noptions timeout:1 attempts:2\n");
    std::fs::write(&path, text).unwrap();
    let source = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let target = c"/etc/resolv.conf".as_ptr();
    see_mounts_alone();
    let none = c"none".as_ptr();
    // SAFETY: strings that end with NUL and live through the call.
    unsafe {
        let bind = libc::MS_BIND;
        assert_eq!(
            libc::mount(source.as_ptr(), target, none, bind, std::ptr::null()),
            0
        );
    }
    socket
}

matrix! {
    alone fn a_look_up_of_a_name(setup: Setup) {
        if !require(Capability::Root) {
            return;
        }
        let directory = TempDir::new();
        let _deaf = deaf_name_server(&directory);
        let activity = stalled(setup, || {
            assert!("nobody.example:80".to_socket_addrs().is_err());
        });
        if kernel_tells() {
            let Activity::Waits(call) = activity else {
                panic!("{activity}");
            };
            // A ring may have interrupted its thread meanwhile.
            let name = call.name().unwrap();
            assert!(name.contains("poll") || name == "restart_syscall", "{call}");
        }
    }

    /// The innermost task is named, and then what is around it.
    fn a_task_of_a_local_set_and_the_main_future(setup: Setup) {
        let (runtime, told) = watched(setup);
        let set = LocalSet::new();
        let (task, line) = (set.spawn_local(async { std::thread::sleep(BLOCKED) }), line!());
        let main = async {
            task.await.unwrap();
            std::thread::sleep(BLOCKED);
        };
        let ((), main_line) = (set.block_on(&runtime, main), line!());
        // With workers of its own a runtime does not need this thread.
        if setup.workers.is_none() {
            check(setup, &told, Location::caller(), line);
            check(setup, &told, Location::caller(), main_line);
        }
        assert!(told.try_recv().is_err());
    }

    /// A task that stalls twice is told of twice, and each time as long as it took.
    fn one_after_the_other(setup: Setup) {
        let (runtime, told) = watched(setup);
        let twice = async {
            for _ in 0..2 {
                std::thread::sleep(BLOCKED);
                yamanote::task::yield_now().await;
            }
        };
        let (task, line) = (runtime.spawn(twice), line!());
        runtime.block_on(task).unwrap();
        for _ in 0..2 {
            check(setup, &told, Location::caller(), line);
        }
        assert_eq!(runtime.metrics().stalls(), 2);
        let longest = runtime.metrics().longest_stall();
        assert!(longest >= BLOCKED - 2 * LIMIT, "{longest:?}");
    }

    /// The worker goes on with another thread meanwhile. When the task has a worker again it may
    /// stall.
    fn blocking_in_place(setup: Setup) {
        if setup.workers.is_none() {
            return;
        }
        let (runtime, told) = watched(setup);
        let blocks = async {
            yamanote::task::block_in_place(|| std::thread::sleep(BLOCKED));
            yamanote::task::yield_now().await;
            std::thread::sleep(BLOCKED);
        };
        let (task, line) = (runtime.spawn(blocks), line!());
        runtime.block_on(task).unwrap();
        check(setup, &told, Location::caller(), line);
        assert_eq!(runtime.metrics().stalls(), 1);
    }

    /// Busy workers are not stalled: connections, files, tasks that compute for a moment.
    fn nobody_who_only_works(setup: Setup) {
        let (runtime, told) = watched(setup);
        let seconds = std::env::var("YAMANOTE_STALL_SECONDS").map_or(3, |it| it.parse().unwrap());
        let end = Instant::now() + Duration::from_secs(seconds);
        // Made and removed by system calls, which a task would wait for.
        let directories: [TempDir; 8] = std::array::from_fn(|_| TempDir::new());
        runtime.block_on(async {
            let mut work = Vec::new();
            for directory in &directories {
                work.push(yamanote::spawn(echo(end)));
                work.push(yamanote::spawn(files(end, directory.path().join("file"))));
                work.push(yamanote::spawn(compute(end)));
            }
            for task in work {
                task.await.unwrap();
            }
        });
        assert!(runtime.metrics().longest_stall() < LONGEST_FOR_A_LOCK);
        drop(runtime);
        for stall in told {
            assert_eq!(stall.activity(), &Activity::AwaitsThread, "{stall}");
            println!("{stall}");
        }
    }
}

async fn echo(end: Instant) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = yamanote::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut from, mut to) = stream.split();
        yamanote::io::copy(&mut from, &mut to).await.unwrap();
    });
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut answer = [0; 64];
    while Instant::now() < end {
        client.write_all(&[7; 64]).await.unwrap();
        client.read_exact(&mut answer).await.unwrap();
    }
    drop(client);
    server.await.unwrap();
}

async fn files(end: Instant, path: PathBuf) {
    while Instant::now() < end {
        yamanote::fs::write(&path, [7; 10_000]).await.unwrap();
        assert_eq!(yamanote::fs::read(&path).await.unwrap().len(), 10_000);
    }
}

async fn compute(end: Instant) {
    while Instant::now() < end {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        yamanote::time::sleep(Duration::from_millis(1)).await;
    }
}

matrix! {
    /// It is made with the first task, sleeps while nothing runs, and ends with the last runtime.
    alone fn the_watchdog_of_an_idle_program(setup: Setup) {
        assert_eq!(watchdog(), None);
        let (runtime, told) = watched(setup);
        let second = builder!(setup).stall_after(LIMIT).build().unwrap();
        runtime.block_on(async { yamanote::spawn(async {}).await.unwrap() });
        wait_until("somebody watches", || watchdog().is_some());
        let thread = watchdog().unwrap();
        // A program that waits: for a connection, in `block_on`.
        let idle = async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = std::thread::spawn(move || {
                let mut quiet = 0;
                let mut before = sleeps(&thread).expect("it is there");
                wait_until("it does not come to rest", || {
                    std::thread::sleep(2 * LIMIT);
                    let now = sleeps(&thread).expect("it is there");
                    quiet = if now == before { quiet + 1 } else { 0 };
                    before = now;
                    quiet == 3
                });
                drop(std::net::TcpStream::connect(address).unwrap());
            });
            listener.accept().await.unwrap();
            client
        };
        runtime.block_on(idle).join().unwrap();
        // It is there again when it is needed.
        let (task, line) = (runtime.spawn(async { std::thread::sleep(BLOCKED) }), line!());
        runtime.block_on(task).unwrap();
        check(setup, &told, Location::caller(), line);
        drop(runtime);
        assert!(watchdog().is_some());
        drop(second);
        wait_until("it ends with the last runtime", || watchdog().is_none());
    }

    /// Zero is off: there is no thread.
    alone fn nobody_watches(setup: Setup) {
        let (tell, told) = mpsc::channel();
        let runtime = builder!(setup)
            .stall_after(Duration::ZERO)
            .on_stall(move |stall: &Stall| drop(tell.send(stall.clone())))
            .build()
            .unwrap();
        let task = runtime.spawn(async { std::thread::sleep(Duration::from_millis(600)) });
        runtime.block_on(task).unwrap();
        assert_eq!(watchdog(), None);
        assert_eq!(runtime.metrics().stalls(), 0);
        drop(runtime);
        assert!(told.recv().is_err());
    }

    /// A process that has forked is watched as before, and so is a runtime that its child builds.
    alone fn a_fork(setup: Setup) {
        let (runtime, told) = watched(setup);
        let (task, line) = (runtime.spawn(async { std::thread::sleep(BLOCKED) }), line!());
        // SAFETY: the child builds a runtime of its own and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let result = std::panic::catch_unwind(|| {
                let (runtime, told) = watched(setup);
                let (task, line) = (runtime.spawn(async { std::thread::sleep(BLOCKED) }), line!());
                runtime.block_on(task).unwrap();
                check(setup, &told, Location::caller(), line);
            });
            // SAFETY: ends the child without destructors that belong to the parent.
            unsafe { libc::_exit(i32::from(result.is_err())) };
        }
        runtime.block_on(task).unwrap();
        check(setup, &told, Location::caller(), line);
        let mut status = 0;
        // SAFETY: waits for the child made above; `status` is writable.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "the child's runtime was not watched");
    }
}

/// Where no thread can be had, nobody watches, and nothing else is different.
#[test]
fn a_thread_that_is_refused() {
    in_own_process(module_path!(), "a_thread_that_is_refused", || {
        for call in [libc::SYS_clone, libc::SYS_clone3] {
            yamanote_test::deny_syscall(call, libc::EAGAIN);
        }
        let (runtime, told) = watched(Setup {
            driver: Driver::Epoll,
            workers: None,
        });
        for _ in 0..3 {
            runtime.block_on(async { std::thread::sleep(3 * LIMIT) });
        }
        assert_eq!(watchdog(), None);
        drop(runtime);
        assert!(told.recv().is_err());
    });
}

/// A panic of the listener is its own.
#[test]
fn a_listener_that_panics() {
    let setup = Setup {
        driver: Driver::Epoll,
        workers: None,
    };
    let (tell, told) = mpsc::channel();
    let runtime = builder!(setup)
        .stall_after(LIMIT)
        .on_stall(move |_| {
            tell.send(()).unwrap();
            panic!("the listener's");
        })
        .build()
        .unwrap();
    runtime.block_on(async { std::thread::sleep(BLOCKED) });
    for _ in 0..2 {
        told.recv_timeout(Duration::from_secs(30)).unwrap();
    }
}

/// The operator's variable counts for all runtimes, and without a listener it writes.
#[test]
fn the_variable_of_the_operator() {
    let name = "the_variable_of_the_operator";
    if std::env::var_os("YAMANOTE_STALL_MS").is_none() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env("YAMANOTE_STALL_MS", "150")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let lines: Vec<_> = stderr
            .lines()
            .filter(|line| line.starts_with("yamanote: "))
            .collect();
        assert_eq!(lines.len(), 2, "{stderr}");
        assert!(
            lines[0].starts_with("yamanote: worker 0 of \"shop\" (thread "),
            "{stderr}"
        );
        assert!(lines[0].contains("has been in one poll of the future of block_on at "));
        assert!(lines[0].contains("stalls.rs:"), "{stderr}");
        assert!(lines[1].contains(" was in one poll of "), "{stderr}");
        return;
    }
    let runtime = Builder::new_current_thread()
        .name("shop")
        .stall_after(Duration::ZERO)
        .build()
        .unwrap();
    runtime.block_on(async { std::thread::sleep(BLOCKED) });
    wait_until("it is written", || {
        runtime.metrics().longest_stall() >= BLOCKED - 2 * LIMIT
    });
    std::thread::sleep(LIMIT);
}
