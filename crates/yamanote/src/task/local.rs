//! Task-local values: a thread-local that is filled while its task is polled, and empty otherwise.
//!
//! The value lives in the [`TaskLocalFuture`]; around each poll (and around the drop of the inner
//! future) it is swapped with what the thread-local holds, which nests scopes for free.
#![forbid(unsafe_code)]

use pin_project_lite::pin_project;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use crate::macros::support::TaskLocalCell;

/// A key for a value that belongs to a task, declared by [`task_local!`](crate::task_local).
///
/// Unlike a thread-local it has no initial value: one is given with [`scope`](Self::scope) for as
/// long as a future runs, wherever it runs, or with [`sync_scope`](Self::sync_scope) for a call.
///
/// # Examples
///
/// ```
/// yamanote::task_local! {
///     static NUMBER: u32;
/// }
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// NUMBER
///     .scope(1, async {
///         assert_eq!(NUMBER.get(), 1);
///         // Scopes nest.
///         NUMBER.scope(2, async { assert_eq!(NUMBER.get(), 2) }).await;
///         assert_eq!(NUMBER.get(), 1);
///     })
///     .await;
/// # }
/// ```
pub struct LocalKey<T: 'static> {
    #[doc(hidden)]
    pub value: thread::LocalKey<TaskLocalCell<T>>,
}

impl<T: 'static> LocalKey<T> {
    /// Gives the key a value while `future` runs, and while it is dropped.
    ///
    /// The value is dropped with the returned future, unless
    /// [`take_value`](TaskLocalFuture::take_value) takes it.
    ///
    /// # Panics
    ///
    /// Polling the returned future panics if it is done inside of [`with`](Self::with) or
    /// [`try_with`](Self::try_with) of the same key, or while the thread is being torn down.
    ///
    /// # Cancel safety
    ///
    /// That of `future`. Dropping the returned future drops `future` with the value still set, then
    /// the value.
    pub fn scope<F>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F>
    where
        F: Future,
    {
        TaskLocalFuture {
            key: self,
            value: Some(value),
            future: Some(future),
            _pinned: PhantomPinned,
        }
    }

    /// Gives the key a value while `f` runs, and returns what `f` returns.
    ///
    /// # Panics
    ///
    /// If called inside of [`with`](Self::with) or [`try_with`](Self::try_with) of the same key, or
    /// while the thread is being torn down.
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        let mut value = Some(value);
        match self.enter(&mut value, f) {
            Ok(result) => result,
            Err(refused) => refused.panic(),
        }
    }

    /// Calls `f` with the value.
    ///
    /// # Panics
    ///
    /// If no value is set.
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(_) => panic!("cannot access a task-local storage value without setting it first"),
        }
    }

    /// Calls `f` with the value, or returns an error if none is set.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        // A thread-local that is gone holds no value either. The borrow cannot fail: `enter`
        // borrows mutably, but never while foreign code runs.
        self.value
            .try_with(|cell| cell.borrow().as_ref().map(f))
            .ok()
            .flatten()
            .ok_or(AccessError(()))
    }

    /// Calls `f` with `value` in the thread-local, and puts it back afterwards, also when `f`
    /// panics.
    fn enter<R>(
        &'static self,
        value: &mut Option<T>,
        f: impl FnOnce() -> R,
    ) -> Result<R, EnterError> {
        struct Leave<'a, T: 'static> {
            key: &'static LocalKey<T>,
            value: &'a mut Option<T>,
        }
        impl<T> Drop for Leave<'_, T> {
            fn drop(&mut self) {
                // Entering has initialised the thread-local, and it is not destroyed while a
                // function of its thread's main part is still running; should it be, the value that
                // was set before is gone too.
                let _ = self
                    .key
                    .value
                    .try_with(|cell| mem::swap(self.value, &mut *cell.borrow_mut()));
            }
        }
        self.value
            .try_with(|cell| match cell.try_borrow_mut() {
                Ok(mut current) => {
                    mem::swap(value, &mut *current);
                    Ok(())
                }
                Err(_) => Err(EnterError::Borrowed),
            })
            .unwrap_or(Err(EnterError::Destroyed))?;
        let _leave = Leave { key: self, value };
        Ok(f())
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A clone of the value.
    ///
    /// # Panics
    ///
    /// If no value is set.
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A clone of the value, or an error if none is set.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("LocalKey { .. }")
    }
}

pin_project! {
    /// A future during whose polls a task-local key has a value. Returned by [`LocalKey::scope`].
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        key: &'static LocalKey<T>,
        value: Option<T>,
        #[pin]
        future: Option<F>,
        #[pin]
        _pinned: PhantomPinned,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut future = this.future;
            if mem::needs_drop::<F>() && future.is_some() {
                // Where the key cannot be entered, the future is dropped without it, by its field.
                let _ = this.key.enter(this.value, || future.set(None));
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value back, or `None` if it was taken before.
    ///
    /// The inner future sees no value from then on.
    ///
    /// # Examples
    ///
    /// ```
    /// yamanote::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// # #[yamanote::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut future = Box::pin(NUMBER.scope(1, async { NUMBER.get() }));
    /// assert_eq!(future.as_mut().await, 1);
    /// assert_eq!(future.as_mut().take_value(), Some(1));
    /// assert_eq!(future.as_mut().take_value(), None);
    /// # }
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut future = this.future;
        let polled = this.key.enter(this.value, || {
            let polled = future.as_mut().as_pin_mut()?.poll(cx);
            if polled.is_ready() {
                // Its destructor sees the value too.
                future.set(None);
            }
            Some(polled)
        });
        match polled {
            Ok(Some(polled)) => polled,
            Ok(None) => panic!("`TaskLocalFuture` polled after completion"),
            Err(refused) => refused.panic(),
        }
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: &dyn fmt::Debug = &format_args!("<missing>");
        let value = self
            .value
            .as_ref()
            .map_or(missing, |value| value as &dyn fmt::Debug);
        f.debug_struct("TaskLocalFuture")
            .field("value", value)
            .finish()
    }
}

/// Why [`LocalKey::try_with`] and [`LocalKey::try_get`] failed: the key has no value here.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct AccessError(());

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("task-local value not set")
    }
}

impl Error for AccessError {}

/// Why a scope could not be entered.
enum EnterError {
    Borrowed,
    Destroyed,
}

impl EnterError {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            EnterError::Borrowed => {
                panic!("cannot enter a task-local scope while the task-local storage is borrowed")
            }
            EnterError::Destroyed => panic!(
                "cannot enter a task-local scope during or after destruction of the underlying \
                 thread-local"
            ),
        }
    }
}
