//! How much memory many things of one kind take, and that it is given back.

mod tcp_support;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::runtime::Runtime;
use yamanote::sync::Notify;
use yamanote::task::LocalSet;
use yamanote::time::sleep;
use yamanote_test::{
    Capability, CountingAlloc, Driver, Setup, WakerCall, builder, hooked_waker, in_own_process,
    raise_descriptor_limit, require,
};

#[global_allocator]
static HEAP: CountingAlloc = CountingAlloc::new();

/// Runs `test` on both drivers, alone in the process, because the allocator counts for all of it.
fn alone(name: &str, workers: &[Option<usize>], test: impl Fn(&Runtime)) {
    in_own_process(module_path!(), name, || {
        for driver in [Driver::Uring, Driver::Epoll] {
            for &workers in workers {
                let setup = Setup { driver, workers };
                if setup.is_possible() {
                    let runtime = builder!(setup).build().unwrap();
                    // What a runtime makes at the first use of each kind.
                    runtime.block_on(async { sleep(Duration::from_millis(1)).await });
                    test(&runtime);
                }
            }
        }
    });
}

/// The heap is back at `before`, except for at most a `parts`-th of the way to the peak.
fn assert_given_back(before: usize, peak: usize, parts: usize) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let left = || HEAP.live_bytes().saturating_sub(before);
    let allowed = (peak - before) / parts;
    while left() > allowed && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        left() <= allowed,
        "{} of {} bytes are left",
        left(),
        peak - before
    );
}

/// A task with such a future does nothing but wait.
async fn wait_for_ever() {
    std::future::pending().await
}

/// L1: a connection whose task waits for input costs little beyond the task itself.
#[test]
fn idle_connections() {
    const CONNECTIONS: usize = 2_000;
    if !require(Capability::ManyDescriptors) {
        return;
    }
    alone("idle_connections", &[None, Some(2)], |runtime| {
        raise_descriptor_limit();
        runtime.block_on(async {
            let listener = yamanote::net::TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap();
            let address = listener.local_addr().unwrap();
            // Warm: the set's tables, the queues.
            drop(tcp_support::pair().await);
            // The set's entries stay for the connections to come, so the second crowd adds nothing.
            let mut after_first = 0;
            for is_first in [true, false] {
                let mut clients = Vec::with_capacity(CONNECTIONS);
                let mut tasks = Vec::with_capacity(CONNECTIONS);
                let before = HEAP.live_bytes();
                let mut size_of_task = 0;
                for _ in 0..CONNECTIONS {
                    clients.push(std::net::TcpStream::connect(address).unwrap());
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let serve = async move {
                        let mut byte = [0; 1];
                        while stream.read(&mut byte).await.unwrap() > 0 {
                            stream.write_all(&byte).await.unwrap();
                        }
                    };
                    size_of_task = size_of_val(&serve);
                    tasks.push(yamanote::spawn(serve));
                }
                sleep(Duration::from_millis(50)).await;
                let peak = HEAP.live_bytes();
                let each = (peak - before) / CONNECTIONS;
                println!("{each} bytes for each connection, the future has {size_of_task}");
                assert!(each <= size_of_task + 2048, "{each}, {size_of_task}");
                drop(clients);
                for task in tasks {
                    task.await.unwrap();
                }
                match is_first {
                    true => after_first = HEAP.live_bytes(),
                    false => assert_given_back(after_first, peak, 20),
                }
            }
        });
    });
}

/// A set that had many tasks keeps nothing of them once they are joined.
#[test]
fn an_empty_join_set() {
    const TASKS: usize = 100_000;
    alone("an_empty_join_set", &[None, Some(2)], |runtime| {
        let spawn_and_join = |set: &mut yamanote::task::JoinSet<()>| {
            runtime.block_on(async {
                for _ in 0..TASKS {
                    set.spawn(std::future::ready(()));
                }
                let peak = HEAP.live_bytes();
                while let Some(result) = set.join_next().await {
                    result.unwrap();
                }
                peak
            })
        };
        // The scheduler's queues stay long.
        spawn_and_join(&mut yamanote::task::JoinSet::new());
        let before = HEAP.live_bytes();
        let mut set = yamanote::task::JoinSet::new();
        let peak = spawn_and_join(&mut set);
        assert_given_back(before, peak, 20);
        drop(set);
    });
}

