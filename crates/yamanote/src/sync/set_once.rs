//! `SetOnce`: a value that is set once and can be awaited.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;

use super::once_place::OncePlace;
use crate::sync::Notify;

/// A place for a value that is set at most once, by anybody; tasks can wait for it.
///
/// [`OnceCell`](crate::sync::OnceCell) runs an initializer where the value is needed; here somebody
/// else brings it. Looking at a value that is there takes one load.
///
/// # Examples
///
/// ```
/// use yamanote::sync::SetOnce;
///
/// static PORT: SetOnce<u16> = SetOnce::const_new();
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(PORT.get(), None);
/// yamanote::spawn(async { PORT.set(8080) });
/// assert_eq!(*PORT.wait().await, 8080);
/// assert!(PORT.set(9090).is_err());
/// # }
/// ```
pub struct SetOnce<T> {
    value: OncePlace<T>,
    set: Notify,
}

impl<T> SetOnce<T> {
    /// Without a value.
    pub fn new() -> Self {
        SetOnce {
            value: OncePlace::new(),
            set: Notify::new(),
        }
    }

    /// [`new`](SetOnce::new), for a constant or a static.
    #[cfg(not(all(test, loom)))]
    pub const fn const_new() -> Self {
        SetOnce {
            value: OncePlace::new(),
            set: Notify::const_new(),
        }
    }

    /// With the value, if there is one.
    ///
    /// ```
    /// use yamanote::sync::SetOnce;
    ///
    /// assert_eq!(SetOnce::new_with(Some(7)).get(), Some(&7));
    /// assert_eq!(SetOnce::<u32>::new_with(None).get(), None);
    /// ```
    pub fn new_with(value: Option<T>) -> Self {
        match value {
            Some(value) => SetOnce::from(value),
            None => SetOnce::new(),
        }
    }

    /// With a value, for a constant or a static.
    ///
    /// ```
    /// use yamanote::sync::SetOnce;
    ///
    /// static ANSWER: SetOnce<u32> = SetOnce::const_new_with(42);
    /// assert_eq!(ANSWER.get(), Some(&42));
    /// ```
    #[cfg(not(all(test, loom)))]
    pub const fn const_new_with(value: T) -> Self {
        SetOnce {
            value: OncePlace::Given(value),
            set: Notify::const_new(),
        }
    }

    /// Whether there is a value.
    pub fn initialized(&self) -> bool {
        self.get().is_some()
    }

    /// The value, if it is set.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Sets the value and wakes all that wait for it.
    ///
    /// # Errors
    ///
    /// If there is one already; the new one comes back.
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        self.value.set(value).map_err(SetOnceError)?;
        self.set.notify_waiters();
        Ok(())
    }

    /// The value, if it was set.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Waits until the value is set.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn wait(&self) -> &T {
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            // First register, then look.
            let set = self.set.notified();
            if let Some(value) = self.get() {
                return value;
            }
            set.await;
        }
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> SetOnce<T> {
        SetOnce::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce")
            .field("value", &self.get())
            .finish()
    }
}

/// A clone has a clone of the value, or none; it is set on its own.
impl<T: Clone> Clone for SetOnce<T> {
    fn clone(&self) -> SetOnce<T> {
        SetOnce::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    fn eq(&self, other: &SetOnce<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

impl<T> From<T> for SetOnce<T> {
    fn from(value: T) -> Self {
        SetOnce {
            value: OncePlace::Given(value),
            set: Notify::new(),
        }
    }
}

/// The value was set already; the one that came too late is inside.
///
/// # Examples
///
/// ```
/// use yamanote::sync::SetOnce;
///
/// let once = SetOnce::new();
/// once.set(1).unwrap();
/// assert_eq!(once.set(2).unwrap_err().0, 2);
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct SetOnceError<T>(pub T);

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetOnceError")
    }
}

impl<T: fmt::Debug> Error for SetOnceError<T> {}
