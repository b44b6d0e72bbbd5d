//! Large futures go to the heap before anything else is done with them.
#![forbid(unsafe_code)]

/// `spawn` and `block_on` box futures above this size before they do anything else, because every
/// function that takes a future by value may copy it on the stack. Unoptimised code does so many
/// times.
pub(crate) const BOX_FUTURES_ABOVE: usize = if cfg!(debug_assertions) { 2048 } else { 16384 };

/// Evaluates the expression with the named future, boxed if it is large. Only the branch that is
/// taken for the type is compiled.
macro_rules! box_if_large {
    ($future:ident => $body:expr) => {
        if const { size_of::<F>() > $crate::runtime::large_futures::BOX_FUTURES_ABOVE } {
            let $future = Box::pin($future);
            $body
        } else {
            $body
        }
    };
}
pub(crate) use box_if_large;
