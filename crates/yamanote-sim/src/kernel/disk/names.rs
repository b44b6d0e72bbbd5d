//! What makes, moves and removes names.
#![forbid(unsafe_code)]

use super::journal::Change;
use super::tree::{Entry, Ino, Kind, Node, Tree};
use super::walk::{Last, Place, Stop};
use crate::kernel::files::Errno;

type Done = Result<(), Stop>;

impl Tree {
    /// Whether a new name can be made there.
    fn expect_vacant(&self, place: &Place) -> Done {
        match &place.node {
            Some(Node::Real(path)) => return Err(Stop::Real(path.clone())),
            Some(_) => return Err(Stop::Errno(libc::EEXIST)),
            None => {}
        }
        if place.last != Last::Name || self.dir(place.dir)?.is_removed {
            return Err(Stop::Errno(libc::ENOENT));
        }
        Ok(self.may(place.dir, 3)?)
    }

    /// A new inode, under a name that is free.
    pub(super) fn create(&mut self, place: &Place, kind: Kind, mode: u32) -> Result<Ino, Stop> {
        self.expect_vacant(place)?;
        if place.has_slash {
            return Err(Stop::Errno(libc::ENOENT));
        }
        let ino = self.new_inode(kind, mode);
        self.name(place, ino);
        Ok(ino)
    }

    fn name(&mut self, place: &Place, ino: Ino) {
        let change = Change {
            dir: place.dir,
            name: place.name.clone(),
            to: Entry::Ino(ino),
        };
        self.commit(vec![change], vec![ino], false);
    }

    pub(crate) fn make_dir(&mut self, start: Ino, path: &[u8], mode: u32) -> Done {
        let place = self.walk_unfollowed(start, path)?;
        self.expect_vacant(&place)?;
        let mode = mode & 0o1777 & !self.umask;
        let ino = self.new_dir(place.dir, place.name.clone(), None, mode);
        self.name(&place, ino);
        Ok(())
    }

    pub(crate) fn make_fifo(&mut self, start: Ino, path: &[u8], mode: u32) -> Done {
        let place = self.walk(start, path, false)?;
        let mode = mode & 0o7777 & !self.umask;
        self.create(&place, Kind::Fifo, mode)?;
        Ok(())
    }

    pub(crate) fn make_link(&mut self, start: Ino, path: &[u8], target: &[u8]) -> Done {
        if target.is_empty() {
            return Err(Stop::Errno(libc::ENOENT));
        }
        let place = self.walk_unfollowed(start, path)?;
        self.create(&place, Kind::Link(target.to_vec()), 0o777)?;
        Ok(())
    }

    pub(crate) fn read_link(&mut self, start: Ino, path: &[u8]) -> Result<Vec<u8>, Stop> {
        let place = self.walk(start, path, false)?;
        match place.existing()? {
            Node::Ino(ino) => match &self.inode(*ino).kind {
                Kind::Link(target) => Ok(target.clone()),
                _ => Err(Stop::Errno(libc::EINVAL)),
            },
            Node::Lower(path) | Node::Real(path) => Err(Stop::Real(path.clone())),
        }
    }

    /// Another name of a file.
    pub(crate) fn hard_link(
        &mut self,
        (from, old): (Ino, &[u8]),
        (to, new): (Ino, &[u8]),
        follow: bool,
    ) -> Done {
        let old = self.walk(from, old, follow)?;
        if old.node.is_none() {
            return Err(Stop::Errno(libc::ENOENT));
        }
        let new = self.walk_unfollowed(to, new)?;
        one_side_is_real(&old, &new)?;
        self.expect_vacant(&new)?;
        if new.has_slash {
            return Err(Stop::Errno(libc::ENOENT));
        }
        if matches!(old.existing()?, Node::Ino(ino) if self.inode(*ino).is_dir()) {
            return Err(Stop::Errno(libc::EPERM));
        }
        let ino = self.copy_up(&old)?;
        self.name(&new, ino);
        Ok(())
    }

    pub(crate) fn unlink(&mut self, start: Ino, path: &[u8]) -> Done {
        let place = self.walk_unfollowed(start, path)?;
        if place.last != Last::Name {
            return Err(Stop::Errno(libc::EISDIR));
        }
        let touched = match place.existing()? {
            Node::Ino(ino) if self.inode(*ino).is_dir() => return Err(Stop::Errno(libc::EISDIR)),
            _ if place.has_slash => return Err(Stop::Errno(libc::ENOTDIR)),
            Node::Ino(ino) => vec![*ino],
            _ => Vec::new(),
        };
        self.may(place.dir, 3)?;
        self.commit(vec![gone(&place)], touched, false);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, start: Ino, path: &[u8]) -> Done {
        let place = self.walk_unfollowed(start, path)?;
        let ino = match place.existing()? {
            Node::Ino(ino) => *ino,
            _ => return Err(Stop::Errno(libc::ENOTDIR)),
        };
        match place.last {
            Last::Name => {}
            Last::Dot => return Err(Stop::Errno(libc::EINVAL)),
            Last::DotDot => return Err(Stop::Errno(libc::ENOTEMPTY)),
            Last::Root => return Err(Stop::Errno(libc::EBUSY)),
        }
        self.dir(ino)?;
        self.may(place.dir, 3)?;
        self.expect_empty(ino)?;
        self.commit(vec![gone(&place)], vec![ino], false);
        self.dir_mut(ino)?.is_removed = true;
        Ok(())
    }

