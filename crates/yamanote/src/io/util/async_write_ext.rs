//! The methods of every writer.
#![forbid(unsafe_code)]

use std::io::IoSlice;

use bytes::Buf;

use super::flush::{Flush, flush};
use super::shutdown::{Shutdown, shutdown};
use super::write::{Write, write};
use super::write_all::{WriteAll, write_all};
use super::write_all_buf::{WriteAllBuf, write_all_buf};
use super::write_buf::{WriteBuf, write_buf};
use super::write_number::WriteNumber;
use super::write_vectored::{WriteVectored, write_vectored};
use crate::io::AsyncWrite;

/// One method for each number and byte order.
macro_rules! number_writers {
    ($($name:ident: $number:ident, $bytes:literal, $encode:ident, $order:literal;)*) => {$(
        #[doc = concat!("Writes one `", stringify!($number), "`", $order, ".")]
        ///
        #[doc = concat!(
            "Equivalent to `async fn ", stringify!($name), "(&mut self, n: ", stringify!($number),
            ") -> io::Result<()>`."
        )]
        ///
        /// # Errors
        ///
        /// As [`write_all`](AsyncWriteExt::write_all).
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: if the future is dropped, a part of the number may have been written.
        fn $name(&mut self, n: $number) -> WriteNumber<&mut Self, [u8; $bytes]>
        where
            Self: Unpin,
        {
            WriteNumber::new(self, n.$encode())
        }
    )*};
}

