//! What happened, written down.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::pin;

use super::rt;

thread_local! {
    pub(super) static LOG: RefCell<String> = const { RefCell::new(String::new()) };
    pub(super) static START: Cell<Option<rt::time::Instant>> = const { Cell::new(None) };
}

pub(super) fn log(text: impl Display) {
    let _ = LOG.try_with(|log| {
        let mut log = log.borrow_mut();
        if !log.is_empty() {
            log.push(' ');
        }
        log.push_str(&text.to_string());
    });
}

/// Writes its name down when it is dropped.
pub(super) struct Dropped(pub(super) String);

impl Drop for Dropped {
    fn drop(&mut self) {
        log(format_args!("{}~", self.0));
    }
}

/// The output of a task; its drop is written down.
pub(super) struct Output(#[allow(dead_code)] pub(super) Dropped);

/// Writes down when it is polled.
pub(super) async fn traced(name: String, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        log(format_args!("{name}:"));
        future.as_mut().poll(cx)
    })
    .await;
}
