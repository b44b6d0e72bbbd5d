//! Every order of events for up to four workers, and what must hold in each state reached.
#![forbid(unsafe_code)]

use super::*;
use std::collections::{HashMap, HashSet, VecDeque};

/// What a worker does. One that was called is `Called` until it is awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    Asleep,
    Called,
    /// Awake, and has run no task since it slept.
    Looking,
    /// Stands sentry in its next sleep.
    Guarding,
    /// Has asked for a sentry and runs a task.
    Running,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    sleepers: Sleepers,
    lives: Vec<Life>,
}

impl World {
    fn next(&self) -> Vec<World> {
        let mut all = Vec::new();
        let mut step = |f: &mut dyn FnMut(&mut World)| {
            let mut world = self.clone();
            f(&mut world);
            world.check();
            all.push(world);
        };
        for w in 0..self.lives.len() {
            match self.lives[w] {
                Life::Asleep => step(&mut |world| {
                    assert_eq!(world.sleepers.end_sleep(w), None);
                    world.lives[w] = Life::Looking;
                }),
                Life::Called => step(&mut |world| {
                    world.lives[w] = match world.sleepers.end_sleep(w).expect("called") {
                        Call::Search => Life::Looking,
                        Call::StandSentry => Life::Guarding,
                    };
                }),
                Life::Looking | Life::Guarding | Life::Running => {
                    let reports: &[Report] = match self.lives[w] {
                        Life::Running => &[Report::NoWatch],
                        Life::Guarding => &[Report::AllWell { lively: true }],
                        _ => &[
                            Report::NoWatch,
                            Report::AllWell { lively: false },
                            Report::AllWell { lively: true },
                            Report::Stuck,
                        ],
                    };
                    for report in reports {
                        step(&mut |world| {
                            let _ = world.sleepers.begin_sleep(w, *report);
                            world.lives[w] = Life::Asleep;
                        });
                    }
                    step(&mut |world| world.search());
                    if self.lives[w] != Life::Running {
                        step(&mut |world| {
                            if let Some(called) = world.sleepers.call_sentry() {
                                world.lives[called] = Life::Called;
                            }
                            world.lives[w] = Life::Running;
                        });
                    }
                }
            }
        }
        // A foreign thread brings a task.
        step(&mut |world| world.search());
        all
    }

    fn search(&mut self) {
        if let Some(called) = self.sleepers.call_searcher() {
            self.lives[called] = Life::Called;
        }
    }

    fn check(&self) {
        let Sleepers {
            order,
            watcher,
            sentry,
            calls,
        } = &self.sleepers;
        let asleep = |w: &usize| self.lives[*w] == Life::Asleep;
        assert!(
            order.iter().all(asleep) && order.iter().collect::<HashSet<_>>().len() == order.len()
        );
        assert_eq!(
            order.len(),
            self.lives.iter().filter(|l| **l == Life::Asleep).count()
        );
        assert!(watcher.iter().all(asleep), "rule 1: {self:?}");
        assert!(sentry.iter().all(asleep), "rule 1: {self:?}");
        for (life, call) in self.lives.iter().zip(calls) {
            assert_eq!(*life == Life::Called, call.is_some(), "rule 5: {self:?}");
        }
        if order.len() == self.lives.len() {
            assert!(watcher.is_some(), "rule 2: {self:?}");
        }
        let unguarded =
            self.lives.contains(&Life::Running) && !order.is_empty() && sentry.is_none();
        let somebody_will = self
            .lives
            .iter()
            .any(|l| matches!(l, Life::Called | Life::Looking | Life::Guarding));
        assert!(!unguarded || somebody_will, "rule 3: {self:?}");
    }

