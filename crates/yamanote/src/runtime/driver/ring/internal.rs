//! What a ring submits for itself: its names in the completion stream.
#![forbid(unsafe_code)]

use super::completion::Key;
use crate::sys::uring::sqe::Sqe;

/// The ring's own submissions; stands in place of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Internal {
    Wake,
    Cancel,
    /// With the count of armings, so that the end of an old poll is not taken for the present
    /// one's.
    Readiness(u32),
    WakePoll(u32),
}

impl Internal {
    const COUNT_BITS: u32 = 24;
    pub(super) const COUNT_MASK: u32 = (1 << Self::COUNT_BITS) - 1;

    pub(super) fn key(self) -> Key {
        let (kind, count) = match self {
            Internal::Wake => (1, 0),
            Internal::Cancel => (2, 0),
            Internal::Readiness(count) => (3, count),
            Internal::WakePoll(count) => (4, count),
        };
        Key {
            index: Key::INTERNAL_INDEX,
            generation: kind << Self::COUNT_BITS | (count & Self::COUNT_MASK),
        }
    }

    pub(super) fn decode(key: Key) -> Option<Self> {
        let count = key.generation & Self::COUNT_MASK;
        match key.generation >> Self::COUNT_BITS {
            1 => Some(Internal::Wake),
            2 => Some(Internal::Cancel),
            3 => Some(Internal::Readiness(count)),
            4 => Some(Internal::WakePoll(count)),
            _ => None,
        }
    }

    /// The submission, under this name.
    pub(super) fn named(self, mut sqe: Sqe) -> Sqe {
        sqe.user_data = self.key().user_data();
        sqe
    }
}
