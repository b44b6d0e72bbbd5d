//! The network, as the experiment sees it.
#![forbid(unsafe_code)]
