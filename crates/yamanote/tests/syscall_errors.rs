//! A whole program whose system calls fail: errors injected from outside by strace, a storm of
//! signals, a seccomp filter. Its results are the same, or it says why it cannot start.

mod tcp_support;

use std::os::fd::AsRawFd;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tcp_support::{assert_numbered, numbered, pair};
use yamanote::buf::IoBuf;
use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote::runtime::{Builder, DriverChoice, Handle, Runtime, io_uring_refusal};
use yamanote::time::{sleep, timeout};
use yamanote_test::{Capability, TempDir, in_own_process, require};

const PAGE: usize = 4096;
const PAGES: usize = 16;

/// What is expected of the program: `uring`, `epoll` or `any`, or `error`.
const EXPECT: &str = "YAMANOTE_TEST_EXPECT";
/// `1`, `2` workers, or `0` for a current-thread runtime.
const WORKERS: &str = "YAMANOTE_TEST_WORKERS";

fn runtime(choice: DriverChoice, workers: usize) -> std::io::Result<Runtime> {
    let mut builder = match workers {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder.enable_all().driver(choice).build()
}

/// One page of direct I/O at a time, some of it dropped in the middle.
async fn use_the_device(directory: std::path::PathBuf) {
    let path = directory.join("direct");
    fs::write(&path, numbered(0..PAGES * PAGE)).await.unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(libc::O_DIRECT);
    let file = Arc::new(options.open(&path).await.unwrap());
    file.sync_all().await.unwrap();
    let readers: Vec<_> = (0..4)
        .map(|reader| {
            let file = file.clone();
            yamanote::spawn(async move {
                for round in 0..6 {
                    let page = (reader * 5 + round * 3) % PAGES;
                    let aligned = || {
                        let bytes = vec![0; 2 * PAGE];
                        let start = bytes.as_ptr().align_offset(PAGE);
                        bytes.slice(start..start + PAGE)
                    };
                    yamanote::select! {
                        biased;
                        _ = file.read_at(aligned(), 0) => {}
                        () = std::future::ready(()) => {}
                    }
                    let (n, bytes) = file.read_at(aligned(), (page * PAGE) as u64).await;
                    assert_eq!(n.unwrap(), PAGE);
                    assert_numbered(page * PAGE, &bytes);
                    file.sync_data().await.unwrap();
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn use_sockets() {
    let (mut client, server) = pair().await;
    let echo = yamanote::spawn(async move {
        let (mut read, mut write) = server.into_split();
        yamanote::io::copy(&mut read, &mut write).await.unwrap();
    });
    for round in 0..40 {
        let message = numbered(round * 500..(round + 1) * 500);
        client.write_all(&message).await.unwrap();
        let mut answer = vec![0; 500];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, message);
        if round % 10 == 0 {
            let start = Instant::now();
            sleep(Duration::from_millis(2)).await;
            assert!(start.elapsed() >= Duration::from_millis(2));
        }
    }
    client.shutdown().await.unwrap();
    echo.await.unwrap();
}

/// Everything through the cursor.
async fn use_a_file(directory: std::path::PathBuf) {
    let path = directory.join("plain");
    let bytes = numbered(0..200_000);
    for _ in 0..3 {
        let mut file = File::create(&path).await.unwrap();
        for part in bytes.chunks(30_000) {
            file.write_all(part).await.unwrap();
        }
        file.flush().await.unwrap();
        drop(file);
        let mut file = File::open(&path).await.unwrap();
        let mut start = vec![0; 100_000];
        file.read_exact(&mut start).await.unwrap();
        assert_eq!(start, bytes[..100_000]);
        file.seek(std::io::SeekFrom::Start(50_000)).await.unwrap();
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, bytes[50_000..]);
        assert_eq!(fs::read(&path).await.unwrap(), bytes);
    }
}

/// The program, which takes about fifty milliseconds when nothing fails.
fn run_everything(runtime: Runtime, directory: &std::path::Path) {
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let limit = Duration::from_secs(60);
        let parts = [
            yamanote::spawn(use_the_device(directory.to_owned())),
            yamanote::spawn(use_sockets()),
            yamanote::spawn(use_a_file(directory.to_owned())),
        ];
        for part in parts {
            timeout(limit, part)
                .await
                .expect("something was lost")
                .unwrap();
        }
    });
    drop(runtime);
    let metrics = handle.metrics();
    assert_eq!((metrics.live_ops(), metrics.leaked_ops()), (0, 0));
}

/// What runs under strace.
#[test]
#[ignore = "started by the other tests"]
fn the_program() {
    let expect = std::env::var(EXPECT).unwrap();
    let workers = std::env::var(WORKERS).unwrap().parse().unwrap();
    if expect == "error" {
        let error = runtime(DriverChoice::Uring, workers).unwrap_err();
        let cause = io_uring_refusal().unwrap();
        println!("errno {:?}: {error}: {cause}", error.raw_os_error());
        return;
    }
    let runtime = runtime(DriverChoice::Auto, workers).unwrap();
    let metrics = runtime.handle().metrics();
    if expect != "any" {
        assert_eq!(metrics.driver().to_string(), expect);
    }
    let is_refused = expect == "epoll" && std::env::var_os("YAMANOTE_DRIVER").is_none();
    assert_eq!(metrics.driver_fallback_reason().is_some(), is_refused);
    let directory = TempDir::on_ext4();
    run_everything(runtime, directory.path());
    let (mut ops, start) = (metrics.ops_submitted(), Instant::now());
    while expect == "uring" && ops == 0 {
        // A machine so busy that a call looked stuck gives the ring nothing for a while.
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "nothing goes through a ring"
        );
        std::thread::sleep(Duration::from_millis(300));
        let runtime = self::runtime(DriverChoice::Auto, workers).unwrap();
        let metrics = runtime.handle().metrics();
        run_everything(runtime, directory.path());
        ops = metrics.ops_submitted();
    }
}

/// Runs the program under strace, which makes one call fail as told.
fn run_traced(inject: &str, expect: &str, workers: usize) -> Output {
    let calls = inject.split(':').next().unwrap();
    let output = Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-o", "/dev/null", "-e"])
        .arg(format!("trace={calls}"))
        .args(["-e", &format!("inject={inject}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "the_program", "--ignored", "--nocapture"])
        .arg("--test-threads=1")
        .env(EXPECT, expect)
        .env(WORKERS, workers.to_string())
        // LeakSanitizer, if we are built with it, cannot look at a process that is traced.
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{inject}, {expect}, {workers} workers: {stdout}\n{stderr}"
    );
    // A fallback is told in the metrics, never on the application's output.
    assert!(!stderr.to_lowercase().contains("uring"), "{stderr}");
    output
}

fn can_trace() -> bool {
    require(Capability::IoUring) && require(Capability::Strace) && require(Capability::Ext4)
}

/// O2: any one `io_uring_enter` of a thread fails, or many in a row, with operations pushed.
#[test]
fn errors_of_enter_lose_nothing() {
    if !can_trace() {
        return;
    }
    for errno in ["EAGAIN", "EINTR", "EBUSY"] {
        for when in ["1", "2", "4", "3+2", "2..40"] {
            for workers in [0, 2] {
                let inject = format!("io_uring_enter:error={errno}:when={when}");
                run_traced(&inject, "uring", workers);
            }
        }
    }
}

/// R10: a program that leaves the choice to the runtime goes on with epoll, whatever the reason; a
/// program that insists is told the reason.
#[test]
fn without_rings_there_is_epoll_or_an_error() {
    if !can_trace() {
        return;
    }
    let errnos = [
        ("EPERM", libc::EPERM),
        ("ENOSYS", libc::ENOSYS),
        ("EINVAL", libc::EINVAL),
        ("ENOMEM", libc::ENOMEM),
        ("EMFILE", libc::EMFILE),
    ];
    for (number, (name, errno)) in errnos.into_iter().enumerate() {
        let inject = format!("io_uring_setup:error={name}");
        run_traced(&inject, "epoll", [0, 2][number % 2]);
        let output = run_traced(&inject, "error", 2);
        let output = String::from_utf8(output.stdout).unwrap();
        let said = format!("errno {:?}: ", Some(errno));
        assert!(
            output.contains(&said) && output.contains("likely cause"),
            "{output}"
        );
    }
}

/// R9, R11: the probe succeeds and then some workers get no ring.
#[test]
fn some_workers_without_a_ring() {
    if !can_trace() {
        return;
    }
    for errno in ["ENOMEM", "EMFILE"] {
        for when in ["2+", "3+", "4+"] {
            let inject = format!("io_uring_setup:error={errno}:when={when}");
            for workers in [0, 2] {
                run_traced(&inject, "any", workers);
            }
        }
    }
}

/// F3: reads and writes are interrupted.
#[test]
fn interrupted_calls_are_repeated() {
    if !can_trace() {
        return;
    }
    for when in ["3+7", "5+4"] {
        for workers in [0, 2] {
            let calls = "preadv2,pwritev2,pread64,pwrite64,recvfrom,sendto";
            run_traced(
                &format!("{calls}:error=EINTR:when={when}"),
                "uring",
                workers,
            );
        }
    }
}

/// R14: signals without SA_RESTART reach every thread all the time, also those that shut down.
#[test]
fn a_storm_of_signals_is_not_noticed() {
    if !require(Capability::Ext4) {
        return;
    }
    in_own_process(module_path!(), "a_storm_of_signals_is_not_noticed", || {
        static SIGNALS: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn count(_: libc::c_int) {
            SIGNALS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: an all-zero sigaction is valid (no flags, empty mask), and the handler only adds
        // to an atomic.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
            assert_eq!(
                libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
                0
            );
        }
        let over = Arc::new(AtomicBool::new(false));
        let storm = std::thread::spawn({
            let over = over.clone();
            move || {
                // SAFETY: gettid has no preconditions.
                let own = unsafe { libc::gettid() };
                while !over.load(Ordering::Relaxed) {
                    for entry in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
                        let id: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
                        let name = std::fs::read_to_string(entry.path().join("comm"));
                        if id != own && name.is_ok_and(|name| !name.starts_with("iou-")) {
                            // SAFETY: no memory involved; a thread that is gone is an error.
                            unsafe {
                                libc::syscall(libc::SYS_tgkill, libc::getpid(), id, libc::SIGUSR1)
                            };
                        }
                    }
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        });
        let directory = TempDir::on_ext4();
        for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
            for workers in [0, 2] {
                for _ in 0..5 {
                    let runtime = runtime(choice, workers).unwrap();
                    runtime.spawn(std::future::pending::<()>());
                    run_everything(runtime, directory.path());
                }
                let runtime = runtime(choice, workers).unwrap();
                let start = Instant::now();
                runtime.block_on(async { sleep(Duration::from_millis(100)).await });
                let slept = start.elapsed();
                assert!(slept >= Duration::from_millis(100), "{slept:?}");
                assert!(slept < Duration::from_secs(5), "{slept:?}");
                runtime.spawn_blocking(|| std::thread::sleep(Duration::from_millis(50)));
                runtime.shutdown_timeout(Duration::from_secs(10));
            }
        }
        over.store(true, Ordering::Relaxed);
        storm.join().unwrap();
        assert!(SIGNALS.load(Ordering::Relaxed) > 1000);
    });
}

/// Lets this thread and those it starts do everything but `io_uring_setup`, which `action` answers.
fn forbid_rings(action: u32) {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let filter = [
        // The first word of seccomp_data is the number of the call.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                libc::SYS_io_uring_setup as u32,
            )
        },
        statement(libc::BPF_RET | libc::BPF_K, action),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the program and its filter live through the call, which only reads them.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let mode = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program),
            0
        );
    }
}

