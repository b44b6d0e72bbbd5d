//! The files and directories of one host: its own, above what is really there.
#![forbid(unsafe_code)]

use super::data::{Data, PAGE};
use super::journal::Journal;
use super::lower::{self, Below};
use super::versions::Versions;
use crate::kernel::files::Errno;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Numbers a file, directory, symbolic link or socket of a host.
pub(crate) type Ino = u64;

pub(crate) const ROOT: Ino = 1;

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// What is really there, if the directory is.
    Below,
    Gone,
    Ino(Ino),
}

impl Entry {
    pub(super) fn ino(self) -> Option<Ino> {
        match self {
            Entry::Ino(ino) => Some(ino),
            Entry::Below | Entry::Gone => None,
        }
    }
}

/// A name in a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) now: Entry,
    /// What a crash leaves for certain.
    pub(super) durable: Entry,
}

#[derive(Debug)]
pub(super) struct Dir {
    pub(super) parent: Ino,
    pub(super) name: Vec<u8>,
    /// The real directory below.
    pub(super) lower: Option<PathBuf>,
    pub(super) slots: BTreeMap<Vec<u8>, Slot>,
    pub(super) is_removed: bool,
}

impl Dir {
    /// What is known of a name here.
    pub(super) fn slot(&mut self, name: &[u8]) -> &mut Slot {
        let missing = match self.lower {
            Some(_) => Entry::Below,
            None => Entry::Gone,
        };
        self.slots.entry(name.to_vec()).or_insert(Slot {
            now: missing,
            durable: missing,
        })
    }
}

#[derive(Debug)]
pub(super) enum Kind {
    Dir(Dir),
    File(Data),
    Link(Vec<u8>),
    /// A name that leads to a pipe.
    Fifo,
    /// A name that a socket is bound to.
    Socket,
    /// A source of random bytes.
    Random,
}

/// What is told of an inode, beside its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attr {
    /// Permissions.
    pub(crate) mode: u32,
    /// Nanoseconds since 1970.
    pub(crate) accessed: i128,
    pub(crate) modified: i128,
    pub(crate) changed: i128,
}

#[derive(Debug)]
pub(super) struct Inode {
    pub(super) kind: Kind,
    pub(super) attr: Versions<Attr>,
    pub(super) born: i128,
    /// Names, now.
    pub(super) links: u32,
    /// Slots and changes of the journal that name it.
    pub(super) named: u32,
    /// Open descriptions, and a working directory.
    pub(super) opens: u32,
}

impl Inode {
    pub(super) fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir(_))
    }
}

/// What a path may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Ino(Ino),
    /// Really there, and not changed: a file or a symbolic link. To change it is to copy it first.
    Lower(PathBuf),
    /// Not simulated: the real kernel answers for it, whatever is asked.
    Real(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) inodes: BTreeMap<Ino, Inode>,
    next: Ino,
    pub(super) journal: Journal,
    /// The wall clock, set before each call.
    pub(crate) clock: i128,
    /// Counts changes.
    pub(super) stamp: u64,
    /// Pages that files take.
    pub(super) used: u64,
    /// Directories that are real as they are.
    pub(super) real: Vec<PathBuf>,
    /// What is there by name, of directories below which nothing real is seen.
    pub(super) shown: BTreeMap<(Ino, Vec<u8>), Node>,
    pub(super) as_root: bool,
    pub(crate) umask: u32,
    pub(crate) cwd: Ino,
}

impl Tree {
    /// A disk with nothing on it: below is what is really there.
    pub(crate) fn new(clock: i128) -> Tree {
        let mut tree = Tree {
            inodes: BTreeMap::new(),
            next: ROOT,
            journal: Journal::default(),
            clock,
            stamp: 1,
            used: 0,
            real: vec![PathBuf::from("/proc"), PathBuf::from("/sys")],
            shown: BTreeMap::new(),
            as_root: true,
            umask: 0o022,
            cwd: ROOT,
        };
        let root = tree.new_dir(ROOT, Vec::new(), Some(PathBuf::from("/")), 0o755);
        debug_assert_eq!(root, ROOT);
        tree.inode_mut(root).links = 1;
        tree.inode_mut(root).named = 1;
        tree.furnish();
        tree
    }

