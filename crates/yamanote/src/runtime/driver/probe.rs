//! What this kernel, and whoever confines this process, let us do with io_uring.
//!
//! Two questions are answered: may `Auto` choose io_uring (`usable`, asked once per process as a rule), and
//! what does an operator want to know when it did not ([`Report`], printed by `yamanote doctor`).
#![forbid(unsafe_code)]

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::ring::setup;
use crate::sys;
use crate::sys::uring::abi::{self, Params};
use crate::sys::uring::sqe::op;
use crate::sys::uring::{self, queues::Queues};
use crate::util::poison::unpoisoned;

/// How much we want something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it the driver is epoll.
    Required,
    /// Used when it is there.
    Useful,
}

/// One thing we want of the kernel, and whether it is there.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its name in the kernel's headers.
    pub name: &'static str,
    /// How much we want it.
    pub need: Need,
    /// Whether it is there; `None` if the kernel could not be asked.
    pub present: Option<bool>,
    /// What we use it for.
    pub purpose: &'static str,
}

/// A number or a setting that limits us.
#[derive(Debug, Clone)]
pub struct Limit {
    /// What it is called where it is set.
    pub name: &'static str,
    /// Its present value, as the system writes it.
    pub value: String,
    /// What it means for us, if it is in our way.
    pub remark: Option<&'static str>,
}

/// All that `yamanote doctor` prints about io_uring.
#[derive(Debug, Clone)]
pub struct Report {
    /// The kernel's release.
    pub kernel: String,
    /// Why io_uring cannot be used here, in a sentence; `None` if it can.
    pub refusal: Option<String>,
    /// Flags a ring is set up with.
    pub setup_flags: Vec<Finding>,
    /// Features the kernel says it has.
    pub features: Vec<Finding>,
    /// Operations.
    pub opcodes: Vec<Finding>,
    /// Settings and resource limits.
    pub limits: Vec<Limit>,
}

struct Feature {
    name: &'static str,
    bit: u32,
    need: Need,
    purpose: &'static str,
}

const fn feature(name: &'static str, bit: u32, need: Need, purpose: &'static str) -> Feature {
    Feature {
        name,
        bit,
        need,
        purpose,
    }
}

use Need::{Required, Useful};

const FEATURES: [Feature; 9] = [
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

const SETUP_FLAGS: [Feature; 5] = [
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

const OPCODES: [(&str, u8, Need, &str); 18] = [
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

/// io_uring cannot be used here.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// What `io_uring_setup` said, or ENOSYS if it worked and something else is missing.
    pub(crate) errno: i32,
    pub(crate) cause: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errno = io::Error::from_raw_os_error(self.errno);
        write!(
            f,
            "io_uring cannot be used here: {errno}; likely cause: {}",
            self.cause
        )
    }
}

impl std::error::Error for Refusal {}

/// The bare errno, which callers match on; an `io::Error` cannot carry a text beside it. The text is
/// that of [`io_uring_refusal`].
impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        io::Error::from_raw_os_error(refusal.errno)
    }
}

/// Why io_uring cannot be used by this process, with the likely cause and what would help; `None` if
/// it can.
///
/// It explains the error of a [`build`](crate::runtime::Builder::build) that insisted on
/// [`DriverChoice::Uring`](crate::runtime::DriverChoice::Uring): that error is the kernel's errno
/// alone.
///
/// # Examples
///
/// ```
/// use yamanote::runtime::{Builder, DriverChoice, io_uring_refusal};
///
/// let built = Builder::new_current_thread().driver(DriverChoice::Uring).build();
/// match built {
///     Ok(_) => assert_eq!(io_uring_refusal(), None),
///     Err(error) => eprintln!("{error}: {}", io_uring_refusal().unwrap_or_default()),
/// }
/// ```
pub fn io_uring_refusal() -> Option<String> {
    usable().err().map(|refusal| refusal.to_string())
}

/// What the kernel answered.
#[derive(Debug)]
struct Answers {
    features: u32,
    opcodes: Box<abi::ProbeAnswer>,
}

impl Answers {
    fn supports(&self, opcode: u8) -> bool {
        let op = self.opcodes.ops[usize::from(opcode)];
        opcode <= self.opcodes.last_op && op.flags & abi::PROBE_OP_SUPPORTED != 0
    }
}

/// Whether io_uring can be used, with all the runtime takes for granted once it is.
///
/// The rings are tried once per process, so that a sandbox sees one attempt; again only after a
/// refusal that [may pass](may_pass).
pub(crate) fn usable() -> Result<(), Refusal> {
    answers().map(drop)
}

