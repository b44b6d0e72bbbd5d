//! `join!`, `try_join!` and `pin!`.
#![forbid(unsafe_code)]

use futures::executor::block_on;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use yamanote::{join, try_join};

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

type Log = Rc<RefCell<Vec<u8>>>;

/// Notes its name at each poll and is ready at the last one.
fn noting(log: &Log, name: u8, polls: usize) -> impl Future<Output = u8> + use<> {
    let log = log.clone();
    let mut left = polls;
    poll_fn(move |_| {
        log.borrow_mut().push(name);
        left -= 1;
        if left == 0 {
            Poll::Ready(name)
        } else {
            Poll::Pending
        }
    })
}

#[test]
fn all_outputs_in_order() {
    block_on(async {
        join!();
        join!(biased;);
        assert_eq!(join!(ready(1),), (1,));
        assert_eq!(
            join!(ready(1), async { "two" }, ready(3.0)),
            (1, "two", 3.0)
        );
        assert_eq!(join!(biased; ready(1), ready(2),), (1, 2));
        assert_eq!(try_join!() as Result<(), ()>, Ok(()));
        assert_eq!(
            try_join!(ready(Ok::<_, ()>(1)), ready(Ok("two"))),
            Ok((1, "two"))
        );
    });
}

#[test]
fn the_first_branch_rotates_unless_biased() {
    let log = Log::default();
    let mut fair =
        pin!(async { join!(noting(&log, 0, 4), noting(&log, 1, 4), noting(&log, 2, 4)) });
    let mut biased = pin!(async { join!(biased; noting(&log, 0, 2), noting(&log, 1, 2)) });
    for expected in [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]] {
        let polled = poll_once(fair.as_mut());
        assert_eq!(log.take(), expected);
        assert_eq!(
            polled.is_ready(),
            expected == [0, 1, 2] && polled.is_ready()
        );
    }
    for _ in 0..2 {
        let _ = poll_once(biased.as_mut());
        assert_eq!(log.take(), [0, 1]);
    }
}

#[test]
fn a_done_branch_is_not_polled_again_and_is_dropped_at_once() {
    struct Flag(Rc<Cell<bool>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let log = Log::default();
    let dropped = Rc::new(Cell::new(false));
    let flag = Flag(dropped.clone());
    let short = async {
        let _flag = flag;
    };
    let mut joined = pin!(async { join!(short, noting(&log, 1, 3), noting(&log, 2, 1)) });
    assert!(poll_once(joined.as_mut()).is_pending());
    assert!(dropped.get());
    assert!(poll_once(joined.as_mut()).is_pending());
    assert_eq!(poll_once(joined.as_mut()), Poll::Ready(((), 1, 2)));
    assert_eq!(*log.borrow(), [1, 2, 1, 1]);
}

#[test]
fn the_first_error_ends_try_join() {
    block_on(async {
        let both: Result<(u8, Infallible), &str> =
            try_join!(pending::<Result<u8, _>>(), ready(Err("no")));
        assert_eq!(both, Err("no"));
        let two: Result<(Infallible, Infallible), u8> =
            try_join!(biased; ready(Err(1)), ready(Err(2)));
        assert_eq!(two, Err(1));
        // The second branch is polled in the same round as the failing one only if it comes first.
        let polled = Cell::new(false);
        let second = poll_fn(|_| {
            polled.set(true);
            Poll::Ready(Ok::<u8, u8>(1))
        });
        assert!(try_join!(biased; ready(Err::<u8, u8>(1)), second).is_err());
        assert!(!polled.get());
    });
}

#[test]
fn a_join_is_as_small_as_its_branches() {
    let one = async {
        let branch = ready(0i32);
        join!(branch)
    };
    let two = async {
        let (first, second) = (ready(0i32), ready(0i32));
        join!(first, second)
    };
    assert!(size_of_val(&one) <= 32, "{}", size_of_val(&one));
    assert!(size_of_val(&two) <= 48, "{}", size_of_val(&two));
}

#[test]
fn pins_variables_and_declarations() {
    async fn work(n: u8) -> u8 {
        n
    }
    block_on(async {
        let (first, second) = (work(1), work(2));
        yamanote::pin!(first, second);
        assert_eq!((&mut first).await + second.await, 3);
        yamanote::pin! {
            let third = work(3);
            let fourth = work(4);
        }
        assert_eq!(join!(third, fourth), (3, 4));
    });
}
