//! A turn given to others, for runtimes that have no word for it.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::task::Poll;

/// Wakes itself, and is ready at the second poll.
pub async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
