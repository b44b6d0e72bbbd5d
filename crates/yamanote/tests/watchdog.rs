//! How the thread that notices stalls rests: short runtimes cost it nothing, and whatever limits
//! they have, it sleeps through none and outlives none for long.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use yamanote_test::{Setup, builder, matrix, sleeps, wait_until, watchdog};

/// The default limit, and how long the thread waits for another runtime.
const LIMIT: Duration = Duration::from_millis(200);

/// A runtime that does next to nothing.
fn run(setup: Setup, limit: Duration) {
    let runtime = builder!(setup).stall_after(limit).build().unwrap();
    runtime.block_on(async { yamanote::spawn(async {}).await.unwrap() });
}

matrix! {
    /// It looks now and then, however many runtimes come and go meanwhile.
    alone fn short_runtimes_do_not_wake_it(setup: Setup) {
        const RUNTIMES: u128 = 20;
        let (mut slept, mut limits, mut rounds) = (0, 0, 0);
        while rounds < 10 {
            run(setup, LIMIT);
            let Some(thread) = watchdog() else { continue };
            let (before, start) = (sleeps(&thread), Instant::now());
            for _ in 0..RUNTIMES {
                run(setup, LIMIT);
            }
            // If twice no runtime was there when it looked, another thread watches by now.
            let Some((before, after)) = before.zip(sleeps(&thread)) else { continue };
            slept += after - before;
            // On a machine so busy that it takes longer it has also lain down in between.
            limits += start.elapsed().as_millis() / LIMIT.as_millis();
            rounds += 1;
        }
        let most = rounds * RUNTIMES / 4 + 4 * limits;
        assert!(slept < most, "{slept} in {limits} limits");
    }

    /// Its sleep ends early for a runtime whose limit is shorter.
    alone fn a_shorter_limit_counts_at_once(setup: Setup) {
        let long = builder!(setup).stall_after(Duration::from_secs(3600)).build().unwrap();
        long.block_on(async { yamanote::spawn(async {}).await.unwrap() });
        wait_until("somebody watches", || watchdog().is_some());
        let (tell, told) = mpsc::channel();
        let short = builder!(setup)
            .stall_after(LIMIT)
            .on_stall(move |stall| drop(tell.send(stall.clone())))
            .build()
            .unwrap();
        let task = short.spawn(async { std::thread::sleep(Duration::from_secs(1)) });
        short.block_on(task).unwrap();
        told.recv_timeout(Duration::from_secs(30)).expect("a stall is told of");
    }

    /// It ends with the last runtime also if that is over long before its limit.
    alone fn a_long_limit_does_not_keep_it(setup: Setup) {
        run(setup, Duration::from_secs(3600));
        wait_until("it ends with the last runtime", || watchdog().is_none());
    }
}