fn answers() -> Result<&'static Answers, Refusal> {
    static ANSWERS: OnceLock<Result<Answers, Refusal>> = OnceLock::new();
    static ASKING: Mutex<()> = Mutex::new(());
    if ANSWERS.get().is_none() {
        let _alone = unpoisoned(ASKING.lock());
        if ANSWERS.get().is_none() {
            match elsewhere(ask) {
                Err(refusal) if may_pass(refusal.errno) => return Err(refusal),
                answers => ANSWERS.get_or_init(|| answers),
            };
        }
    }
    let answers = ANSWERS.get().expect("just asked, or known before");
    answers.as_ref().map_err(Clone::clone)
}

/// Whether a ring that was refused for this reason may be had later: the process, its user or the
/// machine has run short of something. All other refusals are for good.
pub(super) fn may_pass(errno: i32) -> bool {
    matches!(
        errno,
        libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN
    )
}

fn ask() -> Result<Answers, Refusal> {
    if !cfg!(target_pointer_width = "64") {
        return Err(Refusal {
            errno: libc::ENOSYS,
            cause:
                "this is a 32-bit program, and the runtime uses io_uring in 64-bit programs only"
                    .into(),
        });
    }
    let required = SETUP_FLAGS[0].bit;
    let (ring, params) =
        try_setup(required).map_err(|error| explain(error.raw_os_error().unwrap_or(libc::EIO)))?;
    let missing = |what: String| Refusal {
        errno: libc::ENOSYS,
        cause: what,
    };
    if let Some(feature) = FEATURES
        .iter()
        .find(|f| f.need == Required && params.features & f.bit == 0)
    {
        return Err(missing(format!(
            "this kernel lacks {} ({}); Linux 5.19 and later have it",
            feature.name, feature.purpose
        )));
    }
    if let Err(error) = Queues::map(&ring, &params) {
        return Err(Refusal {
            errno: error.raw_os_error().unwrap_or(libc::EIO),
            cause: "the ring's memory cannot be mapped (address space or memory limits)".into(),
        });
    }
    let entered = uring::try_enter(&ring).map_err(|error| error.raw_os_error());
    if let Err(Some(errno @ (libc::EPERM | libc::EACCES | libc::ENOSYS))) = entered {
        return Err(Refusal {
            errno,
            cause: "a seccomp filter allows io_uring_setup but not io_uring_enter".into(),
        });
    }
    let opcodes = uring::probe_opcodes(&ring).map_err(|error| Refusal {
        errno: error.raw_os_error().unwrap_or(libc::EIO),
        cause: "io_uring_register is refused, so the kernel cannot be asked what it offers; \
                a seccomp filter allows io_uring_setup but not io_uring_register"
            .into(),
    })?;
    let answers = Answers {
        features: params.features,
        opcodes,
    };
    if let Some((name, ..)) = OPCODES
        .iter()
        .find(|(_, code, need, _)| *need == Required && !answers.supports(*code))
    {
        return Err(missing(format!(
            "this kernel lacks {name}; Linux 5.19 and later have it"
        )));
    }
    Ok(answers)
}

/// What `io_uring_setup` meant by this errno.
pub(super) fn explain(errno: i32) -> Refusal {
    Refusal {
        errno,
        cause: likely_cause(errno, &Surroundings::look()),
    }
}

fn try_setup(flags: u32) -> io::Result<(OwnedFd, Params)> {
    let mut params = Params {
        flags,
        ..Params::default()
    };
    let ring = uring::setup(8, &mut params)?;
    Ok((ring, params))
}

/// Settings of the machine and the process that explain refusals.
#[derive(Debug, Default)]
struct Surroundings {
    /// `kernel.io_uring_disabled`.
    disabled: Option<String>,
    /// `Seccomp:` of `/proc/self/status`: 2 is a filter.
    seccomp: Option<String>,
    /// Soft limits as `/proc/self/limits` writes them.
    locked_memory: Option<String>,
    open_files: Option<String>,
}

impl Surroundings {
    fn look() -> Self {
        let read = |path| fs::read_to_string(path).ok();
        let status = read("/proc/self/status").unwrap_or_default();
        let limits = read("/proc/self/limits").unwrap_or_default();
        let soft = |name: &str| {
            let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().next()?.to_owned())
        };
        Surroundings {
            disabled: read("/proc/sys/kernel/io_uring_disabled").map(|s| s.trim().to_owned()),
            seccomp: status
                .lines()
                .find_map(|line| line.strip_prefix("Seccomp:"))
                .map(|value| value.trim().to_owned()),
            locked_memory: soft("Max locked memory"),
            open_files: soft("Max open files"),
        }
    }

    fn is_filtered(&self) -> bool {
        self.seccomp.as_deref() == Some("2")
    }
}

