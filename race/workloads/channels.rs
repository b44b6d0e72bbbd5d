//! Channels and locks between tasks.
#![forbid(unsafe_code)]

use super::job::Job;
use super::runtime::run;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};

/// One task sends, another receives, neither waits for the other for long.
pub fn mpsc_unbounded(job: &Job) {
    let ops = job.ops;
    run(job, async move {
        let (tx, mut rx) = mpsc::unbounded_channel();
        let sender = tokio::spawn(async move {
            for i in 0..ops {
                tx.send(i).expect("the receiver lives");
                if i % 128 == 127 {
                    tokio::task::yield_now().await;
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
            tokio::spawn(async move {
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
        let actor = tokio::spawn(async move {
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
                tokio::spawn(async move {
                    for _ in 0..each {
                        let mut count = mutex.lock().await;
                        *count += 1;
                        if *count % 16 == 0 {
                            tokio::task::yield_now().await;
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
                tokio::spawn(async move {
                    for i in 0..each {
                        let permit = semaphore.acquire().await.expect("it is open");
                        if i % 16 == 0 {
                            tokio::task::yield_now().await;
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
        let other = tokio::spawn({
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
                tokio::spawn(async move {
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
                tokio::task::yield_now().await;
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
                tokio::spawn(async move {
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
