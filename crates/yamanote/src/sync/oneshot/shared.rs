//! What both ends of a one-shot channel share: one word, a place for the value, and a waker of each
//! end that the other one may take.
//!
//! ```text
//! word: | RX_GONE | TX_GONE | RX_WAITS | TX_WAITS | CLOSED | VALUE | DONE |
//! ```
//!
//! * `DONE`: the sender is done, by sending (then with `VALUE`) or by being dropped. Set once.
//! * `CLOSED`: the receiver wants nothing any more. Set once. A sender that finds it does not set
//!   `VALUE`, and keeps its value.
//! * `RX_WAITS`, `TX_WAITS`: that end's waker is offered to the other end.
//! * `RX_GONE`, `TX_GONE`: that end touches nothing here any more. The end that goes second frees
//!   everything; an end that finds the other gone is alone and need not say that it goes.
//!
//! Whose is what:
//!
//! 1. The value's place is the sender's until it sets `VALUE`, then the receiver's. Every receiver
//!    takes the value or drops it, so nothing is left in the place.
//! 2. An end's waker is its own while it is not offered. Offered, it belongs to whichever of these
//!    comes first in the order of the word: the other end's last step (`DONE` for the receiver's
//!    waker, `CLOSED` for the sender's), or its own end taking the offer back. Its own end's last
//!    step takes it back too.
//! 3. Beside the waker stands its identity, which only its own end touches: it answers "would this
//!    wake the same task" without looking at a waker that the other end may be taking. While the
//!    offer stands the waker lives, so its addresses are nobody else's.
//!
//! Every step on the word that hands something over is a Release, every step that may receive
//! something an Acquire; where both can be, AcqRel. That is all the ordering there is.

use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::ptr::NonNull;
use std::task::Waker;

use crate::loom::cell::UnsafeCell;
use crate::loom::sync::atomic::{AtomicUsize, Ordering};

pub(super) const DONE: usize = 1;
pub(super) const VALUE: usize = 2;
pub(super) const CLOSED: usize = 4;
const TX_WAITS: usize = 8;
const RX_WAITS: usize = 16;
const TX_GONE: usize = 32;
const RX_GONE: usize = 64;

/// The two ends of a new channel.
pub(super) fn pair<T>() -> (TxEnd<T>, RxEnd<T>) {
    let shared = NonNull::from(Box::leak(Box::new(Shared::new())));
    (TxEnd(End::new(shared)), RxEnd(End::new(shared)))
}

/// What both ends are: one of the two shares.
struct End<T> {
    shared: NonNull<Shared<T>>,
    owned: PhantomData<Box<Shared<T>>>,
}

// SAFETY: an end is a share of what may be shared among threads.
unsafe impl<T: Send> Send for End<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for End<T> {}

impl<T> End<T> {
    fn new(shared: NonNull<Shared<T>>) -> End<T> {
        End {
            shared,
            owned: PhantomData,
        }
    }

    fn shared(&self) -> &Shared<T> {
        // SAFETY: freed by the end that goes second, and this one has not gone.
        unsafe { self.shared.as_ref() }
    }

    /// The end goes, and frees everything if it is the second.
    ///
    /// # Safety
    ///
    /// `own` and `other` are this end's bit and the other's, and this end is not used any more.
    unsafe fn leave(&self, own: usize, other: usize) {
        // Acquire: what the other end did comes before the end of the memory; the load pairs with
        // its Release here or in `send`. Release: the same for what this end did.
        let word = &self.shared().word;
        let is_second = word.load(Ordering::Acquire) & other != 0
            || word.fetch_or(own, Ordering::AcqRel) & other != 0;
        if is_second {
            // SAFETY: it came from a Box, and neither end touches it any more.
            drop(unsafe { Box::from_raw(self.shared.as_ptr()) });
        }
    }
}

/// The sender's end. There is one of each channel; it is given up with one of its two last steps.
pub(super) struct TxEnd<T>(End<T>);

impl<T> TxEnd<T> {
    pub(super) fn word(&self) -> usize {
        self.0.shared().word()
    }

