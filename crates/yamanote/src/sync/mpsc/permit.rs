//! Room in a bounded channel that was reserved and not used yet.
#![forbid(unsafe_code)]

use std::fmt;
use std::iter::FusedIterator;

use super::channel::Tx;
use super::limit::BoundedLimit;
use super::sender::Sender;

/// Room for one value, from [`Sender::reserve`] and [`Sender::try_reserve`].
///
/// Dropped unused, it leaves its room to others.
pub struct Permit<'a, T> {
    chan: &'a Tx<T, BoundedLimit>,
}

impl<'a, T> Permit<'a, T> {
    pub(super) fn new(chan: &'a Tx<T, BoundedLimit>) -> Self {
        Permit { chan }
    }
}

impl<T> Permit<'_, T> {
    /// Sends `value`; cannot fail and does not wait.
    ///
    /// A closed receiver still receives it. If the receiver was dropped meanwhile, the value is
    /// dropped when the channel is.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve().unwrap();
    /// receiver.close();
    /// permit.send("promised");
    /// assert_eq!(receiver.try_recv(), Ok("promised"));
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn send(self, value: T) {
        let chan = self.chan;
        // The room goes with the value.
        std::mem::forget(self);
        chan.send(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.chan.give_back(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("chan", &self.chan).finish()
    }
}

/// A [`Permit`] for each of several values, from [`Sender::reserve_many`] and
/// [`Sender::try_reserve_many`].
///
/// Dropped before its end, it leaves the rest of its room to others.
pub struct PermitIterator<'a, T> {
    chan: &'a Tx<T, BoundedLimit>,
    n: usize,
}

impl<'a, T> PermitIterator<'a, T> {
    pub(super) fn new(chan: &'a Tx<T, BoundedLimit>, n: usize) -> Self {
        PermitIterator { chan, n }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.n = self.n.checked_sub(1)?;
        Some(Permit::new(self.chan))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.n, Some(self.n))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.n > 0 {
            self.chan.give_back(self.n);
        }
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator")
            .field("chan", &self.chan)
            .field("capacity", &self.n)
            .finish()
    }
}

/// Room for one value and the sender to use it with, from [`Sender::reserve_owned`] and
/// [`Sender::try_reserve_owned`].
///
/// It counts as a sender. Dropped unused, it leaves its room to others.
pub struct OwnedPermit<T> {
    /// `None` once it was used.
    chan: Option<Tx<T, BoundedLimit>>,
}

impl<T> OwnedPermit<T> {
    pub(super) fn new(chan: Tx<T, BoundedLimit>) -> Self {
        OwnedPermit { chan: Some(chan) }
    }

    /// Sends `value`, as [`Permit::send`], and gives the sender back.
    pub fn send(mut self, value: T) -> Sender<T> {
        let chan = self.take();
        chan.send(value);
        Sender::new(chan)
    }

    /// Gives the room back without sending, and the sender to the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use yamanote::sync::mpsc;
    ///
    /// let (sender, _receiver) = mpsc::channel::<u8>(1);
    /// let permit = sender.try_reserve_owned().unwrap();
    /// assert_eq!(permit.release().capacity(), 1);
    /// ```
    pub fn release(mut self) -> Sender<T> {
        let chan = self.take();
        chan.give_back(1);
        Sender::new(chan)
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan().same_channel(other.chan())
    }

    /// Whether this is of the channel that `sender` sends into.
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.chan().same_channel(&sender.chan)
    }

    fn chan(&self) -> &Tx<T, BoundedLimit> {
        self.chan.as_ref().expect(UNUSED)
    }

    fn take(&mut self) -> Tx<T, BoundedLimit> {
        self.chan.take().expect(UNUSED)
    }
}

const UNUSED: &str = "a permit is used up only by what takes it";

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(chan) = self.chan.take() {
            chan.give_back(1);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit")
            .field("chan", &self.chan)
            .finish()
    }
}
