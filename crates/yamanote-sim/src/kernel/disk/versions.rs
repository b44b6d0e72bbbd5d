//! A value of a disk: what a crash leaves of it for certain, and what it had since.
#![forbid(unsafe_code)]

/// How many values since the last sync are remembered. A page that is written more often forgets
/// some in between, which a crash then cannot leave.
const MOST: usize = 12;

/// A value with its history since it was last made durable.
#[derive(Debug, Clone)]
pub(super) struct Versions<T> {
    durable: T,
    /// What it was changed to since, each at a stamp; the last is what it is now.
    pending: Vec<(u64, T)>,
    /// What it is now in memory only: a sync of it has failed, and it will not be tried again.
    adrift: Option<T>,
    /// From one stamp to before another it had values that are forgotten.
    gap: (u64, u64),
}

impl<T: Clone> Versions<T> {
    /// A value that is durable.
    pub(super) fn new(durable: T) -> Versions<T> {
        Versions {
            durable,
            pending: Vec::new(),
            adrift: None,
            gap: (0, 0),
        }
    }

    pub(super) fn now(&self) -> &T {
        match self.pending.last() {
            Some((_, now)) => now,
            None => self.adrift.as_ref().unwrap_or(&self.durable),
        }
    }

    pub(super) fn durable(&self) -> &T {
        &self.durable
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether it is something in memory only.
    pub(super) fn is_adrift(&self) -> bool {
        self.adrift.is_some()
    }

    /// Whether nothing but the durable value is remembered.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.adrift.is_none()
    }

    pub(super) fn set(&mut self, stamp: u64, value: T) {
        match self.pending.last_mut() {
            // One change is one, however many parts it has.
            Some((last, now)) if *last == stamp => *now = value,
            _ => self.pending.push((stamp, value)),
        }
        self.adrift = None;
        if self.pending.len() > MOST {
            let (from, _) = self.pending.remove(MOST / 2);
            let to = self.pending[MOST / 2].0;
            // Always at the same place: what is forgotten next follows what was before.
            self.gap = match self.gap {
                (0, 0) => (from, to),
                (first, _) => (first, to),
            };
        }
    }

    /// What it is now is durable.
    pub(super) fn sync(&mut self) {
        if let Some((_, now)) = self.pending.pop() {
            self.durable = now;
            self.pending.clear();
            self.gap = (0, 0);
        }
    }

    /// What was to be made durable never will be, and looks as if it were.
    pub(super) fn fail_sync(&mut self) {
        if let Some((_, now)) = self.pending.pop() {
            self.adrift = Some(now);
            self.pending.clear();
            self.gap = (0, 0);
        }
    }

    /// How many values a crash may leave: the durable one is number 0.
    pub(super) fn choices(&self) -> usize {
        self.pending.len() + 1
    }

    pub(super) fn choice(&self, number: usize) -> &T {
        match number.checked_sub(1) {
            None => &self.durable,
            Some(index) => &self.pending[index].1,
        }
    }

    /// The number of the value that it had at `stamp`.
    pub(super) fn number_at(&self, stamp: u64) -> usize {
        self.pending.partition_point(|(at, _)| *at <= stamp)
    }

    /// When it changed.
    pub(super) fn stamps(&self, into: &mut Vec<u64>) {
        into.extend(self.pending.iter().map(|(stamp, _)| *stamp));
    }

    /// `stamp`, or a later one at which the value is known.
    pub(super) fn known_from(&self, stamp: u64) -> u64 {
        match self.gap {
            (from, to) if (from..to).contains(&stamp) => to,
            _ => stamp,
        }
    }

    /// A crash has left this.
    pub(super) fn leave(&mut self, value: T) {
        *self = Versions::new(value);
    }
}