/// Why `io_uring_setup` may have said this, in words that name what to change.
fn likely_cause(errno: i32, around: &Surroundings) -> String {
    let unknown = || "?".to_owned();
    match errno {
        libc::EPERM => match around.disabled.as_deref() {
            Some("2") => "the sysctl kernel.io_uring_disabled is 2: io_uring is off on this \
                          machine; set it to 0 to allow it"
                .into(),
            Some("1") => "the sysctl kernel.io_uring_disabled is 1: io_uring is for \
                          CAP_SYS_ADMIN and members of kernel.io_uring_group; join that group or \
                          set it to 0"
                .into(),
            _ if around.is_filtered() => "a seccomp filter denies io_uring_setup, as the default \
                                          profiles of Docker, Podman and Kubernetes do; allow \
                                          io_uring_setup, io_uring_enter and io_uring_register in \
                                          the profile"
                .into(),
            _ => "a security module (SELinux, AppArmor, BPF) denies io_uring to this process; its \
                  log says which rule"
                .into(),
        },
        libc::EACCES => "a security module (SELinux, AppArmor) denies io_uring to this process; \
                         its log says which rule"
            .into(),
        libc::ENOSYS if around.is_filtered() => "a seccomp filter hides io_uring_setup; allow \
                                                 io_uring_setup, io_uring_enter and \
                                                 io_uring_register in the profile"
            .into(),
        libc::ENOSYS => "this kernel has no io_uring: it is older than 5.1, built without \
                         CONFIG_IO_URING, or a sandbox such as gVisor"
            .into(),
        libc::EINVAL => "this kernel is older than 5.19: it does not know \
                         IORING_SETUP_COOP_TASKRUN"
            .into(),
        libc::ENOMEM => format!(
            "the locked-memory limit ({} bytes) of this user is used up by other rings, or memory \
             is short; raise `ulimit -l` (LimitMEMLOCK= in systemd)",
            around.locked_memory.clone().unwrap_or_else(unknown)
        ),
        libc::EMFILE => format!(
            "the process has no descriptor left of its {}; raise `ulimit -n`",
            around.open_files.clone().unwrap_or_else(unknown)
        ),
        libc::ENFILE => "the machine has no descriptor left; raise the sysctl fs.file-max".into(),
        _ => "unknown; `strace -e io_uring_setup` shows the call".into(),
    }
}

/// Asks everything. Beyond the one try of every process this sets up a ring for each flag, so it is
/// for the doctor only.
#[doc(hidden)]
pub fn report() -> Report {
    let answers = answers();
    let known = answers.as_ref().ok();
    let around = Surroundings::look();
    let find = |f: &Feature, present: Option<bool>| Finding {
        name: f.name,
        need: f.need,
        present,
        purpose: f.purpose,
    };
    // For want of memory or descriptors nothing is missing, only nothing is known.
    let without_answers = match &answers {
        Err(refusal) if may_pass(refusal.errno) => None,
        _ => Some(false),
    };
    Report {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| "unknown".into(), |s| s.trim().to_owned()),
        refusal: answers.as_ref().err().map(ToString::to_string),
        setup_flags: SETUP_FLAGS
            .iter()
            .map(|f| find(f, known.map_or(without_answers, |_| knows_flag(f.bit))))
            .collect(),
        features: FEATURES
            .iter()
            .map(|f| {
                let present = known.map(|answers| answers.features & f.bit != 0);
                find(f, present.or(without_answers))
            })
            .collect(),
        opcodes: OPCODES
            .iter()
            .map(|&(name, code, need, purpose)| Finding {
                name,
                need,
                present: known
                    .map(|answers| answers.supports(code))
                    .or(without_answers),
                purpose,
            })
            .collect(),
        limits: limits(&around),
    }
}

