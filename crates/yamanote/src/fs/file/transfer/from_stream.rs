//! From socket or pipe to file: the thread that polls takes what there is into a pipe of ours, by
//! splice(2), and a job of the blocking pool moves that on to the file, where it may wait.
//!
//! What is in the pipe is accepted (C3): it reaches the file without another call, and an error is
//! reported by the next write, flush or sync. There is one job at a time. Meanwhile the other end
//! of the socket fills its buffer.
#![forbid(unsafe_code)]

use std::io;
use std::task::{Context, Poll, ready};

use super::{OpenFile, judge};
use crate::fs::file::cursor::{Cursor, Operation};
use crate::fs::file::filled_pipe::FilledPipe;
use crate::fs::file::jobs::{Accepted, spawn_write};
use crate::fs::file::shared::Side;
use crate::fs::pool;
use crate::fs::strategy::charge;
use crate::io::splice::{PipePool, uninterrupted};
use crate::io::transfer::{Ends, Moved, Mover, Next, SmallMoves};
use crate::loom::sync::MutexGuard;
use crate::runtime::{Handle, context};
use crate::sys::splice::splice;
use crate::util::coop;

/// Moves that are smaller than this cost more than reads and writes, which are joined on their way.
const SMALL: usize = 64 * 1024;

/// The mover of one copy.
#[derive(Debug)]
pub(super) struct FromStream {
    sink: OpenFile,
    pipes: PipePool,
    small: SmallMoves,
}

impl FromStream {
    pub(super) fn new(sink: OpenFile) -> FromStream {
        FromStream {
            sink,
            pipes: PipePool::new(),
            small: SmallMoves::default(),
        }
    }

    /// What goes on instead, if the file may not be written to in this way.
    fn refusal(&self) -> Option<Next> {
        match self.sink.facts() {
            None => Some(Next::Plain), // The job of a write learns them.
            Some(facts) if !facts.is_plain() || facts.is_append() => Some(Next::GiveUp),
            Some(_) => None,
        }
    }

    /// Takes what there is into a pipe. `Err`: there is nothing now, or the copy is to go on
    /// otherwise.
    fn take(&self, ends: &mut Ends<'_>) -> Result<FilledPipe, io::Result<Next>> {
        let Ok(pipe) = self.pipes.take() else {
            return Err(Ok(Next::Later)); // Reads and writes need no descriptors.
        };
        let mut taken = Ok(0);
        (ends.source)(&mut |source| {
            let most = usize::try_from(source.most()).unwrap_or(usize::MAX);
            let most = most.min(pipe.capacity());
            let end = source.end().if_ready().filter(|end| end.is_readable());
            if let Some(end) = end {
                taken = uninterrupted(|| splice(end.descriptor(), pipe.input(), most));
            }
            if let Ok(count) = taken {
                source.take(count as u64);
            }
        });
        let next = match taken {
            Ok(count) if count > 0 => return Ok(FilledPipe { pipe, count }),
            Ok(_) => Ok(Next::Plain),
            // A read waits, and knows about bytes that are urgent.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Next::Plain),
            Err(error) => judge(error),
        };
        self.pipes.give_back(pipe);
        Err(next)
    }

    /// Hands what is in the pipe to a job.
    fn give(&self, runtime: &Handle, mut cursor: MutexGuard<'_, Cursor>, pipe: FilledPipe) {
        let ahead = cursor.ahead.distance();
        cursor.begin(Operation::Write);
        drop(cursor);
        let std = self.sink.std.clone();
        spawn_write(runtime, &self.sink.shared, std, Accepted::Pipe(pipe), ahead);
    }
}

impl Mover for FromStream {
    fn poll_move(&mut self, cx: &mut Context<'_>, mut ends: Ends<'_>) -> Poll<io::Result<Moved>> {
        let other = |next| Poll::Ready(Ok(Moved { count: 0, next }));
        let mut is_after_flush = true;
        (ends.sink)(&mut |sink| is_after_flush = sink.is_after_flush());
        if is_after_flush {
            return other(Next::Flush);
        }
        if let Some(next) = self.refusal() {
            return other(next);
        }
        let unit = ready!(coop::poll_proceed(cx));
        let cursor = ready!(self.sink.shared.poll_free(Side::Writer, cx));
        let Ok(runtime) = pool::live_runtime() else {
            return other(Next::Plain);
        };
        if cursor.write_error.is_some() {
            return other(Next::Plain);
        }
        let pipe = match self.take(&mut ends) {
            Ok(pipe) => pipe,
            Err(next) => return Poll::Ready(next.map(|next| Moved { count: 0, next })),
        };
        let count = pipe.count;
        self.give(&runtime, cursor, pipe);
        unit.made_progress();
        charge(count);
        let moved = count as u64;
        let _ = context::with_current(|runtime| runtime.count_kernel_copied_bytes(moved));
        let next = match self.small.is_time_to_stop(moved, SMALL) {
            true => Next::Later,
            false => Next::Again,
        };
        Poll::Ready(Ok(Moved { count: moved, next }))
    }

    fn read_held(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}