/// A waker that a `LocalSet` calls may panic: the task that was woken is freed all the same.
#[test]
fn a_panic_on_the_way_of_a_wake() {
    in_own_process(module_path!(), "a_panic_on_the_way_of_a_wake", || {
        let wake_and_panic = || {
            let own_waker = Arc::new(Mutex::new(None));
            let leave_waker = {
                let own_waker = own_waker.clone();
                poll_fn(move |cx| {
                    *own_waker.lock().unwrap() = Some(cx.waker().clone());
                    Poll::Ready(())
                })
            };
            let mut set = pin!(LocalSet::new());
            set.spawn_local(async {
                leave_waker.await;
                wait_for_ever().await;
            });
            let panics = hooked_waker(|call| {
                if call == WakerCall::Wake {
                    resume_unwind(Box::new("as planned"));
                }
            });
            let polled = set.as_mut().poll(&mut Context::from_waker(&panics));
            assert!(polled.is_pending());
            let waker = own_waker.lock().unwrap().take().unwrap();
            catch_unwind(AssertUnwindSafe(|| waker.wake())).unwrap_err();
        };
        // What is made only once.
        wake_and_panic();
        let before = HEAP.live_bytes();
        for _ in 0..100 {
            wake_and_panic();
        }
        let left = HEAP.live_bytes().saturating_sub(before);
        assert!(left < 1_000, "{left} bytes left of a hundred");
    });
}

