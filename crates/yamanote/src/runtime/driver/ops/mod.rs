//! The operations there are, one small file each: the SQE, the plain system call and the decoding
//! side by side.

pub(crate) mod read;
mod transfer;
pub(crate) mod write;
