//! What a source is ready for: [`Ready`].
#![forbid(unsafe_code)]

use std::fmt;
use std::ops;

/// The readiness of an I/O source, as a set of flags.
///
/// Readiness is a hint: an operation may still answer `WouldBlock`.
///
/// # Examples
///
/// ```
/// use yamanote::io::Ready;
///
/// let ready = Ready::READABLE | Ready::WRITE_CLOSED;
/// assert!(ready.is_readable());
/// assert!(ready.is_writable(), "a write returns at once, with an error");
/// assert!(!ready.is_read_closed());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready(u8);

impl Ready {
    /// No readiness.
    pub const EMPTY: Ready = Ready(0);

    /// There is something to read.
    pub const READABLE: Ready = Ready(1);

    /// There is room to write.
    pub const WRITABLE: Ready = Ready(1 << 1);

    /// The peer will send no more.
    pub const READ_CLOSED: Ready = Ready(1 << 2);

    /// Nothing more can be written.
    pub const WRITE_CLOSED: Ready = Ready(1 << 3);

    /// There is priority (out-of-band) data.
    pub const PRIORITY: Ready = Ready(1 << 4);

    /// An error is pending.
    pub const ERROR: Ready = Ready(1 << 5);

    /// Every kind of readiness.
    pub const ALL: Ready = Ready(0b11_1111);

    /// Whether this is the empty set.
    pub fn is_empty(self) -> bool {
        self == Ready::EMPTY
    }

    /// Whether a read would return at once: with data, or because the stream ended.
    pub fn is_readable(self) -> bool {
        self.contains(Ready::READABLE) || self.is_read_closed()
    }

    /// Whether a write would return at once: there is room, or the half is closed.
    pub fn is_writable(self) -> bool {
        self.contains(Ready::WRITABLE) || self.is_write_closed()
    }

    /// Whether the read half is closed.
    pub fn is_read_closed(self) -> bool {
        self.contains(Ready::READ_CLOSED)
    }

    /// Whether the write half is closed.
    pub fn is_write_closed(self) -> bool {
        self.contains(Ready::WRITE_CLOSED)
    }

    /// Whether there is priority data.
    pub fn is_priority(self) -> bool {
        self.contains(Ready::PRIORITY)
    }

    /// Whether an error is pending.
    pub fn is_error(self) -> bool {
        self.contains(Ready::ERROR)
    }

    pub(crate) fn from_mio(event: &mio::event::Event) -> Ready {
        let mut ready = Ready::EMPTY;
        let flags = [
            (event.is_readable(), Ready::READABLE),
            (event.is_writable(), Ready::WRITABLE),
            (event.is_read_closed(), Ready::READ_CLOSED),
            (event.is_write_closed(), Ready::WRITE_CLOSED),
            (event.is_priority(), Ready::PRIORITY),
            (event.is_error(), Ready::ERROR),
        ];
        for (is_set, flag) in flags {
            if is_set {
                ready |= flag;
            }
        }
        ready
    }

    /// Whether all of `other` is in this.
    pub(crate) const fn contains(self, other: Ready) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn union(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// The readiness whose [`bits`](Ready::bits) these are; unknown bits are dropped.
    pub(crate) const fn from_bits(bits: u8) -> Ready {
        Ready(bits & Ready::ALL.0)
    }
}

impl ops::BitOr for Ready {
    type Output = Ready;

    fn bitor(self, other: Ready) -> Ready {
        self.union(other)
    }
}

impl ops::BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Ready) {
        *self = self.union(other);
    }
}

impl ops::BitAnd for Ready {
    type Output = Ready;

    #[inline]
    fn bitand(self, other: Ready) -> Ready {
        Ready(self.0 & other.0)
    }
}

impl ops::Sub for Ready {
    type Output = Ready;

    fn sub(self, other: Ready) -> Ready {
        Ready(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("is_readable", &self.is_readable())
            .field("is_writable", &self.is_writable())
            .field("is_read_closed", &self.is_read_closed())
            .field("is_write_closed", &self.is_write_closed())
            .field("is_error", &self.is_error())
            .field("is_priority", &self.is_priority())
            .finish()
    }
}
