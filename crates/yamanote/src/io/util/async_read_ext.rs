//! The methods of every reader.
#![forbid(unsafe_code)]

use bytes::BufMut;

use super::chain::{Chain, chain};
use super::read::{Read, read};
use super::read_buf::{ReadIntoBuf, read_buf};
use super::read_exact::{ReadExact, read_exact};
use super::read_number::ReadNumber;
use super::read_to_end::{ReadToEnd, read_to_end};
use super::read_to_string::{ReadToString, read_to_string};
use super::take::{Take, take};
use crate::io::AsyncRead;

/// One method for each number and byte order.
macro_rules! number_readers {
    ($($name:ident: $number:ident, $bytes:literal, $decode:ident, $order:literal;)*) => {$(
        #[doc = concat!("Reads one `", stringify!($number), "`", $order, ".")]
        ///
        #[doc = concat!(
            "Equivalent to `async fn ", stringify!($name), "(&mut self) -> io::Result<",
            stringify!($number), ">`."
        )]
        ///
        /// # Errors
        ///
        /// As [`read_exact`](AsyncReadExt::read_exact).
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: if the future is dropped, a part of the number may have been read.
        fn $name(&mut self) -> ReadNumber<&mut Self, $number, [u8; $bytes]>
        where
            Self: Unpin,
        {
            ReadNumber::new(self, $number::$decode)
        }
    )*};
}