    /// Offers a waker, to be woken when the channel is closed; returns the word after. With
    /// `CLOSED` in it the waker is not kept.
    pub(super) fn offer(&mut self, waker: &Waker) -> usize {
        let shared = self.0.shared();
        // SAFETY: this is the sender.
        unsafe { shared.offer(&shared.tx_waker, TX_WAITS, waker) }
    }

    /// The last step, with a value; gives it back if the channel is closed.
    pub(super) fn send(self, value: T) -> Result<(), T> {
        // SAFETY: this is the sender, and `self` is given up: it takes no second last step.
        match unsafe { Shared::send(self.0.shared, value)? } {
            Sent::AndGone => mem::forget(self),
            Sent::Here => {}
        }
        Ok(())
    }

    /// The last step, without a value.
    pub(super) fn finish(self) {
        // SAFETY: this is the sender, and `self` is given up: it takes no second last step.
        unsafe { self.0.shared().finish() }
    }
}

impl<T> Drop for TxEnd<T> {
    fn drop(&mut self) {
        // SAFETY: this is the sender, which ends here.
        unsafe { self.0.leave(TX_GONE, RX_GONE) };
    }
}

/// The receiver's end. There is one of each channel; it is closed and its value taken before it is
/// dropped.
pub(super) struct RxEnd<T>(End<T>);

impl<T> RxEnd<T> {
    pub(super) fn word(&self) -> usize {
        self.0.shared().word()
    }

    /// Offers a waker, to be woken when the sender is done; returns the word after. With `DONE` or
    /// `CLOSED` in it the waker is not kept.
    pub(super) fn offer(&mut self, waker: &Waker) -> usize {
        let shared = self.0.shared();
        // SAFETY: this is the receiver.
        unsafe { shared.offer(&shared.rx_waker, RX_WAITS, waker) }
    }

    /// Wants nothing any more but what was sent already.
    pub(super) fn close(&mut self) {
        // SAFETY: this is the receiver.
        unsafe { self.0.shared().close() }
    }

    /// The value, if there is one.
    pub(super) fn into_value(self) -> Option<T> {
        // SAFETY: this is the receiver, VALUE was seen, and `self` is given up: the value is taken
        // once.
        (self.word() & VALUE != 0).then(|| unsafe { self.0.shared().take_value() })
    }
}

impl<T> Drop for RxEnd<T> {
    fn drop(&mut self) {
        // SAFETY: this is the receiver, which ends here.
        unsafe { self.0.leave(RX_GONE, TX_GONE) };
    }
}

/// A value was sent.
enum Sent {
    /// ... and with it went the sender's end.
    AndGone,
    /// ... and the sender's end is still to leave.
    Here,
}

struct Shared<T> {
    word: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
    tx_waker: Offer,
    rx_waker: Offer,
    /// Loom says if it is leaked.
    #[cfg(all(test, loom))]
    _track: loom::alloc::Track<()>,
}

// SAFETY: rules 1 and 2 say at each moment which one thread may touch a cell. A T crosses threads,
// and is never looked at by two of them, so it must be Send and need not be Sync.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

/// A waker and, for its own end, the identity of the task that it wakes.
struct Offer {
    waker: UnsafeCell<MaybeUninit<Waker>>,
    identity: UnsafeCell<(usize, usize)>,
}

/// Two wakers with the same identity wake the same task, as `Waker::will_wake` has it.
fn identity_of(waker: &Waker) -> (usize, usize) {
    let vtable: *const std::task::RawWakerVTable = waker.vtable();
    (waker.data() as usize, vtable as usize)
}

impl Offer {
    fn new() -> Offer {
        Offer {
            waker: UnsafeCell::new(MaybeUninit::uninit()),
            identity: UnsafeCell::new((0, 0)),
        }
    }

    /// # Safety
    ///
    /// The waker belongs to its own end, which is the caller, and the place is empty.
    unsafe fn put(&self, waker: Waker) {
        let identity = identity_of(&waker);
        // SAFETY: the caller's promise.
        self.identity.with_mut(|place| unsafe { *place = identity });
        // SAFETY: the caller's promise.
        self.waker
            .with_mut(|place| unsafe { (*place).write(waker) });
    }

