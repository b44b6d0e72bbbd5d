//! From a path to what it names.
#![forbid(unsafe_code)]

use super::lower;
use super::tree::{Ino, Kind, Node, ROOT, Tree};
use crate::kernel::files::Errno;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Symbolic links on a way, at most.
const MOST_LINKS: usize = 40;

/// What the last part of a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Name,
    Dot,
    DotDot,
    Root,
}

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Place {
    /// The directory, of which `name` is a name unless the path ends otherwise.
    pub(super) dir: Ino,
    pub(super) name: Vec<u8>,
    pub(super) last: Last,
    /// What is there; `None` if nothing is.
    pub(super) node: Option<Node>,
    /// The path ends with a slash: it means a directory.
    pub(super) has_slash: bool,
}

/// Why a call is not answered here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    Errno(Errno),
    /// The real kernel is to be asked, by this path.
    Real(PathBuf),
}

impl From<Errno> for Stop {
    fn from(number: Errno) -> Stop {
        Stop::Errno(number)
    }
}

impl Place {
    /// The node, of which the real kernel does not answer for everything.
    pub(super) fn existing(&self) -> Result<&Node, Stop> {
        match &self.node {
            None => Err(Stop::Errno(libc::ENOENT)),
            Some(Node::Real(path)) => Err(Stop::Real(path.clone())),
            Some(node) => Ok(node),
        }
    }
}

impl Tree {
    /// Follows `path` from `start`; the last part too, if that is a symbolic link and `follow`.
    pub(super) fn walk(&mut self, start: Ino, path: &[u8], follow: bool) -> Result<Place, Errno> {
        self.walk_to(start, path, follow, false)
    }

    /// As [`Tree::walk`], to a file that may be made: not one that has to be a directory.
    pub(super) fn walk_to(
        &mut self,
        start: Ino,
        path: &[u8],
        follow: bool,
        creates: bool,
    ) -> Result<Place, Errno> {
        if path.is_empty() {
            return Err(libc::ENOENT);
        }
        if path.len() >= libc::PATH_MAX as usize {
            return Err(libc::ENAMETOOLONG);
        }
        let mut has_slash = path.ends_with(b"/");
        let mut rest = parts(path);
        let mut at = Node::Ino(if path[0] == b'/' { ROOT } else { start });
        let mut place = Place {
            dir: ROOT,
            name: Vec::new(),
            last: Last::Root,
            node: Some(at.clone()),
            has_slash,
        };
        let mut links = 0;
        while let Some(part) = rest.pop() {
            let is_last = rest.is_empty();
            if part.len() > libc::NAME_MAX as usize {
                return Err(libc::ENAMETOOLONG);
            }
            let next = self.enter(&at, &part)?;
            if is_last && has_slash && creates && part != b"." && part != b".." {
                return Err(libc::EISDIR);
            }
            let follow = !is_last || follow || has_slash;
            if let Some(target) = self.link_target(next.as_ref(), follow)? {
                has_slash |= is_last && target.ends_with(b"/");
                links += 1;
                if links > MOST_LINKS {
                    return Err(libc::ELOOP);
                }
                if target.starts_with(b"/") {
                    at = Node::Ino(ROOT);
                }
                place = Place {
                    last: Last::Root,
                    node: Some(at.clone()),
                    ..place
                };
                rest.extend(parts(&target));
                continue;
            }
            if is_last {
                place.last = match &part[..] {
                    b"." => Last::Dot,
                    b".." => Last::DotDot,
                    _ => Last::Name,
                };
                place.dir = match at {
                    Node::Ino(dir) => dir,
                    Node::Lower(_) | Node::Real(_) => ROOT,
                };
                place.name = part;
                place.node = next;
                break;
            }
            at = next.ok_or(libc::ENOENT)?;
        }
        place.has_slash = has_slash;
        if has_slash {
            self.expect_dir(place.node.as_ref())?;
        }
        Ok(place)
    }

    /// One part of a path.
    fn enter(&mut self, at: &Node, part: &[u8]) -> Result<Option<Node>, Errno> {
        match at {
            Node::Ino(ino) => {
                let dir = self.dir(*ino)?;
                self.may(*ino, 1)?;
                match part {
                    b"." => Ok(Some(at.clone())),
                    b".." => Ok(Some(Node::Ino(dir.parent))),
                    _ => self.look_up(*ino, part),
                }
            }
            Node::Lower(_) => Err(libc::ENOTDIR),
            Node::Real(path) => match part {
                b"." => Ok(Some(at.clone())),
                b".." => self.parent_of_real(path),
                _ => {
                    let path = lower::join(path, part);
                    let hidden = lower::is_hidden(&path);
                    Ok((!hidden).then_some(Node::Real(path)))
                }
            },
        }
    }

