//! The entries of a directory: [`read_dir`], [`ReadDir`], [`DirEntry`].
//!
//! Reading a directory may wait, so the blocking pool does it, a chunk of entries per job. The
//! metadata of an entry is then found in the kernel's cache of names, relative to the directory
//! that was read, wherever that is by now.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{FileType, Metadata};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirEntryExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::look_up::{Inline, find_inline, try_out_look_ups};
use super::pool;
use super::punt;
use super::strategy::Facts;
use crate::runtime::Handle;
use crate::runtime::punts::FileOperation;

/// Entries per job. The first chunk is small, for programs that look at a few entries only. Each
/// next one is four times larger, because a job costs as much as reading about a hundred entries.
const FIRST_CHUNK: usize = 32;
const LARGEST_CHUNK: usize = 512;

/// Reads the entries of a directory, in no particular order, without `.` and `..`.
///
/// # Errors
///
/// As [`std::fs::read_dir`]: it does not exist, is no directory, or cannot be read.
///
/// # Cancel safety
///
/// Cancel safe: dropping the future stops the waiting only.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let mut entries = yamanote::fs::read_dir(".").await?;
/// while let Some(entry) = entries.next_entry().await? {
///     println!("{:?}", entry.file_name());
/// }
/// # Ok(())
/// # }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    pool::with_path(FileOperation::List, path.as_ref(), |path| {
        let std = std::fs::read_dir(path)?;
        Ok(ReadDir(State::Idle(Chunk::first(path, std))))
    })
    .await
}

/// The entries of a directory as they come: from [`read_dir`].
#[must_use = "streams do nothing unless polled"]
#[derive(Debug)]
pub struct ReadDir(State);

enum State {
    Idle(Chunk),
    Reading(Pin<Box<dyn Future<Output = io::Result<Chunk>> + Send + Sync>>),
    /// A job was lost.
    Failed,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            State::Idle(chunk) => chunk.std.fmt(f),
            State::Reading(_) => f.write_str("Reading"),
            State::Failed => f.write_str("Failed"),
        }
    }
}

/// What one job read, and where the next one goes on.
struct Chunk {
    entries: VecDeque<io::Result<DirEntry>>,
    std: std::fs::ReadDir,
    /// The directory, to find entries in; `None` if it could not be kept.
    dir: Option<Arc<OwnedFd>>,
    next_size: usize,
    at_end: bool,
}

impl Chunk {
    fn first(path: &Path, std: std::fs::ReadDir) -> Chunk {
        let mut options = std::fs::File::options();
        let options = options.read(true);
        let dir = options
            .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
            .open(path);
        if let Ok(dir) = &dir {
            // The entries' metadata can be had inline only if the file system is known.
            let _ = Facts::learn(dir.as_fd());
        }
        try_out_look_ups(path);
        let mut chunk = Chunk {
            entries: VecDeque::new(),
            std,
            dir: dir.ok().map(|dir| Arc::new(dir.into())),
            next_size: FIRST_CHUNK,
            at_end: false,
        };
        chunk.read();
        chunk
    }

    fn read(&mut self) {
        let size = self.next_size;
        self.next_size = (size * 4).min(LARGEST_CHUNK);
        for _ in 0..size {
            let Some(entry) = self.std.next() else {
                self.at_end = true;
                return;
            };
            let failed = entry.is_err();
            self.entries.push_back(entry.map(|std| DirEntry {
                file_type: std.file_type().ok(),
                std: Arc::new(std),
                dir: self.dir.clone(),
            }));
            if failed {
                return;
            }
        }
    }

    fn read_on(
        mut self,
        runtime: &Handle,
    ) -> Pin<Box<dyn Future<Output = io::Result<Chunk>> + Send + Sync>> {
        Box::pin(pool::run_on(runtime, move || {
            match &self.dir {
                Some(dir) => punt::note(FileOperation::List, dir.as_fd()),
                None => punt::note_unknown(FileOperation::List),
            }
            self.read();
            Ok(self)
        }))
    }
}

impl ReadDir {
    /// The next entry, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// The directory could not be read further.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: no entry is lost.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// Polls for the next entry; see [`next_entry`](ReadDir::next_entry). If it is pending, the
    /// task of the last call will be woken.
    ///
    /// # Errors
    ///
    /// As [`next_entry`](ReadDir::next_entry).
    ///
    /// # Panics
    ///
    /// Outside a runtime, if more of the directory has to be read.
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        loop {
            match &mut self.0 {
                State::Idle(chunk) => {
                    if let Some(entry) = chunk.entries.pop_front() {
                        return Poll::Ready(entry.map(Some));
                    }
                    if chunk.at_end {
                        return Poll::Ready(Ok(None));
                    }
                    let runtime = pool::runtime();
                    let State::Idle(chunk) = std::mem::replace(&mut self.0, State::Failed) else {
                        unreachable!("matched above");
                    };
                    self.0 = State::Reading(chunk.read_on(&runtime));
                }
                State::Reading(job) => {
                    self.0 = match ready!(job.as_mut().poll(cx)) {
                        Ok(chunk) => State::Idle(chunk),
                        Err(error) => {
                            self.0 = State::Failed;
                            return Poll::Ready(Err(error));
                        }
                    };
                }
                State::Failed => return Poll::Ready(Err(pool::background_task_failed())),
            }
        }
    }
}

/// One entry of a directory.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// // The size of the files in a directory, without those below it.
/// let mut entries = yamanote::fs::read_dir("/var/log").await?;
/// let mut bytes = 0;
/// while let Some(entry) = entries.next_entry().await? {
///     if entry.file_type().await?.is_file() {
///         bytes += entry.metadata().await?.len();
///     }
/// }
/// println!("{bytes} bytes");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DirEntry {
    /// As read from the directory, if its file system stores it there.
    file_type: Option<FileType>,
    std: Arc<std::fs::DirEntry>,
    dir: Option<Arc<OwnedFd>>,
}

impl DirEntry {
    /// The path that was given to [`read_dir`], and the entry's name.
    pub fn path(&self) -> PathBuf {
        self.std.path()
    }

    /// The entry's name.
    pub fn file_name(&self) -> OsString {
        self.std.file_name()
    }

    /// The number of the entry's inode.
    pub fn ino(&self) -> u64 {
        self.std.ino()
    }

    /// The metadata of the entry itself: symbolic links are not followed.
    ///
    /// # Errors
    ///
    /// It is gone, or the directory may not be searched.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future stops the waiting only.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        pool::begin().await?;
        if let Some(dir) = &self.dir {
            let name = self.std.file_name();
            if let Inline::Done(Ok(found)) =
                find_inline(Some(dir.as_fd()), Path::new(&name), libc::O_NOFOLLOW)
            {
                // The directory was opened by its path a second time after it was opened for
                // reading: the same inode under the same name shows that it is the same one.
                if found.identity.inode == self.std.ino() {
                    return found.file.metadata();
                }
            }
        }
        let std = self.std.clone();
        pool::run(move || {
            punt::note_path(FileOperation::Look, &std.path());
            std.metadata()
        })
        .await
    }

    /// The entry's type; symbolic links are not followed. Most file systems store it with the name,
    /// and then this returns at once.
    ///
    /// # Errors
    ///
    /// As [`metadata`](DirEntry::metadata).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future stops the waiting only.
    pub async fn file_type(&self) -> io::Result<FileType> {
        if let Some(file_type) = self.file_type {
            return Ok(file_type);
        }
        let std = self.std.clone();
        pool::run(move || {
            punt::note_path(FileOperation::Look, &std.path());
            std.file_type()
        })
        .await
    }
}