    /// From here on the running workers are stuck for ever. The others do what they do without
    /// work: after some naps one of them watches readiness, unless none is left.
    fn hog_test(mut self) {
        for _round in 0..3 {
            for w in 0..self.lives.len() {
                match self.lives[w] {
                    Life::Running => continue,
                    Life::Asleep if self.sleepers.sentry == Some(w) => {
                        assert_eq!(self.sleepers.end_sleep(w), None);
                        let _ = self.sleepers.begin_sleep(w, Report::Stuck);
                    }
                    Life::Asleep => {}
                    Life::Called => {
                        let call = self.sleepers.end_sleep(w);
                        let report = match call {
                            Some(Call::StandSentry) => Report::AllWell { lively: true },
                            _ => Report::NoWatch,
                        };
                        let _ = self.sleepers.begin_sleep(w, report);
                    }
                    Life::Looking | Life::Guarding => {
                        let _ = self
                            .sleepers
                            .begin_sleep(w, Report::AllWell { lively: false });
                    }
                }
                self.lives[w] = Life::Asleep;
                self.check();
            }
        }
        assert!(
            self.sleepers.order.is_empty() || self.sleepers.watcher.is_some(),
            "readiness is watched by nobody: {self:?}"
        );
    }
}

fn explore(workers: usize) -> usize {
    let start = World {
        sleepers: Sleepers::new(workers),
        lives: vec![Life::Looking; workers],
    };
    let mut seen: HashMap<World, ()> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(world) = queue.pop_front() {
        if seen.insert(world.clone(), ()).is_none() {
            queue.extend(world.next());
        }
    }
    let states = seen.len();
    seen.into_keys().for_each(World::hog_test);
    states
}

#[test]
fn the_rules_hold_in_every_reachable_state() {
    for workers in 1..=4 {
        let states = explore(workers);
        assert!(states >= 3, "{workers} workers: only {states} states");
    }
}

#[test]
fn a_lone_task_leaves_the_role_where_it_was() {
    let mut sleepers = Sleepers::new(2);
    assert_eq!(
        sleepers.begin_sleep(0, Report::NoWatch),
        Sleep {
            watches: true,
            naps: true
        }
    );
    assert_eq!(
        sleepers.begin_sleep(1, Report::NoWatch),
        Sleep {
            watches: false,
            naps: false
        }
    );
    // An event: the watcher runs a lone task, and has the other stand sentry.
    assert_eq!(sleepers.end_sleep(0), None);
    assert_eq!(sleepers.call_sentry(), Some(1));
    assert_eq!(sleepers.end_sleep(1), Some(Call::StandSentry));
    assert_eq!(
        sleepers.begin_sleep(1, Report::AllWell { lively: true }),
        Sleep {
            watches: false,
            naps: true
        }
    );
    // The task is over, the next event finds the same watcher, and nobody is called.
    assert_eq!(
        sleepers.begin_sleep(0, Report::NoWatch),
        Sleep {
            watches: true,
            naps: false
        }
    );
    assert_eq!(sleepers.end_sleep(0), None);
    assert_eq!(sleepers.call_sentry(), None);
    // It is stuck: at the end of its nap the sentry takes the role.
    assert_eq!(sleepers.end_sleep(1), None);
    assert_eq!(
        sleepers.begin_sleep(1, Report::Stuck),
        Sleep {
            watches: true,
            naps: true
        }
    );
}

#[test]
fn a_sentry_that_comes_late_relieves_the_watcher() {
    let mut sleepers = Sleepers::new(2);
    let _ = sleepers.begin_sleep(0, Report::NoWatch);
    let _ = sleepers.begin_sleep(1, Report::NoWatch);
    assert_eq!(sleepers.end_sleep(0), None);
    assert_eq!(sleepers.call_sentry(), Some(1));
    // The task is over before the other has woken.
    let both = sleepers.begin_sleep(0, Report::NoWatch);
    assert!(both.watches && both.naps);
    assert_eq!(sleepers.end_sleep(1), Some(Call::StandSentry));
    let sentry = sleepers.begin_sleep(1, Report::AllWell { lively: true });
    assert!(sentry.naps && !sentry.watches);
    // The next event calls nobody.
    assert_eq!(sleepers.end_sleep(0), None);
    assert_eq!(sleepers.call_sentry(), None);
}

#[test]
fn searchers_are_called_from_the_warm_end_and_roles_last() {
    let mut sleepers = Sleepers::new(5);
    for worker in 0..4 {
        let _ = sleepers.begin_sleep(worker, Report::NoWatch);
    }
    assert_eq!(sleepers.call_searcher(), Some(3));
    assert_eq!(sleepers.call_searcher(), Some(2));
    assert_eq!(sleepers.call_searcher(), Some(1));
    assert_eq!(sleepers.call_searcher(), Some(0));
    assert_eq!(sleepers.call_searcher(), None);
}
