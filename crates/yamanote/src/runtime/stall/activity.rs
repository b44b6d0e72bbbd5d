//! What a thread is doing, as `/proc/self/task` tells it.
#![forbid(unsafe_code)]

use std::ffi::c_long;
use std::fmt;
use std::fs;

/// What the thread of a worker was doing when a stall was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// It computes.
    Runs,
    /// It sleeps for a time, as in [`std::thread::sleep`].
    Sleeps,
    /// It waits for another thread: for a lock or a condition, or for the thread's end.
    AwaitsThread,
    /// It waits in a system call: for a descriptor (a pipe, a socket, a look-up of a host's name),
    /// for a child process, for a lock on a file.
    Waits(Call),
    /// It waits for a disk, or for a file system in the network. The call is `None` if the thread
    /// waits for a page of its memory.
    AwaitsDisk(Option<Call>),
    /// A signal or a debugger has stopped it.
    Stopped,
    /// The kernel does not say, or `/proc` cannot be read.
    Unknown,
}

/// A system call that a thread is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    number: c_long,
    name: Option<&'static str>,
    descriptor: Option<i32>,
    leads_to: Option<String>,
}

impl Call {
    /// The number, as in `sys/syscall.h`.
    pub fn number(&self) -> c_long {
        self.number
    }

    /// The name, if it is one of those in which threads commonly wait.
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The descriptor that the call is about, if it is about one.
    pub fn descriptor(&self) -> Option<i32> {
        self.descriptor
    }

    /// What the descriptor leads to, as `/proc/self/fd` shows it: the path of a file, or something
    /// like `pipe:[4711]`.
    pub fn leads_to(&self) -> Option<&str> {
        self.leads_to.as_deref()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name)?,
            None => write!(f, "system call {}", self.number)?,
        }
        if let Some(descriptor) = self.descriptor {
            write!(f, " of descriptor {descriptor}")?;
        }
        if let Some(leads_to) = &self.leads_to {
            write!(f, " ({leads_to})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activity::Runs => f.write_str("it computes"),
            Activity::Sleeps => f.write_str("it sleeps"),
            Activity::AwaitsThread => {
                f.write_str("it waits for another thread (a lock, a condition, a join)")
            }
            Activity::Waits(call) => write!(f, "it waits in {call}"),
            Activity::AwaitsDisk(Some(call)) => write!(f, "it waits for a disk in {call}"),
            Activity::AwaitsDisk(None) => f.write_str("it waits for a disk"),
            Activity::Stopped => f.write_str("it is stopped"),
            Activity::Unknown => f.write_str("the kernel does not say what it does"),
        }
    }
}

/// The calls in which threads wait, and whether the first argument is a descriptor.
const CALLS: &[(c_long, &str, bool)] = &[
    (libc::SYS_read, "read", true),
    (libc::SYS_write, "write", true),
    (libc::SYS_readv, "readv", true),
    (libc::SYS_writev, "writev", true),
    (libc::SYS_recvfrom, "recvfrom", true),
    (libc::SYS_recvmsg, "recvmsg", true),
    (libc::SYS_sendto, "sendto", true),
    (libc::SYS_sendmsg, "sendmsg", true),
    (libc::SYS_connect, "connect", true),
    (libc::SYS_accept4, "accept4", true),
    (libc::SYS_flock, "flock", true),
    (libc::SYS_fcntl, "fcntl", true),
    (libc::SYS_fsync, "fsync", true),
    (libc::SYS_fdatasync, "fdatasync", true),
    (libc::SYS_ppoll, "ppoll", false),
    (libc::SYS_pselect6, "pselect6", false),
    (libc::SYS_epoll_pwait, "epoll_pwait", true),
    (libc::SYS_io_uring_enter, "io_uring_enter", true),
    (libc::SYS_wait4, "wait4", false),
    (libc::SYS_waitid, "waitid", false),
    (libc::SYS_openat, "openat", false),
    (libc::SYS_sendfile, "sendfile", true),
    (libc::SYS_splice, "splice", true),
    (libc::SYS_restart_syscall, "restart_syscall", false),
];

