//! Permits that were acquired.
#![forbid(unsafe_code)]

use std::sync::Arc;

use super::Semaphore;

/// Permits of a [`Semaphore`] that return to it when dropped.
///
/// From [`Semaphore::acquire`], [`Semaphore::try_acquire`] and their `_many` variants.
#[must_use]
#[clippy::has_significant_drop]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    sem: &'a Semaphore,
    permits: usize,
}

/// Permits of a [`Semaphore`] in an `Arc`, which return to it when dropped and keep it alive until
/// then.
///
/// From [`Semaphore::acquire_owned`], [`Semaphore::try_acquire_owned`] and their `_many` variants.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use yamanote::sync::Semaphore;
///
/// # #[yamanote::main(flavor = "current_thread")]
/// # async fn main() {
/// // At most two at a time: each task takes its permit with it.
/// let limit = Arc::new(Semaphore::new(2));
/// let mut tasks = Vec::new();
/// for _ in 0..5 {
///     let permit = limit.clone().acquire_owned().await.unwrap();
///     tasks.push(yamanote::spawn(async move {
///         // ...
///         drop(permit);
///     }));
/// }
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(limit.available_permits(), 2);
/// # }
/// ```
#[must_use]
#[clippy::has_significant_drop]
#[derive(Debug)]
pub struct OwnedSemaphorePermit {
    sem: Arc<Semaphore>,
    permits: usize,
}

impl<'a> SemaphorePermit<'a> {
    pub(super) fn new(sem: &'a Semaphore, permits: usize) -> Self {
        SemaphorePermit { sem, permits }
    }

    /// The permits never return: the semaphore has that many fewer.
    ///
    /// ```
    /// use yamanote::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(2);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// Adds the permits of `other` to these.
    ///
    /// # Panics
    ///
    /// If they are of another semaphore.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.sem, other.sem),
            "merging permits from different semaphore instances"
        );
        self.permits = sum(self.permits, other.permits);
        other.permits = 0;
    }

    /// Takes `n` of these permits out; `None` if there are fewer.
    ///
    /// ```
    /// use yamanote::sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(5);
    /// let mut three = semaphore.try_acquire_many(3).unwrap();
    /// let one = three.split(1).unwrap();
    /// assert_eq!((three.num_permits(), one.num_permits()), (2, 1));
    /// assert!(three.split(3).is_none());
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(n)?;
        Some(SemaphorePermit::new(self.sem, n))
    }

    /// The semaphore they return to.
    pub fn semaphore(&self) -> &Semaphore {
        self.sem
    }

    /// How many permits there are.
    pub fn num_permits(&self) -> usize {
        self.permits
    }
}

impl OwnedSemaphorePermit {
    pub(super) fn new(sem: Arc<Semaphore>, permits: usize) -> Self {
        OwnedSemaphorePermit { sem, permits }
    }

    /// The permits never return: the semaphore has that many fewer.
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// Adds the permits of `other` to these.
    ///
    /// # Panics
    ///
    /// If they are of another semaphore.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.sem, &other.sem),
            "merging permits from different semaphore instances"
        );
        self.permits = sum(self.permits, other.permits);
        other.permits = 0;
    }

    /// Takes `n` of these permits out; `None` if there are fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(n)?;
        Some(OwnedSemaphorePermit::new(self.sem.clone(), n))
    }

    /// The semaphore they return to.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.sem
    }

    /// How many permits there are.
    pub fn num_permits(&self) -> usize {
        self.permits
    }
}

#[track_caller]
fn sum(one: usize, other: usize) -> usize {
    one.checked_add(other)
        .expect("number of permits overflowed")
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.sem.add_permits(self.permits);
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.sem.add_permits(self.permits);
    }
}
