//! The wheel against the obvious: a `BTreeMap` from deadline to timers.
#![forbid(unsafe_code)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        // Relaxed: one thread.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), count.into())
}

fn noop() -> Waker {
    Waker::noop().clone()
}

fn fire(wheel: &mut Wheel, now_ns: u64) -> usize {
    wheel.fire(now_ns, usize::MAX, &mut WakeList::new())
}

const TICK: u64 = 1 << TICK_SHIFT;

#[test]
fn fires_at_the_nanosecond_once_and_wakes() {
    for deadline in [
        0,
        1,
        TICK - 1,
        TICK,
        5 * TICK + 17,
        64 * TICK,
        64 * 64 * TICK + 3,
        1_000_000_000,
        86_400_000_000_000,
        u64::MAX - 1,
    ] {
        let mut wheel = Wheel::new();
        let (count, waker) = counting();
        let (index, generation) = wheel.insert(deadline, waker);
        assert_eq!(wheel.next_deadline_ns(), Some(deadline));
        if deadline > 0 {
            assert_eq!(fire(&mut wheel, deadline - 1), 0, "early: {deadline}");
            assert_ne!(wheel.poll(index, generation, &noop()), Polled::Fired);
            assert_eq!(wheel.next_deadline_ns(), Some(deadline));
        }
        assert_eq!(fire(&mut wheel, deadline), 1);
        assert_eq!(count.get(), 1);
        assert!(wheel.is_empty() && wheel.next_deadline_ns().is_none());
        assert!(wheel.has_fired(index, generation));
        assert_eq!(fire(&mut wheel, u64::MAX), 0);
        assert_eq!(wheel.poll(index, generation, &noop()), Polled::Fired);
        assert!(wheel.remove(index, generation).is_none());
        assert_eq!(wheel.in_use, 0);
    }
}

#[test]
fn the_farthest_deadline_waits_without_overflow() {
    let mut wheel = Wheel::new();
    let (index, generation) = wheel.insert(u64::MAX, noop());
    let mut now = 0;
    while now < u64::MAX - (1 << 58) {
        now += 1 << 58;
        assert_eq!(fire(&mut wheel, now), 0);
        assert!(wheel.next_deadline_ns().is_some_and(|next| next > now));
    }
    assert!(wheel.remove(index, generation).is_some());
    assert!(wheel.is_empty());
}

#[test]
fn an_overdue_timer_fires_at_the_next_look() {
    let mut wheel = Wheel::new();
    fire(&mut wheel, 10 * TICK + 5);
    wheel.insert(3, noop());
    assert_eq!(wheel.next_deadline_ns(), Some(3));
    assert_eq!(fire(&mut wheel, 10 * TICK + 5), 1);
}

#[test]
fn a_spent_key_fits_nothing() {
    let mut wheel = Wheel::new();
    let (index, generation) = wheel.insert(1, noop());
    assert!(wheel.remove(index, generation).is_some());
    let (again, newer) = wheel.insert(2, noop());
    assert_eq!(again, index);
    assert_ne!(newer, generation);
    assert!(wheel.remove(index, generation).is_none());
    assert!(!wheel.reset(index, generation, 9));
    assert!(wheel.replace_waker(index, generation, noop()).is_err());
    assert_eq!(wheel.len(), 1);
}

#[test]
fn the_memory_of_many_timers_is_given_back() {
    let mut wheel = Wheel::new();
    let keys: Vec<_> = (0..100_000)
        .map(|n| wheel.insert(n * 777, noop()))
        .collect();
    for (index, generation) in &keys {
        drop(wheel.remove(*index, *generation));
    }
    assert_eq!(wheel.entries.capacity(), 0);
    // An old key does not fit the first entry of the new memory.
    let (index, generation) = wheel.insert(5, noop());
    assert!(!keys.contains(&(index, generation)));
}

#[test]
fn another_waker_replaces_the_first_and_too_late_comes_back() {
    let mut wheel = Wheel::new();
    let (first, waker) = counting();
    let (index, generation) = wheel.insert(5, waker.clone());
    assert_eq!(wheel.poll(index, generation, &waker), Polled::Waiting);
    let (second, other) = counting();
    assert_eq!(wheel.poll(index, generation, &other), Polled::OtherWaker);
    let old = wheel.replace_waker(index, generation, other.clone());
    assert!(old.is_ok_and(|old| old.is_some_and(|old| old.will_wake(&waker))));
    fire(&mut wheel, 5);
    assert_eq!((first.get(), second.get()), (0, 1));
    assert!(wheel.replace_waker(index, generation, other).is_err());
}

