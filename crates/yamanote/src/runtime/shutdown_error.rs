//! How to recognise the error of a runtime that is gone.
#![forbid(unsafe_code)]

use std::io;

use crate::util::shutdown_text::SHUTTING_DOWN;

/// Whether `error` says that a resource's runtime has been shut down.
///
/// I/O resources live no longer than the runtime they were made in; using one afterwards gives such
/// an error.
///
/// # Examples
///
/// ```
/// use yamanote::net::TcpListener;
/// use yamanote::runtime::{Builder, is_rt_shutdown_err};
///
/// let here = Builder::new_current_thread().enable_all().build().unwrap();
/// let there = Builder::new_current_thread().enable_all().build().unwrap();
/// let listener = there.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
/// drop(there);
///
/// let error = here.block_on(listener.accept()).unwrap_err();
/// assert!(is_rt_shutdown_err(&error));
/// ```
pub fn is_rt_shutdown_err(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other
        && error
            .get_ref()
            .is_some_and(|inner| inner.source().is_none() && inner.to_string() == SHUTTING_DOWN)
}
