//! The handle of a host's program.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::ended::Ended;
use crate::util::poison::unpoisoned;

/// Waits for the end of a host's program; [`Host::start`](super::Host::start) gives it.
///
/// The program runs whether the handle is awaited, kept or dropped. If the host crashes and is
/// restarted meanwhile, the handle waits for the program that runs then; if it is never restarted,
/// it waits for ever.
///
/// # Errors
///
/// [`Ended`] if the program panics on a host that [may](super::Host::allow_panics), its process
/// ends by [`std::process::exit`], an abort or a [signal](super::Host::signal), or the host is
/// given another program.
///
/// # Cancel safety
///
/// Cancel safe: the value waits for the next time it is awaited.
#[derive(Debug)]
pub struct Running<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<Result<T, Ended>>,
    waker: Option<Waker>,
    /// The value may be taken, or was.
    is_told: bool,
}

/// The end of a [`Running`] that tells.
pub(super) struct Tell<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

pub(super) fn pair<T>() -> (Tell<T>, Running<T>) {
    let slot = Arc::new(Mutex::new(Slot {
        value: None,
        waker: None,
        is_told: false,
    }));
    (Tell { slot: slot.clone() }, Running { slot })
}

impl<T> Tell<T> {
    /// Leaves the value there; nobody is told of it yet. The first one stays.
    pub(super) fn leave(&self, value: Result<T, Ended>) {
        let mut slot = unpoisoned(self.slot.lock());
        if !slot.is_told && slot.value.is_none() {
            slot.value = Some(value);
        }
    }

    /// Tells whoever waits, if there is a value.
    pub(super) fn tell(&self) {
        let mut slot = unpoisoned(self.slot.lock());
        if slot.is_told || slot.value.is_none() {
            return;
        }
        slot.is_told = true;
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Clone for Tell<T> {
    fn clone(&self) -> Self {
        Tell {
            slot: self.slot.clone(),
        }
    }
}

impl<T> Running<T> {
    /// Whether the program has ended.
    pub fn is_finished(&self) -> bool {
        unpoisoned(self.slot.lock()).is_told
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, Ended>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = unpoisoned(self.slot.lock());
        let value = if slot.is_told {
            slot.value.take()
        } else {
            None
        };
        match value {
            Some(value) => Poll::Ready(value),
            None => {
                let stale = slot.waker.replace(cx.waker().clone());
                drop(slot);
                drop(stale);
                Poll::Pending
            }
        }
    }
}
