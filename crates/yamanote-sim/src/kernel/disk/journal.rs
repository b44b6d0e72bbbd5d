//! Names that were made, moved and removed, until they are durable.
//!
//! A change is whole: a rename never is half done. A later change may be durable and an earlier one
//! not, unless the later one needs it: both are about one name, one file or one directory.
#![forbid(unsafe_code)]

use super::tree::{Entry, Ino, Kind, Tree};
use std::collections::{BTreeSet, VecDeque};

/// Changes that may be lost, at most; the oldest is durable then.
const MOST: usize = 4096;

/// A name, and what it stands for from now on.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) dir: Ino,
    pub(super) name: Vec<u8>,
    pub(super) to: Entry,
}

/// Changes that are one.
#[derive(Debug)]
pub(super) struct Op {
    pub(super) stamp: u64,
    pub(super) changes: Vec<Change>,
    /// What got or lost a name.
    pub(super) touched: Vec<Ino>,
    /// A directory got another parent.
    pub(super) moves_dir: bool,
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) ops: VecDeque<Op>,
}

/// What some changes are about.
#[derive(Debug, Default)]
pub(super) struct About {
    slots: BTreeSet<(Ino, Vec<u8>)>,
    dirs: BTreeSet<Ino>,
    touched: BTreeSet<Ino>,
    moves_dir: bool,
}

impl About {
    /// Whether the order of `op` and these matters.
    pub(super) fn concerns(&self, op: &Op) -> bool {
        let of_slot = |change: &Change| {
            self.slots.contains(&(change.dir, change.name.clone()))
                || self.touched.contains(&change.dir)
        };
        let of_inode = |ino: &Ino| self.touched.contains(ino) || self.dirs.contains(ino);
        (self.moves_dir && op.moves_dir)
            || op.changes.iter().any(of_slot)
            || op.touched.iter().any(of_inode)
    }

    pub(super) fn add(&mut self, op: &Op) {
        for change in &op.changes {
            self.slots.insert((change.dir, change.name.clone()));
            self.dirs.insert(change.dir);
        }
        self.touched.extend(&op.touched);
        self.moves_dir |= op.moves_dir;
    }
}

impl Tree {
    /// Does changes of names at once; they are durable later.
    pub(super) fn commit(&mut self, changes: Vec<Change>, touched: Vec<Ino>, moves_dir: bool) {
        self.stamp += 1;
        for change in &changes {
            self.set_now(change);
            self.touch(change.dir);
            self.inode_mut(change.dir).named += 1;
            if let Entry::Ino(ino) = change.to {
                self.inode_mut(ino).named += 1;
            }
        }
        for ino in &touched {
            self.change_attr(*ino, |_| {});
        }
        let op = Op {
            stamp: self.stamp,
            changes,
            touched,
            moves_dir,
        };
        self.journal.ops.push_back(op);
        if self.journal.ops.len() > MOST {
            let oldest = self.journal.ops.pop_front();
            oldest.into_iter().for_each(|op| self.make_durable(op));
        }
    }

    fn set_now(&mut self, change: &Change) {
        let to = change.to;
        let dir = self.dir_mut(change.dir).expect("a name is in a directory");
        let slot = dir.slot(&change.name);
        let was = match std::mem::replace(&mut slot.now, to) {
            Entry::Gone => self
                .take_shown(change.dir, &change.name)
                .map_or(Entry::Gone, Entry::Ino),
            was => was,
        };
        if let Entry::Ino(ino) = to {
            let inode = self.inode_mut(ino);
            inode.links += 1;
            inode.named += 1;
            if inode.links == 1 && inode.opens == 0 {
                self.used += self.blocks(ino);
            }
            if let Kind::Dir(child) = &mut self.inode_mut(ino).kind {
                child.parent = change.dir;
                child.name.clone_from(&change.name);
            }
        }
        if let Entry::Ino(ino) = was {
            let inode = self.inode_mut(ino);
            inode.links -= 1;
            inode.named -= 1;
            if inode.links == 0 && inode.opens == 0 {
                self.used -= self.blocks(ino);
            }
        }
    }

    /// Has a crash leave this for certain. Its order among those it is not about does not matter.
    pub(super) fn make_durable(&mut self, op: Op) {
        let mut unused = Vec::new();
        for change in &op.changes {
            let dir = self.dir_mut(change.dir).expect("a name is in a directory");
            let has_lower = dir.lower.is_some();
            let slot = dir.slot(&change.name);
            let was = std::mem::replace(&mut slot.durable, change.to);
            if slot.now == Entry::Gone && slot.durable == Entry::Gone && !has_lower {
                dir.slots.remove(&change.name);
            }
            // The journal's hold on it is the slot's from now on.
            if let Entry::Ino(ino) = was {
                self.inode_mut(ino).named -= 1;
                unused.push(ino);
            }
            self.inode_mut(change.dir).named -= 1;
            unused.push(change.dir);
        }
        unused.iter().for_each(|ino| self.forget(*ino));
    }

    /// Forgets an inode that nobody can reach, and what only that one reached.
    pub(super) fn forget(&mut self, ino: Ino) {
        let mut unused = vec![ino];
        while let Some(ino) = unused.pop() {
            let Some(inode) = self.inodes.get(&ino) else {
                continue;
            };
            if inode.links > 0 || inode.opens > 0 || inode.named > 0 {
                continue;
            }
            let Some(inode) = self.inodes.remove(&ino) else {
                continue;
            };
            let Kind::Dir(dir) = inode.kind else { continue };
            for slot in dir.slots.values() {
                if let Entry::Ino(ino) = slot.durable {
                    if let Some(inode) = self.inodes.get_mut(&ino) {
                        inode.named -= 1;
                        unused.push(ino);
                    }
                }
            }
        }
    }

    /// The names in a directory are durable, and all that this needs.
    pub(super) fn sync_names(&mut self, dir: Ino) {
        let mut about = About::default();
        let mut needed = vec![false; self.journal.ops.len()];
        for (index, op) in self.journal.ops.iter().enumerate().rev() {
            let is_in = op.changes.iter().any(|change| change.dir == dir);
            if is_in || about.concerns(op) {
                about.add(op);
                needed[index] = true;
            }
        }
        let mut needed = needed.into_iter();
        let (done, rest) = std::mem::take(&mut self.journal.ops)
            .into_iter()
            .partition::<VecDeque<Op>, _>(|_| needed.next().unwrap_or(false));
        self.journal.ops = rest;
        done.into_iter().for_each(|op| self.make_durable(op));
    }

    /// All names are.
    pub(super) fn sync_all_names(&mut self) {
        for op in std::mem::take(&mut self.journal.ops) {
            self.make_durable(op);
        }
    }
}
