//! A counting semaphore: a number of tasks may do something at once.
#![forbid(unsafe_code)]

mod permit;

pub use permit::{OwnedSemaphorePermit, SemaphorePermit};

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::semaphore_core::{AcquireError, SemaphoreCore, TryAcquireError};
use crate::util::spans::{self, Resource, resource};
use crate::util::thread_park;

/// A number of permits that are taken, one or several at a time, and return when dropped.
///
/// Use it to bound what goes on at once: open files, connections, requests to a slow service; with
/// [`add_permits`](Semaphore::add_permits) and [`SemaphorePermit::forget`] it also counts things
/// that are produced here and consumed there.
///
/// It is fair: permits go to tasks in the order they asked (that is, first polled
/// [`acquire`](Semaphore::acquire)). A task that asks for many is not overtaken by those that ask
/// for few: what is free is reserved for the first in line, and
/// [`available_permits`](Semaphore::available_permits) is 0 while somebody waits.
///
/// Taking permits that are free costs one atomic instruction, and so does giving them back when
/// nobody waits. Memory is never allocated.
///
/// # Example
///
/// At most two downloads at once:
///
/// ```
/// use std::sync::Arc;
/// use yamanote::sync::Semaphore;
///
/// # async fn download(_page: u32) {}
/// # #[yamanote::main]
/// # async fn main() {
/// let at_once = Arc::new(Semaphore::new(2));
/// let mut tasks = Vec::new();
/// for page in 0..10 {
///     let permit = at_once.clone().acquire_owned().await.expect("nobody closes it");
///     tasks.push(yamanote::spawn(async move {
///         download(page).await;
///         drop(permit);
///     }));
/// }
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(at_once.available_permits(), 2);
/// # }
/// ```
pub struct Semaphore {
    resource: Resource,
    core: SemaphoreCore,
}

impl Semaphore {
    /// The most permits a semaphore can have: `usize::MAX >> 3`.
    pub const MAX_PERMITS: usize = SemaphoreCore::MAX_PERMITS;

