//! What a crash leaves of a disk.
#![forbid(unsafe_code)]

use super::data::{Choice, choose};
use super::journal::{About, Op};
use super::settings::{Keeps, Settings};
use super::tree::{Dir, Entry, Ino, Kind, ROOT, Tree};
use crate::kernel::chance::Rng;
use std::collections::BTreeMap;

/// What a crash has done.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Changes of names that are undone, of those that might have been.
    pub(crate) names_lost: u64,
    pub(crate) names_at_risk: u64,
    /// Files of which something was lost: the number, the bytes, and pages that are torn.
    pub(crate) files: Vec<(Ino, u64, u64)>,
}

impl Tree {
    /// The machine goes down. Afterwards nothing is open, and all there is is durable.
    pub(crate) fn crash(&mut self, settings: &Settings, rng: &mut Rng) -> Losses {
        let mut losses = Losses::default();
        if settings.crash_keeps == Keeps::Everything {
            self.sync_everything();
        }
        let choice = self.choose_all(settings, rng);
        self.crash_names(choice, rng, &mut losses);
        self.find_again();
        for (ino, inode) in &mut self.inodes {
            let attr = choose(&inode.attr, choice, rng);
            inode.attr.leave(attr);
            inode.opens = 0;
            let Kind::File(data) = &mut inode.kind else {
                continue;
            };
            if data.is_settled() {
                continue;
            }
            let damage = data.crash(choice, rng);
            if damage.lost + damage.torn > 0 {
                losses.files.push((*ino, damage.lost, damage.torn));
            }
        }
        self.used = 0;
        for inode in self.inodes.values() {
            if let Kind::File(data) = &inode.kind {
                self.used += data.blocks();
            }
        }
        self.umask = 0o022;
        self.find_cwd();
        losses
    }

    /// The stamp of the last change.
    pub(crate) fn last_change(&self) -> u64 {
        self.stamp
    }

    /// Whether a change of a name or of contents is not durable that is younger than a stamp.
    pub(crate) fn is_pending_since(&self, stamp: u64) -> bool {
        let mut stamps: Vec<u64> = self.journal.ops.iter().map(|op| op.stamp).collect();
        for inode in self.inodes.values() {
            if let Kind::File(data) = &inode.kind {
                data.stamps(&mut stamps);
            }
        }
        stamps.iter().any(|at| *at > stamp)
    }

    /// Everything is durable.
    pub(crate) fn sync_everything(&mut self) {
        self.sync_all_names();
        for inode in self.inodes.values_mut() {
            inode.attr.sync();
            if let Kind::File(data) = &mut inode.kind {
                data.sync();
            }
        }
    }

    fn choose_all(&self, settings: &Settings, rng: &mut Rng) -> Choice {
        match settings.crash_keeps {
            Keeps::Everything => Choice::Now,
            Keeps::Synced => Choice::Durable,
            Keeps::SyncedAndSome => {
                // Often all of it or nothing: these are what a program is least ready for.
                let keep = [0, 32, 128, 224, 255][rng.below(5) as usize];
                Choice::Some {
                    keep,
                    tear: settings.tear,
                    corrupt: settings.corrupt,
                }
            }
            Keeps::AnyPrefix => {
                let mut stamps = vec![0];
                stamps.extend(self.journal.ops.iter().map(|op| op.stamp));
                for inode in self.inodes.values() {
                    inode.attr.stamps(&mut stamps);
                    if let Kind::File(data) = &inode.kind {
                        data.stamps(&mut stamps);
                    }
                }
                stamps.sort_unstable();
                stamps.dedup();
                let at = stamps[rng.below(stamps.len() as u64) as usize];
                Choice::At(self.known_from(at))
            }
        }
    }

    /// `stamp`, or a later one at which every value is known.
    fn known_from(&self, stamp: u64) -> u64 {
        let mut known = stamp;
        loop {
            let before = known;
            for inode in self.inodes.values() {
                known = inode.attr.known_from(known);
                if let Kind::File(data) = &inode.kind {
                    known = data.known_from(known);
                }
            }
            if known == before {
                return known;
            }
        }
    }

    /// Chooses among the changes of names, and does those that are kept.
    fn crash_names(&mut self, choice: Choice, rng: &mut Rng, losses: &mut Losses) {
        let ops = std::mem::take(&mut self.journal.ops);
        let mut lost = About::default();
        for op in ops {
            losses.names_at_risk += 1;
            let keeps = match choice {
                Choice::Durable => false,
                Choice::Now => true,
                Choice::At(stamp) => op.stamp <= stamp,
                Choice::Some { keep, .. } => {
                    rng.below(255) < u64::from(keep) && !lost.concerns(&op)
                }
            };
            if keeps {
                self.keep(op);
            } else {
                lost.add(&op);
                losses.names_lost += 1;
            }
        }
    }

    fn keep(&mut self, op: Op) {
        for change in op.changes {
            if let Ok(dir) = self.dir_mut(change.dir) {
                dir.slot(&change.name).durable = change.to;
            }
        }
    }

    /// Finds from the root what there is, by the durable names; all else is forgotten.
    fn find_again(&mut self) {
        let mut old = std::mem::take(&mut self.inodes);
        let mut found = BTreeMap::new();
        let mut to_visit = vec![(ROOT, ROOT, Vec::new())];
        let mut links: BTreeMap<Ino, u32> = BTreeMap::from([(ROOT, 1)]);
        while let Some((ino, parent, name)) = to_visit.pop() {
            let Some(mut inode) = old.remove(&ino) else {
                continue;
            };
            if let Kind::Dir(dir) = &mut inode.kind {
                dir.parent = parent;
                dir.name = name;
                dir.is_removed = false;
                settle(dir);
                for (name, slot) in &dir.slots {
                    if let Entry::Ino(child) = slot.now {
                        *links.entry(child).or_default() += 1;
                        to_visit.push((child, ino, name.clone()));
                    }
                }
                for (child, name) in self.shown_in(ino) {
                    *links.entry(child).or_default() += 1;
                    to_visit.push((child, ino, name.clone()));
                }
            }
            found.insert(ino, inode);
        }
        for (ino, links) in links {
            if let Some(inode) = found.get_mut(&ino) {
                inode.links = links;
                inode.named = 2 * links;
            }
        }
        self.inodes = found;
    }

    /// A number that changes with whatever is on the disk.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = super::FNV;
        let mut mix = |number: u64| hash = super::mix(hash, number);
        for (ino, inode) in &self.inodes {
            mix(*ino);
            mix(u64::from(inode.attr.now().mode));
            match &inode.kind {
                Kind::Dir(dir) => {
                    for (name, slot) in &dir.slots {
                        mix(super::hash_of(name));
                        mix(slot.now.ino().unwrap_or(0));
                        mix(slot.durable.ino().unwrap_or(0));
                    }
                }
                Kind::File(data) => data.hash(&mut mix),
                Kind::Link(target) => mix(super::hash_of(target)),
                Kind::Fifo | Kind::Socket | Kind::Random => {}
            }
        }
        hash
    }
}

/// What is durable is all there is.
fn settle(dir: &mut Dir) {
    let has_lower = dir.lower.is_some();
    dir.slots.retain(|_, slot| {
        slot.now = slot.durable;
        match slot.now {
            Entry::Ino(_) => true,
            Entry::Gone => has_lower,
            Entry::Below => false,
        }
    });
}
