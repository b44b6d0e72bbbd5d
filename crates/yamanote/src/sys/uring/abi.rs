//! The numbers and structures of the io_uring interface, as `linux/io_uring.h` defines them, so far
//! as we use them.
#![forbid(unsafe_code)]

pub(crate) const SETUP_SUBMIT_ALL: u32 = 1 << 7;
pub(crate) const SETUP_COOP_TASKRUN: u32 = 1 << 8;
pub(crate) const SETUP_TASKRUN_FLAG: u32 = 1 << 9;
pub(crate) const SETUP_SINGLE_ISSUER: u32 = 1 << 12;
pub(crate) const SETUP_DEFER_TASKRUN: u32 = 1 << 13;
pub(crate) const SETUP_NO_SQARRAY: u32 = 1 << 16;

pub(crate) const FEAT_SINGLE_MMAP: u32 = 1 << 0;
pub(crate) const FEAT_NODROP: u32 = 1 << 1;
pub(crate) const FEAT_RW_CUR_POS: u32 = 1 << 3;
pub(crate) const FEAT_FAST_POLL: u32 = 1 << 5;
pub(crate) const FEAT_EXT_ARG: u32 = 1 << 8;
pub(crate) const FEAT_NATIVE_WORKERS: u32 = 1 << 9;
pub(crate) const FEAT_CQE_SKIP: u32 = 1 << 11;
pub(crate) const FEAT_MIN_TIMEOUT: u32 = 1 << 15;
pub(crate) const FEAT_NO_IOWAIT: u32 = 1 << 17;

pub(crate) const ENTER_GETEVENTS: u32 = 1 << 0;
pub(crate) const ENTER_EXT_ARG: u32 = 1 << 3;
pub(crate) const ENTER_NO_IOWAIT: u32 = 1 << 7;

pub(crate) const SQ_CQ_OVERFLOW: u32 = 1 << 1;
pub(crate) const SQ_TASKRUN: u32 = 1 << 2;

pub(crate) const CQE_F_MORE: u32 = 1 << 1;

pub(crate) const REGISTER_PROBE: u32 = 8;
pub(crate) const REGISTER_SEND_MSG_RING: u32 = 31;

/// Where `mmap` finds the two queues and the array of SQEs.
pub(crate) const OFF_SQ_RING: libc::off_t = 0;
pub(crate) const OFF_SQES: libc::off_t = 0x1000_0000;

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SqOffsets {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) ring_mask: u32,
    pub(crate) ring_entries: u32,
    pub(crate) flags: u32,
    pub(crate) dropped: u32,
    pub(crate) array: u32,
    pub(crate) reserved: u32,
    pub(crate) user_addr: u64,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CqOffsets {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) ring_mask: u32,
    pub(crate) ring_entries: u32,
    pub(crate) overflow: u32,
    pub(crate) cqes: u32,
    pub(crate) flags: u32,
    pub(crate) reserved: u32,
    pub(crate) user_addr: u64,
}

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Params {
    pub(crate) sq_entries: u32,
    pub(crate) cq_entries: u32,
    pub(crate) flags: u32,
    pub(crate) sq_thread_cpu: u32,
    pub(crate) sq_thread_idle: u32,
    pub(crate) features: u32,
    pub(crate) wq_fd: u32,
    pub(crate) reserved: [u32; 3],
    pub(crate) sq_off: SqOffsets,
    pub(crate) cq_off: CqOffsets,
}

/// `struct io_uring_cqe`, the 16-byte kind.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cqe {
    pub(crate) user_data: u64,
    pub(crate) res: i32,
    pub(crate) flags: u32,
}

/// `struct io_uring_getevents_arg`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GetEventsArg {
    pub(crate) sigmask: u64,
    pub(crate) sigmask_size: u32,
    pub(crate) min_wait_us: u32,
    pub(crate) timespec: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timespec {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: i64,
}

/// `struct io_uring_probe` with room for every opcode a byte can name.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbeAnswer {
    pub(crate) last_op: u8,
    pub(crate) ops_len: u8,
    pub(crate) reserved: u16,
    pub(crate) reserved2: [u32; 3],
    pub(crate) ops: [ProbeOp; 256],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProbeOp {
    pub(crate) op: u8,
    pub(crate) reserved: u8,
    pub(crate) flags: u16,
    pub(crate) reserved2: u32,
}

pub(crate) const PROBE_OP_SUPPORTED: u16 = 1;

const _: () = assert!(size_of::<Params>() == 120);
const _: () = assert!(size_of::<Cqe>() == 16);
const _: () = assert!(size_of::<GetEventsArg>() == 24);
const _: () = assert!(size_of::<ProbeAnswer>() == 16 + 256 * 8);
