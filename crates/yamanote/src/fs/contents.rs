//! Whole files at once: [`read`], [`read_to_string`], [`write`](fn@write).
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use super::look_up::{self, FoundFile, Inline, Refusal};
use super::punt;
use super::strategy::{self, Facts};
use super::{in_memory, pool};
use crate::buf::owned;
use crate::runtime::punts::FileOperation;
use crate::sys::fs as sys;

/// Reads the whole of a file.
///
/// A small file in the page cache is read at once; otherwise a thread of the blocking pool reads
/// it, to the end even if the future is dropped.
///
/// # Errors
///
/// As [`std::fs::read`]: the file does not exist or cannot be read.
///
/// # Cancel safety
///
/// Cancel safe: dropping the future stops the waiting only.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let contents = yamanote::fs::read("key.der").await?;
/// # Ok(())
/// # }
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    pool::begin().await?;
    let why = match look_up::open_once(path) {
        Inline::Done(found) => match read_inline(found?) {
            InlineRead::Done(contents) => return contents,
            InlineRead::More(file, contents) => {
                return pool::run(move || {
                    punt::note(FileOperation::Read, file.as_fd());
                    read_rest(file, contents)
                })
                .await;
            }
            InlineRead::Refused => Refusal::MayWait,
        },
        Inline::Refused(why) => why,
    };
    let read = match why.asks_for_trial() {
        true => try_out,
        false => |path: &Path| std::fs::read(path),
    };
    pool::look_up(FileOperation::Read, path, why, read).await
}

/// On a thread that may wait: reads in the inline way, as far as trials of it are due.
fn try_out(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = match look_up::try_out_open(path, libc::O_RDONLY) {
        Some(found) => found?.file,
        None => StdFile::open(path)?,
    };
    if let Ok(facts) = Facts::learn(file.as_fd()) {
        facts.try_out_reads(file.as_fd());
    }
    let mut contents = Vec::new();
    file.read_to_end(&mut contents)?;
    Ok(contents)
}

pub(super) enum InlineRead {
    Done(io::Result<Vec<u8>>),
    /// The rest is not at hand: the file, and what was read of it.
    More(StdFile, Vec<u8>),
    /// The name stands for something by now that cannot be read like this.
    Refused,
}

/// What is not at hand is missing by whole pages, and no page is smaller: a read that stops inside
/// a page has met the end of the file.
const SMALLEST_PAGE: usize = 4096;

pub(super) fn read_inline(found: FoundFile) -> InlineRead {
    let FoundFile {
        file,
        identity,
        facts,
    } = found;
    let size = usize::try_from(identity.size).unwrap_or(usize::MAX);
    // One byte more than the file is said to have, so that a read stops at the end of the file and
    // not for lack of room.
    let mut contents = Vec::with_capacity(size.min(strategy::INLINE_MAX) + 1);
    while contents.len() <= size {
        let wanted = size + 1 - contents.len();
        let offset = contents.len() as i64;
        let mut is_another = false;
        let answer = facts.read(wanted.min(strategy::INLINE_MAX), |wait| {
            sys::read(file.as_fd(), &mut contents, wanted, offset, wait).map_err(|error| {
                // Rare: before a refusal is remembered for the mount, make sure that it comes from
                // there.
                is_another = error.raw_os_error() == Some(libc::ESPIPE)
                    || !look_up::is_still(file.as_fd(), &identity);
                match is_another {
                    true => io::Error::from_raw_os_error(libc::EAGAIN),
                    false => error,
                }
            })
        });
        if is_another {
            return InlineRead::Refused;
        }
        match answer {
            Some(Ok(0)) => return InlineRead::Done(Ok(contents)),
            Some(Ok(n)) => {
                if n < wanted && contents.len() % SMALLEST_PAGE != 0 {
                    return InlineRead::Done(Ok(contents));
                }
            }
            Some(Err(error)) => return InlineRead::Done(Err(error)),
            None => break,
        }
    }
    InlineRead::More(file, contents)
}

