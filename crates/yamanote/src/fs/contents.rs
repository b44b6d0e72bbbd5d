//! Whole files at once: [`read`], [`read_to_string`], [`write`](fn@write).
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::path::Path;

use super::pool;
use super::strategy::{self, Found, Inline};
use crate::buf::owned;
use crate::sys::fs as sys;
use crate::util::coop;

/// Reads the whole of a file.
///
/// A small file in the page cache is read at once; otherwise a thread of the blocking pool reads
/// it, to the end even if the future is dropped.
///
/// # Errors
///
/// As [`std::fs::read`]: the file does not exist or cannot be read.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let contents = yamanote::fs::read("address.txt").await?;
/// # Ok(())
/// # }
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    pool::progress().await;
    pool::live_runtime()?;
    if !strategy::is_worth_trying() {
        return pool::with_path(path, |path| std::fs::read(path)).await;
    }
    match strategy::open_inline(path, libc::O_RDONLY) {
        Inline::Done(found) => match read_inline(found?) {
            Progress::Done(contents) => contents,
            Progress::More(file, contents) => pool::run(move || read_rest(file, contents)).await,
        },
        Inline::Refused(why) => pool::look_up(path, why, |path| std::fs::read(path)).await,
    }
}

enum Progress {
    Done(io::Result<Vec<u8>>),
    /// The rest is not at hand.
    More(StdFile, Vec<u8>),
}

fn read_inline(found: Found) -> Progress {
    let Found {
        file,
        identity,
        facts,
    } = found;
    let size = usize::try_from(identity.size).unwrap_or(usize::MAX);
    let Some(wait) = facts.inline_read(size) else {
        return Progress::More(file, Vec::new());
    };
    let mut contents = Vec::with_capacity(size);
    while contents.len() < size {
        let wanted = size - contents.len();
        let answer = sys::read(file.as_fd(), &mut contents, wanted, sys::AT_CURSOR, wait);
        match facts.judge_read(wait, wanted, answer) {
            // It has become shorter since.
            Some(Ok(0)) => break,
            Some(Ok(n)) => coop::consume(strategy::extra_units(n)),
            Some(Err(error)) => return Progress::Done(Err(error)),
            None => return Progress::More(file, contents),
        }
    }
    Progress::Done(Ok(contents))
}

/// Reads on where an inline attempt had to stop: the cursor stands behind `contents`.
fn read_rest(mut file: StdFile, mut contents: Vec<u8>) -> io::Result<Vec<u8>> {
    debug_assert!(!matches!(file.stream_position(), Ok(at) if at != contents.len() as u64));
    file.read_to_end(&mut contents)?;
    Ok(contents)
}

/// Reads the whole of a file, which must be UTF-8.
///
/// # Errors
///
/// As [`std::fs::read_to_string`]: also `InvalidData` if it is not UTF-8.
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path).await?).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "stream did not contain valid UTF-8",
        )
    })
}

/// Writes `contents` as the whole of a file, which is created if it does not exist and emptied
/// first if it does.
///
/// Happens in one job of the blocking pool, to the end even if the future is dropped once it was
/// polled. Nothing is promised about a crash in between: to replace a file, write another one and
/// [`rename`](super::rename) it.
///
/// # Errors
///
/// As [`std::fs::write`].
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let contents = owned::take(contents);
    pool::with_path(path.as_ref(), move |path| std::fs::write(path, contents)).await
}
