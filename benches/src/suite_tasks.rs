//! Channels, locks and sets of tasks. Included twice, as `suite.rs` is.

use super::{rt, run};
use crate::measure::Job;
use rt::sync::{Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};
use std::sync::Arc;

/// One task sends, another receives, neither waits for the other for long.
pub fn mpsc_unbounded(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let (tx, mut rx) = mpsc::unbounded_channel();
        let sender = rt::spawn(async move {
            for i in 0..ops {
                tx.send(i).expect("the receiver lives");
                if i % 128 == 127 {
                    rt::task::yield_now().await;
                }
            }
        });
        for i in 0..ops {
            assert_eq!(rx.recv().await, Some(i));
        }
        assert_eq!(rx.recv().await, None);
        sender.await.expect("the sender does not panic");
    });
}

pub fn mpsc_bounded(job: &Job) {
    mpsc_from(job, 1, 64);
}

pub fn mpsc_contended(job: &Job) {
    mpsc_from(job, 8, 64);
}

fn mpsc_from(job: &Job, senders: u64, capacity: usize) {
    let each = job.ops / senders;
    run(job, async move {
        let (tx, mut rx) = mpsc::channel(capacity);
        for _ in 0..senders {
            let tx = tx.clone();
            rt::spawn(async move {
                for i in 0..each {
                    tx.send(i).await.expect("the receiver lives");
                }
            });
        }
        drop(tx);
        let (mut count, mut sum) = (0, 0);
        while let Some(i) = rx.recv().await {
            count += 1;
            sum += i;
        }
        assert_eq!(
            (count, sum),
            (senders * each, senders * (each * (each - 1) / 2))
        );
    });
}

/// A request with its answer: what an actor's client does.
pub fn request_reply(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let (tx, mut rx) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(16);
        let actor = rt::spawn(async move {
            while let Some((question, answer)) = rx.recv().await {
                answer.send(question + 1).expect("the client waits");
            }
        });
        for i in 0..ops {
            let (answer, reply) = oneshot::channel();
            tx.send((i, answer)).await.expect("the actor lives");
            assert_eq!(reply.await, Ok(i + 1));
        }
        drop(tx);
        actor.await.expect("the actor does not panic");
    });
}

pub fn oneshot_ready(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        for i in 0..ops {
            let (tx, rx) = oneshot::channel();
            tx.send(i).expect("the receiver lives");
            assert_eq!(rx.await, Ok(i));
        }
    });
}

pub fn mutex_alone(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let mutex = Mutex::new(0);
        for _ in 0..ops {
            *mutex.lock().await += 1;
        }
        assert_eq!(mutex.into_inner(), ops);
    });
}

