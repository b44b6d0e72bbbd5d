//! Tasks that end as they are taken in, waited for and taken out: no output and no wake-up is lost.
#![forbid(unsafe_code)]

use std::future::{poll_fn, ready};
use std::task::Poll;

use loom::future::block_on;
use loom::thread;

use super::slab::{Place, Slab};
use super::{JoinSet, Ready, ready};
use crate::runtime::task::{JoinHandle, Meta, Notified, Schedule, Task, UnownedTask, unowned};
use std::sync::Arc;

fn places<const N: usize>() -> [Place; N] {
    let mut slab = Slab::new();
    let mut places = Vec::new();
    for _ in 0..N {
        slab.insert(|place| places.push(place));
    }
    places.try_into().expect("as many as were asked for")
}

async fn next(ready: &Ready) -> Place {
    poll_fn(|cx| match ready.pop_or_wait(cx.waker()) {
        Some(place) => Poll::Ready(place),
        None => Poll::Pending,
    })
    .await
}

#[test]
fn loom_join_set_every_place_comes_out_once() {
    loom::model(|| {
        let list = Arc::new(Ready::new());
        let [first, second] = places();
        let threads: Vec<_> = [first, second]
            .map(|place| {
                let waker = ready::waker(&list, place);
                thread::spawn(move || waker.wake())
            })
            .into();
        let got = [block_on(next(&list)), block_on(next(&list))];
        assert!(got == [first, second] || got == [second, first]);
        assert_eq!(list.pop(), None);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A waiter that gave up leaves a waker behind, which must not keep the next one from being told.
#[test]
fn loom_join_set_the_last_waiter_is_told() {
    loom::model(|| {
        let list = Arc::new(Ready::new());
        let [place] = places();
        let waker = ready::waker(&list, place);
        let ending = thread::spawn(move || waker.wake());
        let early = list.pop_or_wait(std::task::Waker::noop());
        if early.is_none() {
            assert_eq!(block_on(next(&list)), place);
        }
        ending.join().unwrap();
    });
}

struct Nowhere;

impl Schedule for Nowhere {
    fn schedule(&self, _: Notified<Self>) {
        unreachable!("its future is ready at once");
    }

    fn release(&self, _: &Task<Self>) -> Option<Task<Self>> {
        None
    }
}

fn task(output: usize) -> (UnownedTask<Nowhere>, JoinHandle<usize>) {
    unowned(ready(output), Nowhere, Meta::here())
}

/// A task that ends before, while or after it is taken in.
#[test]
fn loom_join_set_a_task_that_ends_as_it_is_taken_in() {
    loom::model(|| {
        let (task, handle) = task(7);
        let running = thread::spawn(move || task.run());
        let mut set = JoinSet::new();
        set.insert(handle);
        assert_eq!(block_on(set.join_next()).unwrap().unwrap(), 7);
        assert!(block_on(set.join_next()).is_none());
        running.join().unwrap();
    });
}

#[test]
fn loom_join_set_tasks_that_end_at_once() {
    loom::model(|| {
        let mut set = JoinSet::new();
        let threads: Vec<_> = (0..2)
            .map(|output| {
                let (task, handle) = task(output);
                set.insert(handle);
                thread::spawn(move || task.run())
            })
            .collect();
        let mut sum = 0;
        while let Some(output) = block_on(set.join_next()) {
            sum += output.unwrap() + 1;
        }
        assert_eq!(sum, 3);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// The set goes, with its wakers, while a task ends.
#[test]
fn loom_join_set_dropped_as_a_task_ends() {
    loom::model(|| {
        let (task, handle) = task(7);
        let mut set = JoinSet::new();
        set.insert(handle);
        let running = thread::spawn(move || task.run());
        drop(set);
        running.join().unwrap();
    });
}
