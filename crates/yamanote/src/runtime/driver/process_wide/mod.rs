//! What belongs to the process and not to one runtime: its signals, the children nobody owns any
//! more, the bells that tell every runtime of both, and the list of all drivers.
#![forbid(unsafe_code)]

pub(super) mod bells;
pub(super) mod registry;
pub(crate) mod signals;
pub(crate) mod strays;
