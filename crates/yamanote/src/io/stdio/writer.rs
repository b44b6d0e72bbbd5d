//! A blocking writer in the pool, for one task.
//!
//! ```text
//!         poll_write: takes a copy                any poll, job done
//! Idle ------------------------------> Writing ----------------------> Idle
//!         poll_flush, if unflushed
//! ```
//!
//! A write is ready as soon as a job has a copy of its data. Only one job runs at a time, so the
//! next write waits for it and reports its failure. The jobs are mandatory: what was accepted is
//! written even if the handle or the runtime goes away.
#![forbid(unsafe_code)]

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::MAX_CHUNK;
use crate::runtime::Handle;
use crate::runtime::task::JoinHandle;
use crate::util::shutdown_text::shutting_down;

#[derive(Debug)]
pub(super) struct PooledWriter<W> {
    state: State<W>,
    /// Something was written after the last flush.
    unflushed: bool,
}

#[derive(Debug)]
enum State<W> {
    Idle(Target<W>),
    Writing(JoinHandle<(Target<W>, io::Result<()>)>),
    /// The pool no longer took a job with it, or the job panicked.
    Lost,
}

/// The writer, and the memory for the next copy.
#[derive(Debug)]
struct Target<W> {
    writer: W,
    data: Vec<u8>,
}

impl<W: Write + Send + 'static> PooledWriter<W> {
    pub(super) fn new(writer: W) -> Self {
        PooledWriter {
            state: State::Idle(Target {
                writer,
                data: Vec::new(),
            }),
            unflushed: false,
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Before anything is taken apart, because this panics outside a runtime.
        let runtime = Handle::current();
        let mut target = ready!(self.poll_target(cx))?;
        for buf in bufs {
            let room = MAX_CHUNK - target.data.len();
            target.data.extend_from_slice(&buf[..buf.len().min(room)]);
        }
        let n = target.data.len();
        if n == 0 {
            self.state = State::Idle(target);
            return Poll::Ready(Ok(0));
        }
        self.start(&runtime, target, Target::write)?;
        self.unflushed = true;
        Poll::Ready(Ok(n))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let (State::Idle(_), false) = (&self.state, self.unflushed) {
            return Poll::Ready(Ok(()));
        }
        let runtime = Handle::current();
        loop {
            let target = ready!(self.poll_target(cx))?;
            if !self.unflushed {
                self.state = State::Idle(target);
                return Poll::Ready(Ok(()));
            }
            self.start(&runtime, target, |target| target.writer.flush())?;
            self.unflushed = false;
        }
    }

    /// Waits for the job that is running, and takes the target out of the state. The caller puts it
    /// back, or starts a job with it.
    fn poll_target(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Target<W>>> {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Idle(target) => Poll::Ready(Ok(target)),
            State::Writing(mut job) => {
                let Poll::Ready(result) = Pin::new(&mut job).poll(cx) else {
                    self.state = State::Writing(job);
                    return Poll::Pending;
                };
                let (target, result) = result?;
                if let Err(e) = result {
                    // The error is about what the job had: the caller's own data has not been
                    // taken.
                    self.state = State::Idle(target);
                    return Poll::Ready(Err(e));
                }
                Poll::Ready(Ok(target))
            }
            State::Lost => Poll::Ready(Err(shutting_down())),
        }
    }

    fn start(
        &mut self,
        runtime: &Handle,
        mut target: Target<W>,
        job: fn(&mut Target<W>) -> io::Result<()>,
    ) -> io::Result<()> {
        let job = runtime.blocking_spawner().spawn_mandatory(move || {
            let result = job(&mut target);
            (target, result)
        });
        self.state = State::Writing(job.ok_or_else(shutting_down)?);
        Ok(())
    }
}

impl<W: Write> Target<W> {
    fn write(&mut self) -> io::Result<()> {
        let result = self.writer.write_all(&self.data);
        self.data.clear();
        result
    }
}