/// Both flavours work on epoll, and io_uring is refused with `errno`.
fn works_confined(errno: i32) {
    let directory = TempDir::on_ext4();
    for workers in [0, 2] {
        let runtime = runtime(DriverChoice::Auto, workers).unwrap();
        let metrics = runtime.handle().metrics();
        assert_eq!(metrics.driver().to_string(), "epoll");
        let reason = metrics.driver_fallback_reason().unwrap();
        assert!(reason.contains("likely cause"), "{reason}");
        run_everything(runtime, directory.path());
        let error = self::runtime(DriverChoice::Uring, workers).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(errno));
        assert_eq!(io_uring_refusal(), Some(reason));
    }
}

/// L7: as under Docker's filter of today.
#[test]
fn a_sandbox_that_denies_rings() {
    if !require(Capability::Ext4) {
        return;
    }
    in_own_process(module_path!(), "a_sandbox_that_denies_rings", || {
        forbid_rings(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
        // A 32-bit program does not even ask.
        works_confined(if cfg!(target_pointer_width = "64") {
            libc::EPERM
        } else {
            libc::ENOSYS
        });
    });
}

/// L7: as under gVisor, or a kernel without io_uring.
#[test]
fn a_sandbox_that_knows_no_rings() {
    if !require(Capability::Ext4) {
        return;
    }
    in_own_process(module_path!(), "a_sandbox_that_knows_no_rings", || {
        forbid_rings(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
        works_confined(libc::ENOSYS);
    });
}

/// L7: the call would be the end of the process, so both switches really keep it from being made.
#[test]
fn a_sandbox_that_kills() {
    if !require(Capability::Ext4) {
        return;
    }
    in_own_process(module_path!(), "a_sandbox_that_kills", || {
        forbid_rings(libc::SECCOMP_RET_KILL_PROCESS);
        let directory = TempDir::on_ext4();
        for workers in [0, 2] {
            run_everything(
                runtime(DriverChoice::Epoll, workers).unwrap(),
                directory.path(),
            );
        }
        // The operator's word, with a program that did not think of it.
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_program", "--ignored"])
            .envs([
                ("YAMANOTE_DRIVER", "epoll"),
                (EXPECT, "epoll"),
                (WORKERS, "2"),
            ])
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
    });
}

/// R9: many runtimes of a user without the right to lock memory.
#[test]
fn many_runtimes_with_little_memory_to_lock() {
    if !require(Capability::Root) || !require(Capability::Ext4) {
        return;
    }
    let test = "many_runtimes_with_little_memory_to_lock";
    in_own_process(module_path!(), test, || {
        let directory = TempDir::on_ext4();
        let path = directory.path().join("direct");
        std::fs::write(&path, numbered(0..PAGE)).unwrap();
        // Opened and removed while there is still the right to.
        let files: Vec<_> = (0..32)
            .map(|_| {
                let mut options = std::fs::File::options();
                std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_DIRECT);
                options.read(true).open(&path).unwrap()
            })
            .collect();
        drop(directory);
        let limit = libc::rlimit {
            rlim_cur: 64 * 1024,
            rlim_max: 64 * 1024,
        };
        // SAFETY: `limit` lives through the call; the others involve no memory. The process drops its
        // rights for good.
        unsafe {
            assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit), 0);
            assert_eq!(libc::setgid(65534), 0);
            assert_eq!(libc::setuid(65534), 0);
        }
        let runtimes: Vec<_> = (0..32)
            .map(|number| runtime(DriverChoice::Auto, number % 3).unwrap())
            .collect();
        for (runtime, file) in runtimes.iter().zip(files) {
            let reading = runtime.spawn(async move {
                let file = File::from_std(file);
                let bytes = vec![0; 2 * PAGE];
                let start = bytes.as_ptr().align_offset(PAGE);
                let (n, bytes) = file.read_at(bytes.slice(start..start + PAGE), 0).await;
                assert_eq!(n.unwrap(), PAGE);
                assert_numbered(0, &bytes);
                Handle::current().metrics().driver()
            });
            let driver = runtime.block_on(reading).unwrap();
            assert_eq!(driver, runtime.handle().driver());
        }
        drop(runtimes);
    });
}

