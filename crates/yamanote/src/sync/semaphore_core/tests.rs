//! The core against a naive semaphore, and what the two flags of its word could get wrong.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use yamanote_test::CountingWaker;

use super::{Acquire, SemaphoreCore, TryAcquireError};

fn poll(acquire: &mut Pin<Box<Acquire<'_>>>, waker: &Waker) -> Poll<bool> {
    acquire
        .as_mut()
        .poll(&mut Context::from_waker(waker))
        .map(|got| got.is_ok())
}

/// The dumb version: everything is looked at anew after each step.
#[derive(Default)]
struct Naive {
    free: usize,
    closed: bool,
    /// Number of the waiter, permits it wants, permits it has.
    line: VecDeque<(usize, usize, usize)>,
    /// Waiters that were woken and have not been polled since: number, permits they hold.
    woken: Vec<(usize, usize)>,
}

impl Naive {
    fn settle(&mut self) {
        while let Some((number, wants, has)) = self.line.front_mut() {
            let given = self.free.min(*wants - *has);
            *has += given;
            self.free -= given;
            if has < wants {
                break;
            }
            self.woken.push((*number, *wants));
            self.line.pop_front();
        }
    }

    fn forget(&mut self, number: usize) -> usize {
        let mut held = 0;
        self.line.retain(|(n, _, has)| {
            held += if *n == number { *has } else { 0 };
            *n != number
        });
        self.woken.retain(|(n, has)| {
            held += if *n == number { *has } else { 0 };
            *n != number
        });
        held
    }

    fn close(&mut self) {
        self.closed = true;
        self.woken
            .extend(self.line.drain(..).map(|(number, _, has)| (number, has)));
    }
}

#[derive(Debug, Clone)]
enum Step {
    Begin(usize),
    Poll(usize),
    Drop(usize),
    Add(usize),
    Try(usize),
    Forget(usize),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0usize..5).prop_map(Step::Begin),
        4 => (0usize..8).prop_map(Step::Poll),
        4 => (0usize..8).prop_map(Step::Drop),
        8 => (0usize..7).prop_map(Step::Add),
        3 => (0usize..4).prop_map(Step::Try),
        1 => (0usize..4).prop_map(Step::Forget),
        1 => Just(Step::Close),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn it_does_what_a_naive_one_does(steps in steps()) {
        let core = SemaphoreCore::new(3);
        let mut naive = Naive { free: 3, ..Naive::default() };
        let mut waiters = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Begin(n) => {
                    let waker = CountingWaker::new();
                    let mut acquire = Box::pin(core.acquire(n));
                    let result = poll(&mut acquire, &waker.waker());
                    if naive.closed {
                        prop_assert_eq!(result, Poll::Ready(false));
                    } else if naive.free >= n {
                        prop_assert_eq!(result, Poll::Ready(true));
                        naive.free -= n;
                    } else {
                        prop_assert_eq!(result, Poll::Pending);
                        naive.line.push_back((number, n, 0));
                        waiters.push((number, acquire, waker));
                    }
                }
                Step::Poll(i) if i < waiters.len() => {
                    let (number, acquire, waker) = &mut waiters[i];
                    let number = *number;
                    let result = poll(acquire, &waker.waker());
                    if naive.woken.iter().any(|(n, _)| *n == number) {
                        prop_assert_eq!(result, Poll::Ready(!naive.closed));
                        let held = naive.forget(number);
                        naive.free += if naive.closed { held } else { 0 };
                        let (_, _, waker) = waiters.remove(i);
                        prop_assert_eq!(waker.wakes(), 1);
                    } else {
                        prop_assert_eq!(result, Poll::Pending);
                    }
                }
                Step::Drop(i) if i < waiters.len() => {
                    let (number, ..) = waiters.remove(i);
                    naive.free += naive.forget(number);
                }
                Step::Poll(_) | Step::Drop(_) => {}
                Step::Add(n) => {
                    core.add_permits(n);
                    naive.free += n;
                }
                Step::Try(n) => {
                    let expected = match n {
                        _ if naive.closed => Err(TryAcquireError::Closed),
                        n if n > naive.free => Err(TryAcquireError::NoPermits),
                        n => {
                            naive.free -= n;
                            Ok(())
                        }
                    };
                    prop_assert_eq!(core.try_acquire(n), expected);
                }
                Step::Forget(n) => {
                    let expected = n.min(naive.free);
                    naive.free -= expected;
                    prop_assert_eq!(core.forget_permits(n), expected);
                }
                Step::Close => {
                    core.close();
                    naive.close();
                }
            }
            naive.settle();
            prop_assert_eq!(core.available_permits(), naive.free);
            prop_assert_eq!(core.is_closed(), naive.closed);
            for (number, _, waker) in &waiters {
                let woken = naive.woken.iter().any(|(n, _)| n == number);
                prop_assert_eq!(waker.wakes(), usize::from(woken));
            }
        }
    }
}

#[test]
fn a_hundred_waiters_are_woken_in_order_by_one_release() {
    let core = SemaphoreCore::new(0);
    let mut waiters: Vec<_> = (0..100)
        .map(|_| (Box::pin(core.acquire(1)), CountingWaker::new()))
        .collect();
    for (acquire, waker) in &mut waiters {
        assert!(poll(acquire, &waker.waker()).is_pending());
    }
    core.add_permits(99);
    let woken: Vec<_> = waiters.iter().map(|(_, waker)| waker.wakes()).collect();
    assert_eq!(woken, [[1; 99].as_slice(), &[0]].concat());
    drop(waiters);
    assert_eq!(core.available_permits(), 99);
}

#[test]
#[should_panic(expected = "number of added permits (1) would overflow MAX_PERMITS")]
fn too_many_permits_are_refused() {
    SemaphoreCore::new(SemaphoreCore::MAX_PERMITS).add_permits(1);
}

#[test]
fn an_overflow_with_a_waiter_leaves_the_core_usable() {
    let core = SemaphoreCore::new(0);
    let waker = CountingWaker::new();
    let mut acquire = Box::pin(core.acquire(1));
    assert!(poll(&mut acquire, &waker.waker()).is_pending());
    let overflow = std::panic::AssertUnwindSafe(|| core.add_permits(usize::MAX));
    std::panic::catch_unwind(overflow).unwrap_err();
    assert_eq!(waker.wakes(), 1);
    assert_eq!(poll(&mut acquire, &waker.waker()), Poll::Ready(true));
    assert_eq!(core.available_permits(), 0);
    core.add_permits(2);
    assert_eq!(core.available_permits(), 2);
    assert_eq!(core.try_acquire(2), Ok(()));
}
