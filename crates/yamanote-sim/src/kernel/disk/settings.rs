//! What a disk may do.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::time::Duration;

/// What a crash leaves of what was not synced. What was is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// All of it: the process has died, and not the machine.
    Everything,
    /// Nothing.
    Synced,
    /// Some of it, in any order: pages of files, names in directories.
    SyncedAndSome,
    /// What was done until some moment, of all files and names, and nothing later.
    AnyPrefix,
}

/// What [`Keeps::SyncedAndSome`] may keep a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// The file: it is as it was at some moment.
    Never,
    /// A page of 4096 bytes is of one moment, and another page of another.
    Page,
    /// So is a sector of 512 bytes.
    Sector,
}

/// What a write beyond [`Settings::bytes_until_error`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteError {
    /// `ENOSPC`
    Full,
    /// `EIO`
    Broken,
}

/// What the disk of a host may do. Probabilities are from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// What a crash leaves of what was not synced.
    pub crash_keeps: Keeps,
    /// What of that may be of another time than the rest.
    pub tear: Tear,
    /// How likely a page that was not synced has a sector of garbage after a crash.
    pub corrupt: f64,
    /// How likely `fsync` and its like fail with `EIO`. What they were to write is clean then, as
    /// on Linux: the next one succeeds, and it is not on the disk all the same.
    pub sync_fails: f64,
    /// How likely `fsync` and its like do nothing, and say that they did.
    pub sync_lies: f64,
    /// How likely a read fails with `EIO`.
    pub read_fails: f64,
    /// How likely a write fails with `EIO`.
    pub write_fails: f64,
    /// Bytes that may be written until all writes fail; counts down. `None`: for ever.
    pub bytes_until_error: Option<u64>,
    /// How they fail then.
    pub write_error: WriteError,
    /// Bytes that the files of a host may take, in pages of 4096. What is below, really there and
    /// not changed, takes none.
    pub capacity: Option<u64>,
    /// What a call takes, in virtual time.
    pub latency: RangeInclusive<Duration>,
    /// What a sync takes.
    pub sync_latency: RangeInclusive<Duration>,
    /// Whether permissions are not looked at, as they are not for root.
    pub as_root: bool,
}

impl Default for Settings {
    /// A disk without faults, which keeps some of what was not synced, torn at pages.
    fn default() -> Settings {
        let us = Duration::from_micros;
        Settings {
            crash_keeps: Keeps::SyncedAndSome,
            tear: Tear::Page,
            corrupt: 0.0,
            sync_fails: 0.0,
            sync_lies: 0.0,
            read_fails: 0.0,
            write_fails: 0.0,
            bytes_until_error: None,
            write_error: WriteError::Full,
            capacity: None,
            latency: us(1)..=us(20),
            sync_latency: us(100)..=us(2000),
            as_root: true,
        }
    }
}
