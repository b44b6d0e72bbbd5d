//! A whole program in which one system call begins to fail: each call that a runtime makes, with
//! every errno that it may have, once or for good, before the start or in the middle. The program
//! ends with the right result, or once with an error; it neither spins nor hangs, nor does it end
//! by a signal.
//!
//! Memory and futexes are taken for granted, as by everything else in the process. The calls that
//! make threads cannot be counted here; other tests look at them (`syscall_errors`, the tests of
//! the pool).
//!
//! A selection of the cases; all of them with `YAMANOTE_INJECTIONS=all`.

#![cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]

mod injection_support;
mod tcp_support;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use injection_support::calls::{ALWAYS, CALLS};
use injection_support::{PAGE, Report, WRONG, use_everything, use_sockets};
use tcp_support::{assert_numbered, numbered};
use yamanote::buf::IoBuf;
use yamanote::fs::{self, File};
use yamanote::process::Command;
use yamanote::runtime::{Builder, DriverChoice, DriverKind};
use yamanote::signal::unix::{SignalKind, signal};
use yamanote::time::sleep;
use yamanote_test::{
    Capability, Injection, TempDir, builder, in_own_process, inject, raise_descriptor_limit,
    require,
};

#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    injection: Injection,
    driver: DriverChoice,
    /// 0: a current-thread runtime.
    workers: usize,
    /// The call fails from the start, not only after the program has been running.
    from_start: bool,
}

/// How a case may end if all is right.
const WELL: i32 = 0;
const WITH_AN_ERROR: i32 = 3;
/// ... and if it is wrong.
const WRONG_BYTES: i32 = 4;

/// In the child; the status is how it ended.
fn run(case: Case, directory: &Path, report: &'static Report) -> i32 {
    let directory: Arc<Path> = directory.into();
    std::panic::set_hook(Box::new(|info| {
        report.panics.fetch_add(1, Ordering::Relaxed);
        report.say(&info.to_string());
    }));
    if case.from_start {
        inject(case.injection, &report.calls);
    }
    let mut builder = match case.workers {
        0 => Builder::new_current_thread(),
        workers => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    let runtime = match builder.enable_all().driver(case.driver).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.say(&format!("build: {error}"));
            return WITH_AN_ERROR;
        }
    };
    if !case.from_start {
        let has_ring = runtime.handle().driver() == DriverKind::Uring;
        let start = Instant::now();
        loop {
            let well = runtime.block_on(use_everything(directory.clone(), report));
            assert!(well, "nothing fails yet");
            // A machine so busy that a call looked stuck gives the ring nothing for a while.
            let is_ready = !has_ring || runtime.metrics().ops_submitted() > 0;
            if is_ready || start.elapsed() > Duration::from_secs(20) {
                break;
            }
        }
        inject(case.injection, &report.calls);
    }
    let far = case.injection.nth > 100;
    let (start, mut rounds, mut is_well) = (Instant::now(), 0, true);
    loop {
        is_well &= runtime.block_on(use_everything(directory.clone(), report));
        rounds += 1;
        let there = report.calls.load(Ordering::Relaxed) > case.injection.nth;
        let enough = rounds >= 2 && (there || !far || start.elapsed() > Duration::from_secs(1));
        if enough || !is_well {
            break;
        }
    }
    drop(runtime);
    match (is_well, report.text().contains(WRONG)) {
        (_, true) => WRONG_BYTES,
        (true, _) => WELL,
        (false, _) => WITH_AN_ERROR,
    }
}

/// Runs a case in a child; what is wrong with it, if anything is.
fn judge(case: Case, report: &'static Report) -> Result<i32, String> {
    const LIMIT_S: u64 = 60;
    let directory = TempDir::on_ext4();
    std::fs::write(directory.path().join("direct"), numbered(0..6 * PAGE)).unwrap();
    report.clear();
    // SAFETY: this process has no other thread that matters (the harness's main thread waits in a
    // join), and the child leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", io::Error::last_os_error());
    if child == 0 {
        // SAFETY: no memory is involved. The default action of SIGALRM ends the child.
        unsafe { libc::alarm(LIMIT_S as u32) };
        let run = AssertUnwindSafe(|| run(case, directory.path(), report));
        let status = catch_unwind(run).unwrap_or(WITH_AN_ERROR);
        // SAFETY: ends the child without running destructors.
        unsafe { libc::_exit(status) };
    }
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: waits for the child made above; `status` and `usage` are writable.
    let waited = unsafe { libc::wait4(child, &mut status, 0, usage.as_mut_ptr()) };
    assert_eq!(waited, child);
    // SAFETY: filled in by the kernel, and zero before.
    let usage = unsafe { usage.assume_init() };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    let (calls, panics) = (
        report.calls.load(Ordering::Relaxed),
        report.panics.load(Ordering::Relaxed),
    );
    let text = report.text();
    let wrong = |what: String| {
        Err(format!(
            "{case:?}: {what}; {calls} calls, {panics} panics, {cpu:.1} s of CPU: {text}"
        ))
    };
    if libc::WIFSIGNALED(status) {
        return match libc::WTERMSIG(status) {
            libc::SIGALRM => wrong("hangs".into()),
            signal => wrong(format!("ends by signal {signal}")),
        };
    }
    // A round takes a few hundred calls of the busiest kind and a few hundredths of a second.
    let most_calls = 20_000 + 3 * case.injection.nth;
    match libc::WEXITSTATUS(status) {
        _ if panics > 3 => wrong("panics again and again".into()),
        _ if calls > most_calls || cpu > 10.0 => wrong("spins".into()),
        ended @ (WELL | WITH_AN_ERROR) => Ok(ended),
        WRONG_BYTES => wrong("has other bytes".into()),
        other => wrong(format!("ends with status {other}")),
    }
}