    /// # Safety
    ///
    /// The place is full and the waker belongs to the caller.
    unsafe fn take(&self) -> Waker {
        // SAFETY: the caller's promise; the place counts as empty from here.
        self.waker
            .with_mut(|place| unsafe { (*place).assume_init_read() })
    }

    /// # Safety
    ///
    /// The caller is the waker's own end.
    unsafe fn would_wake(&self, waker: &Waker) -> bool {
        // SAFETY: only the own end touches the identity (rule 3).
        self.identity
            .with(|identity| unsafe { *identity == identity_of(waker) })
    }
}

impl<T> Shared<T> {
    fn new() -> Self {
        Shared {
            word: AtomicUsize::new(0),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            tx_waker: Offer::new(),
            rx_waker: Offer::new(),
            #[cfg(all(test, loom))]
            _track: loom::alloc::Track::new(()),
        }
    }

    fn word(&self) -> usize {
        // Acquire: pairs with the steps that set DONE, VALUE and CLOSED.
        self.word.load(Ordering::Acquire)
    }

    /// The sender's last step, with a value; gives the value back if the channel is closed.
    ///
    /// # Safety
    ///
    /// The caller is the sender and has taken no last step.
    unsafe fn send(shared: NonNull<Self>, value: T) -> Result<Sent, T> {
        // Not an argument: that would promise that it is there until this returns, and the receiver
        // may free it before.
        // SAFETY: the sender has not gone.
        let this = unsafe { shared.as_ref() };
        let mut before = this.word();
        if before & CLOSED == 0 {
            // SAFETY: the place is the sender's (rule 1).
            this.value
                .with_mut(|place| unsafe { (*place).write(value) });
            loop {
                // With nobody to wake there is nothing left to do here.
                let gone = match before & (RX_WAITS | TX_WAITS) {
                    0 => TX_GONE,
                    _ => 0,
                };
                // Release: hands value and receiver's task on. Acquire: for the receiver's waker,
                // or our own.
                let done = this.word.compare_exchange_weak(
                    before,
                    before | VALUE | DONE | gone,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
                match done {
                    Ok(_) if gone != 0 => return Ok(Sent::AndGone),
                    Ok(_) => {
                        // SAFETY: DONE was just set by this, the sender's last step.
                        unsafe { this.after_done(before) };
                        return Ok(Sent::Here);
                    }
                    Err(now) if now & CLOSED == 0 => before = now,
                    Err(_) => break,
                }
            }
            // SAFETY: VALUE is not set and will not be, so the place is still ours, and full.
            let value = this
                .value
                .with_mut(|place| unsafe { (*place).assume_init_read() });
            // SAFETY: the sender's last step, taken once.
            unsafe { this.finish() };
            return Err(value);
        }
        // SAFETY: the sender's last step, taken once.
        unsafe { this.finish() };
        Err(value)
    }

    /// The sender's last step, without a value.
    ///
    /// # Safety
    ///
    /// The caller is the sender and has taken no last step.
    unsafe fn finish(&self) {
        // As in `send`.
        let before = self.word.fetch_or(DONE, Ordering::AcqRel);
        // SAFETY: DONE was just set by this, the sender's last step.
        unsafe { self.after_done(before) };
    }

    /// # Safety
    ///
    /// The caller is the sender and has just set DONE on `before`.
    unsafe fn after_done(&self, before: usize) {
        if before & CLOSED != 0 {
            // The receiver's last step came first: both wakers were its to see to.
            return;
        }
        // SAFETY: rule 2: offered, and the sender's last step takes its own offer back.
        let own = (before & TX_WAITS != 0).then(|| unsafe { self.tx_waker.take() });
        if before & RX_WAITS != 0 {
            // SAFETY: rule 2: offered, and DONE came first.
            unsafe { self.rx_waker.take() }.wake();
        }
        drop(own);
    }

    /// The receiver's last step on the wakers; may be called again.
    ///
    /// # Safety
    ///
    /// The caller is the receiver.
    unsafe fn close(&self) {
        // Acquire: for the sender's waker, and for a value. Release: for our own task.
        let before = self.word.fetch_or(CLOSED, Ordering::AcqRel);
        if before & (CLOSED | DONE) == 0 {
            // SAFETY: rule 2: offered, and the receiver's last step takes its own offer back.
            let own = (before & RX_WAITS != 0).then(|| unsafe { self.rx_waker.take() });
            if before & TX_WAITS != 0 {
                // SAFETY: rule 2: offered, and CLOSED came first.
                unsafe { self.tx_waker.take() }.wake();
            }
            drop(own);
        }
    }

    /// Takes the value out.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, has seen VALUE, and has not done this before.
    unsafe fn take_value(&self) -> T {
        // SAFETY: VALUE gave the place, full, to the receiver (rule 1); it is emptied once.
        self.value
            .with_mut(|place| unsafe { (*place).assume_init_read() })
    }

    /// Offers `waker`, of one of the two ends; returns the word after. With that end's own or the
    /// other end's last step in it, nothing is offered.
    ///
    /// # Safety
    ///
    /// The caller is that end; `offer` and `waits` are of it.
    unsafe fn offer(&self, offer: &Offer, waits: usize, waker: &Waker) -> usize {
        const OVER: usize = DONE | CLOSED;
        let before = self.word();
        if before & OVER != 0 {
            return before;
        }
        if before & waits != 0 {
            // SAFETY: the caller is the own end.
            if unsafe { offer.would_wake(waker) } {
                return before;
            }
            let fresh = waker.clone();
            // Acquire and Release: the offer is taken back, or the other end's last step is seen.
            let now = self.word.fetch_and(!waits, Ordering::AcqRel);
            if now & OVER != 0 {
                // The other end has taken the waker.
                return now & !waits;
            }
            // SAFETY: the offer was taken back before the other end's last step (rule 2).
            let earlier = unsafe { offer.take() };
            // SAFETY: not offered, and now empty.
            unsafe { offer.put(fresh) };
            let after = self.stand(waits);
            let settled = self.settle(offer, waits, after);
            // It is another task's and may do anything when dropped, so everything is in order
            // before that.
            drop(earlier);
            return settled;
        }
        let fresh = waker.clone();
        // SAFETY: not offered, so it belongs to its own end, and is empty: an offer that ended
        // emptied it.
        unsafe { offer.put(fresh) };
        let after = self.stand(waits);
        self.settle(offer, waits, after)
    }

    fn stand(&self, waits: usize) -> usize {
        // Release: hands the waker over. Acquire: for what the other end's last step says.
        self.word.fetch_or(waits, Ordering::AcqRel) | waits
    }

    /// After offering: if the other end's last step came first, it has not seen the offer.
    fn settle(&self, offer: &Offer, waits: usize, after: usize) -> usize {
        if after & (DONE | CLOSED) == 0 {
            return after;
        }
        // Relaxed: nobody but this end looks at the bit after the other's last step.
        self.word.fetch_and(!waits, Ordering::Relaxed);
        // SAFETY: `stand` put the bit on a word that had the other end's last step, which therefore
        // did not see it: the waker is still our own, and full.
        drop(unsafe { offer.take() });
        after & !waits
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct State(usize);
        impl fmt::Debug for State {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("State")
                    .field("is_complete", &(self.0 & DONE != 0))
                    .field("is_closed", &(self.0 & CLOSED != 0))
                    .field("is_rx_task_set", &(self.0 & RX_WAITS != 0))
                    .field("is_tx_task_set", &(self.0 & TX_WAITS != 0))
                    .finish()
            }
        }
        f.debug_struct("Inner")
            .field("state", &State(self.word()))
            .finish()
    }
}

impl<T> fmt::Debug for TxEnd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.shared().fmt(f)
    }
}

impl<T> fmt::Debug for RxEnd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.shared().fmt(f)
    }
}
