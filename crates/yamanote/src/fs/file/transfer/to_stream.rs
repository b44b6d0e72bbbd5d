//! From file to socket or pipe: sendfile(2) by the thread that polls, if what is to be sent is
//! [at hand](crate::fs::cached); else a job of the blocking pool fills a pipe of ours, and the
//! thread that polls moves that on by splice(2), which does not wait.
//!
//! The pages of the file themselves are queued at the other end, so whoever writes to the file
//! afterwards changes what has not arrived yet. A program that has the file open for writing may be
//! about to do that, thinking that its copy is done. So only files that are open for reading alone
//! are sent in this way.
//!
//! What is in the pipe is still the file's until the other end has got it: if the copy goes, the
//! file gives it to whoever reads next (C2).
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{OpenFile, has_nothing_first, judge};
use crate::fs::cached::{LITTLE, Rest, Sent};
use crate::fs::file::cursor::{Cursor, Operation};
use crate::fs::file::jobs::{Duty, prepare_read};
use crate::fs::file::shared::Side;
use crate::fs::pool;
use crate::fs::punt;
use crate::fs::strategy::{Facts, charge};
use crate::io::splice::{PipePool, uninterrupted};
use crate::io::transfer::{Ends, Moved, Mover, Next};
use crate::loom::sync::MutexGuard;
use crate::runtime::punts::FileOperation;
use crate::runtime::{Handle, context};
use crate::sync::oneshot;
use crate::sys::file_copy::send_file;
use crate::sys::splice::{Pipe, is_sigpipe_ignored, splice};

/// The mover of one copy.
#[derive(Debug)]
pub(super) struct ToStream {
    source: OpenFile,
    pipes: PipePool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// A job fills a pipe.
    Filling(oneshot::Receiver<Filled>),
    /// A pipe with at least one byte in it.
    Giving(Pipe, usize),
}

/// What a job has done.
#[derive(Debug)]
struct Filled {
    pipe: Pipe,
    count: usize,
}

impl ToStream {
    pub(super) fn new(source: OpenFile) -> ToStream {
        ToStream {
            source,
            pipes: PipePool::new(),
            stage: Stage::Idle,
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>, ends: &mut Ends<'_>) -> Poll<Step> {
        if matches!(self.stage, Stage::Idle) && !self.may_be_sent() {
            return over(Next::GiveUp);
        }
        let most = match most(ends) {
            Ok(most) => most,
            Err(next) => return over(next),
        };
        loop {
            match &mut self.stage {
                Stage::Idle => {
                    if let Some(step) = ready!(self.poll_begin(cx, ends, most)) {
                        return Poll::Ready(step);
                    }
                }
                Stage::Filling(job) => {
                    let filled = ready!(Pin::new(job).poll(cx));
                    self.stage = Stage::Idle;
                    match filled {
                        Ok(Filled { pipe, count }) if count > 0 => {
                            self.stage = Stage::Giving(pipe, count);
                        }
                        Ok(Filled { pipe, .. }) => {
                            self.pipes.give_back(pipe);
                            return over(Next::GiveUp);
                        }
                        Err(_) => return over(Next::GiveUp),
                    }
                }
                Stage::Giving(..) => return self.poll_give(cx, ends),
            }
        }
    }

    /// Whether the file is one for this, as far as that is known already.
    fn may_be_sent(&self) -> bool {
        let facts = self.source.facts();
        facts.is_none_or(|facts| {
            may_be_sent(facts) && facts.size_if_read_only().is_none_or(|size| size >= LITTLE)
        })
    }

    /// Sends what is at hand; `None`: a job is to fill a pipe.
    fn poll_begin(
        &mut self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_>,
        most: u64,
    ) -> Poll<Option<Step>> {
        let cursor = ready!(self.source.shared.poll_free(Side::Reader, cx));
        let Ok(runtime) = pool::live_runtime() else {
            return over(Next::GiveUp).map(Some);
        };
        if !has_nothing_first(&cursor) {
            return over(Next::Plain).map(Some);
        }
        if let Some(facts) = self.source.facts() {
            match ready!(self.poll_send(cx, ends, facts, most)) {
                Sent::NotInline => {}
                Sent::Bytes(count, rest) => {
                    let next = match rest {
                        // A read finds out whether that is the end. If the file has grown, there
                        // is more after that.
                        Rest::Little => Ok(Next::Later),
                        Rest::Some => Ok(Next::Again),
                        Rest::Error(error) => judge(error),
                    };
                    return Poll::Ready(Some(Step { count, next }));
                }
            }
        }
        // Without a descriptor for it the copy reads and writes.
        let Ok(pipe) = self.pipes.take() else {
            return over(Next::GiveUp).map(Some);
        };
        let job = start(&self.source, &runtime, cursor, pipe, most);
        self.stage = Stage::Filling(job);
        Poll::Ready(None)
    }

    /// Ready when the sink has room.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        ends: &mut Ends<'_>,
        facts: &Facts,
        most: u64,
    ) -> Poll<Sent> {
        let file = self.source.std.as_fd();
        let (mut total, mut last) = (0, Sent::NotInline);
        let polled = poll_write(cx, ends, &mut |to| {
            let most = most - total as u64;
            last = facts.send(file, most, |len| uninterrupted(|| send_file(to, file, len)));
            let Sent::Bytes(count, rest) = &mut last else {
                return Ok(0);
            };
            total += std::mem::take(count);
            match rest {
                Rest::Error(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                _ => Ok(0),
            }
        });
        Poll::Ready(match (polled, last) {
            (Poll::Ready(Err(error)), _) => Sent::Bytes(total, Rest::Error(error)),
            (Poll::Ready(Ok(_)), Sent::Bytes(_, rest)) => Sent::Bytes(total, rest),
            (Poll::Ready(Ok(_)), Sent::NotInline) if total == 0 => Sent::NotInline,
            (Poll::Pending, _) if total == 0 => return Poll::Pending,
            _ => Sent::Bytes(total, Rest::Some),
        })
    }

    /// Gives the sink what is in the pipe.
    fn poll_give(&mut self, cx: &mut Context<'_>, ends: &mut Ends<'_>) -> Poll<Step> {
        let Stage::Giving(pipe, left) = &mut self.stage else {
            unreachable!("a pipe was filled");
        };
        let polled = poll_write(cx, ends, &mut |to| {
            uninterrupted(|| splice(pipe.output(), to, *left))
        });
        let (count, next) = match ready!(polled) {
            Ok(0) => (0, Ok(Next::GiveUp)),
            Ok(count) => (count, Ok(Next::Again)),
            Err(error) => (0, judge(error)),
        };
        self.source.shared.lock().ahead.deliver(count as u64);
        *left -= count;
        if *left == 0 {
            if let Stage::Giving(pipe, _) = std::mem::replace(&mut self.stage, Stage::Idle) {
                self.pipes.give_back(pipe);
            }
        }
        Poll::Ready(Step { count, next })
    }
}

/// What a step has done: bytes that the sink has got, and how the copy goes on.
struct Step {
    count: usize,
    next: io::Result<Next>,
}

fn over(next: Next) -> Poll<Step> {
    Poll::Ready(Step {
        count: 0,
        next: Ok(next),
    })
}

impl Mover for ToStream {
    fn poll_move(&mut self, cx: &mut Context<'_>, mut ends: Ends<'_>) -> Poll<io::Result<Moved>> {
        let Step { count, next } = ready!(self.poll_step(cx, &mut ends));
        if matches!(next, Ok(Next::GiveUp | Next::Later) | Err(_)) {
            // What is in the pipe is the file's again.
            self.stage = Stage::Idle;
        }
        let moved = count as u64;
        if moved > 0 {
            (ends.source)(&mut |source| source.take(moved));
            charge(count);
            let _ = context::with_current(|runtime| runtime.count_kernel_copied_bytes(moved));
        }
        Poll::Ready(next.map(|next| Moved { count: moved, next }))
    }

