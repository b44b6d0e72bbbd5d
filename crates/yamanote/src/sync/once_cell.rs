//! A value that is computed once, by whoever needs it first.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;

use super::once_place::OncePlace;
use super::semaphore_core::{SemaphoreCore, TryAcquireError};

/// A cell that is filled at most once, also by an asynchronous function.
///
/// The first task that needs the value computes it in [`get_or_init`](OnceCell::get_or_init); the
/// others wait for it. If that one gives up or panics, the next takes over. Reading a cell that is
/// filled costs one atomic load.
///
/// # Example
///
/// ```
/// use yamanote::sync::OnceCell;
///
/// static ADDRESS: OnceCell<String> = OnceCell::const_new();
///
/// async fn address() -> &'static str {
///     ADDRESS.get_or_init(|| async { "127.0.0.1:80".to_owned() }).await
/// }
///
/// # #[yamanote::main]
/// # async fn main() {
/// assert_eq!(ADDRESS.get(), None);
/// assert_eq!(address().await, "127.0.0.1:80");
/// assert!(ADDRESS.initialized());
/// # }
/// ```
pub struct OnceCell<T> {
    value: OncePlace<T>,
    /// Its one permit is the right to fill the place. Closed when that is done.
    to_fill: SemaphoreCore,
}

/// Why [`OnceCell::set`] failed, with the value.
///
/// # Examples
///
/// ```
/// use yamanote::sync::{OnceCell, SetError};
///
/// let cell = OnceCell::new_with(Some(1));
/// assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// The cell is filled.
    AlreadyInitializedError(T),

    /// Somebody is just filling it.
    InitializingError(T),
}

/// The right to fill the cell, which returns if it is not used.
struct Filling<'a, T>(&'a OnceCell<T>);

impl<'a, T> Filling<'a, T> {
    fn fill(self, value: T) -> &'a T {
        let cell = self.0;
        let refused = cell.value.set(value);
        assert!(refused.is_ok(), "only one has the right to fill the place");
        // Closing wakes those that wait; after it the permit does not matter.
        cell.to_fill.close();
        cell.value.get().expect("it was set just now")
    }
}

impl<T> Drop for Filling<'_, T> {
    fn drop(&mut self) {
        self.0.to_fill.add_permits(1);
    }
}

impl<T> OnceCell<T> {
    /// An empty cell.
    pub fn new() -> Self {
        OnceCell {
            value: OncePlace::new(),
            to_fill: SemaphoreCore::new(1),
        }
    }

    /// An empty cell, for a `static` or `const`.
    #[cfg(not(all(test, loom)))]
    pub const fn const_new() -> Self {
        OnceCell {
            value: OncePlace::new(),
            to_fill: SemaphoreCore::const_new(1),
        }
    }

    /// A cell filled with `value`, if there is one.
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(OnceCell::new, OnceCell::from)
    }

    /// A cell filled with `value`, for a `static` or `const`.
    #[cfg(not(all(test, loom)))]
    pub const fn const_new_with(value: T) -> Self {
        OnceCell {
            value: OncePlace::Given(value),
            to_fill: SemaphoreCore::const_new_closed(),
        }
    }

    /// Whether the cell is filled.
    pub fn initialized(&self) -> bool {
        self.value.get().is_some()
    }

    /// The value, if the cell is filled.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value to be changed, if the cell is filled.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Fills the cell, if it is empty and nobody else is about to.
    ///
    /// ```
    /// use yamanote::sync::{OnceCell, SetError};
    ///
    /// let cell = OnceCell::new();
    /// assert_eq!(cell.set(1), Ok(()));
    /// assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
    /// ```
    ///
    /// # Errors
    ///
    /// The value comes back in a [`SetError`] that says which it was.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        match self.to_fill.try_acquire(1) {
            Ok(()) => {
                Filling(self).fill(value);
                Ok(())
            }
            Err(TryAcquireError::Closed) => Err(SetError::AlreadyInitializedError(value)),
            // Between the filling of the place and the closing there is a value already.
            Err(TryAcquireError::NoPermits) if self.initialized() => {
                Err(SetError::AlreadyInitializedError(value))
            }
            Err(TryAcquireError::NoPermits) => Err(SetError::InitializingError(value)),
        }
    }

    /// The value; if there is none yet, what the future of `f` returns.
    ///
    /// While one caller's future runs the others wait. If it panics or is dropped, the next in line
    /// calls its own `f`.
    ///
    /// A future that needs the same cell waits for itself forever.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it leaves the cell empty, or to others.
    pub async fn get_or_init<F, Fut>(&self, f: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        if let Some(value) = self.get() {
            return value;
        }
        match self.filling().await {
            Ok(filling) => filling.fill(f().await),
            Err(value) => value,
        }
    }

    /// The value; if there is none yet, what the future of `f` returns, unless it fails.
    ///
    /// As [`get_or_init`](OnceCell::get_or_init), and after an error the next in line calls its own
    /// `f`.
    ///
    /// # Errors
    ///
    /// That of `f`. The cell stays empty.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_init`](OnceCell::get_or_init).
    ///
    /// ```
    /// use yamanote::sync::OnceCell;
    ///
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let cell = OnceCell::new();
    /// let fails = cell.get_or_try_init(|| async { "x".parse::<u32>() }).await;
    /// assert!(fails.is_err());
    /// let works = cell.get_or_try_init(|| async { "7".parse::<u32>() }).await;
    /// assert_eq!(works, Ok(&7));
    /// # }
    /// ```
    pub async fn get_or_try_init<E, F, Fut>(&self, f: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        match self.filling().await {
            Ok(filling) => Ok(filling.fill(f().await?)),
            Err(value) => Ok(value),
        }
    }

    /// The right to fill the cell, or the value if it is filled.
    async fn filling(&self) -> Result<Filling<'_, T>, &T> {
        match self.to_fill.acquire(1).await {
            Ok(()) => Ok(Filling(self)),
            Err(_closed) => Err(self.get().expect("closed means filled")),
        }
    }

    /// The value, out of its cell.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// The value, out of the cell, which is empty then.
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        OnceCell::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell")
            .field("value", &self.get())
            .finish()
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> Self {
        OnceCell::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        OnceCell {
            value: OncePlace::Given(value),
            to_fill: SemaphoreCore::new_closed(),
        }
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::AlreadyInitializedError(_) => "AlreadyInitializedError",
            SetError::InitializingError(_) => "InitializingError",
        })
    }
}

impl<T: fmt::Debug> Error for SetError<T> {}

impl<T> SetError<T> {
    /// Whether the cell was filled.
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, SetError::AlreadyInitializedError(_))
    }

    /// Whether somebody was filling the cell.
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, SetError::InitializingError(_))
    }
}
