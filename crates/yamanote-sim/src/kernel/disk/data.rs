//! The contents of a file: sparse, in pages, each with its history since the last sync.
#![forbid(unsafe_code)]

use super::settings::Tear;
use super::versions::Versions;
use crate::kernel::chance::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const PAGE: u64 = 4096;
const SECTOR: usize = 512;

/// A page; `None` is a hole.
type Block = Option<Arc<[u8; PAGE as usize]>>;

#[derive(Debug, Clone)]
pub(super) struct Data {
    len: Versions<u64>,
    pages: BTreeMap<u64, Versions<Block>>,
    /// Pages that are no holes now.
    blocks: u64,
}

/// What a crash did to a file.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Damage {
    /// Bytes that are not what they were, in units of what was lost: pages or sectors.
    pub(super) lost: u64,
    /// Pages of which a part is of another time than the rest.
    pub(super) torn: u64,
}

/// How a crash treats what was not synced.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice {
    /// It is gone.
    Durable,
    /// It is there.
    Now,
    /// Everything is as it was at a stamp.
    At(u64),
    /// Each part is kept with a probability, in 256ths, and may be what it was in between.
    Some { keep: u8, tear: Tear, corrupt: f64 },
}

impl Data {
    pub(super) fn new() -> Data {
        Data {
            len: Versions::new(0),
            pages: BTreeMap::new(),
            blocks: 0,
        }
    }

    /// Durable contents.
    pub(super) fn of(bytes: &[u8]) -> Data {
        let mut data = Data::new();
        data.write(0, bytes, 1);
        data.sync();
        data
    }

    pub(super) fn len(&self) -> u64 {
        *self.len.now()
    }

    /// Pages that take room.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// How many new pages a write there would take.
    pub(super) fn room_for(&self, at: u64, len: u64) -> u64 {
        if len == 0 {
            return 0;
        }
        let (first, last) = (at / PAGE, (at + len - 1) / PAGE);
        let there = self.pages.range(first..=last);
        (last - first + 1) - there.filter(|(_, page)| page.now().is_some()).count() as u64
    }

