//! What reads and writes of every kind share: lengths, offsets, and plain calls that retry.
#![forbid(unsafe_code)]

use std::io;

/// The kernel transfers at most this much in one call (`MAX_RW_COUNT`); a longer buffer is cut, for
/// the SQE has 32 bits and 4 GiB would become 0, which reads as end of file.
pub(crate) const MAX_LEN: usize = 0x7fff_f000;

pub(crate) fn clamp_len(len: usize) -> u32 {
    len.min(MAX_LEN) as u32
}

/// Where a file is read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offset {
    /// At this byte; the file's cursor stays. Beyond `i64::MAX` the kernel answers EINVAL.
    At(u64),
    /// At the cursor of the open file, which moves. The only way for pipes and sockets.
    Cursor,
}

impl Offset {
    /// The SQE's field. All ones means "the cursor" there, so a caller's absurd offset must not
    /// become that.
    pub(crate) fn to_sqe(self) -> u64 {
        const NEGATIVE: u64 = 1 << 63;
        match self {
            Offset::At(offset) if i64::try_from(offset).is_ok() => offset,
            Offset::At(_) => NEGATIVE,
            Offset::Cursor => u64::MAX,
        }
    }
}

/// Repeats a plain call that a signal interrupted.
pub(crate) fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

/// The convention of system calls: a negative answer means errno.
pub(crate) fn check(answer: isize) -> io::Result<u32> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_buffers_are_cut_and_absurd_offsets_stay_absurd() {
        for len in [1u64 << 32, (1 << 32) + 1] {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            assert_eq!(clamp_len(len), 0x7fff_f000);
        }
        assert_eq!(clamp_len(17), 17);
        assert_eq!(Offset::At(u64::MAX).to_sqe(), 1 << 63);
        assert_eq!(Offset::At(1 << 40).to_sqe(), 1 << 40);
        assert_eq!(Offset::Cursor.to_sqe(), u64::MAX);
    }
}
