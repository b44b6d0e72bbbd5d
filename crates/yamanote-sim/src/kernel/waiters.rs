//! Who waits for what, first come, first served.
#![forbid(unsafe_code)]

use super::thread::{Key, ThreadId};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The lines of threads that wait. A key is looked for and never listed, so nothing depends on the
/// order in which a map of hashes has them.
#[derive(Default)]
pub(super) struct Waiters {
    lines: HashMap<Key, Vec<ThreadId>, BuildHasherDefault<Mixer>>,
    /// Lines that were used and are empty.
    spare: Vec<Vec<ThreadId>>,
}

impl Waiters {
    pub(super) fn push(&mut self, key: Key, thread: ThreadId) {
        let line = self.lines.entry(key);
        let line = line.or_insert_with(|| self.spare.pop().unwrap_or_default());
        line.push(thread);
    }

    pub(super) fn first(&self, key: Key) -> Option<ThreadId> {
        self.lines.get(&key).and_then(|line| line.first()).copied()
    }

    pub(super) fn remove(&mut self, key: Key, thread: ThreadId) {
        let Some(line) = self.lines.get_mut(&key) else {
            return;
        };
        line.retain(|other| *other != thread);
        if line.is_empty() {
            self.spare.extend(self.lines.remove(&key));
        }
    }
}

/// A quick hash of a few whole numbers, the same in each run.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio, as of Knuth's multiplicative hashing.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
