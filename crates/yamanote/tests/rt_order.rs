//! The order in which a current-thread runtime does things: Tokio's. What is expected here is what
//! Tokio 1.54.1 does; `cargo xtask order` compares random programs.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::UnixStream;
use yamanote::runtime::{Builder, LocalOptions, Runtime};
use yamanote::sync::{Notify, broadcast, mpsc, oneshot};
use yamanote::task::{JoinSet, LocalSet, coop, spawn_local, yield_now};
use yamanote::time::{self, Duration, Instant, advance, sleep, sleep_until};
use yamanote_test::{Setup, matrix};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, text: impl ToString) {
        self.0.lock().unwrap().push(text.to_string());
    }

    #[track_caller]
    fn assert(&self, expected: &str) {
        let log = std::mem::take(&mut *self.0.lock().unwrap());
        assert_eq!(log.join(" "), expected);
    }
}

/// A builder, if this cell of the matrix is a current-thread runtime.
fn builder(setup: Setup) -> Option<Builder> {
    setup
        .workers
        .is_none()
        .then(|| yamanote_test::builder!(setup))
}

fn build(setup: Setup) -> Option<Runtime> {
    Some(builder(setup)?.build().unwrap())
}

fn paused(setup: Setup) -> Option<Runtime> {
    Some(builder(setup)?.start_paused(true).build().unwrap())
}

