//! What has happened, in order: a hash of all of it, and the text where it is wanted.
#![forbid(unsafe_code)]

use super::host::HostId;
use std::fmt;

/// One thing that has happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its place in the run.
    pub number: u64,
    /// Nanoseconds since the run began.
    pub at_ns: u64,
    pub host: HostId,
    /// Of what kind it is: a short word.
    pub code: &'static str,
    /// Fields as `key=value`, or free text.
    pub what: String,
}

/// Told of each event at once, so that those before a bad end are not lost.
pub struct Listener(pub Box<dyn FnMut(&Event) + Send>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// What is done with the events of a run beside hashing them.
#[derive(Debug, Default)]
pub enum Record {
    /// Nothing.
    #[default]
    Hash,
    /// They are kept, all of them.
    Text(Vec<Event>),
    /// Somebody is told of each.
    Tell(Listener),
    /// Their hashes are kept.
    Hashes(Vec<u64>),
    /// They are compared with the hashes of another run. The first that differs is kept.
    Compare {
        with: Vec<u64>,
        differs: Option<Event>,
    },
}

/// All that has happened in a run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    number: u64,
    record: Record,
}

impl Trace {
    pub(crate) fn new(record: Record) -> Trace {
        Trace {
            hash: 0xcbf2_9ce4_8422_2325,
            number: 0,
            record,
        }
    }

    /// A number that two runs share if the same things happened in both.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.number
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    pub fn into_record(self) -> Record {
        self.record
    }

    /// Takes a decision into the hash that is no event of its own.
    pub(crate) fn mix(&mut self, at_ns: u64, number: u64) {
        self.hash = mix(mix(self.hash, at_ns), number);
    }

    /// Notes an event: `code` and `numbers` are hashed, `what` is the text if there is one wanted.
    pub(crate) fn note(
        &mut self,
        at_ns: u64,
        host: HostId,
        code: &'static str,
        numbers: &[u64],
        what: impl FnOnce() -> String,
    ) {
        let hash = code
            .bytes()
            .fold(self.hash, |hash, byte| mix(hash, byte.into()));
        let hash = mix(mix(hash, at_ns), host.0.into());
        let hash = numbers.iter().fold(hash, |hash, number| mix(hash, *number));
        self.hash = hash;
        let number = self.number;
        self.number += 1;
        let event = |what: String| Event {
            number,
            at_ns,
            host,
            code,
            what,
        };
        match &mut self.record {
            Record::Hash => {}
            Record::Text(events) => events.push(event(what())),
            Record::Tell(listener) => listener.0(&event(what())),
            Record::Hashes(hashes) => hashes.push(hash),
            Record::Compare { with, differs } => {
                if differs.is_none() && with.get(number as usize) != Some(&hash) {
                    let trace = std::backtrace::Backtrace::force_capture();
                    *differs = Some(event(format!("{}\n{trace}", what())));
                }
            }
        }
    }
}

/// A step of FNV-1a, by whole numbers, with a rotation for their high bits.
fn mix(hash: u64, number: u64) -> u64 {
    (hash ^ number)
        .wrapping_mul(0x0000_0100_0000_01b3)
        .rotate_left(23)
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at_ns as f64 / 1e9;
        write!(
            f,
            "{:>12.6} s  host {}  {} {}",
            seconds, self.host.0, self.code, self.what
        )
    }
}
