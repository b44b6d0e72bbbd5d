//! What one end writes all the time, kept out of the cache lines of the rest.
#![forbid(unsafe_code)]

/// Has two lines for itself: processors fetch them in pairs.
#[repr(align(128))]
pub(super) struct Padded<V>(pub(super) V);
