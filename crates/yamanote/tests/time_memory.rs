//! What timers cost in memory: nothing while they are only made, nothing after they are gone.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use yamanote::runtime::Builder;
use yamanote::time::{Duration, Sleep, sleep};
use yamanote_test::CountingAlloc;

#[global_allocator]
static HEAP: CountingAlloc = CountingAlloc::new();

fn poll(sleep: std::pin::Pin<&mut Sleep>) -> bool {
    sleep
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

// One test, since the allocator counts for the whole process.
#[test]
fn sleeping_does_not_allocate_and_a_million_timers_leave_nothing() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        sleep(Duration::from_millis(1)).await;

        let before = HEAP.allocations();
        for _ in 0..1000 {
            drop(sleep(Duration::from_secs(5)));
        }
        for _ in 0..1000 {
            let mut sleep = pin!(sleep(Duration::from_secs(5)));
            assert!(!poll(sleep.as_mut()));
        }
        assert_eq!(HEAP.allocations(), before);

        let before = HEAP.live_bytes();
        let mut sleeps: Vec<_> = (0..1_000_000u64)
            // None is due before all are made, and they are spread over the wheel.
            .map(|n| Box::pin(sleep(Duration::from_millis(600_000 + n % 100_000 * 100))))
            .collect();
        for sleep in &mut sleeps {
            assert!(!poll(sleep.as_mut()));
        }
        drop(sleeps);
        let left = HEAP.live_bytes().saturating_sub(before);
        assert!(left < 64 * 1024, "{left} bytes left");
        // The runtime still works, and nobody is woken by what is gone.
        sleep(Duration::from_millis(2)).await;
    });
}
