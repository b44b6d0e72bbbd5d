//! The methods of everything with a position.
#![forbid(unsafe_code)]

use std::io::SeekFrom;

use crate::io::AsyncSeek;
use crate::io::seek::{Seek, seek};

/// Methods of everything that implements [`AsyncSeek`].
///
/// # Examples
///
/// ```
/// use std::io::{Cursor, SeekFrom};
/// use yamanote::io::{AsyncReadExt, AsyncSeekExt};
///
/// # futures::executor::block_on(async {
/// let mut source = Cursor::new(b"abcdef");
/// source.seek(SeekFrom::End(-2)).await?;
/// assert_eq!(source.read_u8().await?, b'e');
/// assert_eq!(source.stream_position().await?, 5);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub trait AsyncSeekExt: AsyncSeek {
    /// Moves to `position`, in bytes, and returns the new position counted from the start.
    ///
    /// Equivalent to `async fn seek(&mut self, position: SeekFrom) -> io::Result<u64>`.
    ///
    /// An operation that is still under way is completed first. Going beyond the end is allowed;
    /// what that means is up to the stream.
    ///
    /// # Errors
    ///
    /// Positions before the beginning, and failures of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take the seek back: it may still move the position, and the
    /// next operation waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Cursor, SeekFrom};
    /// use yamanote::io::AsyncSeekExt;
    ///
    /// # futures::executor::block_on(async {
    /// let mut source = Cursor::new(b"abcdef");
    /// assert_eq!(source.seek(SeekFrom::Start(2)).await?, 2);
    /// assert_eq!(source.seek(SeekFrom::Current(1)).await?, 3);
    /// assert!(source.seek(SeekFrom::Current(-4)).await.is_err());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    fn seek(&mut self, position: SeekFrom) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        seek(self, position)
    }

    /// Moves to the start.
    ///
    /// Equivalent to `async fn rewind(&mut self) -> io::Result<u64>`.
    ///
    /// # Errors
    ///
    /// As [`seek`](AsyncSeekExt::seek).
    ///
    /// # Cancel safety
    ///
    /// As [`seek`](AsyncSeekExt::seek).
    fn rewind(&mut self) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Start(0))
    }

    /// The position, counted from the start.
    ///
    /// Equivalent to `async fn stream_position(&mut self) -> io::Result<u64>`.
    ///
    /// # Errors
    ///
    /// As [`seek`](AsyncSeekExt::seek).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the position stays as it is.
    fn stream_position(&mut self) -> Seek<'_, Self>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Current(0))
    }
}

impl<S: AsyncSeek + ?Sized> AsyncSeekExt for S {}
