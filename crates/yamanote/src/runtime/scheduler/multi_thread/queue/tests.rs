//! The queue against a `VecDeque`, and its interleavings under loom.

use super::*;

// SAFETY: a box is one owning, non-null pointer; `u32` may go to any thread.
unsafe impl Pointer for Box<u32> {
    fn into_ptr(self) -> NonNull<()> {
        NonNull::from(Box::leak(self)).cast()
    }
    unsafe fn from_ptr(ptr: NonNull<()>) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Box::from_raw(ptr.cast().as_ptr()) }
    }
}

#[cfg(not(all(test, loom)))]
mod plain {
    use super::*;
    use crate::util::rng::FastRand;
    use std::collections::VecDeque;

    #[test]
    fn equals_a_deque_under_random_operations() {
        for seed in 1..if cfg!(miri) { 3 } else { 200 } {
            let mut rng = FastRand::new(seed);
            let (local, thief) = new::<Box<u32>>(8);
            let (other, _other_thief) = new::<Box<u32>>(8);
            let (mut model, mut lifo, mut next) = (VecDeque::new(), None, 0);
            for _ in 0..400 {
                match rng.below(6) {
                    0 | 1 => {
                        next += 1;
                        if let Some(leaving) = local.push_back(Box::new(next)) {
                            let expected: Vec<u32> = model.drain(..4).collect();
                            assert_eq!(leaving.iter().map(|b| **b).collect::<Vec<_>>(), expected);
                        }
                        model.push_back(next);
                    }
                    2 => assert_eq!(local.pop().map(|b| *b), model.pop_front()),
                    3 => {
                        next += 1;
                        let before = local.swap_lifo(Box::new(next)).map(|b| *b);
                        assert_eq!(before, lifo.replace(next));
                    }
                    4 => assert_eq!(
                        match rng.below(2) {
                            0 => local.pop_lifo(),
                            _ => thief.steal_lifo(),
                        }
                        .map(|b| *b),
                        lifo.take()
                    ),
                    _ => {
                        let take = model.len() - model.len() / 2;
                        let mut stolen: Vec<u32> = Vec::new();
                        stolen.extend(thief.steal_into(&other).map(|b| *b));
                        stolen.extend(std::iter::from_fn(|| other.pop()).map(|b| *b));
                        assert_eq!(
                            stolen,
                            model.drain(..take).collect::<Vec<_>>(),
                            "seed {seed}"
                        );
                    }
                }
                assert_eq!(local.len(), model.len());
                assert_eq!(thief.len(), model.len());
                assert_eq!(thief.has_lifo(), lifo.is_some());
            }
        }
    }

    #[test]
    fn four_threads_lose_and_double_nothing() {
        use std::sync::atomic::{AtomicBool, AtomicU8};
        const TASKS: u32 = if cfg!(miri) { 300 } else { 100_000 };
        let seen: Vec<AtomicU8> = (0..TASKS).map(|_| AtomicU8::new(0)).collect();
        let done = AtomicBool::new(false);
        let see = |task: Box<u32>| {
            seen[*task as usize].fetch_add(1, Relaxed);
        };
        let (local, thief) = new::<Box<u32>>(16);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let (mine, _) = new::<Box<u32>>(16);
                    while !done.load(Relaxed) {
                        thief.steal_into(&mine).into_iter().for_each(see);
                        std::iter::from_fn(|| mine.pop()).for_each(see);
                        thief.steal_lifo().into_iter().for_each(see);
                    }
                });
            }
            for i in 0..TASKS {
                if i % 7 == 0 {
                    local.swap_lifo(Box::new(i)).into_iter().for_each(see);
                } else {
                    local
                        .push_back(Box::new(i))
                        .into_iter()
                        .flatten()
                        .for_each(see);
                }
                if i % 3 == 0 {
                    local.pop().into_iter().for_each(see);
                }
            }
            local.pop_lifo().into_iter().for_each(see);
            std::iter::from_fn(|| local.pop()).for_each(see);
            done.store(true, Relaxed);
        });
        assert!(seen.iter().all(|count| count.load(Relaxed) == 1));
    }

    #[test]
    fn dropping_the_queue_drops_what_is_in_it() {
        let (local, thief) = new::<Box<u32>>(4);
        assert!(local.push_back(Box::new(1)).is_none());
        assert!(local.swap_lifo(Box::new(2)).is_none());
        drop(local);
        assert_eq!(thief.len(), 1);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::thread;

    fn drain(local: &Local<Box<u32>>) -> Vec<u32> {
        std::iter::from_fn(|| local.pop()).map(|b| *b).collect()
    }

    fn assert_all(mut got: Vec<u32>, n: u32) {
        got.sort_unstable();
        assert_eq!(got, (0..n).collect::<Vec<_>>());
    }

    /// Owner pushes past the capacity and pops, one thief steals twice.
    #[test]
    fn loom_queue_overflow_against_a_thief() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let (local, thief) = new::<Box<u32>>(2);
            let steal = thread::spawn(move || {
                let (mine, _) = new::<Box<u32>>(2);
                let mut got = Vec::new();
                for _ in 0..2 {
                    got.extend(thief.steal_into(&mine).map(|b| *b));
                    got.extend(drain(&mine));
                }
                got
            });
            let mut got = Vec::new();
            for i in 0..4 {
                got.extend(
                    local
                        .push_back(Box::new(i))
                        .into_iter()
                        .flatten()
                        .map(|b| *b),
                );
            }
            got.extend(local.pop().map(|b| *b));
            got.extend(steal.join().unwrap());
            got.extend(drain(&local));
            assert_all(got, 4);
        });
    }

    /// Two thieves and the owner after the same tasks; one thief is robbed in turn.
    #[test]
    fn loom_queue_two_thieves() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let (local, thief) = new::<Box<u32>>(4);
            let thief = Arc::new(thief);
            for i in 0..3 {
                assert!(local.push_back(Box::new(i)).is_none());
            }
            let (second, second_thief) = new::<Box<u32>>(4);
            let a = {
                let thief = thief.clone();
                thread::spawn(move || {
                    let mut got: Vec<u32> =
                        thief.steal_into(&second).map(|b| *b).into_iter().collect();
                    got.extend(drain(&second));
                    got
                })
            };
            let b = thread::spawn(move || {
                let (mine, _) = new::<Box<u32>>(4);
                let mut got = Vec::new();
                got.extend(second_thief.steal_into(&mine).map(|b| *b));
                got.extend(thief.steal_into(&mine).map(|b| *b));
                got.extend(drain(&mine));
                got
            });
            let mut got: Vec<u32> = local.pop().map(|b| *b).into_iter().collect();
            assert!(local.push_back(Box::new(3)).is_none());
            got.extend(a.join().unwrap());
            got.extend(b.join().unwrap());
            got.extend(drain(&local));
            assert_all(got, 4);
        });
    }

    /// The LIFO place between its owner and a thief.
    #[test]
    fn loom_queue_lifo() {
        loom::model(|| {
            let (local, thief) = new::<Box<u32>>(2);
            let steal = thread::spawn(move || thief.steal_lifo().map(|b| *b));
            let mut got: Vec<u32> = Vec::new();
            got.extend(local.swap_lifo(Box::new(0)).map(|b| *b));
            got.extend(local.swap_lifo(Box::new(1)).map(|b| *b));
            got.extend(local.pop_lifo().map(|b| *b));
            got.extend(steal.join().unwrap());
            assert_all(got, 2);
        });
    }
}
