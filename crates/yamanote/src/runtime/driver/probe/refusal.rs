//! Why io_uring is refused, in words that name what to change.
#![forbid(unsafe_code)]

use std::fmt;
use std::fs;
use std::io;

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

/// The bare errno, which callers match on; an `io::Error` cannot carry a text beside it. `Display`
/// has the text.
impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        io::Error::from_raw_os_error(refusal.errno)
    }
}

/// Whether a ring that was refused for this reason may be had later, because the process, its user
/// or the machine has run short of something. All other refusals are for good.
pub(crate) fn may_pass(errno: i32) -> bool {
    matches!(
        errno,
        libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN
    )
}

/// What `io_uring_setup` means by this errno.
pub(crate) fn explain(errno: i32) -> Refusal {
    Refusal {
        errno,
        cause: likely_cause(errno, &Surroundings::look()),
    }
}

/// Settings of the machine and the process that explain refusals.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// `kernel.io_uring_disabled`.
    pub(super) disabled: Option<String>,
    /// `Seccomp:` of `/proc/self/status`: 2 is a filter.
    pub(super) seccomp: Option<String>,
    /// Soft limits as `/proc/self/limits` writes them.
    pub(super) locked_memory: Option<String>,
    pub(super) open_files: Option<String>,
}

impl Surroundings {
    pub(super) fn look() -> Self {
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

    pub(super) fn is_filtered(&self) -> bool {
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
}
