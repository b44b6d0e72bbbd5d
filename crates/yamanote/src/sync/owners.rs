//! Which of the types of this folder own a list of waiters or a protected value: the promises that
//! [`waiters`](super::waiters) and [`protected`](super::protected), which know nobody above them,
//! ask for.

use super::broadcast::shared::Shared;
use super::mutex::Mutex;
use super::notify::Notify;
use super::protected::{Lock, Many, One, Protected};
use super::rwlock::RwLock;
use super::waiters::{Owner, Waiters};

// SAFETY: a field, the same each time.
unsafe impl Owner for Notify {
    fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}

// SAFETY: a field, the same each time.
unsafe impl<T> Owner for Shared<T> {
    fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}

// SAFETY: a field, the same each time.
unsafe impl<T: ?Sized> Lock for Mutex<T> {
    type All = One;
    type Value = T;

    fn protected(&self) -> &Protected<One, T> {
        &self.protected
    }
}

// SAFETY: a field, the same each time.
unsafe impl<T: ?Sized> Lock for RwLock<T> {
    type All = Many;
    type Value = T;

    fn protected(&self) -> &Protected<Many, T> {
        &self.protected
    }
}