#[test]
fn reset_moves_a_timer_and_keeps_its_waker() {
    let mut wheel = Wheel::new();
    let (count, waker) = counting();
    let (index, generation) = wheel.insert(1_000_000, waker);
    assert!(wheel.reset(index, generation, 5_000_000_000));
    assert_eq!(fire(&mut wheel, 4_999_999_999), 0);
    assert!(wheel.reset(index, generation, 7));
    assert_eq!(fire(&mut wheel, 4_999_999_999), 1);
    assert_eq!(count.get(), 1);
    assert!(!wheel.reset(index, generation, 9));
}

#[test]
fn a_timer_can_be_fired_before_its_time_but_not_twice() {
    let mut wheel = Wheel::new();
    let (index, generation) = wheel.insert(1_000_000, noop());
    assert!(wheel.expire(index, generation).is_some());
    assert!(wheel.expire(index, generation).is_none());
    assert!(wheel.is_empty() && wheel.has_fired(index, generation));
    assert_eq!(fire(&mut wheel, 1_000_000), 0);
    assert_eq!(wheel.poll(index, generation, &noop()), Polled::Fired);
}

#[test]
fn a_bounded_call_says_that_there_is_more() {
    let mut wheel = Wheel::new();
    let deadline = 70 * TICK;
    for n in 0..1000 {
        // Half of them in the same tick but due after this call, and in front of the others.
        wheel.insert(if n < 500 { deadline + 9 } else { deadline }, noop());
    }
    let (mut fired, mut calls) = (0, 0);
    while wheel
        .next_deadline_ns()
        .is_some_and(|next| next <= deadline)
        && fired < 500
    {
        fired += wheel.fire(deadline, 10, &mut WakeList::new());
        calls += 1;
        assert!(calls < 1000, "no progress: {fired} fired");
    }
    assert_eq!(fired, 500);
    assert_eq!(fire(&mut wheel, deadline + 9), 500);
}

#[test]
fn many_timers_in_one_tick_have_an_exact_minimum() {
    let mut wheel = Wheel::new();
    for n in 0..500 {
        wheel.insert(3 * TICK + 500 - n, noop());
    }
    let mut fired = 0;
    while let Some(next) = wheel.next_deadline_ns() {
        assert_eq!(next, 3 * TICK + 1 + fired);
        fired += fire(&mut wheel, next) as u64;
    }
    assert_eq!(fired, 500);
}

#[test]
fn clear_wakes_everybody() {
    let mut wheel = Wheel::new();
    let (count, waker) = counting();
    let keys: Vec<_> = (0..60)
        .map(|shift| wheel.insert(1 << shift, waker.clone()))
        .collect();
    wheel.clear(&mut WakeList::new());
    assert_eq!(count.get(), 60);
    for (index, generation) in keys {
        assert_eq!(wheel.poll(index, generation, &noop()), Polled::Fired);
    }
    assert_eq!(wheel.in_use, 0);
}

#[derive(Debug, Clone)]
enum Step {
    Insert { delay: u64 },
    InsertPast { before: u64 },
    Remove { pick: usize },
    Reset { pick: usize, delay: u64 },
    Advance { by: u64, max: usize },
    AdvanceToNext,
}

/// Delays of every magnitude, with the edges of ticks and buckets among them.
fn delay() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..4 * TICK,
        (0u32..64, 0u64..3).prop_map(|(shift, less)| (1u64 << shift).saturating_sub(less)),
        (0u32..64, any::<u64>()).prop_map(|(shift, any)| any >> shift),
        Just(u64::MAX),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => delay().prop_map(|delay| Step::Insert { delay }),
        1 => (0u64..1 << 30).prop_map(|before| Step::InsertPast { before }),
        2 => any::<usize>().prop_map(|pick| Step::Remove { pick }),
        1 => (any::<usize>(), delay()).prop_map(|(pick, delay)| Step::Reset { pick, delay }),
        2 => (0u32..50, any::<u64>(), prop_oneof![1usize..4, Just(usize::MAX)])
            .prop_map(|(bits, any, max)| Step::Advance { by: any & ((1 << bits) - 1), max }),
        2 => Just(Step::AdvanceToNext),
    ]
}

