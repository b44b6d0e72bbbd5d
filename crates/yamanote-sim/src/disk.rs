//! The hosts' disks, as the experiment sees them: what they may do to a program, and what is on
//! them.
//!
//! A program's files are simulated by the functions of the C library that take paths. Each host has
//! a disk of its own, in memory, above what really is there: a file that exists really is opened
//! really as long as it is only read, and copied to the host's disk when it is changed. `/tmp` and
//! `/dev/shm` are empty at the start, `/dev/urandom` is the seed's, `/proc` and the rest of `/sys`
//! are the machine's, without its cgroups. The disk outlives its host's crashes.
//!
//! What was given to a host is there wherever it lies, below `/tmp` too: the program, which is read
//! as it is and copied when it is changed, and a real directory ([`dir`]). Both are found by their
//! names; a list of what is in `/tmp` does not have them.
//!
//! As POSIX has it, a sync of a file makes the file's contents durable, and a sync of a directory
//! the names in it: a new file whose directory was not synced may be gone after a crash.
//!
//! Not simulated: devices (`EOPNOTSUPP`), `O_TMPFILE`, extended attributes, owners (everything
//! belongs to whoever runs the program), access times, `mmap` of simulated files (`ENODEV`), and
//! what programs do by instructions of their own in place of the C library's functions (`rustix`
//! does, unless built with `--cfg=rustix_use_libc`) or inside of the C library (`fopen`).
#![forbid(unsafe_code)]

use crate::inside;
use crate::kernel::disk::{Stop, Tree};
use crate::kernel::host::HostId;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

pub use crate::kernel::disk::settings::{Keeps, Settings, Tear, WriteError};

/// What the host's disk may do.
pub fn settings(host: HostId) -> Settings {
    inside().inside(|kernel| kernel.disk_of(host).settings.clone())
}

/// Sets what the host's disk may do, from now on.
pub fn set(host: HostId, settings: Settings) {
    inside().inside(|kernel| kernel.disk_of(host).settings = settings);
}

/// Changes what the host's disk may do, from now on.
pub fn change(host: HostId, change: impl FnOnce(&mut Settings)) {
    let mut new = settings(host);
    change(&mut new);
    set(host, new);
}

fn with_tree<R>(host: HostId, f: impl FnOnce(&mut Tree) -> Result<R, Stop>) -> io::Result<R> {
    inside().inside(|kernel| match f(&mut kernel.disk_of(host).tree) {
        Ok(answer) => Ok(answer),
        Err(Stop::Errno(number)) => Err(io::Error::from_raw_os_error(number)),
        Err(Stop::Real(path)) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("{} is not on the simulated disk", path.display()),
        )),
    })
}

/// What is in a file of the host now, synced or not: also in one that really is there and that the
/// host has not changed.
///
/// # Errors
///
/// As of `std::fs::read`.
pub fn contents(host: HostId, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref().as_os_str().as_bytes();
    with_tree(host, |tree| tree.contents(path))
}

/// Puts a file on the host's disk, or other contents into one that is there. It is durable, and the
/// directories above it are made.
///
/// # Errors
///
/// As of `std::fs::create_dir_all` and `std::fs::write`.
pub fn write(host: HostId, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref().as_os_str().as_bytes();
    with_tree(host, |tree| tree.put(path, bytes.as_ref()))
}

/// Whether there is something of that name on the host's disk, or really.
pub fn exists(host: HostId, path: impl AsRef<Path>) -> bool {
    let path = path.as_ref().as_os_str().as_bytes();
    with_tree(host, |tree| Ok(tree.has(path))).unwrap_or(false)
}

/// All that the host has done is durable.
pub fn sync(host: HostId) {
    inside().inside(|kernel| kernel.disk_sync_all(host));
}

/// The disk loses power: what was not synced is treated as by a crash of the host, which does this
/// by itself. Open files are lost: their calls fail with `EIO`.
pub fn cut(host: HostId) {
    inside().inside(|kernel| kernel.disk_crash(host));
}

/// Bytes that the files of the host take.
pub fn used(host: HostId) -> u64 {
    inside().inside(|kernel| kernel.disk_of(host).tree.used_bytes())
}

/// A number that two disks share if the same is on them, and the same of it is durable.
pub fn hash(host: HostId) -> u64 {
    inside().inside(|kernel| kernel.disk_of(host).tree.hash())
}

/// A real directory for the host, which is not simulated: for what needs `mmap`, or a file that
/// programs outside of the simulation can see. It is empty at first, lies below the real temporary
/// directory (`TMPDIR`), and is removed when the run ends as it should.
///
/// # Errors
///
/// If it cannot be made, or if the host has something else there.
pub fn dir(host: HostId) -> io::Result<PathBuf> {
    inside().inside(|kernel| {
        if let Some(dir) = &kernel.disk_of(host).real {
            return Ok(dir.clone());
        }
        let name = format!("yamanote-sim-{}-{}", std::process::id(), host.0);
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir)?;
        // Links above it may be none on the host's disk, and its working directory another.
        let dir = dir.canonicalize()?;
        let disk = kernel.disk_of(host);
        if !disk.tree.add_real(&dir) {
            std::fs::remove_dir(&dir)?;
            let text = format!("the host has something else at {}", dir.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        disk.real = Some(dir.clone());
        Ok(dir)
    })
}