    pub(super) fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let len = self.len();
        if at >= len {
            return 0;
        }
        let n = (len - at).min(into.len() as u64) as usize;
        let mut done = 0;
        while done < n {
            let position = at + done as u64;
            let offset = (position % PAGE) as usize;
            let part = (n - done).min(PAGE as usize - offset);
            let page = self.pages.get(&(position / PAGE));
            let into = &mut into[done..done + part];
            match page.and_then(|page| page.now().as_ref()) {
                Some(block) => into.copy_from_slice(&block[offset..offset + part]),
                None => into.fill(0),
            }
            done += part;
        }
        n
    }

    /// All of it.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len() as usize];
        self.read(0, &mut bytes);
        bytes
    }

    pub(super) fn write(&mut self, at: u64, bytes: &[u8], stamp: u64) {
        let mut done = 0;
        while done < bytes.len() {
            let position = at + done as u64;
            let offset = (position % PAGE) as usize;
            let part = (bytes.len() - done).min(PAGE as usize - offset);
            let mut block = self.block(position / PAGE).unwrap_or_else(zeros);
            Arc::make_mut(&mut block)[offset..offset + part]
                .copy_from_slice(&bytes[done..done + part]);
            self.set_block(position / PAGE, Some(block), stamp);
            done += part;
        }
        let end = at + bytes.len() as u64;
        // A length that a failed sync has left behind is written with the next change.
        if !bytes.is_empty() && (end > self.len() || self.len.is_adrift()) {
            self.len.set(stamp, end.max(self.len()));
        }
    }

    fn block(&self, page: u64) -> Block {
        self.pages.get(&page)?.now().clone()
    }

    fn set_block(&mut self, page: u64, block: Block, stamp: u64) {
        let entry = self
            .pages
            .entry(page)
            .or_insert_with(|| Versions::new(None));
        self.blocks += u64::from(block.is_some());
        self.blocks -= u64::from(entry.now().is_some());
        entry.set(stamp, block);
    }

    pub(super) fn set_len(&mut self, len: u64, stamp: u64) {
        if len < self.len() {
            self.punch(len, u64::MAX, stamp);
        }
        if len != self.len() || self.len.is_adrift() {
            self.len.set(stamp, len);
        }
    }

    /// Makes a hole of `from..to`.
    pub(super) fn punch(&mut self, from: u64, to: u64, stamp: u64) {
        let pages: Vec<u64> = self
            .pages
            .range(from / PAGE..)
            .map(|(page, _)| *page)
            .collect();
        for page in pages {
            let begin = page * PAGE;
            if begin >= to {
                break;
            }
            let Some(mut block) = self.block(page) else {
                continue;
            };
            let first = from.saturating_sub(begin).min(PAGE) as usize;
            let last = (to - begin).min(PAGE) as usize;
            if first >= last {
                continue;
            }
            if (first, last) == (0, PAGE as usize) {
                self.set_block(page, None, stamp);
            } else {
                Arc::make_mut(&mut block)[first..last].fill(0);
                self.set_block(page, Some(block), stamp);
            }
        }
    }

    /// Takes room for `from..to`.
    pub(super) fn allocate(&mut self, from: u64, to: u64, stamp: u64) {
        let zeros = zeros();
        for page in from / PAGE..to.div_ceil(PAGE) {
            if self.block(page).is_none() {
                self.set_block(page, Some(zeros.clone()), stamp);
            }
        }
    }

    /// The first place from `at` on that is data, or a hole; the end of the file is one.
    pub(super) fn seek(&self, at: u64, data: bool) -> Option<u64> {
        let len = self.len();
        if at >= len {
            return None;
        }
        let mut at = at;
        while at < len && self.block(at / PAGE).is_some() != data {
            at = (at / PAGE + 1) * PAGE;
            if data {
                // Over the hole at once.
                let next = self
                    .pages
                    .range(at / PAGE..)
                    .find(|(_, page)| page.now().is_some());
                at = next.map_or(len, |(page, _)| at.max(page * PAGE));
            }
        }
        match data {
            true => (at < len).then_some(at),
            false => Some(at.min(len)),
        }
    }

    /// Whether there is nothing that a sync would do or has failed to do.
    pub(super) fn is_settled(&self) -> bool {
        self.len.is_settled() && self.pages.values().all(Versions::is_settled)
    }

    /// When it changed since the last sync.
    pub(super) fn stamps(&self, into: &mut Vec<u64>) {
        self.len.stamps(into);
        self.pages.values().for_each(|page| page.stamps(into));
    }

    pub(super) fn sync(&mut self) {
        self.len.sync();
        self.pages.values_mut().for_each(Versions::sync);
        self.forget_holes();
    }

    pub(super) fn fail_sync(&mut self) {
        self.len.fail_sync();
        self.pages.values_mut().for_each(Versions::fail_sync);
    }

    /// A hole needs no entry.
    fn forget_holes(&mut self) {
        self.pages
            .retain(|_, page| page.now().is_some() || !page.is_settled());
    }

    /// `stamp`, or a later one at which all of this is known.
    pub(super) fn known_from(&self, stamp: u64) -> u64 {
        let pages = self.pages.values();
        let known = pages.fold(stamp, |stamp, page| page.known_from(stamp));
        self.len.known_from(known)
    }

    // --- crash

    /// A crash: everything is durable now, and not all of it what it was.
    pub(super) fn crash(&mut self, choice: Choice, rng: &mut Rng) -> Damage {
        let mut damage = Damage::default();
        let choice = match choice {
            // One moment for the whole file.
            Choice::Some {
                keep,
                tear: Tear::Never,
                ..
            } => {
                let mut stamps: Vec<u64> = vec![0];
                self.stamps(&mut stamps);
                stamps.sort_unstable();
                stamps.dedup();
                match rng.below(255) < u64::from(keep) {
                    true => Choice::Now,
                    false => {
                        let at = stamps[rng.below(stamps.len() as u64) as usize];
                        Choice::At(self.known_from(at))
                    }
                }
            }
            other => other,
        };
        let now = self.len();
        let len = choose(&self.len, choice, rng);
        damage.lost += now.saturating_sub(len);
        self.len.leave(len);
        for page in self.pages.values_mut() {
            if page.is_settled() {
                continue;
            }
            let was = page.now().clone();
            let is = crash_page(page, choice, rng, &mut damage);
            if !same(was.as_ref(), is.as_ref()) {
                damage.lost += differing(was.as_ref(), is.as_ref());
            }
            page.leave(is);
        }
        self.tidy();
        damage
    }

    /// Beyond the end there is nothing.
    fn tidy(&mut self) {
        let len = self.len();
        self.blocks = self
            .pages
            .values()
            .filter(|page| page.now().is_some())
            .count() as u64;
        self.punch(len, u64::MAX, 1);
        self.sync();
    }

    /// Changes with what is in it, and what of that is durable.
    pub(super) fn hash(&self, mix: &mut impl FnMut(u64)) {
        mix(self.len());
        mix(*self.len.durable());
        for (number, page) in &self.pages {
            mix(*number);
            for block in [page.now(), page.durable()].into_iter().flatten() {
                mix(super::hash_of(&block[..]));
            }
        }
    }
}