/// Whether the kernel takes a set-up flag.
fn knows_flag(flag: u32) -> Option<bool> {
    match patiently(|| try_setup(flag)) {
        Ok(_) => Some(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Some(false),
        Err(_) => None,
    }
}

/// Tries for a while when memory is short: the kernel gives that of a closed ring back a little later.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const PATIENCE: Duration = Duration::from_millis(300);
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error)
                if error.raw_os_error() == Some(libc::ENOMEM) && start.elapsed() < PATIENCE =>
            {
                sys::futex::rest(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}

/// Whether so many rings of this size, or smaller ones, are to be had together.
///
/// # Errors
///
/// The errno of the first that is not.
pub(super) fn room_for(rings: usize, entries: u32) -> io::Result<()> {
    elsewhere(|| {
        let mut made = Vec::with_capacity(rings);
        while made.len() < rings {
            made.push(patiently(|| setup::set_up(entries))?);
        }
        Ok(())
    })
}

/// Tries rings in a thread that has ended when this returns, if there can be one.
///
/// The kernel takes a closed ring down later, and for that interrupts every thread that has used it:
/// a blocking call that the builder of a runtime is in by then would end with EINTR.
fn elsewhere<T: Send>(attempt: impl Fn() -> T + Sync) -> T {
    let there = || (attempt(), fs::read_link("/proc/thread-self").ok());
    let joined = thread::scope(|scope| {
        let named = thread::Builder::new().name("yamanote-probe".into());
        Some(named.spawn_scoped(scope, there).ok()?.join())
    });
    let (answer, place) = match joined {
        None => return attempt(),
        Some(Ok(answer)) => answer,
        Some(Err(panic)) => resume_unwind(panic),
    };
    // A joined thread is one of the process a little longer, and unshare(2), setns(2) and others want
    // it to have only one.
    const PATIENCE: Duration = Duration::from_millis(100);
    let start = Instant::now();
    let is_there = |place: &PathBuf| Path::new("/proc").join(place).exists();
    while place.as_ref().is_some_and(is_there) && start.elapsed() < PATIENCE {
        thread::yield_now();
    }
    answer
}

fn limits(around: &Surroundings) -> Vec<Limit> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    vec![
        Limit {
            name: "kernel.io_uring_disabled",
            value: value(&around.disabled),
            remark: match around.disabled.as_deref() {
                Some("1") => Some("only CAP_SYS_ADMIN and kernel.io_uring_group may use io_uring"),
                Some("2") => Some("nobody may use io_uring"),
                _ => None,
            },
        },
        Limit {
            name: "seccomp mode",
            value: value(&around.seccomp),
            remark: around
                .is_filtered()
                .then_some("a filter is active; container defaults deny io_uring"),
        },
        Limit {
            name: "locked memory (bytes, soft)",
            value: value(&around.locked_memory),
            remark: around
                .locked_memory
                .as_deref()
                .and_then(|bytes| bytes.parse::<u64>().ok())
                .filter(|&bytes| bytes < 1 << 20)
                .map(|_| "room for few rings; more workers than that use the pool"),
        },
        Limit {
            name: "open files (soft)",
            value: value(&around.open_files),
            remark: None,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_to_change() {
        let disabled = |value: &str| Surroundings {
            disabled: Some(value.into()),
            ..Surroundings::default()
        };
        let filtered = Surroundings {
            disabled: Some("0".into()),
            seccomp: Some("2".into()),
            ..Surroundings::default()
        };
        for (errno, around, word) in [
            (libc::EPERM, disabled("2"), "kernel.io_uring_disabled is 2"),
            (libc::EPERM, disabled("1"), "io_uring_group"),
            (libc::EPERM, disabled("0"), "security module"),
            (libc::EPERM, Surroundings { ..filtered }, "Docker"),
            (libc::ENOSYS, disabled("0"), "gVisor"),
            (libc::EINVAL, disabled("0"), "5.19"),
            (libc::ENOMEM, disabled("0"), "ulimit -l"),
            (libc::EMFILE, disabled("0"), "ulimit -n"),
            (libc::ENFILE, disabled("0"), "fs.file-max"),
        ] {
            let cause = likely_cause(errno, &around);
            assert!(cause.contains(word), "{errno}: {cause}");
            let refusal = Refusal { errno, cause };
            assert!(refusal.to_string().contains(&format!("os error {errno}")));
            assert_eq!(io::Error::from(refusal).raw_os_error(), Some(errno));
        }
    }

    #[test]
    fn the_report_agrees_with_the_verdict() {
        let report = report();
        let missing = [&report.setup_flags, &report.features, &report.opcodes]
            .into_iter()
            .flatten()
            .filter(|finding| finding.need == Required && finding.present != Some(true))
            .count();
        assert_eq!(report.refusal.is_some(), usable().is_err());
        assert_eq!(report.refusal.is_some(), missing > 0, "{report:?}");
        assert_eq!(report.limits.len(), 4);
        assert!(!report.kernel.is_empty());
    }
}
