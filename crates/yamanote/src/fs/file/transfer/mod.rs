//! Copies that have a [`File`] at an end, by system calls that need no buffer of ours.
//!
//! What a file does for a copy, as the [`FileEnd`] that it is, counts as an operation at its cursor
//! (C1 to C7), and leaves that where a read or a write of the same bytes would have. Whatever is
//! refused, unknown or out of the ordinary is left to `poll_read` and `poll_write`, and so are
//! errors of files: they come from there.
#![forbid(unsafe_code)]

mod from_stream;

mod to_file;

mod to_stream;

use std::any::Any;
use std::fs::File as StdFile;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use self::from_stream::FromStream;
use self::to_file::ToFile;
use self::to_stream::ToStream;
use super::File;
use super::cursor::Cursor;
use super::shared::Shared;
use crate::fs::strategy::Facts;
use crate::io::transfer::{FileEnd, Mover, Next};
use crate::runtime::context;

/// What a [`File`] shares with its operations.
#[derive(Debug, Clone)]
struct OpenFile {
    std: Arc<StdFile>,
    shared: Arc<Shared>,
}

impl OpenFile {
    fn of(file: &File) -> OpenFile {
        OpenFile {
            std: file.std.clone(),
            shared: file.shared.clone(),
        }
    }

    /// What is known without waiting.
    fn facts(&self) -> Option<&Facts> {
        if let Some(facts) = self.shared.facts.get() {
            return Some(facts);
        }
        let facts = Facts::if_known(self.std.as_fd())?;
        Some(self.shared.facts.get_or_init(|| facts))
    }
}

impl FileEnd for File {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn mover_to_file(&self, sink: &dyn FileEnd) -> Option<Box<dyn Mover>> {
        let sink = sink.as_any().downcast_ref::<File>()?;
        allowed(|| ToFile::new(OpenFile::of(self), OpenFile::of(sink)))
    }

    fn mover_to_ready(&self) -> Option<Box<dyn Mover>> {
        allowed(|| ToStream::new(OpenFile::of(self)))
    }

    fn mover_from_ready(&self) -> Option<Box<dyn Mover>> {
        allowed(|| FromStream::new(OpenFile::of(self)))
    }
}

fn allowed<M: Mover + 'static>(make: impl FnOnce() -> M) -> Option<Box<dyn Mover>> {
    let allowed = context::with_current(|runtime| runtime.kernel_copies()).unwrap_or(false);
    allowed.then(|| Box::new(make()) as Box<dyn Mover>)
}

/// Whether nothing is left from earlier calls that a read would give first.
fn has_nothing_first(source: &Cursor) -> bool {
    source.ahead.distance() == 0 && source.read_end.is_none()
}

/// How a copy goes on after a call that failed. Errors of the sink are the copy's. About those that
/// may be the file's, or a refusal of the call, a read or a write will find out.
fn judge(error: io::Error) -> io::Result<Next> {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Ok(Next::Again),
        Some(
            libc::EINVAL
            | libc::EOPNOTSUPP
            | libc::ENOSYS
            | libc::EPERM
            | libc::EACCES
            | libc::EBADF
            | libc::EIO
            | libc::ENOMEM
            | libc::EOVERFLOW,
        ) => Ok(Next::GiveUp),
        _ => Err(error),
    }
}
