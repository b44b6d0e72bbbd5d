//! `AsyncRead`, `AsyncWrite` and `AsyncSeek` for [`File`]: at the kernel's cursor, inline where
//! nothing waits, else by a job of the pool.
#![forbid(unsafe_code)]

use std::io::{self, IoSlice, SeekFrom};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::cursor::{Cursor, Operation, SeekError, account_for_ahead, copy_bounded};
use super::jobs::Accepted;
use super::shared::Side;
use super::{File, jobs};
use crate::fs::pool;
use crate::fs::strategy::Facts;
use crate::io::transfer::{Sink, Source};
use crate::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use crate::loom::sync::MutexGuard;
use crate::sys::fs as sys;
use crate::util::coop;

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        dst: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        loop {
            let unit = ready!(coop::poll_proceed(cx));
            let mut cursor = ready!(me.shared.poll_free(Side::Reader, cx));
            if !cursor.ahead.is_empty() || dst.remaining() == 0 {
                let unread = cursor.ahead.unread();
                let n = unread.len().min(dst.remaining());
                dst.put_slice(&unread[..n]);
                cursor.ahead.consume(n);
                unit.made_progress();
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = cursor.read_end.take() {
                unit.made_progress();
                return Poll::Ready(end);
            }
            let runtime = pool::live_runtime()?;
            if me.take_back_inline(&mut cursor) {
                if let Some(answer) = me.read_inline(dst) {
                    unit.made_progress();
                    return Poll::Ready(answer);
                }
            }
            let max = dst.remaining().min(me.max_buf_size);
            cursor.begin(Operation::Read);
            let buf = cursor.take_read_buffer();
            let ahead = cursor.ahead.distance();
            drop(cursor);
            jobs::spawn_read(&runtime, &me.shared, me.std.clone(), buf, max, ahead);
        }
    }

    fn lend_source(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Source<'_>)) {
        user(&mut Source::file(self.get_mut()));
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let me = self.get_mut();
        let mut cursor = me.shared.lock();
        if !cursor.is_free() {
            return Err(io::Error::other(
                "other file operation is pending, call poll_complete before start_seek",
            ));
        }
        let runtime = match pool::live_runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                cursor.set_seek_end(Err(SeekError::before(error)));
                return Ok(());
            }
        };
        let (first, then) = account_for_ahead(position, cursor.ahead.distance());
        let facts = me.facts().filter(|facts| facts.is_regular());
        match facts.and_then(|facts| facts.look(|| jobs::seek(&me.std, first, then))) {
            Some(result) => cursor.set_seek_end(result),
            None => {
                cursor.begin(Operation::Seek);
                drop(cursor);
                jobs::spawn_seek(&runtime, &me.shared, me.std.clone(), first, then);
            }
        }
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let me = self.get_mut();
        let unit = ready!(coop::poll_proceed(cx));
        let mut cursor = ready!(me.shared.poll_free(Side::Writer, cx));
        unit.made_progress();
        if let Some(end) = cursor.seek_end.take() {
            cursor.position = end?;
        }
        Poll::Ready(Ok(cursor.position))
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        src: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_bufs(cx, &[IoSlice::new(src)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_bufs(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut cursor = ready!(self.shared.poll_free(Side::Writer, cx));
        Poll::Ready(match cursor.write_error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }

    fn lend_sink(self: Pin<&mut Self>, user: &mut dyn FnMut(&mut Sink<'_>)) {
        user(&mut Sink::file(self.get_mut()));
    }
}

/// How a write starts.
enum WriteStart<'a> {
    /// Nothing is in flight.
    Begin(MutexGuard<'a, Cursor>),
    /// It needs no operation of its own: this is its answer.
    Over(io::Result<usize>),
}

impl File {
    /// Takes the kernel's cursor back over what a copy that is gone has not delivered, without
    /// waiting; `false`: that is not possible now.
    fn take_back_inline(&self, cursor: &mut MutexGuard<'_, Cursor>) -> bool {
        let ahead = cursor.ahead.distance();
        if ahead == 0 {
            return true;
        }
        let facts = self.facts().filter(|facts| facts.is_regular());
        let taken_back = facts.and_then(|facts| {
            facts.look(|| jobs::take_back(&self.std, ahead, || cursor.ahead.clear()))
        });
        matches!(taken_back, Some(Ok(())))
    }

    /// Reads at the cursor without waiting; `None`: that is not possible now.
    fn read_inline(&self, dst: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        let facts = self.facts()?;
        let wanted = dst.remaining().min(self.max_buf_size);
        let answer = facts.read(wanted, |wait| {
            sys::read(self.std.as_fd(), dst, wanted, sys::AT_CURSOR, wait)
        })?;
        Some(answer.map(drop))
    }

    /// Writes at the cursor without waiting; `None`: that is not possible now.
    fn write_inline(
        &self,
        cursor: &mut MutexGuard<'_, Cursor>,
        bufs: &[IoSlice<'_>],
        wanted: usize,
    ) -> Option<io::Result<usize>> {
        let facts = self.facts()?;
        let fd = self.std.as_fd();
        let answer = facts.write(fd, wanted, || {
            let ahead = cursor.ahead.distance();
            jobs::take_back(&self.std, ahead, || cursor.ahead.clear())?;
            sys::write_vectored(fd, bufs)
        })?;
        cursor.read_end = None;
        cursor.seek_end = None;
        Some(answer)
    }

    fn poll_write_bufs(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let unit = ready!(coop::poll_proceed(cx));
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        let turn = self.shared.poll_until(Side::Writer, cx, |mut cursor| {
            if let Some(error) = cursor.write_error.take() {
                return Some(WriteStart::Over(Err(error)));
            }
            if cursor.has_orphans() {
                return None;
            }
            match cursor.operation() {
                None => Some(WriteStart::Begin(cursor)),
                // Each write to a device or a pipe may be a message, so only a file's are joined.
                Some(Operation::Write) if self.facts().is_some_and(Facts::is_regular) => {
                    let n = cursor.queue(bufs, self.max_buf_size);
                    (n > 0 || wanted == 0).then_some(WriteStart::Over(Ok(n)))
                }
                Some(_) => None,
            }
        });
        let mut cursor = match ready!(turn) {
            WriteStart::Begin(cursor) => cursor,
            WriteStart::Over(answer) => {
                unit.made_progress();
                return Poll::Ready(answer);
            }
        };
        let runtime = pool::live_runtime()?;
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        if wanted <= self.max_buf_size {
            if let Some(answer) = self.write_inline(&mut cursor, bufs, wanted) {
                unit.made_progress();
                return Poll::Ready(answer);
            }
        }
        unit.made_progress();
        let mut bytes = cursor.take_write_buffer();
        let n = copy_bounded(&mut bytes, bufs, self.max_buf_size);
        let ahead = cursor.ahead.distance();
        cursor.begin(Operation::Write);
        drop(cursor);
        let accepted = Accepted::Bytes(bytes);
        jobs::spawn_write(&runtime, &self.shared, self.std.clone(), accepted, ahead);
        Poll::Ready(Ok(n))
    }
}
