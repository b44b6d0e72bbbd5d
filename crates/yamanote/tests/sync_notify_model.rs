//! `Notify` against a naive version of it, in random steps.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use yamanote::sync::Notify;
use yamanote::sync::futures::OwnedNotified;
use yamanote_test::CountingWaker;

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    Enable(usize),
    Poll(usize),
    Drop(usize),
    One,
    Last,
    All,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Create),
        1 => (0..6usize).prop_map(Step::Enable),
        4 => (0..6usize).prop_map(Step::Poll),
        2 => (0..6usize).prop_map(Step::Drop),
        2 => Just(Step::One),
        1 => Just(Step::Last),
        1 => Just(Step::All),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    New,
    Queued,
    Told(Kind),
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    One,
    Last,
    All,
}

type Waiting = (Pin<Box<OwnedNotified>>, CountingWaker, Waker);

/// The naive version: a vector of waiters and a permit.
#[derive(Default)]
struct Naive {
    futures: Vec<Option<Model>>,
    queue: Vec<usize>,
    permit: bool,
}

impl Naive {
    fn notify(&mut self, kind: Kind) {
        if self.queue.is_empty() {
            self.permit = true;
            return;
        }
        let told = match kind {
            Kind::Last => self.queue.pop().unwrap(),
            _ => self.queue.remove(0),
        };
        self.futures[told] = Some(Model::Told(kind));
    }

    fn poll(&mut self, at: usize) -> bool {
        let next = match self.futures[at].unwrap() {
            Model::New if self.permit => {
                self.permit = false;
                Model::Done
            }
            Model::New => {
                self.queue.push(at);
                Model::Queued
            }
            Model::Queued => Model::Queued,
            Model::Told(_) | Model::Done => Model::Done,
        };
        self.futures[at] = Some(next);
        next == Model::Done
    }

    fn all(&mut self) {
        self.queue.clear();
        for future in self.futures.iter_mut().flatten() {
            if matches!(future, Model::New | Model::Queued) {
                *future = Model::Told(Kind::All);
            }
        }
    }

    fn drop(&mut self, at: usize) {
        self.queue.retain(|&waiting| waiting != at);
        if let Model::Told(kind @ (Kind::One | Kind::Last)) = self.futures[at].take().unwrap() {
            self.notify(kind);
        }
    }
}

proptest! {
    /// Any sequence of steps gives what the naive version gives, and every future that became ready
    /// while it stood in the queue was woken exactly once.
    #[test]
    fn as_the_naive_version(steps in proptest::collection::vec(step(), 1..60)) {
        let notify = Arc::new(Notify::new());
        let mut naive = Naive::default();
        let mut futures: Vec<Option<Waiting>> = Vec::new();
        for step in steps {
            let alive = |at: usize, futures: &Vec<Option<_>>| futures.get(at).is_some_and(Option::is_some);
            match step {
                Step::Create => {
                    let counting = CountingWaker::new();
                    let waker = counting.waker();
                    futures.push(Some((Box::pin(notify.clone().notified_owned()), counting, waker)));
                    naive.futures.push(Some(Model::New));
                }
                Step::Enable(at) if alive(at, &futures) => {
                    let (future, ..) = futures[at].as_mut().unwrap();
                    prop_assert_eq!(future.as_mut().enable(), naive.poll(at));
                }
                Step::Poll(at) if alive(at, &futures) => {
                    let (future, counting, waker) = futures[at].as_mut().unwrap();
                    let ready = poll(future.as_mut(), waker).is_ready();
                    prop_assert_eq!(ready, naive.poll(at));
                    prop_assert!(counting.wakes() <= 1);
                }
                Step::Drop(at) if alive(at, &futures) => {
                    let (future, counting, waker) = futures[at].take().unwrap();
                    drop(future);
                    naive.drop(at);
                    prop_assert!(counting.wakes() <= 1);
                    drop(waker);
                    prop_assert_eq!(counting.alive(), 0);
                }
                Step::One => {
                    notify.notify_one();
                    naive.notify(Kind::One);
                }
                Step::Last => {
                    notify.notify_last();
                    naive.notify(Kind::Last);
                }
                Step::All => {
                    notify.notify_waiters();
                    naive.all();
                }
                _ => {}
            }
        }
        for (at, slot) in futures.iter_mut().enumerate() {
            if let Some((future, _, waker)) = slot {
                prop_assert_eq!(poll(future.as_mut(), waker).is_ready(), naive.poll(at));
            }
        }
    }
}
