//! Beside a ring nothing waits for long: neither sockets nor operations, whatever other threads of
//! the runtime are stuck in.

mod ring_support;

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ring_support::{assert_by_ring, current_thread, numbered_file, open_direct, read_page, work};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::runtime::{Builder, Runtime};
use yamanote_test::{Capability, Driver, Setup, TempDir, builder, require};

/// All workers are in long polls; a caller outside waits for none of them.
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
    // In `block_in_place` the worker belongs to another thread.
    for hog in hogs {
        runtime.block_on(hog).unwrap();
    }
    let (handle, there) = (runtime.handle().clone(), path.clone());
    let in_place = runtime.spawn(async move {
        yamanote::task::block_in_place(|| handle.block_on(work(there, 2, 8)));
    });
    runtime.block_on(in_place).unwrap();
}

/// Puts this thread into a sleep that only a fatal signal ends, as a slow disk or the start of a
/// process does.
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

/// The poll that tells a sleeping ring of its sockets must be the present thread's: a poll left
/// behind reports nothing while the thread that armed it is in an uninterruptible sleep.
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
        runtime.block_on(async {
            ours.set_nonblocking(true).unwrap();
            let mut ours = yamanote::net::TcpStream::from_std(ours).unwrap();
            for _ in 0..20 {
                ours.write_all(b"x").await.unwrap();
                ours.read_exact(&mut [0]).await.unwrap();
            }
        });
        assert!(!stuck.is_finished(), "20 echoes have waited for it");
    });
}

#[test]
fn sockets_are_served_while_an_earlier_user_is_stuck() {
    let Some(runtime) = current_thread() else {
        return;
    };
    sockets_are_served_while_the_last_thread_is_stuck(&runtime, || {
        sleep_uninterruptibly(Duration::from_secs(4));
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
            yamanote::task::block_in_place(|| sleep_uninterruptibly(Duration::from_secs(4)));
        });
        while !stuck.is_finished() {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Counts the polls of `tasks` tasks that compute for long and yield, while `reads` pages are read.
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

/// An operation needs two turns of the worker that it belongs to. Beside tasks in long polls they
/// come about as soon as a thread of the pool could report its end.
#[test]
fn an_operation_does_not_wait_for_many_polls_of_others() {
    const TASKS: usize = 32;
    const READS: usize = 10;
    if !require(Capability::Ext4) {
        return;
    }
    // On current_thread each task has its turn before, and every 31st poll something from outside;
    // a worker takes that much sooner.
    for (workers, at_most) in [(None, 2 * TASKS), (Some(1), TASKS / 2)] {
        for driver in [Driver::Uring, Driver::Epoll] {
            let setup = Setup { driver, workers };
            if !setup.is_possible() {
                continue;
            }
            let dir = TempDir::on_ext4();
            let path = numbered_file(&dir);
            let runtime = builder!(setup).build().unwrap();
            // A disk that others use may be slow for a while.
            let mut tries = (0..5).map(|_| {
                let task = runtime.spawn(polls_of_others(path.clone(), TASKS, READS));
                runtime.block_on(task).unwrap() as usize
            });
            let is_soon = tries.any(|polls| polls <= READS * at_most);
            assert!(is_soon, "more than {at_most} polls for each: {setup:?}");
            // The first read may be the one that makes the file system known.
            assert_by_ring(setup, &runtime, READS as u64 - 1);
        }
    }
}

/// A paused clock moves only when there is nothing to do; a socket that is ready is something to
/// do.
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