/// Those that other machines never had.
#[cfg(target_arch = "x86_64")]
const OLD_CALLS: &[(c_long, &str, bool)] = &[
    (libc::SYS_poll, "poll", false),
    (libc::SYS_select, "select", false),
    (libc::SYS_epoll_wait, "epoll_wait", true),
    (libc::SYS_accept, "accept", true),
    (libc::SYS_pread64, "pread64", true),
    (libc::SYS_pwrite64, "pwrite64", true),
];
#[cfg(target_arch = "x86")]
const OLD_CALLS: &[(c_long, &str, bool)] = &[
    (libc::SYS_poll, "poll", false),
    (libc::SYS_epoll_wait, "epoll_wait", true),
    (libc::SYS_pread64, "pread64", true),
    (libc::SYS_pwrite64, "pwrite64", true),
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
const OLD_CALLS: &[(c_long, &str, bool)] = &[];

/// With times of 64 bits, where a word has 32: the numbers are the same on all machines.
#[cfg(target_pointer_width = "32")]
const TIME64_CALLS: &[(c_long, &str, bool)] = &[
    (413, "pselect6_time64", false),
    (414, "ppoll_time64", false),
    (417, "recvmmsg_time64", true),
];
#[cfg(not(target_pointer_width = "32"))]
const TIME64_CALLS: &[(c_long, &str, bool)] = &[];

const SLEEPS: &[c_long] = &[
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    #[cfg(target_pointer_width = "32")]
    407,
];

const LOCKS: &[c_long] = &[
    libc::SYS_futex,
    #[cfg(target_pointer_width = "32")]
    422,
];

/// What a thread of this process is doing now.
pub(crate) fn of(thread: i32) -> Activity {
    let file = |name| fs::read_to_string(format!("/proc/self/task/{thread}/{name}")).ok();
    let leads_to = |descriptor: i32| {
        let link = fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
        Some(link.to_string_lossy().into_owned())
    };
    let (stat, call, channel) = (file("stat"), file("syscall"), file("wchan"));
    decide(
        stat.as_deref().unwrap_or(""),
        call.as_deref(),
        channel.as_deref().unwrap_or(""),
        leads_to,
    )
}

/// The name of a thread of this process.
pub(super) fn name_of(thread: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm")).ok()?;
    Some(name.trim_end_matches('\n').to_owned())
}

/// From what the files `stat`, `syscall` and `wchan` hold.
fn decide(
    stat: &str,
    call: Option<&str>,
    channel: &str,
    leads_to: impl Fn(i32) -> Option<String>,
) -> Activity {
    // PID (NAME) STATE ...; the name may hold anything.
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    let call = call.and_then(|call| in_call(call, leads_to));
    match state {
        Some('R') => Activity::Runs,
        Some('D') => Activity::AwaitsDisk(call),
        Some('T' | 't') => Activity::Stopped,
        Some('S') => match call {
            Some(call) if LOCKS.contains(&call.number) => Activity::AwaitsThread,
            Some(call) if SLEEPS.contains(&call.number) => Activity::Sleeps,
            // A wait with a limit that goes on after an interruption has lost its name. Rings
            // interrupt their thread for completions.
            Some(call) if call.number == libc::SYS_restart_syscall => match by_channel(channel) {
                Activity::Unknown => Activity::Waits(call),
                activity => activity,
            },
            Some(call) => Activity::Waits(call),
            None => by_channel(channel),
        },
        _ => Activity::Unknown,
    }
}

/// "NUMBER ARGUMENT*6 SP PC", or "running", or "-1 SP PC" outside of a call.
fn in_call(line: &str, leads_to: impl Fn(i32) -> Option<String>) -> Option<Call> {
    let mut words = line.split_whitespace();
    let number: c_long = words.next()?.parse().ok().filter(|number| *number >= 0)?;
    let known = CALLS.iter().chain(OLD_CALLS).chain(TIME64_CALLS);
    let known = known.copied().find(|(known, _, _)| *known == number);
    let descriptor = match known {
        Some((_, _, true)) => words
            .next()
            .and_then(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
            .map(|word| word as i32),
        _ => None,
    };
    Some(Call {
        number,
        name: known.map(|(_, name, _)| name),
        descriptor,
        leads_to: descriptor.and_then(leads_to),
    })
}

/// Where the kernel does not tell the call: by the function in which the thread sleeps.
fn by_channel(channel: &str) -> Activity {
    if channel.contains("futex") {
        Activity::AwaitsThread
    } else if channel.contains("nanosleep") {
        Activity::Sleeps
    } else {
        Activity::Unknown
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn decided(state: char, call: &str) -> Activity {
        let stat = format!("7 (a) R (b) {state} 1 7 7");
        decide(&stat, Some(call), "", |descriptor| {
            Some(format!("pipe:[{descriptor}]"))
        })
    }

    fn line(number: libc::c_long, first: &str) -> String {
        format!("{number} {first} 0x1 0x2 0x3 0x4 0x5 0x7ffc0 0x7f00\n")
    }

    #[test]
    fn it_reads_what_the_kernel_writes() {
        assert_eq!(decided('R', "running\n"), Activity::Runs);
        assert_eq!(
            decided('S', &line(libc::SYS_futex, "0x7f")),
            Activity::AwaitsThread
        );
        assert_eq!(
            decided('S', &line(libc::SYS_clock_nanosleep, "0x0")),
            Activity::Sleeps
        );
        let Activity::Waits(call) = decided('S', &line(libc::SYS_read, "0x1f")) else {
            panic!("it waits");
        };
        assert_eq!(call.to_string(), "read of descriptor 31 (pipe:[31])");
        let Activity::Waits(call) = decided('S', &line(libc::SYS_ppoll, "0x7fff0000")) else {
            panic!("it waits");
        };
        assert_eq!((call.name(), call.descriptor()), (Some("ppoll"), None));
        let Activity::AwaitsDisk(Some(call)) = decided('D', &line(libc::SYS_fsync, "0x3")) else {
            panic!("it waits for a disk");
        };
        assert_eq!(call.descriptor(), Some(3));
        assert_eq!(
            decided('D', "-1 0x7ffc 0x7f00\n"),
            Activity::AwaitsDisk(None)
        );
        assert_eq!(
            decided('T', &line(libc::SYS_read, "0x0")),
            Activity::Stopped
        );
        let Activity::Waits(call) = decided('S', &line(9_999, "0x0")) else {
            panic!("it waits");
        };
        assert_eq!(call.to_string(), "system call 9999");
    }

    #[test]
    fn what_is_hidden_makes_it_say_less() {
        let nobody = |_| None;
        assert_eq!(decide("", None, "", nobody), Activity::Unknown);
        assert_eq!(
            decide("garbage", Some("garbage"), "", nobody),
            Activity::Unknown
        );
        let stat = "7 (a) S 1";
        assert_eq!(
            decide(stat, None, "futex_do_wait", nobody),
            Activity::AwaitsThread
        );
        assert_eq!(
            decide(stat, None, "hrtimer_nanosleep", nobody),
            Activity::Sleeps
        );
        assert_eq!(decide(stat, None, "0", nobody), Activity::Unknown);
        assert_eq!(of(i32::MAX), Activity::Unknown);
    }

    #[test]
    fn this_thread_runs() {
        assert_eq!(of(crate::sys::thread::id()), Activity::Runs);
    }
}
