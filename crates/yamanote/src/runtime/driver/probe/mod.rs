//! What this kernel, and whoever confines this process, let us do with io_uring.
//!
//! It answers two questions: may `Auto` choose io_uring (`usable`, asked once per process as a
//! rule), and what does an operator want to know if it did not ([`Report`]).
#![forbid(unsafe_code)]

mod refusal;
mod report;
mod trial;
mod wanted;

pub(super) use refusal::{explain, may_pass};
pub use report::{Finding, Limit, Report, report};
pub use trial::io_uring_refusal;
pub(super) use trial::{room_for, usable};
pub use wanted::Need;