/// Reads on behind `contents`, where an inline attempt had to stop.
fn read_rest(mut file: StdFile, mut contents: Vec<u8>) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(contents.len() as u64))?;
    file.read_to_end(&mut contents)?;
    Ok(contents)
}

/// Reads the whole of a file, which must be UTF-8.
///
/// # Errors
///
/// As [`std::fs::read_to_string`]: also `InvalidData` if it is not UTF-8.
///
/// # Cancel safety
///
/// Cancel safe: dropping the future stops the waiting only.
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
/// A small file on a file system in memory is written at once; otherwise one job of the blocking
/// pool does it, to its end even if the future is dropped after it was first polled. After a crash
/// in between, the file may hold anything: to replace a file safely, write another one and
/// [`rename`](super::rename) it.
///
/// # Errors
///
/// As [`std::fs::write`].
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the file may be written although the future is dropped, and an
/// error is lost.
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref();
    pool::begin().await?;
    let why = match in_memory::at(path, |target| target.write(contents.as_ref(), None)) {
        Inline::Done(answer) => return answer,
        Inline::Refused(why) => why,
    };
    let is_trial = why.asks_for_trial();
    let contents = owned::take(contents);
    pool::look_up(FileOperation::Write, path, why, move |path| {
        std::fs::write(path, contents)?;
        if is_trial {
            look_up::try_out_opens(path);
        }
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use yamanote_test::TempDir;

    use super::*;
    use std::os::unix::fs::OpenOptionsExt;

    fn find(path: &Path) -> Option<FoundFile> {
        let facts = Facts::learn(StdFile::open(path).unwrap().as_fd()).unwrap();
        facts.mount.opens.give();
        facts.mount.reads.give();
        match look_up::open_once(path) {
            Inline::Done(found) => Some(found.unwrap()),
            Inline::Refused(_) => None, // Not a local file system here.
        }
    }

    fn finish(progress: InlineRead) -> Vec<u8> {
        match progress {
            InlineRead::Done(contents) => contents.unwrap(),
            InlineRead::More(file, contents) => read_rest(file, contents).unwrap(),
            InlineRead::Refused => panic!("nothing has changed"),
        }
    }

    /// Sizes around pages, which end a read, and around what is read inline.
    #[test]
    fn the_whole_file_is_read_whatever_its_size() {
        let directory = TempDir::new();
        let path = directory.path().join("sizes");
        let inline_max = strategy::INLINE_MAX;
        for page in [0, 4096, 8192, 65536, inline_max] {
            for size in [page - page.min(1), page, page + 1] {
                let expected: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
                std::fs::write(&path, &expected).unwrap();
                if let Some(found) = find(&path) {
                    assert_eq!(finish(read_inline(found)), expected, "{size} bytes");
                }
            }
        }
    }

    #[test]
    fn a_file_that_changes_size_after_it_was_found_is_read_as_it_is() {
        let directory = TempDir::new();
        let path = directory.path().join("changing");
        for (found_at, then) in [(100, 0), (100, 50), (100, 200), (4096, 9000), (0, 4096)] {
            std::fs::write(&path, vec![1; found_at]).unwrap();
            if let Some(found) = find(&path) {
                std::fs::write(&path, vec![2; then]).unwrap();
                assert_eq!(finish(read_inline(found)), vec![2; then]);
            }
        }
    }

    /// Between the look-up and the opening the name may come to stand for a FIFO: a read of it must
    /// neither wait nor take its silence for the end of a file.
    #[test]
    fn a_pipe_in_the_place_of_the_file_is_refused() {
        let directory = TempDir::new();
        let (path, fifo) = (
            directory.path().join("swapped"),
            directory.path().join("fifo"),
        );
        std::fs::write(&path, b"contents").unwrap();
        let c_path = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
        assert!(crate::sys::fs::make_fifo(&c_path).is_ok());
        if let Some(found) = find(&path) {
            let file = StdFile::options()
                .read(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(&fifo)
                .unwrap();
            assert!(matches!(
                read_inline(FoundFile { file, ..found }),
                InlineRead::Refused
            ));
        }
    }
}
