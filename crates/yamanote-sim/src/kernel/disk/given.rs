//! What a host is given that really is there, wherever it lies: its program, and real directories.
//!
//! Below a directory that is empty at the start nothing real is seen. What was given is there by
//! its name all the same, and so are the directories above it; lists of names do not have them.
#![forbid(unsafe_code)]

use super::tree::{Entry, Ino, Node, ROOT, Tree};
use std::path::{Component, Path};

impl Tree {
    /// A directory that is real as it is; false if something else is where it would be seen.
    pub(crate) fn add_real(&mut self, dir: &Path) -> bool {
        let is_seen = self.show(dir, Node::Real(dir.to_owned())).is_some();
        if is_seen {
            self.real.push(dir.to_owned());
        }
        is_seen
    }

    /// Of a new disk. What a host changes is a copy.
    pub(super) fn show_program(&mut self) {
        if let Ok(program) = std::env::current_exe() {
            let _ = self.show(&program, Node::Lower(program.clone()));
        }
    }

    /// Has a real path lead to `node`, if it does not by itself. `None` if the host has put
    /// something else there, or has removed what was above it.
    fn show(&mut self, path: &Path, node: Node) -> Option<()> {
        let names = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.as_encoded_bytes().to_vec()),
            _ => None,
        });
        let mut names: Vec<Vec<u8>> = names.collect();
        let last = names.pop()?;
        let mut at = ROOT;
        for name in names {
            at = match self.step_to(at, &name)? {
                Some(next) => next,
                None => return Some(()),
            };
        }
        if self.has_to_be_shown(at, &last)? {
            self.shown.insert((at, last), node);
        }
        Some(())
    }

    /// The directory of that name, made if there is none. `Some(None)` if what is really there is
    /// seen, and with it all below.
    fn step_to(&mut self, at: Ino, name: &[u8]) -> Option<Option<Ino>> {
        let dir = self.dir(at).ok()?;
        let is_seen = dir.lower.is_some();
        match dir.slots.get(name).map(|slot| slot.now) {
            Some(Entry::Ino(ino)) => return self.inode(ino).is_dir().then_some(Some(ino)),
            Some(Entry::Gone) => return None,
            Some(Entry::Below) | None if is_seen => return Some(None),
            Some(Entry::Below) | None => {}
        }
        match self.shown.get(&(at, name.to_vec())) {
            Some(Node::Ino(ino)) => Some(Some(*ino)),
            // In a directory that is real itself.
            Some(Node::Real(_)) => Some(None),
            Some(Node::Lower(_)) => None,
            None => {
                let ino = self.new_dir(at, name.to_vec(), None, 0o755);
                let inode = self.inode_mut(ino);
                (inode.links, inode.named) = (1, 2);
                self.shown.insert((at, name.to_vec()), Node::Ino(ino));
                Some(Some(ino))
            }
        }
    }

    /// Whether the name has to be shown in that directory.
    fn has_to_be_shown(&self, at: Ino, name: &[u8]) -> Option<bool> {
        let dir = self.dir(at).ok()?;
        match dir.slots.get(name).map(|slot| slot.now) {
            Some(Entry::Ino(_) | Entry::Gone) => None,
            Some(Entry::Below) | None => Some(dir.lower.is_none()),
        }
    }

    /// The directories that are shown in one, with their names.
    pub(super) fn shown_in(&self, dir: Ino) -> impl Iterator<Item = (Ino, &Vec<u8>)> {
        let shown = self.shown.range((dir, Vec::new())..(dir + 1, Vec::new()));
        shown.filter_map(|((_, name), node)| match node {
            Node::Ino(ino) => Some((*ino, name)),
            _ => None,
        })
    }

    /// The host has changed what the name stands for: what it stood for, if that was shown.
    pub(super) fn take_shown(&mut self, dir: Ino, name: &[u8]) -> Option<Ino> {
        match self.shown.remove(&(dir, name.to_vec())) {
            Some(Node::Ino(ino)) => Some(ino),
            _ => None,
        }
    }
}
