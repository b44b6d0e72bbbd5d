//! What reads and writes share: lengths, offsets, and plain calls that retry.
#![forbid(unsafe_code)]

use std::io;

/// The kernel transfers at most this much in one call (`MAX_RW_COUNT`); a longer buffer is cut, for
/// the SQE has 32 bits and 4 GiB would become 0, which reads as end of file.
pub(crate) const MAX_LEN: usize = 0x7fff_f000;

pub(crate) fn clamp_len(len: usize) -> u32 {
    len.min(MAX_LEN) as u32
}

/// The offset for the kernel, which answers EINVAL beyond `i64::MAX`. All ones would mean "at the
/// cursor" to a ring, so a caller's absurd offset must not become that.
pub(crate) fn clamp_offset(offset: u64) -> u64 {
    const NEGATIVE: u64 = 1 << 63;
    offset.min(NEGATIVE)
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
        assert_eq!(clamp_offset(u64::MAX), 1 << 63);
        assert_eq!(clamp_offset(1 << 40), 1 << 40);
    }
}
