//! Copies between sockets and pipes by splice(2).
//!
//! If one end is a pipe, bytes go directly from end to end. Between two sockets they go through a
//! pipe of ours, and then no more is taken than the receiving socket says it has room for: what is
//! in our pipe when a copy is dropped is lost, and could not be put back. So the pipe is empty
//! whenever the copy waits, unless a socket took less than it said.
//!
//! Nothing waits here, and no readiness is cleared: splice(2) does not tell which end made it
//! return `EAGAIN`, and finds nothing where a read would step over a byte of urgent data. The copy
//! then reads and writes once, which waits for the right end and meets its errors.
#![forbid(unsafe_code)]

mod pool;

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

pub(crate) use self::pool::PipePool;
use super::transfer::{Ends, Moved, Mover, Next, ReadyEnd, SmallMoves};
use crate::runtime::context;
use crate::sys::splice::{self as sys, Pipe};
use crate::util::coop;

/// Bytes that cost one unit of the cooperative budget: the 128 of a poll are 2 MiB, about a
/// millisecond.
const BYTES_PER_UNIT: usize = 16 * 1024;

/// Moves that are smaller than this cost as much as a read and a write.
const SMALL: usize = 16 * 1024;

/// What a socket has room for if it does not say.
const ASSUMED_ROOM: usize = 64 * 1024;

/// The process may not splice: a sandbox denies it, or the kernel has no such call.
static DENIED: AtomicBool = AtomicBool::new(false);

/// Moves the bytes of one copy.
#[derive(Debug)]
pub(super) struct Splicer {
    member: PipePool,
    /// What was taken from the source and not yet given to the sink: a pipe and how many bytes are
    /// in it, at least one.
    held: Option<(Pipe, usize)>,
    /// No more is taken at once; less after the sink took less than it said.
    most: usize,
    small: SmallMoves,
}

/// What a step has done.
enum Step {
    /// The sink has got so many bytes.
    Moved(usize),
    /// There is nothing to be moved now; or the source has ended, or something is wrong, which a
    /// read or a write will tell.
    Stuck,
    /// The copy has to go on otherwise.
    Over(Next),
}

impl Splicer {
    /// `None` if copies are not to splice.
    pub(super) fn new() -> Option<Splicer> {
        // Relaxed: whoever does not see it yet finds out for itself.
        let allowed = !DENIED.load(Relaxed)
            && context::with_current(|runtime| runtime.kernel_copies()).unwrap_or(true);
        allowed.then(|| Splicer {
            member: PipePool::new(),
            held: None,
            most: pool::CAPACITY,
            small: SmallMoves::default(),
        })
    }

    /// Moves as much as there is, as the sink has room for and as the budget allows. Adds what the
    /// sink has got to `count`.
    fn move_all(&mut self, ends: &mut Ends<'_>, count: &mut u64) -> io::Result<Next> {
        loop {
            match self.step(ends)? {
                Step::Moved(moved) => {
                    *count += moved as u64;
                    coop::consume(moved.div_ceil(BYTES_PER_UNIT));
                    if !coop::has_budget_remaining() {
                        return Ok(Next::Plain);
                    }
                }
                Step::Stuck => return Ok(self.after(*count)),
                Step::Over(next) => return Ok(next),
            }
        }
    }

    /// What follows on having moved `count` bytes until it was stuck.
    fn after(&mut self, count: u64) -> Next {
        match self.small.is_time_to_stop(count, SMALL) {
            true => Next::Later,
            false => Next::Plain,
        }
    }

    fn step(&mut self, ends: &mut Ends<'_>) -> io::Result<Step> {
        if self.held.is_some() {
            return self.give(ends);
        }
        match look(ends) {
            Look::Stuck => Ok(Step::Stuck),
            Look::OnePipe => move_directly(ends),
            Look::TwoSockets => match self.take(ends)? {
                Step::Moved(_) => self.give(ends),
                step => Ok(step),
            },
        }
    }

    /// Takes from the source, into a pipe, what the sink has room for.
    fn take(&mut self, ends: &mut Ends<'_>) -> io::Result<Step> {
        let room = match room(ends) {
            Ok(room) => room.min(self.most),
            Err(step) => return Ok(step),
        };
        let Ok(pipe) = self.member.take() else {
            // Reads and writes need no descriptors.
            return Ok(Step::Over(Next::Later));
        };
        let mut taken = Ok(Step::Stuck);
        (ends.source)(&mut |source| {
            let Some(end) = source.end().if_ready() else {
                return;
            };
            let most = at_most(room, source.most());
            if most > 0 {
                taken = splice(end.descriptor(), pipe.input(), most);
                if let Ok(Step::Moved(count)) = taken {
                    source.take(count as u64);
                }
            }
        });
        match taken {
            Ok(Step::Moved(count)) => self.held = Some((pipe, count)),
            _ => self.member.give_back(pipe),
        }
        taken
    }

