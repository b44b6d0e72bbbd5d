//! Random programs of file operations.
#![allow(dead_code, reason = "each test file uses some")]

use proptest::prelude::*;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Files that a program has open, at most.
const OPEN: usize = 3;

/// Paths are few, so that they meet.
const PATHS: [&str; 18] = [
    "a",
    "b",
    "c",
    "a/b",
    "a/c",
    "b/a",
    "a/b/c",
    "a/b/a",
    "b/a/b",
    "c/",
    "a/",
    "b/a/",
    "a/..",
    "a/.",
    "a/../b",
    "./c",
    "b/../a/./c",
    "c/b",
];

#[derive(Debug, Clone)]
pub enum Op {
    Open {
        file: usize,
        path: usize,
        flags: i32,
    },
    Close {
        file: usize,
    },
    Write {
        file: usize,
        len: usize,
    },
    WriteAt {
        file: usize,
        at: u64,
        len: usize,
    },
    Read {
        file: usize,
        len: usize,
    },
    ReadAt {
        file: usize,
        at: u64,
        len: usize,
    },
    Seek {
        file: usize,
        whence: i32,
        to: i64,
    },
    SetLen {
        file: usize,
        len: u64,
    },
    Allocate {
        file: usize,
        mode: i32,
        at: i64,
        len: i64,
    },
    Sync {
        file: usize,
    },
    StatFile {
        file: usize,
    },
    Truncate {
        path: usize,
        len: i64,
    },
    MakeDir {
        path: usize,
    },
    RemoveDir {
        path: usize,
    },
    RemoveFile {
        path: usize,
    },
    RemoveAll {
        path: usize,
    },
    Rename {
        from: usize,
        to: usize,
        flags: u32,
    },
    Link {
        from: usize,
        to: usize,
    },
    Symlink {
        target: usize,
        path: usize,
    },
    ReadLink {
        path: usize,
    },
    Stat {
        path: usize,
    },
    LinkStat {
        path: usize,
    },
    List {
        path: usize,
    },
    Chmod {
        path: usize,
        mode: u32,
    },
    Access {
        path: usize,
        mode: i32,
    },
    Real {
        path: usize,
    },
    Copy {
        from: usize,
        to: usize,
    },
}

fn paths() -> std::ops::Range<usize> {
    0..PATHS.len()
}

fn flags() -> impl Strategy<Value = i32> {
    let access = prop_oneof![
        Just(libc::O_RDONLY),
        Just(libc::O_WRONLY),
        Just(libc::O_RDWR)
    ];
    let extra = [
        libc::O_CREAT,
        libc::O_EXCL,
        libc::O_TRUNC,
        libc::O_APPEND,
        libc::O_DIRECTORY,
        libc::O_NOFOLLOW,
    ];
    let weights = [0.7, 0.15, 0.3, 0.3, 0.05, 0.1];
    (access, weights.map(prop::bool::weighted)).prop_map(move |(access, chosen)| {
        let chosen = extra.iter().zip(chosen).filter(|(_, is)| *is);
        chosen.fold(access, |flags, (flag, _)| flags | flag)
    })
}

pub fn op() -> impl Strategy<Value = Op> {
    let file = 0..OPEN;
    let at = prop_oneof![0..20u64, 4090..4100u64, 0..20_000u64];
    let len = prop_oneof![0..20usize, 4090..4100usize, 0..9000usize];
    let whence = prop_oneof![
        Just(libc::SEEK_SET),
        Just(libc::SEEK_CUR),
        Just(libc::SEEK_END)
    ];
    let modes = prop_oneof![
        Just(0),
        Just(libc::FALLOC_FL_KEEP_SIZE),
        Just(libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE)
    ];
    let renames = prop_oneof![
        6 => Just(0),
        1 => Just(libc::RENAME_NOREPLACE),
        1 => Just(libc::RENAME_EXCHANGE)
    ];
    let of_files = prop_oneof![
        4 => (file.clone(), paths(), flags())
            .prop_map(|(file, path, flags)| Op::Open { file, path, flags }),
        1 => file.clone().prop_map(|file| Op::Close { file }),
        4 => (file.clone(), len.clone()).prop_map(|(file, len)| Op::Write { file, len }),
        3 => (file.clone(), at.clone(), len.clone())
            .prop_map(|(file, at, len)| Op::WriteAt { file, at, len }),
        3 => (file.clone(), len.clone()).prop_map(|(file, len)| Op::Read { file, len }),
        2 => (file.clone(), at.clone(), len)
            .prop_map(|(file, at, len)| Op::ReadAt { file, at, len }),
        2 => (file.clone(), whence, -100..9000i64)
            .prop_map(|(file, whence, to)| Op::Seek { file, whence, to }),
        2 => (file.clone(), at.clone()).prop_map(|(file, len)| Op::SetLen { file, len }),
        1 => (file.clone(), modes, 0..9000i64, 0..9000i64)
            .prop_map(|(file, mode, at, len)| Op::Allocate { file, mode, at, len }),
        1 => file.clone().prop_map(|file| Op::Sync { file }),
        2 => file.prop_map(|file| Op::StatFile { file }),
    ];
    let of_names = prop_oneof![
        1 => (paths(), -1..9000i64).prop_map(|(path, len)| Op::Truncate { path, len }),
        4 => paths().prop_map(|path| Op::MakeDir { path }),
        2 => paths().prop_map(|path| Op::RemoveDir { path }),
        2 => paths().prop_map(|path| Op::RemoveFile { path }),
        1 => paths().prop_map(|path| Op::RemoveAll { path }),
        4 => (paths(), paths(), renames)
            .prop_map(|(from, to, flags)| Op::Rename { from, to, flags }),
        2 => (paths(), paths()).prop_map(|(from, to)| Op::Link { from, to }),
        2 => (paths(), paths()).prop_map(|(target, path)| Op::Symlink { target, path }),
        1 => paths().prop_map(|path| Op::ReadLink { path }),
        2 => paths().prop_map(|path| Op::Stat { path }),
        1 => paths().prop_map(|path| Op::LinkStat { path }),
        2 => paths().prop_map(|path| Op::List { path }),
        1 => (paths(), 0..0o1000u32).prop_map(|(path, mode)| Op::Chmod { path, mode }),
        1 => (paths(), 0..7i32).prop_map(|(path, mode)| Op::Access { path, mode }),
        1 => paths().prop_map(|path| Op::Real { path }),
        1 => (paths(), paths()).prop_map(|(from, to)| Op::Copy { from, to }),
    ];
    prop_oneof![of_files, of_names]
}

