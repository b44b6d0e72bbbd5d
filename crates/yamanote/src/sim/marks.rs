//! The marks of `yamanote-marks`, in a run.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use yamanote_marks::{Kind, Observer};
use yamanote_sim::{Rng, Stream, hosts, is_inside, with_rng};

use crate::util::poison::unpoisoned;

/// Where a mark stands: its kind, its name, file and line.
pub(super) type Place = (Kind, String, String);

/// How often a mark was come by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) held: u64,
    pub(super) failed: u64,
}

static SEEN: Mutex<BTreeMap<Place, Sight>> = Mutex::new(BTreeMap::new());
static IS_HEALED: AtomicBool = AtomicBool::new(false);

/// From now on marks are noted.
pub(super) fn observe() {
    yamanote_marks::observe(Observer {
        is_inside,
        see,
        draw,
    });
}

/// [`buggify`](super::buggify) is false from now on.
pub(super) fn heal() {
    IS_HEALED.store(true, Relaxed);
}

pub(super) fn take() -> BTreeMap<Place, Sight> {
    std::mem::take(&mut *unpoisoned(SEEN.lock()))
}

fn see(kind: Kind, name: &'static str, place: &'static Location<'static>, holds: bool) {
    let place = (
        kind,
        name.to_owned(),
        format!("{}:{}", place.file(), place.line()),
    );
    let mut seen = unpoisoned(SEEN.lock());
    let sight = seen.entry(place).or_default();
    match holds {
        true => sight.held += 1,
        false => sight.failed += 1,
    }
}

/// One line in so many takes part in a run.
const LINES_THAT_TAKE_PART: u64 = 4;

fn draw(place: &'static Location<'static>, p: f64) -> bool {
    static SEED: Mutex<Option<u64>> = Mutex::new(None);
    // Relaxed: one thread of a simulation runs at a time.
    if IS_HEALED.load(Relaxed) || !hosts::is_alive(hosts::current_life()) {
        return false;
    }
    let seed = *unpoisoned(SEED.lock()).get_or_insert_with(|| with_rng(Stream::Chaos, Rng::next));
    let name = place.file().bytes().map(u64::from);
    let line = [u64::from(place.line()), u64::from(place.column())];
    let mixed = name
        .chain(line)
        .fold(seed, |mixed, it| Rng::new(mixed ^ it).next());
    mixed % LINES_THAT_TAKE_PART == 0 && with_rng(Stream::Chaos, |rng| rng.chance(p))
}