/// L2: idle tasks cost their allocation and no more, and leave nothing.
#[test]
fn a_million_idle_tasks() {
    const TASKS: usize = 1_000_000;
    alone("a_million_idle_tasks", &[None, Some(2)], |runtime| {
        let mut handles = Vec::with_capacity(TASKS);
        let before = HEAP.live_bytes();
        runtime.block_on(async {
            for _ in 0..TASKS {
                handles.push(yamanote::spawn(wait_for_ever()));
            }
            yamanote::task::yield_now().await;
        });
        let peak = HEAP.live_bytes();
        let each = (peak - before) / TASKS;
        println!("{each} bytes for each task");
        assert!(each <= 1024, "{each}");
        for handle in handles.drain(..) {
            handle.abort();
        }
        runtime.block_on(async {
            while runtime.handle().metrics().num_alive_tasks() > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        assert_given_back(before, peak, 20);
    });
}

/// A burst gives back the room that it took in queues.
fn assert_no_room_left(what: &str, runtime: &Runtime, burst: impl Fn(usize)) {
    const ROOM_LEFT: usize = 16 * 1024;
    burst(100);
    let before = HEAP.live_bytes();
    burst(200_000);
    let deadline = Instant::now() + Duration::from_secs(10);
    // A worker may still be on its way from the last task to its sleep.
    while HEAP.live_bytes() > before + ROOM_LEFT && Instant::now() < deadline {
        runtime.block_on(async { sleep(Duration::from_millis(1)).await });
    }
    let left = HEAP.live_bytes().saturating_sub(before);
    assert!(left <= ROOM_LEFT, "{what}: {left} bytes are left");
}

/// L4: what made very many tasks runnable at once.
#[test]
fn a_burst_of_tasks() {
    alone("a_burst_of_tasks", &[None, Some(2)], |runtime| {
        assert_no_room_left("spawned from outside", runtime, |tasks| {
            let handles: Vec<_> = (0..tasks).map(|_| runtime.spawn(async {})).collect();
            for handle in handles {
                runtime.block_on(handle).unwrap();
            }
        });
        assert_no_room_left("woken by one task", runtime, |tasks| {
            let bell = Arc::new(Notify::new());
            let handles: Vec<_> = (0..tasks)
                .map(|_| runtime.spawn(bell.clone().notified_owned()))
                .collect();
            let ring = async move { bell.notify_waiters() };
            runtime.block_on(runtime.spawn(ring)).unwrap();
            for handle in handles {
                runtime.block_on(handle).unwrap();
            }
        });
        let set = LocalSet::new();
        assert_no_room_left("of a LocalSet", runtime, |tasks| {
            let handles: Vec<_> = (0..tasks).map(|_| set.spawn_local(async {})).collect();
            runtime.block_on(set.run_until(async {
                for handle in handles {
                    handle.await.unwrap();
                }
            }));
        });
    });
}

/// L4: jobs that wait for the only thread they may have.
#[test]
fn a_burst_of_blocking_jobs() {
    in_own_process(module_path!(), "a_burst_of_blocking_jobs", || {
        let runtime = yamanote::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        assert_no_room_left("for the blocking pool", &runtime, |jobs| {
            let handles: Vec<_> = (0..jobs).map(|_| runtime.spawn_blocking(|| {})).collect();
            for handle in handles {
                runtime.block_on(handle).unwrap();
            }
        });
    });
}

/// L2: a hundred thousand pipes, each with a byte in it.
#[test]
fn a_hundred_thousand_pipes() {
    const PIPES: usize = 100_000;
    alone("a_hundred_thousand_pipes", &[None], |runtime| {
        let before = HEAP.live_bytes();
        let pipes = runtime.block_on(async {
            let mut pipes = Vec::new();
            for _ in 0..PIPES {
                let (mut near, far) = yamanote::io::duplex(64 * 1024);
                near.write_all(b"x").await.unwrap();
                pipes.push((near, far));
            }
            pipes
        });
        let peak = HEAP.live_bytes();
        let each = (peak - before) / PIPES;
        println!("{each} bytes for each pipe");
        drop(pipes);
        assert_given_back(before, peak, 20);
    });
}

/// L2, C6: a million timers, all of tasks that are abandoned.
#[test]
fn a_million_timers() {
    const TIMERS: usize = 1_000_000;
    alone("a_million_timers", &[Some(2)], |runtime| {
        runtime.block_on(async {
            let before = HEAP.live_bytes();
            let mut sleeps: Vec<_> = (0..TIMERS as u64)
                .map(|n| Box::pin(sleep(Duration::from_secs(60 + n % 1000))))
                .collect();
            yamanote::task::coop::unconstrained(poll_fn(|cx| {
                for sleep in &mut sleeps {
                    assert!(sleep.as_mut().poll(cx).is_pending());
                }
                Poll::Ready(())
            }))
            .await;
            let peak = HEAP.live_bytes();
            drop(sleeps);
            assert_given_back(before, peak, 20);
        });
    });
}

/// L4: wakes of one task from many threads, and of a socket's reader, take no memory however many
/// they are.
#[test]
fn a_storm_of_wakes() {
    const WAKES: usize = 200_000;
    struct Once(Option<futures::channel::oneshot::Sender<Waker>>);
    impl Future for Once {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if let Some(sender) = self.0.take() {
                let _ = sender.send(cx.waker().clone());
            }
            Poll::Pending
        }
    }
    alone("a_storm_of_wakes", &[None, Some(2)], |runtime| {
        runtime.block_on(async {
            let (sender, waker) = futures::channel::oneshot::channel();
            let task = yamanote::spawn(Once(Some(sender)));
            let waker = waker.await.unwrap();
            let before = HEAP.live_bytes();
            let mut most = 0;
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let waker = waker.clone();
                    yamanote::task::spawn_blocking(move || {
                        for _ in 0..WAKES {
                            waker.wake_by_ref();
                        }
                    })
                })
                .collect();
            for thread in threads {
                while !thread.is_finished() {
                    most = most.max(HEAP.live_bytes());
                    yamanote::task::yield_now().await;
                }
                thread.await.unwrap();
            }
            // Four threads and their jobs.
            let grown = most.saturating_sub(before);
            assert!(grown < 256 * 1024, "{grown} bytes for wake-ups");
            task.abort();
        });
    });
}