    /// What is there at the start and really is not, or is otherwise.
    fn furnish(&mut self) {
        let tmp = self.new_dir(ROOT, b"tmp".to_vec(), None, 0o1777);
        self.place(ROOT, b"tmp", tmp);
        let dev = match self.look_up(ROOT, b"dev") {
            Ok(Some(Node::Ino(dev))) => dev,
            _ => {
                let dev = self.new_dir(ROOT, b"dev".to_vec(), None, 0o755);
                self.place(ROOT, b"dev", dev);
                dev
            }
        };
        let shm = self.new_dir(dev, b"shm".to_vec(), None, 0o1777);
        self.place(dev, b"shm", shm);
        for name in [&b"urandom"[..], b"random"] {
            let random = self.new_inode(Kind::Random, 0o666);
            self.place(dev, name, random);
        }
        self.show_program();
        self.find_cwd();
    }

    /// A new process begins where the real one is.
    pub(super) fn find_cwd(&mut self) {
        let real = std::env::current_dir().ok();
        self.cwd = real.and_then(|real| self.make_way(&real)).unwrap_or(ROOT);
        self.inode_mut(self.cwd).opens += 1;
    }

    /// The directory of that real path. One that is below a directory which is empty at the start
    /// is there all the same: it is where the program runs.
    fn make_way(&mut self, path: &std::path::Path) -> Option<Ino> {
        let mut at = ROOT;
        for part in path.components() {
            let std::path::Component::Normal(name) = part else {
                continue;
            };
            let name = name.as_encoded_bytes();
            let found = match self.look_up(at, name) {
                Ok(Some(Node::Ino(ino))) if self.inode(ino).is_dir() => ino,
                Ok(None) => {
                    let ino = self.new_dir(at, name.to_vec(), None, 0o755);
                    self.place(at, name, ino);
                    ino
                }
                _ => return None,
            };
            at = found;
        }
        let dir = self.dir_mut(at).ok()?;
        dir.lower.get_or_insert_with(|| path.to_owned());
        Some(at)
    }

    // --- inodes

    pub(super) fn inode(&self, ino: Ino) -> &Inode {
        &self.inodes[&ino]
    }

    pub(super) fn inode_mut(&mut self, ino: Ino) -> &mut Inode {
        self.inodes
            .get_mut(&ino)
            .expect("an inode is there while it is named or open")
    }

    pub(super) fn dir(&self, ino: Ino) -> Result<&Dir, Errno> {
        match &self.inode(ino).kind {
            Kind::Dir(dir) => Ok(dir),
            _ => Err(libc::ENOTDIR),
        }
    }

    pub(super) fn dir_mut(&mut self, ino: Ino) -> Result<&mut Dir, Errno> {
        match &mut self.inode_mut(ino).kind {
            Kind::Dir(dir) => Ok(dir),
            _ => Err(libc::ENOTDIR),
        }
    }

    pub(super) fn data(&self, ino: Ino) -> Result<&Data, Errno> {
        match &self.inode(ino).kind {
            Kind::File(data) => Ok(data),
            Kind::Dir(_) => Err(libc::EISDIR),
            _ => Err(libc::EINVAL),
        }
    }

    /// Changes contents, and counts the room they take.
    pub(super) fn with_data<R>(
        &mut self,
        ino: Ino,
        f: impl FnOnce(&mut Data, u64) -> R,
    ) -> Result<R, Errno> {
        self.stamp += 1;
        let stamp = self.stamp;
        let (answer, before, after) = match &mut self.inode_mut(ino).kind {
            Kind::File(data) => {
                let before = data.blocks();
                let answer = f(data, stamp);
                (answer, before, data.blocks())
            }
            Kind::Dir(_) => return Err(libc::EISDIR),
            _ => return Err(libc::EINVAL),
        };
        self.used = self.used + after - before;
        Ok(answer)
    }

    pub(super) fn new_inode(&mut self, kind: Kind, mode: u32) -> Ino {
        let ino = self.next;
        self.next += 1;
        let clock = self.clock;
        let attr = Attr {
            mode,
            accessed: clock,
            modified: clock,
            changed: clock,
        };
        let inode = Inode {
            kind,
            attr: Versions::new(attr),
            born: clock,
            links: 0,
            named: 0,
            opens: 0,
        };
        self.inodes.insert(ino, inode);
        ino
    }

    pub(super) fn new_dir(
        &mut self,
        parent: Ino,
        name: Vec<u8>,
        lower: Option<PathBuf>,
        mode: u32,
    ) -> Ino {
        let dir = Dir {
            parent,
            name,
            lower,
            slots: BTreeMap::new(),
            is_removed: false,
        };
        self.new_inode(Kind::Dir(dir), mode)
    }

