//! What a machine may lack. Tests ask for it in one place, so that every skip is counted.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// Something a test needs and a machine may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// This process may set up an io_uring, and the runtime uses rings in such a process.
    IoUring,
    /// Effective uid 0.
    Root,
    /// `strace` can be run and may trace.
    Strace,
    /// A writable directory on ext4.
    Ext4,
    /// A writable tmpfs at `/dev/shm`.
    Tmpfs,
    /// A writable directory on a file system whose cached files are read inline, unlike the overlay
    /// of a container.
    InlineFiles,
    /// The loopback interface has `::1`.
    Ipv6,
    /// A hard limit of at least 20,000 open files.
    ManyDescriptors,
    /// fanotify(7) asks this process for permission to open and read files.
    PermissionEvents,
    /// File systems can be made in files and mounted: `mkfs.ext4`, loop devices, CAP_SYS_ADMIN.
    LoopMounts,
    /// A seccomp filter can be set.
    Seccomp,
    /// The kernel encrypts what TCP sends (CONFIG_TLS).
    KernelTls,
    /// The real Tokio and what it depends on, as `race/subjects/tokio` locks it.
    RegistryTokio,
    /// The standard library for this target.
    Target(&'static str),
}

/// `true` if the machine has `capability`. If not, the skip is recorded (in the file named by
/// `YAMANOTE_TEST_SKIPS` if set, and on standard error) and the test returns.
#[must_use = "return from the test when this is false"]
pub fn require(capability: Capability) -> bool {
    let Err(why) = capability.check() else {
        return true;
    };
    let test = std::thread::current()
        .name()
        .unwrap_or("unnamed")
        .to_owned();
    eprintln!("SKIPPED {test}: needs {capability:?}: {why}");
    if let Some(path) = std::env::var_os("YAMANOTE_TEST_SKIPS") {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            // In one write, because other tests write to it too.
            .and_then(|mut file| {
                file.write_all(format!("{test}\t{capability:?}\t{why}\n").as_bytes())
            })
            .expect("the skip is recorded");
    }
    false
}

impl Capability {
    fn check(self) -> Result<(), String> {
        match self {
            Capability::IoUring => io_uring(),
            Capability::Root => is_root(),
            Capability::Strace => {
                let status = Command::new("strace")
                    .args(["-o", "/dev/null", "true"])
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status();
                match status {
                    Ok(status) if status.success() => Ok(()),
                    Ok(status) => Err(format!("strace: {status}")),
                    Err(error) => Err(format!("strace: {error}")),
                }
            }
            Capability::Ext4 => crate::temp::directory_on_ext4()
                .map(drop)
                .ok_or_else(|| "no temporary directory is on ext4".to_owned()),
            Capability::Tmpfs => match crate::temp::is_tmpfs(Path::new("/dev/shm")) {
                true => Ok(()),
                false => Err("/dev/shm is not a tmpfs".to_owned()),
            },
            Capability::InlineFiles => crate::temp::directory_with_inline_files()
                .map(drop)
                .ok_or_else(|| "no directory is on ext4, xfs, btrfs or tmpfs".to_owned()),
            Capability::Ipv6 => std::net::TcpListener::bind("[::1]:0")
                .map(drop)
                .map_err(|error| error.to_string()),
            Capability::ManyDescriptors => {
                let (_, hard) = crate::process::descriptor_limit();
                match hard >= 20_000 {
                    true => Ok(()),
                    false => Err(format!("the hard limit is {hard} descriptors")),
                }
            }
            Capability::PermissionEvents => permission_events(),
            Capability::LoopMounts => loop_mounts(),
            Capability::Seccomp => std::thread::spawn(|| {
                // The number of a call that no kernel has.
                crate::try_deny_syscall(0xfff, libc::ENOSYS).map_err(|error| error.to_string())
            })
            .join()
            .expect("setting a filter does not panic"),
            Capability::KernelTls => kernel_tls().map_err(|error| error.to_string()),
            Capability::RegistryTokio => crate::registry_tokio().map(drop),
            Capability::Target(target) => has_target(target),
        }
    }
}

fn has_target(target: &str) -> Result<(), String> {
    let mut rustc = Command::new("rustc");
    let output = rustc
        .args(["--print", "target-libdir", "--target", target])
        .output();
    let output = output.map_err(|error| format!("rustc: {error}"))?;
    let directory = String::from_utf8_lossy(&output.stdout);
    match Path::new(directory.trim()).is_dir() {
        true => Ok(()),
        false => Err(format!("rustup target add {target}")),
    }
}

fn is_root() -> Result<(), String> {
    // SAFETY: geteuid has no preconditions.
    match unsafe { libc::geteuid() } {
        0 => Ok(()),
        uid => Err(format!("the uid is {uid}")),
    }
}

fn kernel_tls() -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (name, fd) = (b"tls", stream.as_raw_fd());
    const TCP_ULP: libc::c_int = 31;
    let length = name.len() as libc::socklen_t;
    // SAFETY: the name lives, and is as long as is said.
    match unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, TCP_ULP, name.as_ptr().cast(), length) }
    {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn permission_events() -> Result<(), String> {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::fanotify_init(libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC, 0) };
    if fd < 0 {
        let error = std::io::Error::last_os_error();
        return Err(format!("fanotify_init: {error}"));
    }
    // SAFETY: the descriptor was just returned and is owned here.
    unsafe { libc::close(fd) };
    Ok(())
}

fn loop_mounts() -> Result<(), String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let capabilities = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0);
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    if capabilities & CAP_SYS_ADMIN == 0 {
        return Err("no CAP_SYS_ADMIN".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err("no loop devices".to_owned());
    }
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.arg("-V").stdin(Stdio::null());
    mkfs.stdout(Stdio::null()).stderr(Stdio::null());
    match mkfs.status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("mkfs.ext4: {other:?}")),
    }
}

fn io_uring() -> Result<(), String> {
    if cfg!(miri) {
        return Err("Miri has none".to_owned());
    }
    if !cfg!(target_pointer_width = "64") {
        return Err("the runtime has no ring in 32-bit programs".to_owned());
    }
    // struct io_uring_params is 120 bytes of plain integers; zeroes are valid.
    let mut params = [0u64; 15];
    // SAFETY: the pointer is to 120 writable bytes that live through the call.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 2, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(format!(
            "io_uring_setup: {}",
            std::io::Error::last_os_error()
        ));
    }
    // SAFETY: the descriptor was just returned and is owned here.
    unsafe { libc::close(fd as libc::c_int) };
    Ok(())
}
