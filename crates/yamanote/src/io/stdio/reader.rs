//! A blocking reader in the pool, for one task.
//!
//! ```text
//!        poll_read, nothing read ahead              poll_read, job done
//! Idle ----------------------------------> Reading --------------------> Idle
//!  | ^
//!  +-+ poll_read, from what was read ahead
//! ```
//!
//! A job reads into memory of its own, since the caller's is gone when the caller gives up. What
//! does not fit into the caller's buffer then stays for the next read.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::MAX_CHUNK;
use crate::io::ReadBuf;
use crate::runtime::Handle;
use crate::runtime::task::JoinHandle;
use crate::util::shutdown_text::shutting_down;

#[derive(Debug)]
pub(super) struct PooledReader<R> {
    state: State<R>,
}

#[derive(Debug)]
enum State<R> {
    Idle(Source<R>),
    Reading(JoinHandle<(Source<R>, io::Result<()>)>),
    /// The job that had it was cancelled by the end of its runtime, or panicked.
    Lost,
}

/// The reader, and what was read ahead.
#[derive(Debug)]
struct Source<R> {
    reader: R,
    /// `memory[consumed..filled]` is still to be returned.
    memory: Vec<u8>,
    filled: usize,
    consumed: usize,
}

impl<R: Read + Send + 'static> PooledReader<R> {
    pub(super) fn new(reader: R) -> Self {
        PooledReader {
            state: State::Idle(Source {
                reader,
                memory: Vec::new(),
                filled: 0,
                consumed: 0,
            }),
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // Before anything is taken apart, because this panics outside a runtime.
        let runtime = Handle::current();
        let mut just_read = false;
        loop {
            match std::mem::replace(&mut self.state, State::Lost) {
                State::Idle(mut source) => {
                    if just_read || source.has_data() {
                        // If the read that has just ended brought nothing, it is the end of file.
                        source.give(buf);
                        self.state = State::Idle(source);
                        return Poll::Ready(Ok(()));
                    }
                    let max = buf.remaining().min(MAX_CHUNK);
                    let job = runtime.blocking_spawner().spawn(move || {
                        let result = source.fill(max);
                        (source, result)
                    });
                    self.state = State::Reading(job);
                }
                State::Reading(mut job) => {
                    let Poll::Ready(result) = Pin::new(&mut job).poll(cx) else {
                        self.state = State::Reading(job);
                        return Poll::Pending;
                    };
                    let (source, result) = result?;
                    self.state = State::Idle(source);
                    result?;
                    just_read = true;
                }
                State::Lost => return Poll::Ready(Err(shutting_down())),
            }
        }
    }
}

impl<R: Read> Source<R> {
    fn has_data(&self) -> bool {
        self.consumed < self.filled
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let ahead = &self.memory[self.consumed..self.filled];
        let n = ahead.len().min(buf.remaining());
        buf.put_slice(&ahead[..n]);
        self.consumed += n;
    }

    /// Reads once, at most `max` bytes, over what has been returned. Blocks.
    fn fill(&mut self, max: usize) -> io::Result<()> {
        (self.consumed, self.filled) = (0, 0);
        if self.memory.len() < max {
            self.memory.resize(max, 0);
        }
        self.filled = loop {
            match self.reader.read(&mut self.memory[..max]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        Ok(())
    }
}