matrix! {
    fn what_is_spawned_runs_before_the_main_future_goes_on(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let (sender, receiver) = oneshot::channel();
            let inner = log.clone();
            yamanote::spawn(async move {
                inner.add("A");
                sender.send(()).unwrap();
                yamanote::spawn(async move {
                    inner.add("B");
                    yamanote::spawn(async move { inner.add("C") });
                });
            });
            receiver.await.unwrap();
            log.add("main");
        });
        log.assert("A B C main");
    }

    fn those_who_yield_come_back_last_first(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..3)
                .map(|task| {
                    let log = log.clone();
                    yamanote::spawn(async move {
                        for turn in 0..3 {
                            log.add(format_args!("{task}.{turn}"));
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        log.assert("0.0 1.0 2.0 2.1 1.1 0.1 0.2 1.2 2.2");
    }

    // To wake oneself is not to yield: one goes to the end of the queue.
    fn who_wakes_itself_runs_before_who_has_yielded(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let yields = log.clone();
            let first = yamanote::spawn(async move {
                yield_now().await;
                yields.add("yielded");
            });
            let wakes = log.clone();
            let second = yamanote::spawn(async move {
                let mut woken = false;
                poll_fn(|cx| {
                    if woken {
                        return Poll::Ready(());
                    }
                    woken = true;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
                wakes.add("woken");
            });
            first.await.unwrap();
            second.await.unwrap();
        });
        log.assert("woken yielded");
    }

    fn the_main_future_takes_its_turn_after_event_interval_tasks(setup: Setup) {
        let Some(mut builder) = builder(setup) else { return };
        let log = Log::default();
        for interval in [None, Some(3)] {
            if let Some(interval) = interval {
                builder.event_interval(interval);
            }
            builder.build().unwrap().block_on(async {
                let notify = Arc::new(Notify::new());
                for task in 0..100 {
                    let (log, notify) = (log.clone(), notify.clone());
                    yamanote::spawn(async move {
                        log.add(task);
                        notify.notify_one();
                    });
                }
                notify.notified().await;
            });
            let ran = log.0.lock().unwrap().drain(..).count();
            assert_eq!(ran, interval.unwrap_or(61) as usize);
        }
    }

    fn the_main_future_is_polled_only_if_it_was_woken(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let mut polls = 0;
        runtime.block_on(async {
            let (sender, mut receiver) = oneshot::channel();
            yamanote::spawn(async move {
                for _ in 0..100 {
                    yield_now().await;
                }
                sender.send(()).unwrap();
            });
            poll_fn(|cx| {
                polls += 1;
                std::pin::Pin::new(&mut receiver).poll(cx)
            })
            .await
            .unwrap();
        });
        assert_eq!(polls, 2);
    }

    // Tasks from outside are in another queue, which every third look asks first here.
    fn tasks_from_outside_take_their_turns(setup: Setup) {
        let Some(mut builder) = builder(setup) else { return };
        let runtime = builder.global_queue_interval(3).build().unwrap();
        let log = Log::default();
        let tasks: Vec<_> = (0..3)
            .map(|task| {
                let log = log.clone();
                runtime.spawn(async move { log.add(format_args!("outside {task}")) })
            })
            .collect();
        runtime.block_on(async {
            for task in 0..5 {
                let log = log.clone();
                yamanote::spawn(async move { log.add(format_args!("inside {task}")) });
            }
            for task in tasks {
                task.await.unwrap();
            }
        });
        log.assert(
            "inside 0 inside 1 outside 0 inside 2 inside 3 outside 1 inside 4 outside 2",
        );
    }

    fn a_spent_budget_counts_as_yielding(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            (0..129).for_each(|n| sender.send(n).unwrap());
            let spends = log.clone();
            let first = yamanote::spawn(async move {
                for _ in 0..129 {
                    receiver.recv().await.unwrap();
                }
                spends.add("spent");
            });
            let others = log.clone();
            let second = yamanote::spawn(async move {
                others.add("a");
                yamanote::spawn(async move { others.add("b") }).await.unwrap();
            });
            first.await.unwrap();
            second.await.unwrap();
        });
        log.assert("a b spent");
    }

    // However long the run of yields is.
    fn a_socket_is_looked_at_whenever_something_yields(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let (mut writer, mut reader) = UnixStream::pair().unwrap();
            let reads = log.clone();
            let task = yamanote::spawn(async move {
                for _ in 0..4 {
                    let byte = reader.read_u8().await.unwrap();
                    reads.add(format!("read{byte}"));
                }
            });
            for byte in 0..4 {
                writer.write_u8(byte).await.unwrap();
                for _ in 0..4 {
                    yield_now().await;
                    log.add("main");
                }
            }
            task.await.unwrap();
        });
        let round = |byte| format!("main read{byte} main main main");
        log.assert(&[0, 1, 2, 3].map(round).join(" "));
    }

    // However short the time is, and however long its first poll takes to come: what was runnable
    // comes first.
    fn a_timer_waits_for_the_next_turn(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        for wait in [Duration::from_nanos(1), Duration::from_micros(1), Duration::from_micros(100)] {
            let log = Log::default();
            runtime.block_on(async {
                // A turn, so that the next one is not due at once.
                yield_now().await;
                let timer = sleep(wait);
                std::thread::sleep(Duration::from_millis(2));
                let others = [log.clone(), log.clone()];
                for (n, log) in others.into_iter().enumerate() {
                    yamanote::spawn(async move { log.add(format!("task{n}")) });
                }
                timer.await;
                log.add("timer");
            });
            log.assert("task0 task1 timer");
        }
    }

    fn a_due_timer_is_fired_whenever_something_yields(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        runtime.block_on(async {
            for n in 0..20 {
                let mut sleep = pin!(sleep(Duration::from_millis(1)));
                poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                std::thread::sleep(Duration::from_millis(3));
                yield_now().await;
                assert!(sleep.is_elapsed(), "after yield {n}");
            }
        });
    }

    fn waiting_for_the_last_receiver_of_a_broadcast_spends_no_budget(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        runtime.block_on(async {
            let (sender, receiver) = broadcast::channel::<()>(1);
            drop(receiver);
            for _ in 0..128 {
                coop::consume_budget().await;
            }
            assert!(!coop::has_budget_remaining());
            let mut closed = pin!(sender.closed());
            poll_fn(|cx| {
                assert!(closed.as_mut().poll(cx).is_ready());
                Poll::Ready(())
            })
            .await;
        });
    }

    fn local_tasks_run_in_the_poll_of_their_set(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let log = Log::default();
        let set = LocalSet::new();
        let inside = log.clone();
        set.block_on(&runtime, async move {
            let (send, outer) = (inside.clone(), inside.clone());
            yamanote::spawn(async move { send.add("task") });
            let local = spawn_local(async move {
                inside.add("local");
                yield_now().await;
                inside.add("local again");
            });
            outer.add("main");
            local.await.unwrap();
        });
        log.assert("main local task local again");
    }

    fn a_local_runtime_keeps_the_same_order(setup: Setup) {
        let Some(mut builder) = builder(setup) else { return };
        let runtime = builder.build_local(LocalOptions::default()).unwrap();
        let log = Rc::new(RefCell::new(Vec::new()));
        runtime.block_on(async {
            let tasks = [0, 1, 2].map(|task| {
                let log = log.clone();
                spawn_local(async move {
                    for turn in 0..2 {
                        log.borrow_mut().push((task, turn));
                        yield_now().await;
                    }
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(*log.borrow(), [(0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (0, 1)]);
    }

    // The wake-up of a `block_on` that is over polls the future of the next, because both have one
    // waker.
    fn block_ons_share_their_waker(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let waker = runtime.block_on(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
        let mut polls = 0;
        runtime.block_on(async {
            yamanote::spawn(async move {
                yield_now().await;
                waker.wake();
            });
            poll_fn(|cx| {
                polls += 1;
                let _stays: Waker = cx.waker().clone();
                match polls {
                    2 => Poll::Ready(()),
                    _ => Poll::Pending,
                }
            })
            .await;
        });
    }

    // Outputs that nobody takes are dropped after the tasks that still run, in the order in which
    // they ended.
    fn a_dropped_set_of_tasks_drops_in_order(setup: Setup) {
        struct Drops(Log, &'static str);
        impl Drop for Drops {
            fn drop(&mut self) {
                self.0.add(self.1);
            }
        }
        let Some(runtime) = build(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for (name, yields) in [("slow", 2), ("quick", 0), ("middle", 1)] {
                let output = Drops(log.clone(), name);
                set.spawn(async move {
                    for _ in 0..yields {
                        yield_now().await;
                    }
                    output
                });
            }
            for _ in 0..8 {
                yield_now().await;
            }
            drop(set);
        });
        log.assert("quick middle slow");
    }

    fn a_paused_clock_moves_by_whole_milliseconds(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        let micros = Duration::from_micros;
        runtime.block_on(async {
            let start = Instant::now();
            sleep(micros(1)).await;
            assert_eq!(start.elapsed(), micros(1000));
            advance(micros(500)).await;
            // 2.5 ms, rounded up, less 1.5 ms, rounded down.
            sleep(micros(1000)).await;
            assert_eq!(start.elapsed(), micros(3500));
            sleep(micros(0)).await;
            assert_eq!(start.elapsed(), micros(4500));
        });
    }

    fn timers_of_a_millisecond_fire_in_the_order_of_their_coming(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let start = Instant::now();
            let tasks = [1700, 1200, 2100, 1900].map(|micros| {
                let log = log.clone();
                yamanote::spawn(async move {
                    sleep_until(start + Duration::from_micros(micros)).await;
                    log.add(format_args!("{micros}@{}", start.elapsed().as_micros()));
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
        });
        log.assert("1700@2000 1200@2000 1900@2000 2100@3000");
    }

    // A timer that is moved to a later time goes to its new position when the old one is reached.
    fn a_timer_that_is_put_off_loses_its_place(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let start = Instant::now();
            let ms = move |n| start + Duration::from_millis(n);
            let tasks = ["moved", "stays"].map(|name| {
                let log = log.clone();
                yamanote::spawn(async move {
                    let first = if name == "moved" { 5 } else { 20 };
                    let mut sleep = std::pin::pin!(sleep_until(ms(first)));
                    if name == "moved" {
                        poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                        sleep.as_mut().reset(ms(20));
                    }
                    sleep.await;
                    log.add(name);
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
        });
        log.assert("stays moved");
    }

    // The task is runnable when `advance` returns; the main future has its turn first.
    fn an_advanced_clock_fires_at_the_next_turn(setup: Setup) {
        let Some(runtime) = paused(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let task = {
                let log = log.clone();
                yamanote::spawn(async move {
                    sleep(Duration::from_millis(10)).await;
                    log.add("task");
                })
            };
            yield_now().await;
            advance(Duration::from_millis(10)).await;
            log.add("main");
            task.await.unwrap();
        });
        log.assert("main task");
    }

    fn a_clock_that_is_paused_and_resumed_keeps_its_timers(setup: Setup) {
        let Some(runtime) = build(setup) else { return };
        let log = Log::default();
        runtime.block_on(async {
            let start = std::time::Instant::now();
            let tasks = [60, 40, 20].map(|ms| {
                let log = log.clone();
                yamanote::spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    log.add(ms);
                })
            });
            yield_now().await;
            time::pause();
            advance(Duration::from_millis(25)).await;
            yield_now().await;
            time::resume();
            for task in tasks {
                task.await.unwrap();
            }
            assert!(start.elapsed() >= Duration::from_millis(30));
        });
        log.assert("20 40 60");
    }
}
