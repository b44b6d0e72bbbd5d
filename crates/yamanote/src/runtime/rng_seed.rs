//! The seed of a runtime's chance.
#![forbid(unsafe_code)]

use std::hash::{DefaultHasher, Hasher};

/// Where a runtime's random choices start from; see
/// [`Builder::rng_seed`](super::Builder::rng_seed).
#[derive(Debug, Clone)]
pub struct RngSeed(pub(super) u64);

impl RngSeed {
    /// A seed made of these bytes, the same for the same bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::runtime::RngSeed;
    ///
    /// let seed = RngSeed::from_bytes(b"make me a seed");
    /// # drop(seed);
    /// ```
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::default();
        hasher.write(bytes);
        RngSeed(hasher.finish())
    }
}
