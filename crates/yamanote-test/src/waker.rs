//! Wakers that count what is done to them, or call a hook for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{RawWaker, RawWakerVTable, Waker};

#[derive(Debug, Default)]
struct Counts {
    created: AtomicUsize,
    dropped: AtomicUsize,
    wakes: AtomicUsize,
}

/// Hands out wakers and counts their clones, drops and wake-ups. Wakes nobody.
#[derive(Debug, Clone, Default)]
pub struct CountingWaker(Arc<Counts>);

impl CountingWaker {
    /// Has counted nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A waker. It and all its clones are counted here.
    pub fn waker(&self) -> Waker {
        self.0.created.fetch_add(1, SeqCst);
        // SAFETY: the pointer is an Arc's, given up to the vtable below, which treats each waker as
        // one strong reference; Counts is Sync, so the waker may be used from any thread.
        unsafe { Waker::from_raw(raw(Arc::clone(&self.0))) }
    }

    /// Wake-ups so far, by value or by reference.
    pub fn wakes(&self) -> usize {
        self.0.wakes.load(SeqCst)
    }

    /// Wakers that exist: handed out or cloned, and neither dropped nor consumed by `wake`.
    pub fn alive(&self) -> usize {
        self.0.created.load(SeqCst) - self.0.dropped.load(SeqCst)
    }
}

fn raw(counts: Arc<Counts>) -> RawWaker {
    RawWaker::new(Arc::into_raw(counts).cast(), &VTABLE)
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// # Safety
///
/// `data` is from `raw` and its reference has not been given back.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the caller's reference is borrowed, not taken: the ManuallyDrop keeps it.
    let counts = std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Counts>()) });
    counts.created.fetch_add(1, SeqCst);
    raw(Arc::clone(&counts))
}

/// # Safety
///
/// As `clone`; takes the reference.
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's reference is taken.
    let counts = unsafe { Arc::from_raw(data.cast::<Counts>()) };
    counts.wakes.fetch_add(1, SeqCst);
    counts.dropped.fetch_add(1, SeqCst);
}

/// # Safety
///
/// As `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker's reference keeps the counts alive through the call.
    unsafe { &*data.cast::<Counts>() }
        .wakes
        .fetch_add(1, SeqCst);
}

/// # Safety
///
/// As `clone`; takes the reference.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the caller's reference is taken.
    let counts = unsafe { Arc::from_raw(data.cast::<Counts>()) };
    counts.dropped.fetch_add(1, SeqCst);
}

/// What is done to a waker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakerCall {
    /// It was cloned.
    Clone,
    /// It was woken, by value or by reference.
    Wake,
    /// It was dropped without being woken.
    Drop,
}

/// A waker that calls `hook` for all that is done to it and its clones. Wakes nobody.
///
/// Cloning and dropping a waker runs foreign code just as waking it does, and that may do anything.
pub fn hooked_waker(hook: impl Fn(WakerCall) + Send + Sync + 'static) -> Waker {
    let hook: Hook = Box::new(hook);
    // SAFETY: the pointer is an Arc's, given up to the vtable below, which treats each waker as one
    // strong reference; the hook is Send and Sync, so the waker may be used from any thread.
    unsafe { Waker::from_raw(raw_hooked(Arc::new(hook))) }
}

type Hook = Box<dyn Fn(WakerCall) + Send + Sync>;

fn raw_hooked(hook: Arc<Hook>) -> RawWaker {
    RawWaker::new(Arc::into_raw(hook).cast(), &HOOKED)
}

static HOOKED: RawWakerVTable =
    RawWakerVTable::new(clone_hooked, wake_hooked, wake_hooked_by_ref, drop_hooked);

/// # Safety
///
/// `data` is from `raw_hooked` and its reference has not been given back.
unsafe fn clone_hooked(data: *const ()) -> RawWaker {
    // SAFETY: the caller's reference is borrowed, not taken: the ManuallyDrop keeps it.
    let hook = std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<Hook>()) });
    hook(WakerCall::Clone);
    raw_hooked(Arc::clone(&hook))
}

/// # Safety
///
/// As `clone_hooked`; takes the reference.
unsafe fn wake_hooked(data: *const ()) {
    // SAFETY: the caller's reference is taken.
    let hook = unsafe { Arc::from_raw(data.cast::<Hook>()) };
    hook(WakerCall::Wake);
}

/// # Safety
///
/// As `clone_hooked`.
unsafe fn wake_hooked_by_ref(data: *const ()) {
    // SAFETY: the waker's reference keeps the hook alive through the call.
    let hook = unsafe { &*data.cast::<Hook>() };
    hook(WakerCall::Wake);
}

/// # Safety
///
/// As `clone_hooked`; takes the reference.
unsafe fn drop_hooked(data: *const ()) {
    // SAFETY: the caller's reference is taken.
    let hook = unsafe { Arc::from_raw(data.cast::<Hook>()) };
    hook(WakerCall::Drop);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_told() {
        let calls = Arc::new(std::sync::Mutex::new(Vec::new()));
        let waker = hooked_waker({
            let calls = calls.clone();
            move |call| calls.lock().unwrap().push(call)
        });
        let clone = waker.clone();
        clone.wake_by_ref();
        clone.wake();
        drop(waker);
        use WakerCall::{Clone, Drop, Wake};
        assert_eq!(*calls.lock().unwrap(), [Clone, Wake, Wake, Drop]);
        assert_eq!(Arc::strong_count(&calls), 1);
    }

    #[test]
    fn counts_clones_drops_and_wakes() {
        let counting = CountingWaker::new();
        let waker = counting.waker();
        let clone = waker.clone();
        assert_eq!((counting.alive(), counting.wakes()), (2, 0));
        clone.wake_by_ref();
        clone.wake();
        assert_eq!((counting.alive(), counting.wakes()), (1, 2));
        drop(waker);
        assert_eq!(counting.alive(), 0);
    }
}
