//! Why a runtime does not start.
#![forbid(unsafe_code)]

use std::io;
use yamanote::runtime::io_uring_refusal;

/// What an `error` of the builder means. If a ring was demanded, it is the errno alone.
pub fn explain(error: &io::Error) -> String {
    let text = error.to_string();
    let refusal = io_uring_refusal().filter(|refusal| refusal.contains(&text));
    refusal.unwrap_or(text)
}
