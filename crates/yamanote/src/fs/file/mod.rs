//! [`File`]: an open file, with Tokio's interface at the kernel's cursor and ours at offsets.

mod poll;

mod positioned;

mod shared;

mod cursor;

mod filled_pipe;

mod jobs;

mod transfer;

mod from_raw_fd;

use std::fmt;
use std::fs::{File as StdFile, Metadata, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use self::cursor::{Cursor, Operation};
use self::shared::Shared;
use super::strategy::Facts;
use super::{FileTimes, OpenOptions, pool};
use crate::fs::punt;
use crate::loom::sync::MutexGuard;
use crate::runtime::punts::FileOperation;

/// The most one read or write at the cursor moves, unless [`File::set_max_buf_size`] says
/// otherwise.
const DEFAULT_MAX_BUF_SIZE: usize = 2 * 1024 * 1024;

/// An open file.
///
/// # Reading and writing at the cursor
///
/// Through [`AsyncRead`], [`AsyncWrite`] and [`AsyncSeek`] the file is used as `std::fs::File` is:
/// at the kernel's cursor, which [`try_clone`](File::try_clone), [`into_std`](File::into_std) and
/// child processes share. A read that finds its data in the page cache returns at once.
///
/// **A write is accepted before it is done.** `write` returns when the bytes are on their way to
/// the kernel; [`flush`] waits until they are there. They get there without `flush` too, even if
/// the file is dropped, but then an error is lost: the next write, `flush` or `sync_*` reports the
/// error of an accepted write.
///
/// Bytes that the kernel read for a future that was dropped go to the next read: `read` is cancel
/// safe.
///
/// # Reading and writing at offsets
///
/// [`read_at`](File::read_at) and [`write_at`](File::write_at) take buffers by value, leave the
/// cursor alone, and take `&self`: any number of them may be under way at once.
///
/// # Examples
///
/// ```no_run
/// use yamanote::fs::File;
/// use yamanote::io::{AsyncReadExt, AsyncWriteExt};
///
/// # async fn example() -> std::io::Result<()> {
/// let mut file = File::create("greeting.txt").await?;
/// file.write_all(b"hello").await?;
/// file.flush().await?;
///
/// let mut contents = String::new();
/// File::open("greeting.txt").await?.read_to_string(&mut contents).await?;
/// assert_eq!(contents, "hello");
/// # Ok(())
/// # }
/// ```
///
/// [`AsyncRead`]: crate::io::AsyncRead
/// [`AsyncWrite`]: crate::io::AsyncWrite
/// [`AsyncSeek`]: crate::io::AsyncSeek
/// [`flush`]: crate::io::AsyncWriteExt::flush
pub struct File {
    std: Arc<StdFile>,
    shared: Arc<Shared>,
    max_buf_size: usize,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future stops the waiting only.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let file = yamanote::fs::File::open("notes.md").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        File::options().read(true).open(path).await
    }

    /// Opens a file for writing. It is created if it does not exist, and emptied if it does.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: once polled, the file may be created or emptied although the future is
    /// dropped.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        options.open(path).await
    }

    /// Creates a file for reading and writing. It must not exist yet.
    ///
    /// # Errors
    ///
    /// `AlreadyExists`, and as [`OpenOptions::open`].
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: once polled, the file may be created although the future is dropped.
    pub async fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        options.open(path).await
    }

    /// Options to choose how a file is opened.
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over a file of the standard library, whatever kind of file it is.
    pub fn from_std(std: StdFile) -> File {
        File {
            std: Arc::new(std),
            shared: Arc::default(),
            max_buf_size: DEFAULT_MAX_BUF_SIZE,
        }
    }

    /// A file whose facts were learned while it was opened.
    pub(super) fn from_opened(std: StdFile, facts: Option<Facts>) -> File {
        let file = File::from_std(std);
        if let Some(facts) = facts {
            let _ = file.shared.facts.set(facts);
        }
        file
    }

    /// What decides how this file is read and written, if it can be known without waiting.
    fn facts(&self) -> Option<&Facts> {
        if let Some(facts) = self.shared.facts.get() {
            return Some(facts);
        }
        let facts = Facts::if_known(self.std.as_fd())?;
        Some(self.shared.facts.get_or_init(|| facts))
    }

    /// Waits until accepted writes are in the kernel and no seek or read is under way. An error of
    /// a write is kept for a call that can report it.
    async fn idle(&self) {
        self.shared
            .until(|cursor| cursor.is_free().then_some(()))
            .await;
    }

    /// Runs `f`, which changes the file as a whole, after everything begun before and before
    /// everything begun later, even if the future is dropped.
    async fn change<T: Send + 'static>(
        &self,
        discard_ahead: bool,
        f: impl FnOnce(&StdFile) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut f = Some(f);
        let begin = |mut cursor: MutexGuard<'_, Cursor>| {
            if !cursor.is_free() {
                return None;
            }
            let runtime = pool::runtime();
            cursor.begin(Operation::Whole);
            let ahead = match discard_ahead {
                true => cursor.ahead.distance(),
                false => 0,
            };
            drop(cursor);
            let f = f.take().expect("begun once");
            let std = self.std.clone();
            Some(jobs::spawn_whole(&runtime, &self.shared, std, ahead, f))
        };
        let done = self.shared.until(begin).await;
        done.await
    }

    /// Brings everything written, and the file's metadata, to the disk.
    ///
    /// Waits first for the writes accepted so far.
    ///
    /// # Errors
    ///
    /// That of an accepted write, if it was not reported yet; else that of fsync(2).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting only. An error of an accepted write is kept for the
    /// next call; one of the sync itself may be lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use yamanote::fs::File;
    /// use yamanote::io::AsyncWriteExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut file = File::create("order.new").await?;
    /// file.write_all(b"42").await?;
    /// file.sync_all().await?; // on the disk, or an error
    /// yamanote::fs::rename("order.new", "order").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sync_all(&self) -> io::Result<()> {
        self.sync(StdFile::sync_all).await
    }

    /// As [`sync_all`](File::sync_all), without the metadata that reading does not need.
    ///
    /// # Errors
    ///
    /// As `sync_all`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting only. An error of an accepted write is kept for the
    /// next call; one of the sync itself may be lost.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.sync(StdFile::sync_data).await
    }

    async fn sync(&self, call: fn(&StdFile) -> io::Result<()>) -> io::Result<()> {
        let runtime = pool::live_runtime()?;
        let begin = |cursor: MutexGuard<'_, Cursor>| match cursor.operation() {
            None | Some(Operation::Write) if !cursor.has_orphans() => {
                let std = self.std.clone();
                Some(jobs::spawn_behind_write(&runtime, cursor, std, call))
            }
            _ => None,
        };
        let done = self.shared.until(begin).await;
        let synced = done.await;
        let lost = self.shared.lock().write_error.take();
        lost.map_or(synced, Err)
    }

    /// Truncates or extends the file to `size` bytes. The cursor stays where it is, even past the
    /// end.
    ///
    /// Runs to its end even if the future is dropped; what the handle does later comes after it.
    ///
    /// # Errors
    ///
    /// As `std::fs::File::set_len`: the file is not open for writing, or `size` is too large.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: once it has begun, the size is changed although the future is dropped.
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        self.change(true, move |std| std.set_len(size)).await
    }

    /// The file's metadata. A write that was accepted but not flushed may not show yet.
    ///
    /// # Errors
    ///
    /// Those of statx(2).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future stops the waiting only.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        pool::begin().await?;
        let inline = self
            .facts()
            .and_then(|facts| facts.look(|| self.std.metadata()));
        if let Some(metadata) = inline {
            return metadata;
        }
        let std = self.std.clone();
        pool::run(move || {
            punt::note(FileOperation::Look, std.as_fd());
            std.metadata()
        })
        .await
    }

    /// A second handle of the same open file: both share one cursor.
    ///
    /// # Errors
    ///
    /// There is no descriptor left.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the new handle, if there is one, is closed.
    pub async fn try_clone(&self) -> io::Result<File> {
        self.idle().await;
        pool::expect_live()?;
        self.return_ahead();
        let clone = self.std.try_clone()?;
        let mut file = File::from_opened(clone, self.shared.facts.get().cloned());
        file.max_buf_size = self.max_buf_size;
        Ok(file)
    }

    /// Takes the kernel's cursor back over bytes that were read but not delivered, for others who
    /// share it. If the file has no cursor, the bytes stay here.
    fn return_ahead(&self) {
        let mut cursor = self.shared.lock();
        let ahead = cursor.ahead.distance();
        let _ = jobs::take_back(&self.std, ahead, || cursor.ahead.clear());
    }

    /// Gives up the asynchronous handle, after the operations under way have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the file. Writes that were accepted arrive all the same.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let file = yamanote::fs::File::open("notes.md").await?;
    /// let std_file: std::fs::File = file.into_std().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_std(self) -> StdFile {
        self.idle().await;
        self.return_ahead();
        let mut std = self.std;
        loop {
            // Only a positioned operation whose future was dropped can still hold the file. It
            // may keep its descriptor: another one of the same open file is as good.
            std = match Arc::try_unwrap(std) {
                Ok(std) => return std,
                Err(std) => std,
            };
            if let Ok(clone) = std.try_clone() {
                return clone;
            }
            crate::task::yield_now().await;
        }
    }

    /// Gives up the asynchronous handle if no operation is under way.
    ///
    /// # Errors
    ///
    /// Gives the file back if one is.
    pub fn try_into_std(mut self) -> Result<StdFile, Self> {
        if self.shared.lock().is_idle() {
            self.return_ahead();
        }
        match Arc::try_unwrap(self.std) {
            Ok(std) => Ok(std),
            Err(std) => {
                self.std = std;
                Err(self)
            }
        }
    }

    /// Changes the permissions of the file.
    ///
    /// # Errors
    ///
    /// The caller does not own the file, and those of fchmod(2).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: once polled, the permissions may change although the future is dropped.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        let std = self.std.clone();
        pool::run(move || {
            punt::note(FileOperation::Change, std.as_fd());
            std.set_permissions(permissions)
        })
        .await
    }

    /// Changes the time stamps of the file, after the operations under way have ended, which might
    /// change them again.
    ///
    /// # Errors
    ///
    /// The caller does not own the file, and those of utimensat(2).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: once it has begun, the time stamps are changed although the future is
    /// dropped.
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        let times = times.into_std();
        self.change(false, move |std| std.set_times(times)).await
    }

    /// Changes the time of the last modification only, as [`set_times`](File::set_times).
    ///
    /// # Errors
    ///
    /// As `set_times`.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: once it has begun, the time stamp is changed although the future is
    /// dropped.
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    /// Sets the most bytes that one read or write at the cursor moves (2 MiB by default). A large
    /// read or write takes a buffer of that size for as long as it lasts.
    ///
    /// # Panics
    ///
    /// `max_buf_size` is 0.
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        self.max_buf_size = max_buf_size;
    }

    /// The most bytes that one read or write at the cursor moves.
    pub fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }
}

impl From<StdFile> for File {
    fn from(std: StdFile) -> Self {
        File::from_std(std)
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        File::from_std(StdFile::from(fd))
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Programs see this name today: it is part of the interface that we keep.
        f.debug_struct("tokio::fs::File")
            .field("std", &self.std)
            .finish()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.std.as_raw_fd()
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.std.as_fd()
    }
}
