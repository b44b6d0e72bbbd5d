//! A worker that always has tasks to run and takes one readiness event at a time: slow, but every
//! event arrives, also the one that comes when the last task stops.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::{TcpListener, TcpStream};
use yamanote::runtime::{Builder, DriverChoice, Runtime};
use yamanote::task::yield_now;
use yamanote::time::timeout;

const CLIENTS: usize = 8;
const ROUNDS: usize = 20;

/// Clients and their echoes, beside tasks that only yield for the first half.
async fn echo_beside_yielding_tasks() {
    let busy = Arc::new(AtomicBool::new(true));
    for _ in 0..4 {
        let busy = busy.clone();
        yamanote::spawn(async move {
            while busy.load(Relaxed) {
                yield_now().await;
            }
        });
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    yamanote::spawn(async move {
        for _ in 0..CLIENTS {
            let (mut stream, _) = listener.accept().await.unwrap();
            yamanote::spawn(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await.unwrap();
                }
            });
        }
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let busy = busy.clone();
            yamanote::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                for round in 0..ROUNDS {
                    stream.write_all(&[round as u8]).await.unwrap();
                    assert_eq!(stream.read_u8().await.unwrap(), round as u8);
                    if round == ROUNDS / 2 {
                        // The second half has pauses, in which workers park.
                        busy.store(false, Relaxed);
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

fn completes(builder: &mut Builder) {
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        let rt: Runtime = builder
            .driver(driver)
            .max_io_events_per_busy_tick(1)
            .enable_all()
            .build()
            .unwrap();
        rt.block_on(async {
            timeout(Duration::from_secs(30), echo_beside_yielding_tasks())
                .await
                .expect("an event was lost")
        });
    }
}

#[test]
fn one_event_at_a_time_on_one_thread() {
    completes(&mut Builder::new_current_thread());
}

#[test]
fn one_event_at_a_time_on_one_worker() {
    completes(Builder::new_multi_thread().worker_threads(1));
}

#[test]
fn one_event_at_a_time_on_three_workers() {
    completes(Builder::new_multi_thread().worker_threads(3));
}
