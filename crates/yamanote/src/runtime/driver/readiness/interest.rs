//! What a caller waits for: an [`Interest`], or one [`Direction`].
#![forbid(unsafe_code)]

use std::fmt;
use std::ops;

use super::ready::Ready;

/// The kinds of readiness a registration or a wait is about.
///
/// An `Interest` is never empty. Combine several with `|` or [`add`](Interest::add).
///
/// # Examples
///
/// ```
/// use yamanote::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert_eq!(both.remove(Interest::WRITABLE), Some(Interest::READABLE));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

const READABLE: u8 = 1;
const WRITABLE: u8 = 1 << 1;
const PRIORITY: u8 = 1 << 2;
const ERROR: u8 = 1 << 3;

impl Interest {
    /// Interest in data to read, which includes the end of the stream.
    pub const READABLE: Interest = Interest(READABLE);

    /// Interest in room to write, which includes the write half being closed.
    pub const WRITABLE: Interest = Interest(WRITABLE);

    /// Interest in errors alone.
    ///
    /// Errors make a source readable and writable as well, so this matters only to those who wait
    /// for nothing else.
    pub const ERROR: Interest = Interest(ERROR);

    /// Interest in priority (out-of-band) data; `EPOLLPRI`.
    pub const PRIORITY: Interest = Interest(PRIORITY);

    /// Whether this includes read interest.
    pub const fn is_readable(self) -> bool {
        self.0 & READABLE != 0
    }

    /// Whether this includes write interest.
    pub const fn is_writable(self) -> bool {
        self.0 & WRITABLE != 0
    }

    /// Whether this includes error interest.
    pub const fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// Whether this includes priority interest.
    pub const fn is_priority(self) -> bool {
        self.0 & PRIORITY != 0
    }

    /// The union of both.
    #[must_use = "this returns the union and leaves the original as it was"]
    pub const fn add(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// What is left of this without `other`, or `None` if nothing is.
    #[must_use = "this returns the rest and leaves the original as it was"]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        match self.0 & !other.0 {
            0 => None,
            rest => Some(Interest(rest)),
        }
    }

    /// The interest to register with the kernel. Errors are always reported, but the set must not
    /// be empty: a lone error interest is registered as a read interest whose readable events
    /// [`mask`](Interest::mask) hides.
    pub(crate) fn to_mio(self) -> mio::Interest {
        let wanted = [
            (self.is_readable(), mio::Interest::READABLE),
            (self.is_writable(), mio::Interest::WRITABLE),
            (self.is_priority(), mio::Interest::PRIORITY),
        ];
        wanted
            .into_iter()
            .filter_map(|(is_wanted, interest)| is_wanted.then_some(interest))
            .reduce(mio::Interest::add)
            .unwrap_or(mio::Interest::READABLE)
    }

    /// The readiness that satisfies a wait for this. A closed half never opens again, so a wait for
    /// the half must end with it.
    pub(crate) const fn mask(self) -> Ready {
        let mut mask = Ready::EMPTY;
        if self.is_readable() {
            mask = mask.union(Ready::READABLE).union(Ready::READ_CLOSED);
        }
        if self.is_writable() {
            mask = mask.union(Ready::WRITABLE).union(Ready::WRITE_CLOSED);
        }
        if self.is_priority() {
            mask = mask.union(Ready::PRIORITY).union(Ready::READ_CLOSED);
        }
        if self.is_error() {
            mask = mask.union(Ready::ERROR);
        }
        mask
    }
}

impl Ready {
    /// The part of this that `interest` waits for.
    #[inline]
    pub(crate) fn intersection(self, interest: Interest) -> Ready {
        self & interest.mask()
    }

    /// Whether a wait for `interest` ends with this.
    pub(crate) fn satisfies(self, interest: Interest) -> bool {
        !self.intersection(interest).is_empty()
    }
}

/// The two halves of a source, each with a waker of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    pub(crate) const fn interest(self) -> Interest {
        match self {
            Direction::Read => Interest::READABLE,
            Direction::Write => Interest::WRITABLE,
        }
    }
}

impl ops::BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        self.add(other)
    }
}

impl ops::BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Interest) {
        *self = self.add(other);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.is_readable(), "READABLE"),
            (self.is_writable(), "WRITABLE"),
            (self.is_priority(), "PRIORITY"),
            (self.is_error(), "ERROR"),
        ];
        let mut separator = "";
        for (_, name) in names.into_iter().filter(|(is_set, _)| *is_set) {
            write!(f, "{separator}{name}")?;
            separator = " | ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_parts() {
        assert_eq!(format!("{:?}", Interest::READABLE), "READABLE");
        let all = Interest::ERROR | Interest::WRITABLE | Interest::PRIORITY | Interest::READABLE;
        assert_eq!(format!("{all:?}"), "READABLE | WRITABLE | PRIORITY | ERROR");
    }

    #[test]
    fn is_never_empty() {
        assert_eq!(Interest::READABLE.remove(Interest::READABLE), None);
        assert_eq!(
            (Interest::READABLE | Interest::ERROR).remove(Interest::READABLE),
            Some(Interest::ERROR)
        );
        assert!(Interest::ERROR.to_mio().is_readable());
        assert!(!Interest::ERROR.mask().is_readable());
        assert!(!Interest::PRIORITY.to_mio().is_readable());
    }

    #[test]
    fn a_closed_half_satisfies_its_direction() {
        assert!(Ready::READ_CLOSED.satisfies(Interest::READABLE));
        assert!(Ready::READ_CLOSED.satisfies(Interest::PRIORITY));
        assert!(!Ready::READ_CLOSED.satisfies(Interest::WRITABLE));
        assert!(Ready::WRITE_CLOSED.satisfies(Interest::WRITABLE));
        assert!(!Ready::READABLE.satisfies(Interest::ERROR));
        assert!(Ready::ALL.satisfies(Interest::ERROR));
    }
}