/// The dumb version: timers by deadline, with what the wheel calls them.
#[derive(Default)]
struct Naive {
    by_deadline: BTreeMap<(u64, usize), (u32, u32)>,
    serial: usize,
}

impl Naive {
    fn insert(&mut self, deadline: u64, key: (u32, u32)) {
        self.by_deadline.insert((deadline, self.serial), key);
        self.serial += 1;
    }

    fn pick(&self, pick: usize) -> Option<(u64, usize)> {
        let len = self.by_deadline.len();
        (len > 0).then(|| *self.by_deadline.keys().nth(pick % len).unwrap())
    }

    fn take_due(&mut self, now: u64) -> Vec<(u32, u32)> {
        let later = match now.checked_add(1) {
            Some(next) => self.by_deadline.split_off(&(next, 0)),
            None => BTreeMap::new(),
        };
        std::mem::replace(&mut self.by_deadline, later)
            .into_values()
            .collect()
    }
}

fn check(wheel: &Wheel, naive: &Naive, now: u64) {
    assert_eq!(wheel.len(), naive.by_deadline.len());
    assert_eq!(wheel.in_use, naive.by_deadline.len());
    let earliest = naive.by_deadline.keys().next().map(|key| key.0);
    match (wheel.next_deadline_ns(), earliest) {
        (None, None) => {}
        (Some(next), Some(earliest)) => {
            assert!(next <= earliest.max(now), "{next} > {earliest} at {now}");
        }
        (next, earliest) => panic!("{next:?} against {earliest:?}"),
    }
    for key in naive.by_deadline.values() {
        assert!(!wheel.has_fired(key.0, key.1), "early");
    }
}

fn advance(wheel: &mut Wheel, naive: &mut Naive, now: u64, max: usize) {
    let due = naive.take_due(now);
    let mut fired = wheel.fire(now, max, &mut WakeList::new());
    let mut calls = 0;
    while fired < due.len() {
        assert!(
            wheel.next_deadline_ns().unwrap() <= now,
            "work left, but not said"
        );
        fired += wheel.fire(now, max, &mut WakeList::new());
        calls += 1;
        assert!(calls < 100_000, "no progress");
    }
    assert_eq!(fired, due.len());
    if max == usize::MAX {
        // A clock that is moved to the next deadline again and again must not stand still.
        assert!(wheel.next_deadline_ns().is_none_or(|next| next > now));
    }
    for (index, generation) in due {
        assert_eq!(
            wheel.poll(index, generation, &noop()),
            Polled::Fired,
            "late"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2000), ..ProptestConfig::default() })]

    /// Never early, never late, once each, and the next deadline is never after the earliest.
    #[test]
    fn equals_a_sorted_map(start in delay(), steps in prop::collection::vec(step(), 1..60)) {
        let (mut wheel, mut naive, mut now) = (Wheel::new(), Naive::default(), start >> 2);
        for step in steps {
            match step {
                Step::Insert { delay } => {
                    let deadline = now.saturating_add(delay);
                    naive.insert(deadline, wheel.insert(deadline, noop()));
                }
                Step::InsertPast { before } => {
                    let deadline = now.saturating_sub(before);
                    naive.insert(deadline, wheel.insert(deadline, noop()));
                }
                Step::Remove { pick } => {
                    if let Some(at) = naive.pick(pick) {
                        let (index, generation) = naive.by_deadline.remove(&at).unwrap();
                        prop_assert!(wheel.remove(index, generation).is_some());
                    }
                }
                Step::Reset { pick, delay } => {
                    if let Some(at) = naive.pick(pick) {
                        let key = naive.by_deadline.remove(&at).unwrap();
                        let deadline = now.saturating_add(delay);
                        prop_assert!(wheel.reset(key.0, key.1, deadline));
                        naive.insert(deadline, key);
                    }
                }
                Step::Advance { by, max } => {
                    now = now.saturating_add(by);
                    advance(&mut wheel, &mut naive, now, max);
                }
                Step::AdvanceToNext => {
                    if let Some(next) = wheel.next_deadline_ns() {
                        now = now.max(next);
                        advance(&mut wheel, &mut naive, now, usize::MAX);
                    }
                }
            }
            check(&wheel, &naive, now);
        }
    }
}