/// R9: with room for a few rings only a runtime that insists says so, one that need not works, and says
/// why some of its operations do not use a ring; and nothing the kernel has is called missing.
#[test]
fn little_memory_to_lock_is_said() {
    if !require(Capability::Root) || !require(Capability::IoUring) || !require(Capability::Ext4) {
        return;
    }
    in_own_process(module_path!(), "little_memory_to_lock_is_said", || {
        let directory = TempDir::on_ext4();
        // SAFETY: no memory is involved, and `chown` reads a string that lives through the call.
        unsafe {
            let path = std::ffi::CString::new(directory.path().to_str().unwrap()).unwrap();
            assert_eq!(libc::chown(path.as_ptr(), 65534, 65534), 0);
            let limit = libc::rlimit {
                rlim_cur: 32 * 1024,
                rlim_max: 32 * 1024,
            };
            assert_eq!(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit), 0);
            assert_eq!(libc::setgid(65534), 0);
            assert_eq!(libc::setuid(65534), 0);
        }
        let report = yamanote::runtime::probe::report();
        for finding in report.setup_flags.iter().chain(&report.features) {
            let is_needed = finding.need == yamanote::runtime::probe::Need::Required;
            assert!(!is_needed || finding.present != Some(false), "{finding:?}");
        }
        match runtime(DriverChoice::Uring, 8) {
            // Before Linux 6.14 or so rings are not counted against this limit.
            Ok(runtime) => {
                let metrics = runtime.handle().metrics();
                run_everything(runtime, directory.path());
                assert_eq!(metrics.driver_fallback_reason(), None);
            }
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOMEM)),
        }
        // The memory of those that were tried comes back a little later.
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let runtime = runtime(DriverChoice::Auto, 8).unwrap();
            let metrics = runtime.handle().metrics();
            run_everything(runtime, directory.path());
            let is_whole = metrics.ops_submitted() > 0;
            let reason = metrics.driver_fallback_reason();
            if let Some(reason) = &reason {
                assert!(reason.contains("ulimit -l"), "{reason}");
            }
            if is_whole {
                return;
            }
            // Without a reason: the machine was so busy that a call looked stuck, and the pool did it.
            assert!(Instant::now() < deadline, "{reason:?}");
            std::thread::sleep(Duration::from_millis(300));
        }
    });
}