    fn parent_of_real(&mut self, path: &Path) -> Result<Option<Node>, Errno> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        if self.real.iter().any(|real| parent.starts_with(real)) {
            return Ok(Some(Node::Real(parent.to_owned())));
        }
        let place = self.walk(ROOT, parent.as_os_str().as_bytes(), true)?;
        Ok(place.node)
    }

    /// Where the node leads, if it is a symbolic link that is to be followed.
    fn link_target(&self, node: Option<&Node>, follow: bool) -> Result<Option<Vec<u8>>, Errno> {
        if !follow {
            return Ok(None);
        }
        Ok(match node {
            Some(Node::Ino(ino)) => match &self.inode(*ino).kind {
                Kind::Link(target) => Some(target.clone()),
                _ => None,
            },
            Some(Node::Lower(path)) => match path.symlink_metadata() {
                Ok(facts) if facts.is_symlink() => Some(lower::target(path)?),
                _ => None,
            },
            Some(Node::Real(_)) | None => None,
        })
    }

    /// `ENOTDIR` if it is there and no directory.
    fn expect_dir(&self, node: Option<&Node>) -> Result<(), Errno> {
        match node {
            Some(Node::Ino(ino)) if !self.inode(*ino).is_dir() => Err(libc::ENOTDIR),
            Some(Node::Lower(_)) => Err(libc::ENOTDIR),
            _ => Ok(()),
        }
    }

    /// Whether the owner may do this (4: read, 2: write, 1: search or execute).
    pub(super) fn may(&self, ino: Ino, what: u32) -> Result<(), Errno> {
        let mode = self.inode(ino).attr.now().mode;
        match self.as_root || (mode >> 6) & what == what {
            true => Ok(()),
            false => Err(libc::EACCES),
        }
    }

    /// The path without links and dots.
    pub(crate) fn real_path(&mut self, start: Ino, path: &[u8]) -> Result<Vec<u8>, Stop> {
        let place = self.walk(start, path, true)?;
        let node = place.existing()?;
        match node {
            Node::Ino(ino) if self.inode(*ino).is_dir() => {
                Ok(self.path_of(*ino).ok_or(libc::ENOENT)?)
            }
            _ => Ok(self.join(place.dir, &place.name).ok_or(libc::ENOENT)?),
        }
    }

    /// The path by which the real kernel knows a place; `None` if it does not.
    pub(crate) fn real_place(&mut self, start: Ino, path: &[u8]) -> Result<Option<PathBuf>, Errno> {
        let place = self.walk(start, path, false)?;
        Ok(match place.node {
            Some(Node::Real(path)) => Some(path),
            _ => None,
        })
    }

    /// Whether an open file is a directory.
    pub(crate) fn expect_dir_at(&self, ino: Ino) -> Result<(), Errno> {
        self.dir(ino).map(|_| ())
    }

    /// The path of a name in a directory.
    pub(super) fn join(&self, dir: Ino, name: &[u8]) -> Option<Vec<u8>> {
        let mut path = self.path_of(dir)?;
        if dir != ROOT {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Some(path)
    }

    /// The file or link at a place can be changed afterwards: what is really there is copied.
    pub(super) fn copy_up(&mut self, place: &Place) -> Result<Ino, Stop> {
        let path = match place.existing()? {
            Node::Ino(ino) => return Ok(*ino),
            Node::Lower(path) | Node::Real(path) => path.clone(),
        };
        let facts = path
            .symlink_metadata()
            .map_err(|error| lower::number(&error))?;
        let kind = match facts.is_symlink() {
            true => Kind::Link(lower::target(&path)?),
            false => Kind::File(super::data::Data::of(&lower::contents(&path)?)),
        };
        let ino = self.new_inode(kind, lower::mode(&path));
        self.used += self.blocks(ino);
        self.place(place.dir, &place.name, ino);
        Ok(ino)
    }
}

/// The parts of a path, the last first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty());
    let mut parts: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    parts.reverse();
    parts
}
