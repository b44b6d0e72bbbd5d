//! Every order of events for up to four workers, and what must hold in each state reached.
#![forbid(unsafe_code)]

use super::*;
use std::collections::{HashMap, HashSet, VecDeque};

/// What an awake worker is about. A worker called is `Called` until it rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    Asleep,
    Called,
    /// Rose, or looks for work; has not run a task since.
    Unsettled,
    /// Stands sentry next time it lies down.
    Guarding,
    /// Has asked for a sentry and runs a task.
    Running,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    roster: Roster,
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
                    assert_eq!(world.roster.rise(w), None);
                    world.lives[w] = Life::Unsettled;
                }),
                Life::Called => step(&mut |world| {
                    world.lives[w] = match world.roster.rise(w).expect("called") {
                        Errand::Search => Life::Unsettled,
                        Errand::StandSentry => Life::Guarding,
                    };
                }),
                Life::Unsettled | Life::Guarding | Life::Running => {
                    let moods: &[Mood] = match self.lives[w] {
                        Life::Running => &[Mood::Done],
                        Life::Guarding => &[Mood::Calm { lively: true }],
                        _ => &[
                            Mood::Done,
                            Mood::Calm { lively: false },
                            Mood::Calm { lively: true },
                            Mood::Alarmed,
                        ],
                    };
                    for mood in moods {
                        step(&mut |world| {
                            let _ = world.roster.lie_down(w, *mood);
                            world.lives[w] = Life::Asleep;
                        });
                    }
                    step(&mut |world| world.search());
                    if self.lives[w] != Life::Running {
                        step(&mut |world| {
                            if let Some(called) = world.roster.call_sentry() {
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
        if let Some(called) = self.roster.call_searcher() {
            self.lives[called] = Life::Called;
        }
    }

    fn check(&self) {
        let Roster {
            sleepers,
            driver,
            sentry,
            errands,
        } = &self.roster;
        let asleep = |w: &usize| self.lives[*w] == Life::Asleep;
        assert!(
            sleepers.iter().all(asleep)
                && sleepers.iter().collect::<HashSet<_>>().len() == sleepers.len()
        );
        assert_eq!(
            sleepers.len(),
            self.lives.iter().filter(|l| **l == Life::Asleep).count()
        );
        assert!(driver.iter().all(asleep), "rule 1: {self:?}");
        assert!(sentry.iter().all(asleep), "rule 1: {self:?}");
        for (life, errand) in self.lives.iter().zip(errands) {
            assert_eq!(*life == Life::Called, errand.is_some(), "rule 5: {self:?}");
        }
        if sleepers.len() == self.lives.len() {
            assert!(driver.is_some(), "rule 2: {self:?}");
        }
        let unguarded =
            self.lives.contains(&Life::Running) && !sleepers.is_empty() && sentry.is_none();
        let somebody_will = self
            .lives
            .iter()
            .any(|l| matches!(l, Life::Called | Life::Unsettled | Life::Guarding));
        assert!(!unguarded || somebody_will, "rule 3: {self:?}");
    }

    /// From here the running workers are stuck for ever. Everybody else does what it does when there is
    /// no work: after some naps somebody watches readiness, or nobody is left to do it.
    fn hog_test(mut self) {
        for _round in 0..3 {
            for w in 0..self.lives.len() {
                match self.lives[w] {
                    Life::Running => continue,
                    Life::Asleep if self.roster.sentry == Some(w) => {
                        assert_eq!(self.roster.rise(w), None);
                        let _ = self.roster.lie_down(w, Mood::Alarmed);
                    }
                    Life::Asleep => {}
                    Life::Called => {
                        let errand = self.roster.rise(w);
                        let mood = match errand {
                            Some(Errand::StandSentry) => Mood::Calm { lively: true },
                            _ => Mood::Done,
                        };
                        let _ = self.roster.lie_down(w, mood);
                    }
                    Life::Unsettled | Life::Guarding => {
                        let _ = self.roster.lie_down(w, Mood::Calm { lively: false });
                    }
                }
                self.lives[w] = Life::Asleep;
                self.check();
            }
        }
        assert!(
            self.roster.sleepers.is_empty() || self.roster.driver.is_some(),
            "readiness is watched by nobody: {self:?}"
        );
    }
}

fn explore(workers: usize) -> usize {
    let start = World {
        roster: Roster::new(workers),
        lives: vec![Life::Unsettled; workers],
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
    let mut roster = Roster::new(2);
    assert_eq!(
        roster.lie_down(0, Mood::Done),
        Sleep {
            watches: true,
            naps: true
        }
    );
    assert_eq!(
        roster.lie_down(1, Mood::Done),
        Sleep {
            watches: false,
            naps: false
        }
    );
    // An event: the driver runs a lone task, and has the other stand sentry.
    assert_eq!(roster.rise(0), None);
    assert_eq!(roster.call_sentry(), Some(1));
    assert_eq!(roster.rise(1), Some(Errand::StandSentry));
    assert_eq!(
        roster.lie_down(1, Mood::Calm { lively: true }),
        Sleep {
            watches: false,
            naps: true
        }
    );
    // The task is over, the next event finds the same driver, and nobody is called.
    assert_eq!(
        roster.lie_down(0, Mood::Done),
        Sleep {
            watches: true,
            naps: false
        }
    );
    assert_eq!(roster.rise(0), None);
    assert_eq!(roster.call_sentry(), None);
    // It is stuck: at the end of its nap the sentry takes the role.
    assert_eq!(roster.rise(1), None);
    assert_eq!(
        roster.lie_down(1, Mood::Alarmed),
        Sleep {
            watches: true,
            naps: true
        }
    );
}

#[test]
fn a_sentry_that_comes_late_relieves_the_driver() {
    let mut roster = Roster::new(2);
    let _ = roster.lie_down(0, Mood::Done);
    let _ = roster.lie_down(1, Mood::Done);
    assert_eq!(roster.rise(0), None);
    assert_eq!(roster.call_sentry(), Some(1));
    // The task is over before the other has woken.
    let both = roster.lie_down(0, Mood::Done);
    assert!(both.watches && both.naps);
    assert_eq!(roster.rise(1), Some(Errand::StandSentry));
    let sentry = roster.lie_down(1, Mood::Calm { lively: true });
    assert!(sentry.naps && !sentry.watches);
    // The next event calls nobody.
    assert_eq!(roster.rise(0), None);
    assert_eq!(roster.call_sentry(), None);
}

#[test]
fn searchers_are_called_from_the_warm_end_and_roles_last() {
    let mut roster = Roster::new(5);
    for worker in 0..4 {
        let _ = roster.lie_down(worker, Mood::Done);
    }
    assert_eq!(roster.call_searcher(), Some(3));
    assert_eq!(roster.call_searcher(), Some(2));
    assert_eq!(roster.call_searcher(), Some(1));
    assert_eq!(roster.call_searcher(), Some(0));
    assert_eq!(roster.call_searcher(), None);
}
