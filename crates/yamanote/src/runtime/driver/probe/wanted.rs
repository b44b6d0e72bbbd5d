//! What the runtime wants of io_uring, and why.
#![forbid(unsafe_code)]

use Need::{Required, Useful};

use crate::sys::uring::abi;
use crate::sys::uring::sqe::op;

/// How much the runtime wants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it the driver is epoll.
    Required,
    /// Used when it is there.
    Useful,
}

pub(super) struct Feature {
    pub(super) name: &'static str,
    pub(super) bit: u32,
    pub(super) need: Need,
    pub(super) purpose: &'static str,
}

const fn feature(name: &'static str, bit: u32, need: Need, purpose: &'static str) -> Feature {
    Feature {
        name,
        bit,
        need,
        purpose,
    }
}

pub(super) const FEATURES: [Feature; 9] = [
    feature(
        "IORING_FEAT_SINGLE_MMAP",
        abi::FEAT_SINGLE_MMAP,
        Required,
        "one mapping for both queues",
    ),
    feature(
        "IORING_FEAT_NODROP",
        abi::FEAT_NODROP,
        Required,
        "no completion is lost to a full queue",
    ),
    feature(
        "IORING_FEAT_EXT_ARG",
        abi::FEAT_EXT_ARG,
        Required,
        "one call submits and waits with a timeout",
    ),
    feature(
        "IORING_FEAT_RW_CUR_POS",
        abi::FEAT_RW_CUR_POS,
        Required,
        "reads and writes at a file's cursor",
    ),
    feature(
        "IORING_FEAT_FAST_POLL",
        abi::FEAT_FAST_POLL,
        Required,
        "waiting reads occupy no kernel thread",
    ),
    feature(
        "IORING_FEAT_NATIVE_WORKERS",
        abi::FEAT_NATIVE_WORKERS,
        Required,
        "kernel threads belong to the process",
    ),
    feature(
        "IORING_FEAT_CQE_SKIP",
        abi::FEAT_CQE_SKIP,
        Useful,
        "submissions without a completion",
    ),
    feature(
        "IORING_FEAT_MIN_TIMEOUT",
        abi::FEAT_MIN_TIMEOUT,
        Useful,
        "waiting for several completions",
    ),
    feature(
        "IORING_FEAT_NO_IOWAIT",
        abi::FEAT_NO_IOWAIT,
        Useful,
        "a wait that is not for a disk does not count as one (6.15)",
    ),
];

pub(super) const SETUP_FLAGS: [Feature; 5] = [
    feature(
        "IORING_SETUP_COOP_TASKRUN",
        abi::SETUP_COOP_TASKRUN | abi::SETUP_TASKRUN_FLAG,
        Required,
        "completions without interrupting the owner (5.19)",
    ),
    feature(
        "IORING_SETUP_SUBMIT_ALL",
        abi::SETUP_SUBMIT_ALL,
        Useful,
        "one bad submission does not stop a batch (5.18)",
    ),
    feature(
        "IORING_SETUP_SINGLE_ISSUER",
        abi::SETUP_SINGLE_ISSUER,
        Useful,
        "rings pinned to a thread (6.0)",
    ),
    feature(
        "IORING_SETUP_DEFER_TASKRUN",
        abi::SETUP_SINGLE_ISSUER | abi::SETUP_DEFER_TASKRUN,
        Useful,
        "rings pinned to a thread (6.1)",
    ),
    feature(
        "IORING_SETUP_NO_SQARRAY",
        abi::SETUP_NO_SQARRAY,
        Useful,
        "a shorter way into the queue (6.6)",
    ),
];

pub(super) const OPCODES: [(&str, u8, Need, &str); 18] = [
    ("IORING_OP_READ", op::READ, Required, "files"),
    ("IORING_OP_WRITE", op::WRITE, Required, "files"),
    ("IORING_OP_OPENAT2", op::OPENAT2, Required, "files"),
    ("IORING_OP_STATX", op::STATX, Required, "files"),
    ("IORING_OP_CLOSE", op::CLOSE, Required, "files"),
    (
        "IORING_OP_POLL_ADD",
        op::POLL_ADD,
        Required,
        "watching the readiness set",
    ),
    (
        "IORING_OP_ASYNC_CANCEL",
        op::ASYNC_CANCEL,
        Required,
        "dropped futures",
    ),
    ("IORING_OP_SEND", op::SEND, Required, "owned-buffer sockets"),
    ("IORING_OP_RECV", op::RECV, Required, "owned-buffer sockets"),
    (
        "IORING_OP_ACCEPT",
        op::ACCEPT,
        Required,
        "owned-buffer sockets",
    ),
    (
        "IORING_OP_CONNECT",
        op::CONNECT,
        Required,
        "owned-buffer sockets",
    ),
    ("IORING_OP_FALLOCATE", op::FALLOCATE, Useful, "files"),
    ("IORING_OP_RENAMEAT", op::RENAMEAT, Useful, "files"),
    ("IORING_OP_UNLINKAT", op::UNLINKAT, Useful, "files"),
    ("IORING_OP_MKDIRAT", op::MKDIRAT, Useful, "files"),
    (
        "IORING_OP_MSG_RING",
        op::MSG_RING,
        Useful,
        "waking a sleeping worker",
    ),
    (
        "IORING_OP_SEND_ZC",
        op::SEND_ZC,
        Useful,
        "zero-copy sends (6.0)",
    ),
    ("IORING_OP_FTRUNCATE", op::FTRUNCATE, Useful, "files (6.9)"),
];