/// Methods of everything that implements [`AsyncWrite`].
///
/// # Examples
///
/// ```
/// use yamanote::io::AsyncWriteExt;
///
/// # futures::executor::block_on(async {
/// let mut sink = Vec::new();
/// sink.write_u16(3).await?;
/// sink.write_all(b"abc").await?;
/// assert_eq!(sink, [0, 3, b'a', b'b', b'c']);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes once, from the front of `src`. Returns how many bytes were written.
    ///
    /// Equivalent to `async fn write(&mut self, src: &[u8]) -> io::Result<usize>`.
    ///
    /// Fewer bytes than `src` has mean nothing; zero usually means that the writer takes no more,
    /// or that `src` is empty.
    ///
    /// # Errors
    ///
    /// Those of the writer. No byte was written then. An error of kind
    /// [`Interrupted`](std::io::ErrorKind::Interrupted) is not fatal: write again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, nothing was written.
    fn write<'a>(&'a mut self, src: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        write(self, src)
    }

    /// Writes once, from several buffers in their order, as if they were one. Returns how many
    /// bytes were written.
    ///
    /// Equivalent to
    /// `async fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize>`.
    ///
    /// See [`AsyncWrite::poll_write_vectored`].
    ///
    /// # Errors
    ///
    /// Those of the writer. No byte was written then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, nothing was written.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::IoSlice;
    /// use yamanote::io::AsyncWriteExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut sink = Vec::new();
    /// let parts = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    /// let n = sink.write_vectored(&parts).await?;
    /// assert_eq!(sink, b"headbody"[..n]);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn write_vectored<'a, 'b>(&'a mut self, bufs: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b, Self>
    where
        Self: Unpin,
    {
        write_vectored(self, bufs)
    }

    /// Writes once, from the front of `src`, which is advanced by what was written. Returns the
    /// number of bytes written.
    ///
    /// Equivalent to `async fn write_buf<B: Buf>(&mut self, src: &mut B) -> io::Result<usize>`.
    ///
    /// A writer that can write several buffers at once gets several chunks of `src`. Nothing is
    /// written if nothing remains in `src`. To write everything, call this in a loop or use
    /// [`write_all_buf`](AsyncWriteExt::write_all_buf).
    ///
    /// # Errors
    ///
    /// Those of the writer. No byte was written then, and `src` has not moved.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, nothing was written, and `src` has
    /// not moved.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Cursor;
    /// use bytes::Buf;
    /// use yamanote::io::AsyncWriteExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut sink = Cursor::new([0; 4].as_mut_slice().to_vec().into_boxed_slice());
    /// let mut data = Cursor::new(b"abcdef");
    /// assert_eq!(sink.write_buf(&mut data).await?, 4);
    /// assert_eq!(data.chunk(), b"ef");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn write_buf<'a, B: Buf>(&'a mut self, src: &'a mut B) -> WriteBuf<'a, Self, B>
    where
        Self: Sized + Unpin,
    {
        write_buf(self, src)
    }

    /// Writes until nothing remains in `src`, which is advanced by what is written.
    ///
    /// Equivalent to `async fn write_all_buf<B: Buf>(&mut self, src: &mut B) -> io::Result<()>`.
    ///
    /// # Errors
    ///
    /// [`WriteZero`](std::io::ErrorKind::WriteZero) if the writer takes no more, and those of the
    /// writer, except [`Interrupted`](std::io::ErrorKind::Interrupted), after which it goes on.
    /// `src` stands after what was written.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some data may have been written; `src` stands after it, so that
    /// another call with the same `src` goes on from there.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use yamanote::io::AsyncWriteExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut sink = Vec::new();
    /// let mut data = Bytes::from("hello");
    /// sink.write_all_buf(&mut data).await?;
    /// assert!(data.is_empty());
    /// assert_eq!(sink, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn write_all_buf<'a, B: Buf>(&'a mut self, src: &'a mut B) -> WriteAllBuf<'a, Self, B>
    where
        Self: Sized + Unpin,
    {
        write_all_buf(self, src)
    }

    /// Writes all of `src`.
    ///
    /// Equivalent to `async fn write_all(&mut self, src: &[u8]) -> io::Result<()>`.
    ///
    /// # Errors
    ///
    /// [`WriteZero`](std::io::ErrorKind::WriteZero) if the writer takes no more, and those of the
    /// writer, except [`Interrupted`](std::io::ErrorKind::Interrupted), after which it goes on. How
    /// much was written before an error is not known.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, some data may have been written, and how much is
    /// not known. [`write_all_buf`](AsyncWriteExt::write_all_buf) does better.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncWriteExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut sink = Vec::new();
    /// sink.write_all(b"hello").await?;
    /// assert_eq!(sink, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn write_all<'a>(&'a mut self, src: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        write_all(self, src)
    }

    number_writers! {
        write_u8: u8, 1, to_be_bytes, "";
        write_i8: i8, 1, to_be_bytes, "";
        write_u16: u16, 2, to_be_bytes, " in big-endian order";
        write_i16: i16, 2, to_be_bytes, " in big-endian order";
        write_u32: u32, 4, to_be_bytes, " in big-endian order";
        write_i32: i32, 4, to_be_bytes, " in big-endian order";
        write_u64: u64, 8, to_be_bytes, " in big-endian order";
        write_i64: i64, 8, to_be_bytes, " in big-endian order";
        write_u128: u128, 16, to_be_bytes, " in big-endian order";
        write_i128: i128, 16, to_be_bytes, " in big-endian order";
        write_f32: f32, 4, to_be_bytes, " in big-endian order";
        write_f64: f64, 8, to_be_bytes, " in big-endian order";
        write_u16_le: u16, 2, to_le_bytes, " in little-endian order";
        write_i16_le: i16, 2, to_le_bytes, " in little-endian order";
        write_u32_le: u32, 4, to_le_bytes, " in little-endian order";
        write_i32_le: i32, 4, to_le_bytes, " in little-endian order";
        write_u64_le: u64, 8, to_le_bytes, " in little-endian order";
        write_i64_le: i64, 8, to_le_bytes, " in little-endian order";
        write_u128_le: u128, 16, to_le_bytes, " in little-endian order";
        write_i128_le: i128, 16, to_le_bytes, " in little-endian order";
        write_f32_le: f32, 4, to_le_bytes, " in little-endian order";
        write_f64_le: f64, 8, to_le_bytes, " in little-endian order";
    }

    /// Passes on everything that was written and is still buffered on this side.
    ///
    /// Equivalent to `async fn flush(&mut self) -> io::Result<()>`.
    ///
    /// # Errors
    ///
    /// Those of the sink, including those of earlier writes that it had only buffered.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, some of the buffered data may have been passed on,
    /// the rest stays buffered, and calling again goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncWriteExt, BufWriter};
    ///
    /// # futures::executor::block_on(async {
    /// let mut writer = BufWriter::new(Vec::new());
    /// writer.write_all(b"hello").await?;
    /// assert!(writer.get_ref().is_empty());
    /// writer.flush().await?;
    /// assert_eq!(writer.get_ref(), b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        flush(self)
    }

    /// Ends the stream in an orderly way: flushes it and tells the other side that nothing more
    /// will come. Do not write after that.
    ///
    /// Equivalent to `async fn shutdown(&mut self) -> io::Result<()>`.
    ///
    /// See [`AsyncWrite::poll_shutdown`].
    ///
    /// # Errors
    ///
    /// Those of the sink, including those of the flush that belongs to the shutdown.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: calling again goes on. Until it is ready, the other side may not know of the
    /// end.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncReadExt, AsyncWriteExt, duplex};
    ///
    /// # futures::executor::block_on(async {
    /// let (mut here, mut there) = duplex(64);
    /// here.write_all(b"that is all").await?;
    /// here.shutdown().await?;
    ///
    /// let mut text = String::new();
    /// there.read_to_string(&mut text).await?;
    /// assert_eq!(text, "that is all");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn shutdown(&mut self) -> Shutdown<'_, Self>
    where
        Self: Unpin,
    {
        shutdown(self)
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}
