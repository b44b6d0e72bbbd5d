//! Sending a part of a file to another descriptor inline, where that takes microseconds.
//!
//! sendfile(2) and splice(2) have no `RWF_NOWAIT`: what is not in the page cache they read, however
//! long that takes. So the kernel is asked first. cachestat(2) counts the pages that are there, but
//! some may still be on their way from the disk; single bytes are read with `RWF_NOWAIT`, which
//! refuses those, at both ends and in between.
//!
//! What remains is a page on its way between two of these bytes, which somebody else asked for a
//! moment ago, and one that leaves the cache between the question and the call. Such a call waits
//! for the disk. It is timed as every inline call ([`super::trust`]), so there is one of them.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::BorrowedFd;

use super::strategy::{Facts, INLINE_MAX};
use crate::sys::file_copy::{cached_pages, page_size};
use crate::sys::fs::{self as sys, Wait};

/// A read and a write of less cost no more than a question and a call.
pub(super) const LITTLE: u64 = 16 * 1024;

/// What one call sends. Twice or four times as much costs more on TCP: the peer on the same machine
/// does not get to its work in between.
const SENT_AT_ONCE: usize = 64 * 1024;

/// The distance of the bytes that are read to find out. The kernel reads ahead in runs, mostly
/// longer ones.
const PROBE_STEP: u64 = 64 * 1024;

/// So many pages are asked for one by one, if cachestat(2) is denied.
const ASKED_ONE_BY_ONE_MAX: u64 = 32;

/// What came of an attempt to send inline.
#[derive(Debug)]
pub(super) enum Sent {
    /// So many bytes were sent; [`Rest`] says what follows.
    Bytes(usize, Rest),
    /// A thread that may wait has to do it.
    NotInline,
}

/// What follows on the bytes that were sent inline.
#[derive(Debug)]
pub(super) enum Rest {
    /// So little, or nothing, that it is not worth a call.
    Little,
    Some,
    /// The other end refused more.
    Error(io::Error),
}

impl Facts {
    /// Sends up to `most` of the bytes at the cursor by calls of `send`, which is told how many.
    pub(super) fn send(
        &self,
        file: BorrowedFd<'_>,
        most: u64,
        send: impl FnMut(usize) -> io::Result<usize>,
    ) -> Sent {
        let Some(wait) = self.inline_read(INLINE_MAX) else {
            return Sent::NotInline;
        };
        let attempt = || {
            let (position, left) = match self.position_and_rest(file) {
                Ok((position, rest)) => (position, rest.min(most)),
                Err(_) => return Sent::NotInline,
            };
            let len = left.min(INLINE_MAX as u64);
            if len < LITTLE {
                return Sent::Bytes(0, Rest::Little);
            }
            if wait == Wait::Never && !is_cached(file, position, len) {
                return Sent::NotInline;
            }
            match send_all(len as usize, send) {
                (sent, Some(error)) => Sent::Bytes(sent, Rest::Error(error)),
                // The file has become shorter.
                (0, None) => Sent::Bytes(0, Rest::Little),
                (sent, None) if left - (sent as u64) < LITTLE => Sent::Bytes(sent, Rest::Little),
                (sent, None) => Sent::Bytes(sent, Rest::Some),
            }
        };
        let sent = self.mount.read_inline(INLINE_MAX, attempt);
        sent.unwrap_or(Sent::NotInline)
    }

    /// Where the cursor is, and how many bytes follow: as far as the size is known that the file
    /// had at first, if that is enough for a call. To ask costs as much as a small read, and who
    /// goes on reads and finds out.
    fn position_and_rest(&self, file: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
        if let Some(size) = self.size_if_read_only() {
            let position = sys::position(file)?;
            let rest = size.saturating_sub(position);
            if rest >= LITTLE {
                return Ok((position, rest));
            }
        }
        position_and_rest(file)
    }
}

/// Calls `send` until `len` bytes are sent, the file ends or the other end takes no more.
fn send_all(
    len: usize,
    mut send: impl FnMut(usize) -> io::Result<usize>,
) -> (usize, Option<io::Error>) {
    let mut sent = 0;
    while sent < len {
        let asked = (len - sent).min(SENT_AT_ONCE);
        match send(asked) {
            Ok(more) => {
                sent += more;
                if more < asked {
                    break;
                }
            }
            Err(error) => return (sent, Some(error)),
        }
    }
    (sent, None)
}

/// Where the cursor is, and how many bytes follow.
pub(super) fn position_and_rest(file: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let position = sys::position(file)?;
    let size = sys::identify(file)?.size;
    Ok((position, size.saturating_sub(position)))
}

/// Whether all of `len` bytes, at least one, seem to be at hand.
fn is_cached(file: BorrowedFd<'_>, position: u64, len: u64) -> bool {
    let page = page_size();
    let (first, last) = (position, position + len - 1);
    let pages = last / page - first / page + 1;
    let step = match cached_pages(file, position, len) {
        Ok(cached) if cached < pages => return false,
        Ok(_) => PROBE_STEP,
        Err(_) if pages > ASKED_ONE_BY_ONE_MAX => return false,
        Err(_) => page,
    };
    let mut probes = (first..last).step_by(step as usize);
    probes.all(|at| is_at_hand(file, at)) && is_at_hand(file, last)
}

fn is_at_hand(file: BorrowedFd<'_>, at: u64) -> bool {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    let read = sys::read(file, &mut &mut [0][..], 1, at, Wait::Never);
    matches!(read, Ok(1))
}