/// The calls a worker sleeps in.
fn waits(name: &str) -> bool {
    ["io_uring_enter", "epoll_wait", "ppoll"].contains(&name)
}

/// Every case, or those for a single change: each call with each errno, the rest in turn.
fn cases(all: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut turn = 0_usize;
    for &(name, call, errnos) in CALLS {
        for &errno in ALWAYS.iter().chain(errnos) {
            let drivers = [DriverChoice::Auto, DriverChoice::Epoll];
            let whens: Vec<_> = [1, 2, 3, 4, 5, 1000]
                .into_iter()
                .flat_map(|nth| [(nth, false), (nth, true)])
                .flat_map(|(nth, forever)| [(nth, forever, false), (nth, forever, true)])
                .flat_map(|when| drivers.map(|driver| (when, driver)))
                .flat_map(|when| [0, 2].map(|workers| (when, workers)))
                .map(|(((nth, forever, from_start), driver), workers)| Case {
                    name,
                    injection: Injection {
                        call,
                        errno,
                        nth,
                        forever,
                    },
                    driver,
                    workers,
                    from_start,
                })
                .filter(|case| case.driver == DriverChoice::Auto || !name.starts_with("io_uring"))
                // Where std repeats an interrupted call, it repeats it for ever.
                .filter(|case| errno != libc::EINTR || !case.injection.forever || waits(name))
                .collect();
            if all {
                // Each moment, and the four runtimes in turn.
                for of_a_moment in whens.chunks(4) {
                    turn += 1;
                    cases.push(of_a_moment[turn % of_a_moment.len()]);
                }
                continue;
            }
            // A stride that has no factor in common with the number of cases meets them all in
            // turn. Without the thousandth calls, which take seconds.
            let quick: Vec<_> = whens
                .into_iter()
                .filter(|c| c.injection.nth < 100)
                .collect();
            turn += 1;
            cases.push(quick[turn * 7 % quick.len()]);
            if ALWAYS.contains(&errno) {
                cases.push(quick[turn * 11 % quick.len()]);
            }
        }
    }
    cases
}

/// L7, R14: whatever call is denied, interrupted or short of memory, at whatever time.
#[test]
fn any_call_may_begin_to_fail() {
    if !require(Capability::Ext4) {
        return;
    }
    in_own_process(module_path!(), "any_call_may_begin_to_fail", || {
        raise_descriptor_limit();
        let all = std::env::var_os("YAMANOTE_INJECTIONS").is_some_and(|which| which == "all");
        let only = std::env::var("YAMANOTE_INJECTIONS_OF").ok();
        let report = Report::new();
        let (mut wrong, mut ended) = (Vec::new(), [0; 4]);
        let cases: Vec<_> = cases(all)
            .into_iter()
            .filter(|case| only.as_deref().is_none_or(|only| only == case.name))
            .collect();
        let number = cases.len();
        for case in cases {
            match judge(case, report) {
                Ok(how) => ended[how as usize] += 1,
                Err(what) => {
                    eprintln!("{what}");
                    wrong.push(what);
                }
            }
        }
        println!(
            "{number} cases: {} well, {} with an error",
            ended[0], ended[3]
        );
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert!(ended[0] > number / 10 && ended[3] > 0, "{ended:?}");
    });
}

/// From now on, for good.
fn denied(call: libc::c_long, errno: i32) -> &'static AtomicU64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let injection = Injection {
        call,
        errno,
        nth: 1,
        forever: true,
    };
    inject(injection, &CALLS);
    &CALLS
}

async fn open_direct(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECT);
    options.open(path).await
}

