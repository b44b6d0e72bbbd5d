//! Many calls of foreign code, of which one that panics must not prevent the others: the first
//! panic is kept until all calls are done.
#![forbid(unsafe_code)]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::contained::drop_payload;

type Payload = Box<dyn Any + Send>;

/// The first of several panics. Forgotten if it is not [resumed](FirstPanic::resume).
#[derive(Default)]
#[must_use = "a panic that was caught is to be resumed"]
pub(crate) struct FirstPanic(Option<Payload>);

impl FirstPanic {
    /// Calls `f` and keeps its panic; returns whether there was none. What `f` leaves behind when
    /// it panics must be whole.
    pub(crate) fn catch(&mut self, f: impl FnOnce()) -> bool {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(()) => true,
            Err(payload) => {
                self.keep(payload);
                false
            }
        }
    }

    #[cold]
    fn keep(&mut self, payload: Payload) {
        match self.0 {
            None => self.0 = Some(payload),
            Some(_) => drop_payload(payload),
        }
    }

    /// Panics if one of the calls did. If the thread is unwinding already, that would be one panic
    /// too many, and it is swallowed.
    #[inline]
    pub(crate) fn resume(self) {
        if let Some(payload) = self.0 {
            resume(payload);
        }
    }
}

#[cold]
fn resume(payload: Payload) {
    match std::thread::panicking() {
        true => drop_payload(payload),
        false => resume_unwind(payload),
    }
}
