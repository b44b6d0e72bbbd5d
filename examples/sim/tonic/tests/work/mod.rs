//! What passengers do, and what must be true.
#![forbid(unsafe_code)]

use line::messages::Train;
use line::{LOAD, client};
use std::time::Duration;
use tokio::time::Instant;

/// Asks for work, some of it longer than its deadline. Afterwards the crews are free: a deadline
/// that is over ends the work.
pub async fn repairs(line: &str) {
    let mut line = client::channel(line);
    for _ in 0..8 {
        let (ms, deadline) = if fastrand::bool() {
            (60_000, Duration::from_millis(fastrand::u64(20..200)))
        } else {
            (5, Duration::from_secs(1))
        };
        let start = Instant::now();
        let answer = client::repair(&mut line, ms, deadline).await;
        assert!(start.elapsed() < deadline + Duration::from_secs(30));
        if let Ok(done) = answer {
            assert_eq!(done, ms);
        }
    }
}

/// When nothing is in the way, a short work ends soon.
pub async fn crews_are_free(line: &str) {
    let mut line = client::channel(line);
    let end = Instant::now() + Duration::from_secs(20);
    while client::repair(&mut line, 5, Duration::from_secs(2))
        .await
        .is_err()
    {
        assert!(Instant::now() < end, "a crew must be free");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Sees trains in order, each as it was sent, and none is missing while nothing is in the way.
pub async fn watches(line: &str, want: usize) {
    let mut next = 0;
    let check = |train: &Train, may_have_missed: bool| {
        assert!(train.number >= next, "in order");
        assert!(train.number == next || may_have_missed, "all of them");
        next = train.number + 1;
        assert_eq!(train.load, vec![(train.number % 251) as u8; LOAD]);
    };
    client::watch(&mut client::channel(line), want, check).await;
}

/// Rides until a ride went well. The stamps are in the order of the tickets.
pub async fn rides(line: &str) {
    let mut line = client::channel(line);
    loop {
        let first = fastrand::u64(..1_000);
        match client::ride(&mut line, first..first + 50).await {
            Ok(stamps) => {
                let mut sum = 0;
                for (stamp, number) in stamps.iter().zip(first..) {
                    sum += number;
                    assert_eq!((stamp.number, stamp.sum), (number, sum), "in order");
                }
                assert_eq!(stamps.len(), 50);
                return;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