/// Reads the first page of a file that begins as `numbered`.
async fn read_page(file: &File) {
    let bytes = vec![0; 2 * PAGE];
    let start = bytes.as_ptr().align_offset(PAGE);
    let (n, bytes) = file.read_at(bytes.slice(start..start + PAGE), 0).await;
    assert_eq!(n.unwrap(), PAGE);
    assert_numbered(0, &bytes);
}

/// Polls the future once in `runtime`, and the rest of it where nobody drives the runtime.
fn end_what_is_left(runtime: &yamanote::runtime::Runtime, future: impl Future<Output = ()>) {
    let mut left = Box::pin(future);
    let is_over = runtime.block_on(std::future::poll_fn(|cx| {
        std::task::Poll::Ready(left.as_mut().poll(cx).is_ready())
    }));
    if !is_over {
        futures::executor::block_on(left);
    }
}

/// A current-thread runtime and a file that it has read past the cache; nothing for other flavours.
fn one_thread_that_reads_directly(
    setup: yamanote_test::Setup,
) -> Option<(yamanote::runtime::Runtime, File, TempDir)> {
    if !require(Capability::Ext4) || setup.workers.is_some() {
        return None;
    }
    let directory = TempDir::on_ext4();
    let path = directory.path().join("direct");
    std::fs::write(&path, numbered(0..PAGE)).unwrap();
    let runtime = builder!(setup).build().unwrap();
    let file = runtime.block_on(open_direct(&path)).unwrap();
    runtime.block_on(read_page(&file));
    Some((runtime, file, directory))
}

yamanote_test::matrix! {
    /// Every worker always has something to run, so none of them ever waits for the kernel: it is
    /// noticed all the same.
    alone fn epoll_wait_is_denied_beside_tasks_that_yield(setup: yamanote_test::Setup) {
        let runtime = builder!(setup).build().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let yielding: Vec<_> = (0..setup.workers.unwrap_or(1))
            .map(|_| {
                let stop = stop.clone();
                runtime.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        yamanote::task::yield_now().await;
                    }
                })
            })
            .collect();
        runtime.block_on(use_sockets()).unwrap();
        let calls = denied(libc::SYS_epoll_wait, libc::EPERM);
        let error = runtime.block_on(runtime.spawn(use_sockets())).unwrap().unwrap_err();
        assert!(error.to_string().contains("epoll_wait"), "{error}");
        let calls_to_notice = calls.load(Ordering::Relaxed);
        assert!(calls_to_notice < 1000, "{calls_to_notice}");
        runtime.block_on(async { sleep(Duration::from_millis(20)).await });
        stop.store(true, Ordering::Relaxed);
        for task in yielding {
            runtime.block_on(task).unwrap();
        }
    }

    /// A listener has taken the default action from its signal, and hears of it whatever fails;
    /// children that nobody owns are reaped.
    alone fn signals_are_heard_when_epoll_wait_is_denied(setup: yamanote_test::Setup) {
        let runtime = builder!(setup).build().unwrap();
        runtime.block_on(async {
            let mut signal = signal(SignalKind::user_defined1()).unwrap();
            let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
            let pid = child.id().unwrap();
            denied(libc::SYS_epoll_wait, libc::EPERM);
            assert!(yamanote::spawn(use_sockets()).await.unwrap().is_err());
            drop(child);
            for _ in 0..3 {
                let raised = yamanote::task::spawn_blocking(|| {
                    std::thread::sleep(Duration::from_millis(20));
                    // SAFETY: a signal that is listened to, to this very process.
                    unsafe { libc::kill(libc::getpid(), libc::SIGUSR1) }
                });
                signal.recv().await.unwrap();
                assert_eq!(raised.await.unwrap(), 0);
            }
            let is_there = || Path::new(&format!("/proc/{pid}")).exists();
            while is_there() {
                sleep(Duration::from_millis(10)).await;
            }
        });
    }

    /// A read that `block_on` has left behind, and that the kernel would not take.
    alone fn what_is_left_by_block_on_ends_when_rings_are_denied(setup: yamanote_test::Setup) {
        let Some((runtime, file, _directory)) = one_thread_that_reads_directly(setup) else {
            return;
        };
        denied(libc::SYS_io_uring_enter, libc::EPERM);
        end_what_is_left(&runtime, read_page(&file));
        runtime.block_on(read_page(&file));
    }

    /// std's sleep panics where it is denied, so the runtime has another.
    alone fn what_is_left_by_block_on_ends_without_a_call_to_sleep(setup: yamanote_test::Setup) {
        let Some((runtime, file, _directory)) = one_thread_that_reads_directly(setup) else {
            return;
        };
        denied(libc::SYS_clock_nanosleep, libc::EPERM);
        for _ in 0..3 {
            end_what_is_left(&runtime, read_page(&file));
        }
    }
}