/// Says its number when it is woken.
struct Numbered(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

const MS: u64 = 1_000_000;

fn is_stop(wheel: &Wheel, now_ns: u64, earliest_ms: u64) -> bool {
    let next = wheel.next_deadline_ns().unwrap();
    now_ns < next && next <= earliest_ms * MS
}

proptest! {
    /// Frozen, timers fire by the millisecond, and in the order of their coming within one.
    #[test]
    fn frozen_it_equals_a_sorted_list(
        steps in proptest::collection::vec((0u64..3, 0u64..400 * MS, 0usize..40), 1..200),
        far in 0u32..30,
    ) {
        let mut wheel = Wheel::new();
        wheel.freeze(0);
        let log = Arc::new(Mutex::new(Vec::new()));
        let (mut now_ns, mut waiting, mut coming) = (0, Vec::new(), 0);
        for (step, time, which) in steps {
            match step {
                0 => {
                    let deadline_ns = now_ns + (time << (far % (which as u32 + 1)));
                    if wheel.has_reached(deadline_ns) {
                        continue;
                    }
                    let waker = Arc::new(Numbered(coming, log.clone())).into();
                    let key = wheel.insert(deadline_ns, waker);
                    waiting.push((deadline_ns.div_ceil(MS), coming, key));
                    coming += 1;
                }
                1 if !waiting.is_empty() => {
                    let (_, _, (index, generation)) = waiting.remove(which % waiting.len());
                    prop_assert!(wheel.remove(index, generation).is_some());
                }
                _ => {
                    now_ns += time;
                    let mut out = WakeList::new();
                    let fired = wheel.fire(now_ns, usize::MAX, &mut out);
                    out.wake_all();
                    let is_due = |timer: &(u64, usize, _)| timer.0 <= now_ns / MS;
                    let (mut due, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_due);
                    waiting = rest;
                    due.sort_by_key(|(tick, coming, _)| (*tick, *coming));
                    let expected: Vec<usize> = due.iter().map(|(_, coming, _)| *coming).collect();
                    prop_assert_eq!(std::mem::take(&mut *log.lock().unwrap()), expected);
                    prop_assert_eq!(fired, due.len());
                    for (_, _, (index, generation)) in due {
                        prop_assert!(wheel.remove(index, generation).is_none());
                    }
                    if let Some(earliest) = waiting.iter().map(|(tick, ..)| *tick).min() {
                        prop_assert!(is_stop(&wheel, now_ns, earliest));
                    }
                }
            }
            prop_assert_eq!(wheel.len(), waiting.len());
        }
    }
}

#[test]
fn frozen_and_thawed_it_keeps_its_timers() {
    let mut wheel = Wheel::new();
    for ns in [7 * MS + 1, 3 * MS, 7 * MS + 2, u64::MAX, 90_000 * MS] {
        wheel.insert(ns, noop());
    }
    wheel.freeze(MS / 2);
    assert_eq!(wheel.next_deadline_ns(), Some(3 * MS));
    assert_eq!(fire(&mut wheel, 3 * MS), 1);
    assert_eq!(fire(&mut wheel, 7 * MS + 999_999), 0, "they are rounded up");
    wheel.thaw(7 * MS + 1);
    assert_eq!(fire(&mut wheel, 7 * MS + 1), 1, "and exact again");
    assert_eq!(wheel.next_deadline_ns(), Some(7 * MS + 2));
    assert_eq!(fire(&mut wheel, 90_000 * MS), 2);
    assert_eq!(wheel.len(), 1);
}

/// A timer beyond the reach of the highest level waits while that comes around, many times.
#[test]
fn frozen_it_waits_for_years() {
    let mut wheel = Wheel::new();
    wheel.freeze(5 * MS);
    let deadline_ms = 30 * 365 * 86_400_000 + 17;
    wheel.insert(deadline_ms * MS, noop());
    let mut stops = 0;
    while let Some(next) = wheel.next_deadline_ns() {
        stops += 1;
        assert!(next <= deadline_ms * MS);
        let fired = fire(&mut wheel, next);
        assert_eq!(fired == 1, next == deadline_ms * MS);
    }
    assert!((14..30).contains(&stops), "{stops}");
}
