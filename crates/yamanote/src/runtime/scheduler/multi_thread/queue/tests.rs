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

    const RING: usize = 8;

    /// The line of a queue as two naive ones.
    #[derive(Default)]
    struct Line {
        ring: VecDeque<u32>,
        rest: VecDeque<u32>,
    }

    impl Line {
        fn len(&self) -> usize {
            self.ring.len() + self.rest.len()
        }

        fn push(&mut self, task: u32) {
            match self.rest.is_empty() && self.ring.len() < RING {
                true => self.ring.push_back(task),
                false => self.rest.push_back(task),
            }
        }

        fn pop(&mut self) -> Option<u32> {
            if self.ring.is_empty() {
                let count = self.rest.len().min(RING);
                self.ring.extend(self.rest.drain(..count));
            }
            self.ring.pop_front()
        }

        fn room(&self) -> usize {
            match self.rest.is_empty() {
                true => RING - self.ring.len(),
                false => 0,
            }
        }

        fn steal_into(&mut self, into: &mut Line) -> bool {
            let of_ring = self.ring.len().div_ceil(2);
            match into.room() >= of_ring {
                true => into.ring.extend(self.ring.drain(..of_ring)),
                false => into.rest.extend(self.ring.drain(..of_ring)),
            }
            let of_rest = self.rest.len().div_ceil(2);
            for task in self.rest.drain(..of_rest) {
                into.push(task);
            }
            of_ring + of_rest > 0
        }
    }

    #[test]
    fn equals_two_deques_under_random_operations() {
        for seed in 1..if cfg!(miri) { 3 } else { 200 } {
            let mut rng = FastRand::new(seed);
            let mut queues = [new::<Box<u32>>(RING), new::<Box<u32>>(RING)];
            let mut lines = [Line::default(), Line::default()];
            let (mut lifo, mut next) = (None, 0);
            // Some of the runs fill up, some stay short.
            let pushes = 2 + seed as u32 % 4;
            for _ in 0..400 {
                let ((local, thief), line) = (&queues[0], &mut lines[0]);
                match rng.below(5 + pushes) {
                    0 => assert_eq!(local.pop().map(|b| *b), line.pop()),
                    1 => {
                        next += 1;
                        let before = local.swap_lifo(Box::new(next)).map(|b| *b);
                        assert_eq!(before, lifo.replace(next));
                        assert!(thief.has_lifo());
                    }
                    2 => {
                        let taken = match rng.below(2) {
                            0 => local.pop_lifo(),
                            _ => thief.steal_lifo(),
                        };
                        assert_eq!(taken.map(|b| *b), lifo.take());
                        assert!(!thief.has_lifo());
                    }
                    3 => {
                        let [from, into] = &mut lines;
                        let stolen = thief.steal_into(&queues[1].0);
                        assert_eq!(stolen > 0, from.steal_into(into), "seed {seed}");
                    }
                    4 if lifo.is_none() => {
                        queues.swap(0, 1);
                        lines.swap(0, 1);
                    }
                    _ => {
                        next += 1;
                        local.push_back(Box::new(next));
                        line.push(next);
                    }
                }
                for ((local, thief), line) in queues.iter().zip(&lines) {
                    assert_eq!(local.len(), line.len());
                    assert_eq!(thief.len(), line.len());
                }
            }
            for ((local, _), mut line) in queues.into_iter().zip(lines) {
                while let Some(task) = line.pop() {
                    assert_eq!(local.pop().map(|b| *b), Some(task), "seed {seed}");
                }
                assert!(local.pop().is_none());
            }
        }
    }

    /// However long the line, its order is the order in which tasks came.
    #[test]
    fn a_long_line_keeps_its_order() {
        const TASKS: u32 = if cfg!(miri) { 200 } else { 10_000 };
        let (local, _thief) = new::<Box<u32>>(RING);
        for task in 0..TASKS {
            local.push_back(Box::new(task));
        }
        for task in 0..TASKS {
            // One comes for each that goes: they go behind all others.
            assert_eq!(local.pop().map(|b| *b), Some(task));
            local.push_back(Box::new(TASKS + task));
        }
        let late: Vec<u32> = std::iter::from_fn(|| local.pop()).map(|b| *b).collect();
        assert!(late.into_iter().eq(TASKS..2 * TASKS));
    }

    /// A ring that is just full is no reason to take less from a sibling that is stuck.
    #[test]
    fn a_thief_with_little_room_takes_its_half() {
        for there in 0..=RING as u32 + 1 {
            let (local, _thief) = new::<Box<u32>>(RING);
            (0..there).for_each(|task| local.push_back(Box::new(task)));
            let (stuck, thief) = new::<Box<u32>>(RING);
            (there..there + 6).for_each(|task| stuck.push_back(Box::new(task)));
            assert!(thief.steal_into(&local) > 0);
            assert_eq!(thief.len(), 3, "of six, beside {there}");
            let line: Vec<u32> = std::iter::from_fn(|| local.pop()).map(|b| *b).collect();
            assert!(line.into_iter().eq(0..there + 3));
        }
    }

    /// A share of the injection queue stands behind all that was there, in its order.
    #[test]
    fn a_share_goes_behind_the_line() {
        for there in [0, 3, 8, 20] {
            let (local, _thief) = new::<Box<u32>>(RING);
            (0..there).for_each(|task| local.push_back(Box::new(task)));
            let other = Inject::new();
            other.push_batch((there..there + 30).map(Box::new)).unwrap();
            local.append(&other, 25);
            assert_eq!(other.len(), 5);
            let line: Vec<u32> = std::iter::from_fn(|| local.pop()).map(|b| *b).collect();
            assert!(line.into_iter().eq(0..there + 25));
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
                        thief.steal_into(&mine);
                        std::iter::from_fn(|| mine.pop()).for_each(see);
                        thief.steal_lifo().into_iter().for_each(see);
                    }
                });
            }
            for i in 0..TASKS {
                if i % 7 == 0 {
                    local.swap_lifo(Box::new(i)).into_iter().for_each(see);
                } else {
                    local.push_back(Box::new(i));
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
        for task in 0..6 {
            local.push_back(Box::new(task));
        }
        assert!(local.swap_lifo(Box::new(6)).is_none());
        drop(local);
        assert_eq!(thief.len(), 6);
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

    /// Owner pushes past the ring and pops, one thief steals twice.
    #[test]
    fn loom_queue_longer_than_its_ring_against_a_thief() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let (local, thief) = new::<Box<u32>>(2);
            let steal = thread::spawn(move || {
                let (mine, _) = new::<Box<u32>>(2);
                let mut got = Vec::new();
                for _ in 0..2 {
                    thief.steal_into(&mine);
                    got.extend(drain(&mine));
                }
                got
            });
            let mut got = Vec::new();
            for i in 0..4 {
                local.push_back(Box::new(i));
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
                local.push_back(Box::new(i));
            }
            let (second, second_thief) = new::<Box<u32>>(4);
            let a = {
                let thief = thief.clone();
                thread::spawn(move || {
                    thief.steal_into(&second);
                    drain(&second)
                })
            };
            let b = thread::spawn(move || {
                let (mine, _) = new::<Box<u32>>(4);
                second_thief.steal_into(&mine);
                thief.steal_into(&mine);
                drain(&mine)
            });
            let mut got: Vec<u32> = local.pop().map(|b| *b).into_iter().collect();
            local.push_back(Box::new(3));
            got.extend(a.join().unwrap());
            got.extend(b.join().unwrap());
            got.extend(drain(&local));
            assert_all(got, 4);
        });
    }

    /// A thief that has a long line itself, against an owner that pushes, pops and refills.
    #[test]
    fn loom_queue_a_busy_thief() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let (local, thief) = new::<Box<u32>>(2);
            for i in 0..4 {
                local.push_back(Box::new(i));
            }
            let steal = thread::spawn(move || {
                let (mine, _) = new::<Box<u32>>(2);
                for i in 5..8 {
                    mine.push_back(Box::new(i));
                }
                thief.steal_into(&mine);
                drain(&mine)
            });
            let mut got: Vec<u32> = Vec::new();
            for _ in 0..2 {
                got.extend(local.pop().map(|b| *b));
            }
            local.push_back(Box::new(4));
            got.extend(local.pop().map(|b| *b));
            got.extend(steal.join().unwrap());
            got.extend(drain(&local));
            assert_all(got, 8);
        });
    }

    /// Whatever is taken in front, what the owner gets of its own is in the order in which it came.
    #[test]
    fn loom_queue_keeps_its_order() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let (local, thief) = new::<Box<u32>>(2);
            let steal = thread::spawn(move || {
                let (mine, _) = new::<Box<u32>>(2);
                thief.steal_into(&mine);
                drain(&mine)
            });
            (0..4).for_each(|i| local.push_back(Box::new(i)));
            let mut got: Vec<u32> = local.pop().map(|b| *b).into_iter().collect();
            local.push_back(Box::new(4));
            got.extend(drain(&local));
            assert!(got.is_sorted(), "{got:?}");
            let stolen = steal.join().unwrap();
            assert!(stolen.is_sorted(), "{stolen:?}");
            got.extend(stolen);
            assert_all(got, 5);
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
