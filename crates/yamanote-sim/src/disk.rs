//! The hosts' disks, as the experiment sees them.
#![forbid(unsafe_code)]
