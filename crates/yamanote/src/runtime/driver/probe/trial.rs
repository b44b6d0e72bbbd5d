//! Trying rings, and asking them what this kernel can do.
#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::refusal::{Refusal, explain, may_pass};
use super::wanted::{FEATURES, Need, OPCODES, SETUP_FLAGS};
use crate::runtime::driver::ring::setup;
use crate::sys;
use crate::sys::uring::abi::{self, Params};
use crate::sys::uring::{self, queues::Queues};
use crate::util::poison::unpoisoned;

/// Why io_uring cannot be used by this process, with the likely cause and what would help; `None`
/// if it can.
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
pub(super) struct Answers {
    pub(super) features: u32,
    opcodes: Box<abi::ProbeAnswer>,
}

impl Answers {
    pub(super) fn supports(&self, opcode: u8) -> bool {
        let op = self.opcodes.ops[usize::from(opcode)];
        opcode <= self.opcodes.last_op && op.flags & abi::PROBE_OP_SUPPORTED != 0
    }
}

/// Whether io_uring can be used, with all the runtime takes for granted once it is.
///
/// Rings are tried once per process, so that a sandbox sees one attempt, and again only after a
/// refusal that [may pass](may_pass).
pub(crate) fn usable() -> Result<(), Refusal> {
    answers().map(drop)
}

pub(super) fn answers() -> Result<&'static Answers, Refusal> {
    static ANSWERS: OnceLock<Result<Answers, Refusal>> = OnceLock::new();
    static ASKING: Mutex<()> = Mutex::new(());
    if ANSWERS.get().is_none() {
        let _alone = unpoisoned(ASKING.lock());
        if ANSWERS.get().is_none() {
            match on_another_thread(ask) {
                Err(refusal) if may_pass(refusal.errno) => return Err(refusal),
                answers => ANSWERS.get_or_init(|| answers),
            };
        }
    }
    let answers = ANSWERS.get().expect("just asked, or known before");
    answers.as_ref().map_err(Clone::clone)
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
        .find(|f| f.need == Need::Required && params.features & f.bit == 0)
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
        .find(|(_, code, need, _)| *need == Need::Required && !answers.supports(*code))
    {
        return Err(missing(format!(
            "this kernel lacks {name}; Linux 5.19 and later have it"
        )));
    }
    Ok(answers)
}

fn try_setup(flags: u32) -> io::Result<(OwnedFd, Params)> {
    let mut params = Params {
        flags,
        ..Params::default()
    };
    let ring = uring::setup(8, &mut params)?;
    Ok((ring, params))
}

/// Whether the kernel takes a set-up flag.
pub(super) fn knows_flag(flag: u32) -> Option<bool> {
    match retry_without_memory(|| try_setup(flag)) {
        Ok(_) => Some(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Some(false),
        Err(_) => None,
    }
}

/// Tries for a while when memory is short: the kernel frees that of a closed ring a little later.
fn retry_without_memory<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const LONGEST: Duration = Duration::from_millis(300);
    let start = Instant::now();
    loop {
        match attempt() {
            Err(error)
                if error.raw_os_error() == Some(libc::ENOMEM) && start.elapsed() < LONGEST =>
            {
                sys::futex::rest(Duration::from_millis(5));
            }
            answer => return answer,
        }
    }
}

/// Whether that many rings of this size, or smaller ones, can be had together.
///
/// # Errors
///
/// The errno of the first that cannot.
pub(crate) fn room_for(rings: usize, entries: u32) -> io::Result<()> {
    on_another_thread(|| {
        let mut made = Vec::with_capacity(rings);
        while made.len() < rings {
            made.push(retry_without_memory(|| setup::set_up(entries))?);
        }
        Ok(())
    })
}

/// Tries rings on another thread, if there can be one, which has ended when this returns.
///
/// The kernel takes a closed ring down later, and to do so interrupts every thread that has used
/// it. If the thread that builds a runtime were in a blocking call by then, that call would end
/// with EINTR.
fn on_another_thread<T: Send>(attempt: impl Fn() -> T + Sync) -> T {
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
    // A joined thread belongs to the process a little longer, and unshare(2), setns(2) and others
    // want a process with one thread.
    const LONGEST: Duration = Duration::from_millis(100);
    let start = Instant::now();
    let is_there = |place: &PathBuf| Path::new("/proc").join(place).exists();
    while place.as_ref().is_some_and(is_there) && start.elapsed() < LONGEST {
        thread::yield_now();
    }
    answer
}
