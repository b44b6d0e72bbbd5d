//! The way of a copy's bytes around its buffer: [`Bypass`].
#![forbid(unsafe_code)]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::io::transfer::{End, Ends, Moved, Mover, Next};
use crate::io::{AsyncRead, AsyncWrite};

/// When the reader has filled the buffer again and again with this many bytes, there are likely to
/// be more, and worth a try of the kernel's way.
const BULK: usize = 16 * 1024;

/// The most that is asked for after such tries were in vain.
const MOST_BULK: usize = 1024 * 1024;

/// What one copy knows of the other way.
#[derive(Debug)]
pub(super) struct Bypass {
    mover: Option<Box<dyn Mover>>,
    /// The mover is kept for what it holds only.
    is_retired: bool,
    /// What the mover has moved.
    moved: u64,
    /// Bytes of the last reads that filled the buffer.
    bulk: usize,
    /// So many of them call for a mover; `None`: nothing does.
    needed: Option<usize>,
    /// Whether the ends were looked at.
    was_asked: bool,
}

impl Bypass {
    pub(super) fn new() -> Bypass {
        Bypass {
            mover: None,
            is_retired: false,
            moved: 0,
            bulk: 0,
            needed: Some(BULK),
            was_asked: false,
        }
    }

    /// To be told of each read of `count` bytes into `room`.
    pub(super) fn note_read(&mut self, count: usize, room: usize) {
        self.bulk = match count == room {
            true => self.bulk.saturating_add(count),
            false => 0,
        };
    }

    /// Whether bytes may be moved, once the buffer is empty.
    pub(super) fn is_wanted(&self) -> bool {
        match self.mover {
            Some(_) => !self.is_retired,
            None => !self.was_asked || self.is_bulky(),
        }
    }

    fn is_bulky(&self) -> bool {
        self.needed.is_some_and(|needed| self.bulk >= needed)
    }

    /// Moves what can be moved. `Pending`: nothing was, and the mover waits.
    pub(super) fn poll_move<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<Moved>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        let mut ends = Ends {
            source: &mut |user| reader.as_mut().lend_source(user),
            sink: &mut |user| writer.as_mut().lend_sink(user),
        };
        if self.mover.is_none() && !self.choose(&mut ends) {
            return Poll::Ready(Ok(Moved {
                count: 0,
                next: Next::Plain,
            }));
        }
        let Some(mover) = &mut self.mover else {
            unreachable!("chosen above");
        };
        let moved = ready!(mover.poll_move(cx, ends))?;
        self.moved += moved.count;
        match moved.next {
            Next::Later => self.retire(match self.moved < MOST_BULK as u64 {
                true => self.needed.map(|needed| (needed * 2).min(MOST_BULK)),
                false => Some(BULK),
            }),
            Next::GiveUp => self.retire(None),
            Next::Plain | Next::Again | Next::Flush | Next::End => {}
        }
        Poll::Ready(Ok(moved))
    }

    /// Finds a mover for these ends. `false`: there is none now.
    fn choose(&mut self, ends: &mut Ends<'_>) -> bool {
        self.was_asked = true;
        let is_bulky = self.is_bulky();
        // One after the other where that can be: they may be two halves of one stream.
        let mut is_sink_ready = None;
        (ends.sink)(&mut |sink| is_sink_ready = Some(sink.end().if_ready().is_some()));
        let Some(is_sink_ready) = is_sink_ready else {
            return false;
        };
        let mut chosen = None;
        let mut is_source_ready = false;
        (ends.source)(&mut |source| match source.end() {
            End::File(from) if is_sink_ready => chosen = Some(from.mover_to_ready()),
            End::File(from) => (ends.sink)(&mut |sink| {
                if let End::File(to) = sink.end() {
                    chosen = Some(from.mover_to_file(to));
                }
            }),
            End::Ready(from) if is_sink_ready && is_bulky => chosen = Some(from.mover()),
            End::Ready(_) => is_source_ready = true,
        });
        if is_source_ready && is_bulky {
            (ends.sink)(&mut |sink| {
                if let End::File(to) = sink.end() {
                    chosen = Some(to.mover_from_ready());
                }
            });
        }
        match chosen {
            Some(Some(mover)) => {
                (self.mover, self.moved) = (Some(mover), 0);
                true
            }
            Some(None) => {
                self.needed = None;
                false
            }
            None => false,
        }
    }

    fn retire(&mut self, needed: Option<usize>) {
        self.is_retired = true;
        (self.needed, self.bulk) = (needed, 0);
    }

    /// Reads what the mover holds to the start of `buf`. 0: it holds nothing.
    pub(super) fn read_held(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(mover) = &mut self.mover else {
            return Ok(0);
        };
        let read = mover.read_held(buf)?;
        if read == 0 && self.is_retired {
            (self.mover, self.is_retired) = (None, false);
        }
        Ok(read)
    }
}