/// Eight tasks that give way while they hold the lock.
pub fn mutex_contended(job: &Job) {
    let each = job.ops / 8;
    run(job, async move {
        let mutex = Arc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let mutex = mutex.clone();
                rt::spawn(async move {
                    for _ in 0..each {
                        let mut count = mutex.lock().await;
                        *count += 1;
                        if *count % 16 == 0 {
                            rt::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(*mutex.lock().await, each * 8);
    });
}

pub fn rwlock_read(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let lock = RwLock::new(1);
        let mut sum = 0;
        for _ in 0..ops {
            sum += *lock.read().await;
        }
        assert_eq!(sum, ops);
    });
}

pub fn semaphore_contended(job: &Job) {
    let each = job.ops / 8;
    run(job, async move {
        let semaphore = Arc::new(Semaphore::new(2));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let semaphore = semaphore.clone();
                rt::spawn(async move {
                    for i in 0..each {
                        let permit = semaphore.acquire().await.expect("it is open");
                        if i % 16 == 0 {
                            rt::task::yield_now().await;
                        }
                        drop(permit);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(semaphore.available_permits(), 2);
    });
}

/// Two tasks wake each other in turn.
pub fn notify_ping(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let (there, back) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let other = rt::spawn({
            let (there, back) = (there.clone(), back.clone());
            async move {
                for _ in 0..ops {
                    there.notified().await;
                    back.notify_one();
                }
            }
        });
        for _ in 0..ops {
            there.notify_one();
            back.notified().await;
        }
        other.await.expect("no panic");
    });
}

/// One value after another for eight listeners that need only the latest.
pub fn watch_eight(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let (tx, rx) = watch::channel(0);
        let listeners: Vec<_> = (0..8)
            .map(|_| {
                let mut rx = rx.clone();
                rt::spawn(async move {
                    while rx.changed().await.is_ok() {
                        if *rx.borrow_and_update() == ops {
                            return;
                        }
                    }
                })
            })
            .collect();
        for i in 1..=ops {
            tx.send(i).expect("somebody listens");
            if i % 8 == 0 {
                rt::task::yield_now().await;
            }
        }
        for listener in listeners {
            listener.await.expect("no panic");
        }
    });
}

/// Every value for each of eight listeners.
pub fn broadcast_eight(job: &Job) {
    let ops = job.ops / 8;
    run(job, async move {
        let (tx, _) = broadcast::channel(1024);
        let room = Arc::new(Semaphore::new(0));
        let listeners: Vec<_> = (0..8)
            .map(|_| {
                let (mut rx, room) = (tx.subscribe(), room.clone());
                rt::spawn(async move {
                    for i in 0..ops {
                        assert_eq!(rx.recv().await, Ok(i));
                        if i % 512 == 511 {
                            room.add_permits(1);
                        }
                    }
                })
            })
            .collect();
        for i in 0..ops {
            tx.send(i).expect("somebody listens");
            if i % 512 == 511 {
                room.acquire_many(8).await.expect("it is open").forget();
            }
        }
        for listener in listeners {
            listener.await.expect("no panic");
        }
    });
}

/// Sets of a hundred tasks.
pub fn join_set(job: &Job) {
    let rounds = job.ops / 100;
    run(job, async move {
        for _ in 0..rounds {
            let mut set = rt::task::JoinSet::new();
            for i in 0..100 {
                set.spawn(async move { i });
            }
            let mut sum = 0;
            while let Some(i) = set.join_next().await {
                sum += i.expect("no panic");
            }
            assert_eq!(sum, 4950);
        }
    });
}

/// Two hundred tasks that know nothing of each other.
pub fn yield_many(job: &Job) {
    let each = job.ops / 200;
    run(job, async move {
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                rt::spawn(async move {
                    for _ in 0..each {
                        rt::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
}

pub fn fan_out_short(job: &Job) {
    fan_out(job, 1);
}

pub fn fan_out_long(job: &Job) {
    fan_out(job, 20);
}

/// Computing that is dealt out to sixteen tasks at a time, `micros` microseconds to each.
fn fan_out(job: &Job, micros: u64) {
    let rounds = job.ops / 16;
    run(job, async move {
        let work = std::time::Duration::from_micros(micros);
        for _ in 0..rounds {
            let tasks = [(); 16].map(|()| {
                rt::spawn(async move {
                    let start = std::time::Instant::now();
                    while start.elapsed() < work {
                        std::hint::spin_loop();
                    }
                })
            });
            for task in tasks {
                task.await.expect("no panic");
            }
        }
    });
}

/// Tasks that need not be `Send`.
pub fn local_set(job: &Job) {
    let ops = job.ops;
    super::runtime(job).block_on(rt::task::LocalSet::new().run_until(async move {
        for i in 0..ops {
            let i = std::rc::Rc::new(i);
            let task = rt::task::spawn_local({
                let i = i.clone();
                async move { *i }
            });
            assert_eq!(task.await.expect("no panic"), *i);
        }
    }));
}

#[cfg(feature = "paused")]
pub fn paused_sleep(job: &Job) {
    paused(
        job,
        rt::runtime::Builder::new_current_thread().enable_time(),
    );
}

#[cfg(feature = "paused")]
pub fn paused_sleep_io(job: &Job) {
    paused(job, rt::runtime::Builder::new_current_thread().enable_all());
}

/// A stopped clock that moves by itself, from timer to timer.
#[cfg(feature = "paused")]
fn paused(job: &Job, builder: &mut rt::runtime::Builder) {
    let runtime = builder.start_paused(true).build().expect("it starts");
    runtime.block_on(async {
        for _ in 0..job.ops {
            rt::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
}