fn zeros() -> Arc<[u8; PAGE as usize]> {
    Arc::new([0; PAGE as usize])
}

fn same(a: Option<&Arc<[u8; PAGE as usize]>>, b: Option<&Arc<[u8; PAGE as usize]>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        (None, None) => true,
        _ => false,
    }
}

/// Bytes of the sectors in which two pages differ.
fn differing(a: Option<&Arc<[u8; PAGE as usize]>>, b: Option<&Arc<[u8; PAGE as usize]>>) -> u64 {
    let hole = [0; PAGE as usize];
    let a = a.map_or(&hole, |a| &**a);
    let b = b.map_or(&hole, |b| &**b);
    let sectors = a.chunks(SECTOR).zip(b.chunks(SECTOR));
    sectors.filter(|(a, b)| a != b).count() as u64 * SECTOR as u64
}

/// What is left of a value.
pub(super) fn choose<T: Clone>(value: &Versions<T>, choice: Choice, rng: &mut Rng) -> T {
    match choice {
        Choice::Now => value.now().clone(),
        _ => value.choice(choose_number(value, choice, rng)).clone(),
    }
}

/// The number of the version that is left of it.
fn choose_number<T: Clone>(value: &Versions<T>, choice: Choice, rng: &mut Rng) -> usize {
    let last = value.choices() - 1;
    match choice {
        Choice::Durable => 0,
        Choice::Now => last,
        Choice::At(stamp) => value.number_at(stamp),
        _ if last == 0 => 0,
        Choice::Some { keep, .. } if rng.below(255) < u64::from(keep) => last,
        Choice::Some { .. } => rng.below(last as u64) as usize,
    }
}

fn crash_page(page: &Versions<Block>, choice: Choice, rng: &mut Rng, damage: &mut Damage) -> Block {
    let Choice::Some { tear, corrupt, .. } = choice else {
        return choose(page, choice, rng);
    };
    // In memory alone since a sync failed.
    if !page.is_pending() {
        return page.durable().clone();
    }
    let number = choose_number(page, choice, rng);
    if rng.chance(corrupt) {
        let mut block = page.choice(number).clone().unwrap_or_else(zeros);
        let sectors = PAGE / SECTOR as u64;
        let sector = rng.below(sectors) as usize * SECTOR;
        rng.fill(&mut Arc::make_mut(&mut block)[sector..sector + SECTOR]);
        return Some(block);
    }
    if tear != Tear::Sector {
        return page.choice(number).clone();
    }
    let mut block = page.choice(number).clone().unwrap_or_else(zeros);
    let mut is_torn = false;
    for sector in 0..PAGE as usize / SECTOR {
        let other = choose_number(page, choice, rng);
        let part = sector * SECTOR..(sector + 1) * SECTOR;
        let hole = [0; SECTOR];
        let from = page
            .choice(other)
            .as_ref()
            .map_or(&hole[..], |from| &from[part.clone()]);
        if block[part.clone()] != *from {
            is_torn = true;
            Arc::make_mut(&mut block)[part].copy_from_slice(from);
        }
    }
    damage.torn += u64::from(is_torn);
    match page.choice(number) {
        None if !is_torn => None,
        _ => Some(block),
    }
}