    /// A semaphore that has `permits` permits to begin with.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        let resource = resource!(
            "tokio::sync::semaphore",
            Location::caller(),
            concrete_type = "Semaphore",
            kind = "Sync",
            inherits_child_attrs = true,
        );
        let core = resource.in_scope(|| SemaphoreCore::new(permits));
        Semaphore { resource, core }
    }

    /// [`new`](Semaphore::new), for a `static` or `const`.
    ///
    /// ```
    /// use yamanote::sync::Semaphore;
    ///
    /// static AT_ONCE: Semaphore = Semaphore::const_new(100);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`new`](Semaphore::new).
    #[cfg(not(all(test, loom)))]
    pub const fn const_new(permits: usize) -> Self {
        Semaphore {
            resource: Resource::NONE,
            core: SemaphoreCore::const_new(permits),
        }
    }

    /// The permits that are free now; none while somebody waits.
    pub fn available_permits(&self) -> usize {
        self.core.available_permits()
    }

    /// Adds `n` permits. Those in line get them first.
    ///
    /// # Panics
    ///
    /// If there would be more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    pub fn add_permits(&self, n: usize) {
        self.core.add_permits(n);
    }

    /// Takes up to `n` free permits away forever. Returns how many were taken.
    ///
    /// ```
    /// use yamanote::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(10);
    /// assert_eq!(semaphore.forget_permits(7), 7);
    /// assert_eq!(semaphore.forget_permits(7), 3);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        self.core.forget_permits(n)
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed, before or while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it takes nothing, but the place in line is lost.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_as("Semaphore::acquire", 1).await?;
        Ok(SemaphorePermit::new(self, 1))
    }

    /// Waits for `n` permits, which come together.
    ///
    /// What is free is set aside for it, one by one, once it is the first in line.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed, before or while it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its end it takes nothing: what was set aside goes to the next. The place in
    /// line is lost.
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        let permits = n as usize;
        self.acquire_as("Semaphore::acquire_many", permits).await?;
        Ok(SemaphorePermit::new(self, permits))
    }

    /// A permit, if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::Closed`] if the semaphore is closed, [`TryAcquireError::NoPermits`] if it
    /// would have to wait.
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.core.try_acquire(1)?;
        Ok(SemaphorePermit::new(self, 1))
    }

    /// `n` permits, if that many are free and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Semaphore::try_acquire).
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.core.try_acquire(n as usize)?;
        Ok(SemaphorePermit::new(self, n as usize))
    }

    /// [`acquire`](Semaphore::acquire) for a thread that runs no tasks: blocks it.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// # Panics
    ///
    /// Where tasks run: on the thread of a runtime, unless it is one for
    /// [blocking work](crate::task::spawn_blocking).
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        thread_park::block_outside(self.acquire())
    }

    /// [`acquire_many`](Semaphore::acquire_many) for a thread that runs no tasks: blocks it.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Semaphore::acquire_many).
    ///
    /// # Panics
    ///
    /// As [`blocking_acquire`](Semaphore::blocking_acquire).
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        thread_park::block_outside(self.acquire_many(n))
    }

    /// [`acquire`](Semaphore::acquire) with a permit that keeps the semaphore alive instead of
    /// borrowing it, so that it can be moved into another task.
    ///
    /// # Errors and cancel safety
    ///
    /// As [`acquire`](Semaphore::acquire).
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_as("Semaphore::acquire_owned", 1).await?;
        Ok(OwnedSemaphorePermit::new(self, 1))
    }

    /// [`acquire_many`](Semaphore::acquire_many) with permits that keep the semaphore alive.
    ///
    /// # Errors and cancel safety
    ///
    /// As [`acquire_many`](Semaphore::acquire_many).
    pub async fn acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        let permits = n as usize;
        self.acquire_as("Semaphore::acquire_many_owned", permits)
            .await?;
        Ok(OwnedSemaphorePermit::new(self, permits))
    }

    /// [`try_acquire`](Semaphore::try_acquire) with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Semaphore::try_acquire). The `Arc` is dropped then.
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.core.try_acquire(1)?;
        Ok(OwnedSemaphorePermit::new(self, 1))
    }

    /// [`try_acquire_many`](Semaphore::try_acquire_many) with permits that keep the semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Semaphore::try_acquire). The `Arc` is dropped then.
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.core.try_acquire(n as usize)?;
        Ok(OwnedSemaphorePermit::new(self, n as usize))
    }

    /// [`acquire_owned`](Semaphore::acquire_owned) for a thread that runs no tasks: blocks it.
    ///
    /// # Errors and panics
    ///
    /// As [`blocking_acquire`](Semaphore::blocking_acquire).
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        thread_park::block_outside(self.acquire_owned())
    }

    /// [`acquire_many_owned`](Semaphore::acquire_many_owned) for a thread that runs no tasks:
    /// blocks it.
    ///
    /// # Errors and panics
    ///
    /// As [`blocking_acquire`](Semaphore::blocking_acquire).
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        thread_park::block_outside(self.acquire_many_owned(n))
    }

    /// Gives no permits any more; all that wait get an error. Permits that are out may return and
    /// are counted.
    ///
    /// ```
    /// use yamanote::sync::{Semaphore, TryAcquireError};
    ///
    /// # #[yamanote::main]
    /// # async fn main() {
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.acquire().await.is_err());
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// # }
    /// ```
    pub fn close(&self) {
        self.core.close();
    }

    /// Whether [`close`](Semaphore::close) was called.
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }
}

impl Semaphore {
    fn acquire_as(
        &self,
        source: &'static str,
        permits: usize,
    ) -> impl Future<Output = Result<(), AcquireError>> {
        let Semaphore { resource, core } = self;
        spans::async_op(resource, source, "poll", true, || core.acquire(permits))
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokio's text, its field's name included.
        f.debug_struct("Semaphore")
            .field("ll_sem", &self.core)
            .finish()
    }
}
