//! `Ref`: the value, looked at under the read lock.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::Deref;

use crate::loom::sync::RwLockReadGuard;

/// The present value, borrowed; while it lives nothing can be sent.
///
/// See [the module](super) for what follows from that.
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

impl<'a, T> Ref<'a, T> {
    pub(super) fn new(value: RwLockReadGuard<'a, T>, has_changed: bool) -> Self {
        Ref { value, has_changed }
    }

    /// Whether the receiver had not seen this value when it was borrowed. `false` for what a sender
    /// borrowed.
    ///
    /// ```
    /// let (sender, mut receiver) = yamanote::sync::watch::channel(1);
    /// assert!(!receiver.borrow().has_changed());
    /// sender.send(2).unwrap();
    /// assert!(receiver.borrow().has_changed());
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow_and_update().has_changed());
    /// assert!(!sender.borrow().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ref")
            .field("inner", &**self)
            .field("has_changed", &self.has_changed)
            .finish()
    }
}