/// Methods of everything that implements [`AsyncRead`].
///
/// # Examples
///
/// ```
/// use yamanote::io::AsyncReadExt;
///
/// # futures::executor::block_on(async {
/// let mut source = &[0, 3, b'a', b'b', b'c', b'd'][..];
/// let len = source.read_u16().await?;
/// let mut text = String::new();
/// source.take(len.into()).read_to_string(&mut text).await?;
/// assert_eq!(text, "abc");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// A reader that reads everything in this one, and then everything in `next`.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut both = (&b"one "[..]).chain(&b"two"[..]);
    /// let mut text = String::new();
    /// both.read_to_string(&mut text).await?;
    /// assert_eq!(text, "one two");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn chain<R: AsyncRead>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
    {
        chain(self, next)
    }

    /// Reads once, into the front of `buf`. Returns how many bytes were read.
    ///
    /// Equivalent to `async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>`.
    ///
    /// Fewer bytes than fit mean nothing: more may follow. Zero means that the end was reached
    /// (though a file that grows may yet have more), or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// Those of the reader. No byte was read then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, nothing was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncReadExt, duplex};
    ///
    /// # futures::executor::block_on(async {
    /// # use yamanote::io::AsyncWriteExt;
    /// let (mut here, mut there) = duplex(64);
    /// there.write_all(b"hello").await?;
    ///
    /// let mut buf = [0; 16];
    /// let n = here.read(&mut buf).await?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        read(self, buf)
    }

    /// Reads once, into the free part of `buf`, which is advanced by what was read. Returns the
    /// number of bytes read.
    ///
    /// Equivalent to `async fn read_buf<B: BufMut>(&mut self, buf: &mut B) -> io::Result<usize>`.
    ///
    /// Zero means that the end was reached, or that `buf` is full. Buffers that grow, as `Vec<u8>`
    /// and `BytesMut` do, are never full: reserve as much in them as should be read at once.
    ///
    /// # Errors
    ///
    /// Those of the reader. No byte was read then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped before it is ready, nothing was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use yamanote::io::AsyncReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut source = &b"hello"[..];
    /// let mut buf = BytesMut::with_capacity(4096);
    /// while source.read_buf(&mut buf).await? != 0 {}
    /// assert_eq!(&buf[..], b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn read_buf<'a, B>(&'a mut self, buf: &'a mut B) -> ReadIntoBuf<'a, Self, B>
    where
        Self: Unpin,
        B: BufMut + ?Sized,
    {
        read_buf(self, buf)
    }

    /// Reads until `buf` is full. Returns its length.
    ///
    /// Equivalent to `async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<usize>`.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) if the end comes before that, and those
    /// of the reader, except [`Interrupted`](std::io::ErrorKind::Interrupted), after which it goes
    /// on. How much was read before an error is not known.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, some data may have been read into `buf`, and how
    /// much is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut source = &b"headbody"[..];
    /// let mut head = [0; 4];
    /// source.read_exact(&mut head).await?;
    /// assert_eq!(&head, b"head");
    /// assert!(source.read_exact(&mut [0; 5]).await.is_err());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        read_exact(self, buf)
    }

    number_readers! {
        read_u8: u8, 1, from_be_bytes, "";
        read_i8: i8, 1, from_be_bytes, "";
        read_u16: u16, 2, from_be_bytes, " in big-endian order";
        read_i16: i16, 2, from_be_bytes, " in big-endian order";
        read_u32: u32, 4, from_be_bytes, " in big-endian order";
        read_i32: i32, 4, from_be_bytes, " in big-endian order";
        read_u64: u64, 8, from_be_bytes, " in big-endian order";
        read_i64: i64, 8, from_be_bytes, " in big-endian order";
        read_u128: u128, 16, from_be_bytes, " in big-endian order";
        read_i128: i128, 16, from_be_bytes, " in big-endian order";
        read_f32: f32, 4, from_be_bytes, " in big-endian order";
        read_f64: f64, 8, from_be_bytes, " in big-endian order";
        read_u16_le: u16, 2, from_le_bytes, " in little-endian order";
        read_i16_le: i16, 2, from_le_bytes, " in little-endian order";
        read_u32_le: u32, 4, from_le_bytes, " in little-endian order";
        read_i32_le: i32, 4, from_le_bytes, " in little-endian order";
        read_u64_le: u64, 8, from_le_bytes, " in little-endian order";
        read_i64_le: i64, 8, from_le_bytes, " in little-endian order";
        read_u128_le: u128, 16, from_le_bytes, " in little-endian order";
        read_i128_le: i128, 16, from_le_bytes, " in little-endian order";
        read_f32_le: f32, 4, from_le_bytes, " in little-endian order";
        read_f64_le: f64, 8, from_le_bytes, " in little-endian order";
    }

    /// Reads until the end, appending to `buf`. Returns the number of bytes read.
    ///
    /// Equivalent to `async fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize>`.
    ///
    /// A `buf` whose capacity fits exactly does not grow.
    ///
    /// # Errors
    ///
    /// Those of the reader, except [`Interrupted`](std::io::ErrorKind::Interrupted), after which it
    /// goes on. What was read before an error is in `buf`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what it has read is in `buf`.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut source = &b"hello"[..];
    /// let mut buf = b"> ".to_vec();
    /// assert_eq!(source.read_to_end(&mut buf).await?, 5);
    /// assert_eq!(buf, b"> hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> ReadToEnd<'a, Self>
    where
        Self: Unpin,
    {
        read_to_end(self, buf)
    }

    /// Reads until the end, appending to `buf`. Returns the number of bytes read.
    ///
    /// Equivalent to `async fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize>`.
    ///
    /// # Errors
    ///
    /// Those of the reader, except [`Interrupted`](std::io::ErrorKind::Interrupted), after which it
    /// goes on, and [`InvalidData`](std::io::ErrorKind::InvalidData) if what was read is not UTF-8.
    /// In each case `buf` has the contents it had before.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, what it has read is lost, and so are the contents
    /// of `buf`.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::AsyncReadExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut source = &b"hello"[..];
    /// let mut text = String::new();
    /// source.read_to_string(&mut text).await?;
    /// assert_eq!(text, "hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn read_to_string<'a>(&'a mut self, buf: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        read_to_string(self, buf)
    }

    /// A reader of at most the next `limit` bytes of this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::io::{AsyncBufReadExt, AsyncReadExt};
    ///
    /// # futures::executor::block_on(async {
    /// // No line of more than eight bytes, however long the source goes on.
    /// let source = &b"a line without an end"[..];
    /// let mut line = String::new();
    /// source.take(8).read_line(&mut line).await?;
    /// assert_eq!(line, "a line w");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        take(self, limit)
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}
