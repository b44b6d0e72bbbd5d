//! [`copy`]: a file as another.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use super::contents::{InlineRead, read_inline};
use super::look_up::{self, Inline, Refusal};
use super::{in_memory, pool};
use crate::runtime::punts::FileOperation;

/// Copies the contents and permissions of one file to another, which is replaced if it exists, and
/// returns the number of bytes. The kernel does the copying, sharing the blocks where it can.
///
/// # Errors
///
/// As [`std::fs::copy`]: `from` is not a file or cannot be read, or `to` cannot be written.
///
/// # Cancel safety
///
/// Not cancel safe: once polled, the copy goes on to its end although the future is dropped.
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref(), to.as_ref());
    pool::begin().await?;
    let why = match copy_inline(from, to) {
        Inline::Done(Ok(copied)) => return Ok(copied),
        // Of two paths that lead nowhere the plain call names the first.
        Inline::Done(Err(_)) => Refusal::MayWait,
        Inline::Refused(why) => why,
    };
    let is_trial = why.asks_for_trial();
    let to = to.to_owned();
    pool::look_up(FileOperation::Copy, from, why, move |from| {
        let copied = std::fs::copy(from, &to)?;
        if is_trial {
            look_up::try_out_opens(from);
            look_up::try_out_opens(&to);
        }
        Ok(copied)
    })
    .await
}

/// Reads what is at hand and writes it to memory.
fn copy_inline(from: &Path, to: &Path) -> Inline<u64> {
    in_memory::at(to, |target| {
        look_up::open_once(from).and_then(|found| {
            let original = found.identity;
            // Its permissions were learned before it was opened. In memory that was looked at
            // already.
            let is_it =
                found.facts.is_in_memory() || look_up::is_still(found.file.as_fd(), &original);
            match read_inline(found) {
                InlineRead::Done(Ok(contents)) if is_it => target
                    .write(&contents, Some(&original))
                    .and_then(|()| Inline::Done(Ok(contents.len() as u64))),
                _ => Inline::Refused(Refusal::MayWait),
            }
        })
    })
}
