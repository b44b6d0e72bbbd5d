//! Blocking jobs that come just as a thread ends.

use std::thread;
use std::time::{Duration, Instant};

use yamanote::time::timeout;
use yamanote_test::{Setup, builder, matrix};

fn rounds(many: u64) -> impl Iterator<Item = u64> {
    let end = Instant::now() + Duration::from_secs(5);
    (0..many).take_while(move |_| Instant::now() < end)
}

matrix! {
    /// The only thread allowed has just given up waiting for a job, and takes its time to end.
    fn a_job_that_comes_while_the_last_thread_goes_is_done(setup: Setup) {
        let runtime = builder!(setup)
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::from_micros(100))
            .on_thread_stop(|| thread::sleep(Duration::from_micros(300)))
            .build()
            .unwrap();
        runtime.block_on(async {
            for round in rounds(1_000) {
                let job = yamanote::task::spawn_blocking(move || round);
                let done = timeout(Duration::from_secs(5), job).await;
                assert_eq!(done.expect("the job waits for nobody").unwrap(), round);
                thread::sleep(Duration::from_micros(50 + round % 7 * 50));
            }
        });
    }
}

/// A worker's thread that is no longer needed ends, and so would a thread for blocking jobs that
/// still saw it counted.
#[test]
fn a_job_that_comes_while_a_workers_thread_goes_is_done() {
    let setup = Setup {
        driver: yamanote_test::Driver::Epoll,
        workers: Some(2),
    };
    let runtime = builder!(setup)
        .max_blocking_threads(1)
        .on_thread_stop(|| thread::sleep(Duration::from_micros(300)))
        .thread_keep_alive(Duration::from_millis(1))
        .build()
        .unwrap();
    runtime.block_on(async {
        for round in rounds(500) {
            let lender = yamanote::spawn(async {
                yamanote::task::block_in_place(|| thread::sleep(Duration::from_micros(100)));
            });
            let jobs: Vec<_> = (0..4)
                .map(|_| yamanote::task::spawn_blocking(move || round))
                .collect();
            for job in jobs {
                let done = timeout(Duration::from_secs(5), job).await;
                assert_eq!(done.expect("the job waits for nobody").unwrap(), round);
            }
            lender.await.unwrap();
        }
    });
}