    fn expect_empty(&self, dir: Ino) -> Result<(), Errno> {
        match self.names(dir)?.is_empty() {
            true => Ok(()),
            false => Err(libc::ENOTEMPTY),
        }
    }

    /// With `RENAME_NOREPLACE` or `RENAME_EXCHANGE` in `flags`, or neither.
    pub(crate) fn rename(
        &mut self,
        (from, old): (Ino, &[u8]),
        (to, new): (Ino, &[u8]),
        flags: u32,
    ) -> Done {
        let exchanges = flags & libc::RENAME_EXCHANGE != 0;
        let keeps = flags & libc::RENAME_NOREPLACE != 0;
        if flags & !(libc::RENAME_EXCHANGE | libc::RENAME_NOREPLACE) != 0 || exchanges && keeps {
            return Err(Stop::Errno(libc::EINVAL));
        }
        let (old, new) = self.two_places((from, old), (to, new))?;
        one_side_is_real(&old, &new)?;
        if old.last != Last::Name || new.last != Last::Name {
            let number = match keeps && old.last == Last::Name {
                true => libc::EEXIST,
                false => libc::EBUSY,
            };
            return Err(Stop::Errno(number));
        }
        old.existing()?;
        if keeps && new.node.is_some() {
            return Err(Stop::Errno(libc::EEXIST));
        }
        if exchanges {
            new.existing()?;
        }
        let old_dir = self.dir_at(&old);
        let new_dir = self.dir_at(&new);
        let old_is_file = old_dir.is_none() && (old.has_slash || new.has_slash && !exchanges);
        if old_is_file || exchanges && new_dir.is_none() && new.has_slash {
            return Err(Stop::Errno(libc::ENOTDIR));
        }
        if old_dir.is_some_and(|ino| self.is_below(new.dir, ino)) {
            return Err(Stop::Errno(libc::EINVAL));
        }
        if new_dir.is_some_and(|ino| self.is_below(old.dir, ino)) {
            let number = if exchanges {
                libc::EINVAL
            } else {
                libc::ENOTEMPTY
            };
            return Err(Stop::Errno(number));
        }
        if self.dir(new.dir)?.is_removed {
            return Err(Stop::Errno(libc::ENOENT));
        }
        self.may(old.dir, 3)?;
        self.may(new.dir, 3)?;
        if old.node == new.node {
            return Ok(());
        }
        match exchanges {
            true => self.exchange(&old, &new),
            false => self.replace(&old, old_dir, &new, new_dir),
        }
    }

    /// Both ways, of which the last parts are not followed, whatever slashes there are.
    fn two_places(
        &mut self,
        (from, old): (Ino, &[u8]),
        (to, new): (Ino, &[u8]),
    ) -> Result<(Place, Place), Errno> {
        let old = self.walk_unfollowed(from, old)?;
        let new = self.walk_unfollowed(to, new)?;
        Ok((old, new))
    }

    pub(super) fn walk_unfollowed(&mut self, start: Ino, path: &[u8]) -> Result<Place, Errno> {
        let bare = match path.iter().rposition(|byte| *byte != b'/') {
            Some(last) => &path[..=last],
            None => path,
        };
        let mut place = self.walk(start, bare, false)?;
        place.has_slash = bare.len() < path.len();
        Ok(place)
    }

    fn dir_at(&self, place: &Place) -> Option<Ino> {
        match place.node {
            Some(Node::Ino(ino)) if self.inode(ino).is_dir() => Some(ino),
            _ => None,
        }
    }

    fn exchange(&mut self, old: &Place, new: &Place) -> Done {
        let first = self.copy_up(old)?;
        let second = self.copy_up(new)?;
        let has_dir = self.inode(first).is_dir() || self.inode(second).is_dir();
        let changes = vec![named(old, second), named(new, first)];
        self.commit(changes, vec![first, second], has_dir && old.dir != new.dir);
        Ok(())
    }

    fn replace(
        &mut self,
        old: &Place,
        old_dir: Option<Ino>,
        new: &Place,
        new_dir: Option<Ino>,
    ) -> Done {
        match (old_dir, new_dir) {
            (Some(_), None) if new.node.is_some() => return Err(Stop::Errno(libc::ENOTDIR)),
            (None, Some(_)) => return Err(Stop::Errno(libc::EISDIR)),
            (Some(_), Some(ino)) => self.expect_empty(ino)?,
            _ => {}
        }
        let ino = self.copy_up(old)?;
        let mut touched = vec![ino];
        if let Some(Node::Ino(replaced)) = new.node {
            touched.push(replaced);
        }
        // The new name first: what is moved has a name all the time.
        let changes = vec![named(new, ino), gone(old)];
        self.commit(changes, touched, old_dir.is_some() && old.dir != new.dir);
        if let Some(ino) = new_dir {
            self.dir_mut(ino)?.is_removed = true;
        }
        Ok(())
    }
}

fn gone(place: &Place) -> Change {
    Change {
        dir: place.dir,
        name: place.name.clone(),
        to: Entry::Gone,
    }
}

fn named(place: &Place, ino: Ino) -> Change {
    Change {
        dir: place.dir,
        name: place.name.clone(),
        to: Entry::Ino(ino),
    }
}

/// A real name and one that is not are on two file systems.
fn one_side_is_real(old: &Place, new: &Place) -> Done {
    let is_real = |place: &Place| matches!(place.node, Some(Node::Real(_)));
    match (is_real(old), is_real(new)) {
        (true, false) | (false, true) => Err(Stop::Errno(libc::EXDEV)),
        _ => Ok(()),
    }
}