    /// Gives the sink what is held.
    fn give(&mut self, ends: &mut Ends<'_>) -> io::Result<Step> {
        let Some((pipe, held)) = self.held.take() else {
            return Ok(Step::Stuck);
        };
        let mut given = 0;
        let mut last = Ok(Step::Stuck);
        (ends.sink)(&mut |sink| {
            last = match sink.end().if_ready() {
                _ if sink.is_after_flush() => Ok(Step::Over(Next::Flush)),
                None => Ok(Step::Stuck),
                Some(end) => give_all(&pipe, end, held, &mut given),
            };
        });
        let last = last?;
        if given == held {
            self.most = (self.most * 2).min(pool::CAPACITY);
            self.member.give_back(pipe);
            return Ok(Step::Moved(given));
        }
        // It has less room than it said; not so much shall be at stake again.
        self.most = given.max(SMALL);
        self.held = Some((pipe, held - given));
        match given {
            0 => Ok(last),
            _ => Ok(Step::Moved(given)),
        }
    }
}

impl Mover for Splicer {
    fn poll_move(&mut self, _cx: &mut Context<'_>, mut ends: Ends<'_>) -> Poll<io::Result<Moved>> {
        let mut count = 0;
        let next = self.move_all(&mut ends, &mut count);
        if count > 0 {
            let _ = context::with_current(|runtime| runtime.count_kernel_copied_bytes(count));
        }
        Poll::Ready(next.map(|next| Moved { count, next }))
    }

    fn read_held(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some((pipe, held)) = &mut self.held else {
            return Ok(0);
        };
        let read = pipe.read(buf)?;
        *held -= read;
        if *held == 0 {
            let emptied = self.held.take();
            if let Some((pipe, _)) = emptied {
                self.member.give_back(pipe);
            }
        }
        Ok(read)
    }
}

enum Look {
    /// An end is not lent now, or the source has nothing.
    Stuck,
    OnePipe,
    TwoSockets,
}

fn look(ends: &mut Ends<'_>) -> Look {
    let (mut source_is_pipe, mut sink_is_pipe) = (None, None);
    (ends.source)(&mut |source| {
        let end = source.end().if_ready().filter(|end| end.is_readable());
        source_is_pipe = end.map(ReadyEnd::is_pipe);
    });
    (ends.sink)(&mut |sink| sink_is_pipe = sink.end().if_ready().map(ReadyEnd::is_pipe));
    match (source_is_pipe, sink_is_pipe) {
        (Some(false), Some(false)) => Look::TwoSockets,
        (Some(_), Some(_)) => Look::OnePipe,
        _ => Look::Stuck,
    }
}

/// How much the sink has room for, or why nothing is to be moved.
fn room(ends: &mut Ends<'_>) -> Result<usize, Step> {
    let mut room = Err(Step::Stuck);
    (ends.sink)(&mut |sink| {
        let Some(end) = sink.end().if_ready() else {
            return;
        };
        room = match () {
            () if sink.is_after_flush() => Err(Step::Over(Next::Flush)),
            () if !end.is_writable() => Err(Step::Stuck),
            () if !sys::is_sigpipe_ignored() => Err(Step::Over(Next::GiveUp)),
            () => match sys::send_room(end.descriptor()) {
                // What the socket needs for itself depends on how the bytes lie in memory.
                Ok(room) if room >= SMALL => Ok(room - room / 8),
                Ok(_) => Err(Step::Stuck),
                Err(_) => Ok(ASSUMED_ROOM),
            },
        };
    });
    room
}

/// From end to end, of which one is a pipe.
fn move_directly(ends: &mut Ends<'_>) -> io::Result<Step> {
    let mut moved = Ok(Step::Stuck);
    (ends.source)(&mut |source| {
        (ends.sink)(&mut |sink| {
            let (Some(from), Some(to)) = (source.end().if_ready(), sink.end().if_ready()) else {
                return;
            };
            let most = at_most(pool::CAPACITY, source.most());
            moved = match () {
                () if sink.is_after_flush() => Ok(Step::Over(Next::Flush)),
                () if most == 0 || !to.is_writable() => Ok(Step::Stuck),
                () if !to.is_pipe() && !sys::is_sigpipe_ignored() => Ok(Step::Over(Next::GiveUp)),
                () => splice(from.descriptor(), to.descriptor(), most),
            };
            if let Ok(Step::Moved(count)) = moved {
                source.take(count as u64);
            }
        });
    });
    moved
}

/// Gives `end` the `held` bytes of `pipe`, or as many as it takes, which it adds to `given`.
fn give_all(pipe: &Pipe, end: &dyn ReadyEnd, held: usize, given: &mut usize) -> io::Result<Step> {
    loop {
        match splice(pipe.output(), end.descriptor(), held - *given)? {
            Step::Moved(count) => *given += count,
            step => return Ok(step),
        }
        if *given == held {
            return Ok(Step::Moved(held));
        }
    }
}

/// One splice(2).
fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<Step> {
    let error = match uninterrupted(|| sys::splice(from, to, most)) {
        Ok(0) => return Ok(Step::Stuck),
        Ok(count) => return Ok(Step::Moved(count)),
        Err(error) => error,
    };
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Ok(Step::Stuck),
        Some(libc::ENOSYS | libc::EPERM) => {
            // Relaxed: see `Splicer::new`.
            DENIED.store(true, Relaxed);
            Ok(Step::Over(Next::GiveUp))
        }
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EACCES | libc::ENOMEM) => {
            Ok(Step::Over(Next::GiveUp))
        }
        _ => Err(error),
    }
}

/// Makes `call` again for as long as a signal interrupts it.
pub(crate) fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn at_most(count: usize, limit: u64) -> usize {
    usize::try_from(limit).map_or(count, |limit| count.min(limit))
}