    /// A new file or the like is durable where it is, because it was there before.
    pub(super) fn place(&mut self, dir: Ino, name: &[u8], ino: Ino) {
        let entry = Entry::Ino(ino);
        let slot = Slot {
            now: entry,
            durable: entry,
        };
        let dir = self.dir_mut(dir).expect("the caller has looked");
        dir.slots.insert(name.to_vec(), slot);
        let inode = self.inode_mut(ino);
        inode.links += 1;
        inode.named += 2;
    }

    pub(crate) fn open_inode(&mut self, ino: Ino) {
        self.inode_mut(ino).opens += 1;
    }

    pub(crate) fn close_inode(&mut self, ino: Ino) {
        let Some(inode) = self.inodes.get_mut(&ino) else {
            return;
        };
        inode.opens = inode.opens.saturating_sub(1);
        if inode.opens == 0 && inode.links == 0 {
            self.used -= self.blocks(ino);
            self.forget(ino);
        }
    }

    /// Pages of a file.
    pub(super) fn blocks(&self, ino: Ino) -> u64 {
        match &self.inode(ino).kind {
            Kind::File(data) => data.blocks(),
            _ => 0,
        }
    }

    /// Bytes that the files take.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used * PAGE
    }

    pub(super) fn change_attr(&mut self, ino: Ino, change: impl FnOnce(&mut Attr)) {
        self.stamp += 1;
        let (stamp, clock) = (self.stamp, self.clock);
        let attr = &mut self.inode_mut(ino).attr;
        let mut new = *attr.now();
        new.changed = clock;
        change(&mut new);
        attr.set(stamp, new);
    }

    /// The contents have changed.
    pub(super) fn touch(&mut self, ino: Ino) {
        let clock = self.clock;
        self.change_attr(ino, |attr| attr.modified = clock);
    }

    // --- names

    /// What is called `name` in a directory.
    pub(super) fn look_up(&mut self, dir_ino: Ino, name: &[u8]) -> Result<Option<Node>, Errno> {
        let dir = self.dir(dir_ino)?;
        match dir.slots.get(name).map_or(Entry::Below, |slot| slot.now) {
            Entry::Gone => return Ok(None),
            Entry::Ino(ino) => return Ok(Some(Node::Ino(ino))),
            Entry::Below => {}
        }
        let Some(lower) = &dir.lower else {
            return Ok(self.shown.get(&(dir_ino, name.to_vec())).cloned());
        };
        let path = lower::join(lower, name);
        if self.real.contains(&path) {
            return Ok(lower::exists(&path).then_some(Node::Real(path)));
        }
        Ok(match lower::what(&path)? {
            Below::Nothing => None,
            Below::File | Below::Link => Some(Node::Lower(path)),
            Below::Other => Some(Node::Real(path)),
            Below::Dir { mode, modified } => {
                let ino = self.new_dir(dir_ino, name.to_vec(), Some(path), mode);
                self.inode_mut(ino).attr = Versions::new(Attr {
                    mode,
                    accessed: modified,
                    modified,
                    changed: modified,
                });
                self.place(dir_ino, name, ino);
                Some(Node::Ino(ino))
            }
        })
    }

    /// The names in a directory, in the order of their bytes.
    pub(super) fn names(&self, dir: Ino) -> Result<Vec<Vec<u8>>, Errno> {
        let dir = self.dir(dir)?;
        let mut names = match &dir.lower {
            Some(lower) => lower::names(lower)?,
            None => Vec::new(),
        };
        names.retain(|name| !dir.slots.contains_key(name));
        let own = dir
            .slots
            .iter()
            .filter(|(_, slot)| slot.now.ino().is_some());
        names.extend(own.map(|(name, _)| name.clone()));
        names.sort();
        Ok(names)
    }

    /// The path of a directory; `None` if it was removed.
    pub(crate) fn path_of(&self, ino: Ino) -> Option<Vec<u8>> {
        let mut parts: Vec<&[u8]> = Vec::new();
        let mut at = ino;
        while at != ROOT {
            let dir = self.dir(at).ok().filter(|dir| !dir.is_removed)?;
            parts.push(&dir.name);
            at = dir.parent;
        }
        let mut path = Vec::new();
        for part in parts.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(part);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Some(path)
    }

    /// Whether directory `inner` is `outer` or below it.
    pub(super) fn is_below(&self, inner: Ino, outer: Ino) -> bool {
        let mut at = inner;
        loop {
            if at == outer {
                return true;
            }
            match self.dir(at) {
                Ok(dir) if at != ROOT => at = dir.parent,
                _ => return false,
            }
        }
    }
}
