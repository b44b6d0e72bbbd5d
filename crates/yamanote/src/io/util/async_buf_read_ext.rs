//! The methods of every reader with a buffer.
#![forbid(unsafe_code)]

use std::pin::Pin;

use super::fill_buf::{FillBuf, fill_buf};
use super::lines::{Lines, lines};
use super::read_line::{ReadLine, read_line};
use super::read_until::{ReadUntil, read_until};
use super::split::{Split, split};
use crate::io::AsyncBufRead;

/// Methods of everything that implements [`AsyncBufRead`].
pub trait AsyncBufReadExt: AsyncBufRead {
    /// Appends everything up to and including the next `byte` to `buf`, or everything up to the
    /// end. Returns the number of bytes appended; 0 means that the end had been reached before.
    ///
    /// Equivalent to
    /// `async fn read_until(&mut self, byte: u8, buf: &mut Vec<u8>) -> io::Result<usize>`.
    ///
    /// There is no limit to what is read: a source that never sends the delimiter makes `buf` grow
    /// for ever. [`take`](crate::io::AsyncReadExt::take) sets one.
    ///
    /// # Errors
    ///
    /// Those of the reader, except [`Interrupted`](std::io::ErrorKind::Interrupted), after which it
    /// goes on. What was read before an error is in `buf`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some data may have been read and be in `buf`. Call again with the
    /// same `buf` to go on; the number returned then does not count what is already there.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncBufReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut source = &b"a;b"[..];
    /// let mut buf = Vec::new();
    /// assert_eq!(source.read_until(b';', &mut buf).await?, 2);
    /// assert_eq!(source.read_until(b';', &mut buf).await?, 1);
    /// assert_eq!(source.read_until(b';', &mut buf).await?, 0);
    /// assert_eq!(buf, b"a;b");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn read_until<'a>(&'a mut self, byte: u8, buf: &'a mut Vec<u8>) -> ReadUntil<'a, Self>
    where
        Self: Unpin,
    {
        read_until(self, byte, buf)
    }

    /// Appends everything up to and including the next newline to `buf`, or everything up to the
    /// end. Returns the number of bytes appended; 0 means that the end had been reached before.
    ///
    /// Equivalent to `async fn read_line(&mut self, buf: &mut String) -> io::Result<usize>`.
    ///
    /// There is no limit to what is read: a source that never sends a newline makes `buf` grow for
    /// ever. [`take`](crate::io::AsyncReadExt::take) sets one.
    ///
    /// # Errors
    ///
    /// As [`read_until`](AsyncBufReadExt::read_until), and
    /// [`InvalidData`](std::io::ErrorKind::InvalidData) if what was read is not UTF-8. In that case
    /// the bytes read are lost, and `buf` has the contents it had before.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, what it has read is lost, and so are the contents
    /// of `buf`. [`read_until`](AsyncBufReadExt::read_until) and [`lines`](AsyncBufReadExt::lines)
    /// do better.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncBufReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut source = &b"hello\nworld"[..];
    /// let mut text = String::new();
    /// assert_eq!(source.read_line(&mut text).await?, 6);
    /// assert_eq!(source.read_line(&mut text).await?, 5);
    /// assert_eq!(text, "hello\nworld");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn read_line<'a>(&'a mut self, buf: &'a mut String) -> ReadLine<'a, Self>
    where
        Self: Unpin,
    {
        read_line(self, buf)
    }

    /// Turns this reader into a sequence of segments that end with `byte`, which is not part of
    /// them.
    ///
    /// # Errors
    ///
    /// Those of [`read_until`](AsyncBufReadExt::read_until), for each segment.
    fn split(self, byte: u8) -> Split<Self>
    where
        Self: Sized + Unpin,
    {
        split(self, byte)
    }

    /// Returns what is in the buffer, after reading from the source if it is empty. An empty slice
    /// means the end.
    ///
    /// Equivalent to `async fn fill_buf(&mut self) -> io::Result<&[u8]>`.
    ///
    /// This consumes nothing: call [`consume`](AsyncBufReadExt::consume) with the number of bytes
    /// used, or the same bytes are returned again.
    ///
    /// # Errors
    ///
    /// Those of the source. What is in the buffer comes first: the source is asked only when there
    /// is nothing.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was read stays in the buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncBufReadExt, BufReader};
    ///
    /// # futures::executor::block_on(async {
    /// // How long is the first word?
    /// let mut source = BufReader::new(&b"hello world"[..]);
    /// let word = source.fill_buf().await?.split(|byte| *byte == b' ').next().unwrap_or(&[]).len();
    /// source.consume(word);
    /// assert_eq!(source.fill_buf().await?, b" world");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn fill_buf(&mut self) -> FillBuf<'_, Self>
    where
        Self: Unpin,
    {
        fill_buf(self)
    }

    /// Marks `amt` bytes of the buffer as read. `amt` is at most the length of the slice that
    /// [`fill_buf`](AsyncBufReadExt::fill_buf) returned.
    fn consume(&mut self, amt: usize)
    where
        Self: Unpin,
    {
        Pin::new(self).consume(amt);
    }

    /// Turns this reader into a sequence of lines, without their ends.
    ///
    /// # Errors
    ///
    /// Those of [`read_line`](AsyncBufReadExt::read_line), for each line.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncBufReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut lines = (&b"first\r\nsecond"[..]).lines();
    /// while let Some(line) = lines.next_line().await? {
    ///     println!("{line}");
    /// }
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        lines(self)
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}