/// R21: a program started by this one inherits its input, output and error, and nothing of ours.
#[test]
fn a_child_inherits_no_descriptor() {
    in_own_process(module_path!(), "a_child_inherits_no_descriptor", || {
        let seen_by_child = || {
            let script = "for fd in /proc/self/fd/*; do readlink $fd; done; true";
            let mut child = Command::new("sh");
            child.args(["-c", script]).stdin(Stdio::null());
            let output = child.output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines()
                .filter(|line| !line.starts_with("pipe:"))
                .count()
        };
        let before = seen_by_child();
        // Those that whoever started this process has left in it.
        let inherited: Vec<_> = (0..1000)
            // SAFETY: no memory involved.
            .filter(|&number| unsafe { libc::fcntl(number, libc::F_GETFD) } == 0)
            .collect();
        for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
            for workers in [0, 2] {
                let runtime = runtime(choice, workers).unwrap();
                let directory = TempDir::new();
                let path = directory.path().join("open");
                runtime.block_on(async {
                    let (client, server) = pair().await;
                    let listener = yamanote::net::TcpListener::bind("127.0.0.1:0")
                        .await
                        .unwrap();
                    let socket = yamanote::net::TcpSocket::new_v4().unwrap();
                    let mut file = File::create(&path).await.unwrap();
                    file.write_all(b"x").await.unwrap();
                    file.sync_all().await.unwrap();
                    let opened = File::open(&path).await.unwrap();
                    let mut entries = fs::read_dir(directory.path()).await.unwrap();
                    assert!(entries.next_entry().await.unwrap().is_some());
                    for number in 0..1000 {
                        // SAFETY: no memory involved.
                        let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
                        assert!(flags != 0 || inherited.contains(&number), "{number}");
                    }
                    assert_eq!(seen_by_child(), before);
                    drop((
                        client,
                        server,
                        listener,
                        socket,
                        file.as_raw_fd(),
                        opened,
                        entries,
                    ));
                });
            }
        }
    });
}
