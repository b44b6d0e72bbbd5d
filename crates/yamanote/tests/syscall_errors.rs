//! A whole program whose system calls fail: errors injected from outside by strace, a storm of
//! signals, a seccomp filter. Its results are the same, or it says why it cannot start.

mod program_support;
mod tcp_support;

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use program_support::{run_everything, runtime};
use yamanote::runtime::{DriverChoice, io_uring_refusal};
use yamanote::time::sleep;
use yamanote_test::{Capability, TempDir, in_own_process, require};

/// What is expected of the program: `uring`, `epoll` or `any`, or `error`.
const EXPECT: &str = "YAMANOTE_TEST_EXPECT";
/// `1`, `2` workers, or `0` for a current-thread runtime.
const WORKERS: &str = "YAMANOTE_TEST_WORKERS";

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

/// Runs the program under strace, which makes one call fail as `inject` says.
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
    // A fallback is reported in the metrics, never on the application's output.
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
/// program that insists gets the reason.
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

/// R14: signals without SA_RESTART reach every thread all the time, also those that are shutting
/// down.
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

/// L7: the call would end the process, so this shows that both switches keep it from being made.
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
        // The operator's choice, with a program that made none.
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
