//! What moves the bytes of a copy in place of its buffer: [`Mover`].
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::task::{Context, Poll};

use super::{Sink, Source};

/// Who visits a source.
pub(crate) type SourceUser<'a> = &'a mut dyn FnMut(&mut Source<'_>);

/// Who visits a sink.
pub(crate) type SinkUser<'a> = &'a mut dyn FnMut(&mut Sink<'_>);

/// The two ends of a copy, for visits. A visit of one may be made during a visit of the other; of
/// the two halves of one stream the second is not lent then.
pub(crate) struct Ends<'a> {
    pub(crate) source: &'a mut dyn FnMut(SourceUser<'_>),
    pub(crate) sink: &'a mut dyn FnMut(SinkUser<'_>),
}

/// Moves bytes from end to end by system calls that need no memory of ours. It belongs to one copy,
/// which asks it while its own buffer is empty.
pub(crate) trait Mover: fmt::Debug + Send + Sync {
    /// Moves what it can. `Pending` is for what only the mover knows how to wait for; whoever finds
    /// that the source has nothing, or that the sink has no room, says [`Next::Plain`].
    ///
    /// # Errors
    ///
    /// Those of either end, as the copy is to report them. A call that is merely refused is
    /// [`Next::GiveUp`].
    fn poll_move(&mut self, cx: &mut Context<'_>, ends: Ends<'_>) -> Poll<io::Result<Moved>>;

    /// Reads, to the start of `buf`, bytes that were taken from the source and that the sink has
    /// not got. 0: there are none.
    fn read_held(&mut self, buf: &mut [u8]) -> io::Result<usize>;
}

/// What a mover has done.
#[derive(Debug)]
pub(crate) struct Moved {
    /// Bytes that the sink has got.
    pub(crate) count: u64,
    pub(crate) next: Next,
}

/// How a copy goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// With one read and the writes of what it gave, which also wait for either end; then the mover
    /// is asked again.
    Plain,
    /// By asking the mover again, which then waits.
    Again,
    /// With a flush of the writer; then the mover is asked again.
    Flush,
    /// With reads and writes, until another mover seems worth a try.
    Later,
    /// With reads and writes only.
    GiveUp,
    /// Not at all: the source has ended.
    #[expect(dead_code, reason = "the copies of files end like this")]
    End,
}

/// Small moves in a row, which tell that reads and writes would do as well.
#[derive(Debug, Default)]
pub(crate) struct SmallMoves(u32);

impl SmallMoves {
    const MAX: u32 = 4;

    /// Counts a move of `count` bytes, which is small if these are fewer than `small`; says whether
    /// the copy had better go back to reads and writes.
    pub(crate) fn is_time_to_stop(&mut self, count: u64, small: usize) -> bool {
        self.0 = match count < small as u64 {
            true => self.0 + 1,
            false => 0,
        };
        self.0 >= SmallMoves::MAX
    }
}