// --- doing it

pub struct Program<'a> {
    base: &'a Path,
    files: [Option<File>; OPEN],
    /// What is written next.
    next: u8,
}

fn check(answer: i32) -> io::Result<()> {
    match answer {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn c_string(path: &Path) -> std::ffi::CString {
    std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap()
}

fn facts(facts: &fs::Metadata) -> String {
    let kind = facts.file_type();
    let (mode, len, links) = (facts.mode(), facts.len(), facts.nlink());
    match kind.is_dir() {
        // Their lengths and links are the file system's own.
        true => format!("{mode:o}"),
        false => format!("{mode:o} {len} {links}"),
    }
}

impl<'a> Program<'a> {
    pub fn new(base: &'a Path) -> Program<'a> {
        Program {
            base,
            files: [const { None }; OPEN],
            next: 0,
        }
    }

    pub fn answer(&mut self, op: &Op) -> String {
        match self.on_file(op) {
            Ok(answer) => answer,
            Err(error) => match error.raw_os_error() {
                Some(number) => format!("errno {number}"),
                None => format!("{error}"),
            },
        }
    }

    fn path(&self, path: usize) -> PathBuf {
        // Joined as text: a slash at the end has a meaning.
        let mut whole = self.base.as_os_str().to_owned();
        whole.push("/");
        whole.push(PATHS[path]);
        PathBuf::from(whole)
    }

    fn file(&mut self, file: usize) -> io::Result<&mut File> {
        self.files[file]
            .as_mut()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        self.next = self.next % 250 + 1;
        vec![self.next; len]
    }

    fn on_file(&mut self, op: &Op) -> io::Result<String> {
        Ok(match *op {
            Op::Open { file, path, flags } => {
                self.files[file] = None;
                let path = self.path(path);
                let access = flags & libc::O_ACCMODE;
                // Not std's flags, which it checks.
                let c_path = c_string(&path);
                // SAFETY: a C string.
                let fd = unsafe { libc::open(c_path.as_ptr(), flags | libc::O_CLOEXEC, 0o666) };
                if fd < 0 {
                    return Err(io::Error::last_os_error());
                }
                // SAFETY: new, and nobody else's.
                let opened = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(fd) };
                self.files[file] = Some(opened);
                format!("access {access}")
            }
            Op::Close { file } => {
                self.files[file] = None;
                String::new()
            }
            Op::Write { file, len } => {
                let bytes = self.bytes(len);
                self.file(file)?.write(&bytes)?.to_string()
            }
            Op::WriteAt { file, at, len } => {
                let bytes = self.bytes(len);
                self.file(file)?.write_at(&bytes, at)?.to_string()
            }
            Op::Read { file, len } => {
                let mut bytes = vec![0; len];
                let n = self.file(file)?.read(&mut bytes)?;
                summary(&bytes[..n])
            }
            Op::ReadAt { file, at, len } => {
                let mut bytes = vec![0; len];
                let n = self.file(file)?.read_at(&mut bytes, at)?;
                summary(&bytes[..n])
            }
            Op::Seek { file, whence, to } => {
                let to = match whence {
                    libc::SEEK_SET => SeekFrom::Start(to as u64),
                    libc::SEEK_CUR => SeekFrom::Current(to),
                    _ => SeekFrom::End(to),
                };
                let file = self.file(file)?;
                // Where a directory ends, and what it answers there, is the file system's own.
                if file.metadata()?.is_dir() {
                    return Ok(String::new());
                }
                file.seek(to)?.to_string()
            }
            Op::SetLen { file, len } => format!("{:?}", self.file(file)?.set_len(len)?),
            Op::Allocate {
                file,
                mode,
                at,
                len,
            } => {
                let fd = self.file(file)?.as_raw_fd();
                // SAFETY: no pointers.
                check(unsafe { libc::fallocate(fd, mode, at, len) })?;
                String::new()
            }
            Op::Sync { file } => format!("{:?}", self.file(file)?.sync_all()?),
            Op::StatFile { file } => facts(&self.file(file)?.metadata()?),
            _ => return self.on_name(op),
        })
    }

    fn on_name(&self, op: &Op) -> io::Result<String> {
        Ok(match *op {
            Op::Truncate { path, len } => {
                let path = c_string(&self.path(path));
                // SAFETY: a C string.
                check(unsafe { libc::truncate(path.as_ptr(), len) })?;
                String::new()
            }
            Op::MakeDir { path } => format!("{:?}", fs::create_dir(self.path(path))?),
            Op::RemoveDir { path } => format!("{:?}", fs::remove_dir(self.path(path))?),
            Op::RemoveFile { path } => format!("{:?}", fs::remove_file(self.path(path))?),
            Op::RemoveAll { path } => {
                // In what order it finds what it cannot remove is the file system's own.
                let path = self.path(path);
                match path.ends_with("..") {
                    true => String::new(),
                    false => format!("{:?}", fs::remove_dir_all(path)?),
                }
            }
            Op::Rename { from, to, flags } => {
                let (from, to) = (c_string(&self.path(from)), c_string(&self.path(to)));
                let here = libc::AT_FDCWD;
                // SAFETY: C strings.
                check(unsafe { libc::renameat2(here, from.as_ptr(), here, to.as_ptr(), flags) })?;
                String::new()
            }
            Op::Link { from, to } => {
                format!("{:?}", fs::hard_link(self.path(from), self.path(to))?)
            }
            Op::Symlink { target, path } => {
                std::os::unix::fs::symlink(PATHS[target], self.path(path))?;
                String::new()
            }
            Op::ReadLink { path } => format!("{:?}", fs::read_link(self.path(path))?),
            Op::Stat { path } => facts(&fs::metadata(self.path(path))?),
            Op::LinkStat { path } => facts(&fs::symlink_metadata(self.path(path))?),
            Op::List { path } => {
                let mut names = fs::read_dir(self.path(path))?
                    .map(|entry| {
                        let entry = entry?;
                        Ok(format!("{:?} {:?}", entry.file_name(), entry.file_type()?))
                    })
                    .collect::<io::Result<Vec<_>>>()?;
                names.sort();
                format!("{names:?}")
            }
            Op::Chmod { path, mode } => {
                fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode))?;
                String::new()
            }
            Op::Access { path, mode } => {
                let path = c_string(&self.path(path));
                // SAFETY: a C string.
                check(unsafe { libc::access(path.as_ptr(), mode) })?;
                String::new()
            }
            Op::Real { path } => {
                let found = fs::canonicalize(self.path(path))?;
                let base = fs::canonicalize(self.base)?;
                format!("{:?}", found.strip_prefix(base).ok())
            }
            Op::Copy { from, to } => fs::copy(self.path(from), self.path(to))?.to_string(),
            _ => unreachable!("answered by on_file"),
        })
    }
}

/// Bytes that are not too long to be read.
fn summary(bytes: &[u8]) -> String {
    let mut runs: Vec<(u8, usize)> = Vec::new();
    for byte in bytes {
        match runs.last_mut() {
            Some((last, n)) if last == byte => *n += 1,
            _ => runs.push((*byte, 1)),
        }
    }
    format!("{runs:?}")
}

/// What a program is answered, and what it leaves.
pub fn answers(base: &Path, ops: &[Op]) -> Vec<String> {
    fs::create_dir(base).unwrap();
    let mut program = Program::new(base);
    let mut answers: Vec<String> = ops.iter().map(|op| program.answer(op)).collect();
    answers.push(all_below(base));
    answers
}

pub fn all_below(dir: &Path) -> String {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut text = String::new();
    for entry in entries {
        let found = entry.metadata().unwrap();
        let inner = match (found.is_dir(), found.is_file()) {
            (true, _) => all_below(&entry.path()),
            (_, true) => summary(&fs::read(entry.path()).unwrap()),
            _ => String::new(),
        };
        text += &format!("{:?} {} [{inner}] ", entry.file_name(), facts(&found));
    }
    text
}