    fn read_held(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

/// What the visits of both ends say: how many bytes may go from one to the other.
fn most(ends: &mut Ends<'_>) -> Result<u64, Next> {
    let mut most = Err(Next::Plain);
    (ends.source)(&mut |source| most = Ok(source.most()));
    let most = most?;
    let mut answer = Err(Next::Plain);
    (ends.sink)(&mut |sink| {
        answer = match sink.end().if_ready() {
            _ if sink.is_after_flush() => Err(Next::Flush),
            None => Err(Next::GiveUp),
            Some(end) if !end.is_pipe() && !is_sigpipe_ignored() => Err(Next::GiveUp),
            Some(_) if most == 0 => Err(Next::Plain),
            Some(_) => Ok(most),
        };
    });
    answer
}

/// Calls `operation` whenever the sink may have room, until it answers anything but `WouldBlock`.
fn poll_write(
    cx: &mut Context<'_>,
    ends: &mut Ends<'_>,
    operation: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    let mut polled = Poll::Ready(Ok(0));
    (ends.sink)(&mut |sink| {
        if let Some(end) = sink.end().if_ready() {
            polled = end.poll_write_io(cx, &mut *operation);
        }
    });
    polled
}

fn may_be_sent(facts: &Facts) -> bool {
    facts.is_plain() && facts.is_read_only()
}

/// Starts a job that fills `pipe` with up to `most` bytes.
fn start(
    source: &OpenFile,
    runtime: &Handle,
    mut cursor: MutexGuard<'_, Cursor>,
    pipe: Pipe,
    most: u64,
) -> oneshot::Receiver<Filled> {
    cursor.begin(Operation::Copy);
    drop(cursor);
    let (sender, answer) = oneshot::channel();
    let source = source.clone();
    let duty = Duty::new(&source.shared);
    pool::spawn_detached(runtime, move || {
        punt::note(FileOperation::Copy, source.std.as_fd());
        prepare_read(&source.shared, &source.std);
        let count = fill(&source, &pipe, most, || !sender.is_closed());
        duty.end(source.std, |cursor| {
            cursor.finish(Operation::Copy);
            cursor.ahead.put_in_pipe(count as u64);
        });
        let _ = sender.send(Filled { pipe, count });
    });
    answer
}

/// Returns how many bytes are in the pipe.
fn fill(source: &OpenFile, pipe: &Pipe, most: u64, is_wanted: impl Fn() -> bool) -> usize {
    let mut count = 0;
    if !source.shared.facts.get().is_some_and(may_be_sent) {
        return count;
    }
    let most = usize::try_from(most).map_or(pipe.capacity(), |most| most.min(pipe.capacity()));
    while count < most && is_wanted() {
        match uninterrupted(|| splice(source.std.as_fd(), pipe.input(), most - count)) {
            Ok(more) if more > 0 => count += more,
            _ => break, // The pipe is full, or it is the end, or a read finds out what is wrong.
        }
    }
    count
}
