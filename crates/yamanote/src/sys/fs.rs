//! File-system calls that `std` does not have, each wrapped once: look-ups in the kernel's cache,
//! reads and writes that refuse to wait, and questions about the file system that such a call would
//! go to.
//!
//! Every wrapper makes one system call and returns its answer unchanged; what to do about an
//! `EAGAIN` is decided in `fs::strategy`.
//!
//! Calls that may wait are the plain ones, as in `std`: they work where a sandbox does not know
//! `preadv2`.

use std::ffi::{CStr, c_int, c_long, c_uint, c_ulong};
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use bytes::BufMut;

use crate::buf::{IoBuf, IoBufMut};

/// The most that the kernel moves in one read or write (`MAX_RW_COUNT`). It would cut off more
/// itself, but a length past `i32::MAX` must never be truncated to a small one on its way there.
pub(crate) const MAX_TRANSFER: usize = 0x7fff_f000;

/// The offset that means "at the cursor, and move it" to `preadv2` and `pwritev2`.
pub(crate) const AT_CURSOR: i64 = -1;

pub(super) fn check(result: c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Opens `path` (relative to `dir`, or to the working directory) if the kernel finds it in its
/// cache of names, without asking the disk or a server; `EAGAIN` otherwise.
///
/// Only the look-up is promised not to wait. Opening the file that was found may wait, as a FIFO
/// without a partner does, unless `flags` holds `O_PATH` or `O_NONBLOCK`.
pub(crate) fn open_cached(
    dir: Option<BorrowedFd<'_>>,
    path: &CStr,
    flags: c_int,
    mode: libc::mode_t,
) -> io::Result<OwnedFd> {
    // A kernel of 32 bits does not add this flag by itself, and O_PATH allows few flags beside it.
    let large = if flags & libc::O_PATH == 0 {
        libc::O_LARGEFILE
    } else {
        0
    };
    let dir = dir.map_or(libc::AT_FDCWD, |dir| dir.as_raw_fd());
    open_how(dir, path, flags | large, mode, libc::RESOLVE_CACHED)
}

/// openat2(2).
pub(super) fn open_how(
    dir: RawFd,
    path: &CStr,
    flags: c_int,
    mode: libc::mode_t,
    resolve: u64,
) -> io::Result<OwnedFd> {
    // SAFETY: `open_how` is three integers; zero is a valid value of each.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = u64::from((flags | libc::O_CLOEXEC) as u32);
    how.mode = u64::from(mode);
    how.resolve = resolve;
    // SAFETY: `path` is NUL-terminated and `how` is as long as said; both outlive the call.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            c_long::from(dir),
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    })?;
    // SAFETY: the kernel just gave us this descriptor; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sets the open file's status flags, to take off an `O_NONBLOCK` that was for the opening only.
pub(crate) fn set_status_flags(fd: BorrowedFd<'_>, flags: c_int) -> io::Result<()> {
    // SAFETY: F_SETFL takes an integer and touches no memory of ours.
    check(c_long::from(unsafe {
        libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags)
    }))?;
    Ok(())
}

/// The open file's status flags (`O_DIRECT`, `O_APPEND`, ...).
pub(crate) fn status_flags(fd: BorrowedFd<'_>) -> io::Result<c_int> {
    // SAFETY: F_GETFL touches no memory of ours.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    check(c_long::from(flags))?;
    Ok(flags)
}

/// What a file is and where it lives, as far as the kernel knows without asking a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The type bits of `st_mode`.
    pub(crate) file_type: libc::mode_t,
    /// The other bits.
    pub(crate) permissions: libc::mode_t,
    pub(crate) size: u64,
    /// How many bytes of the file system it takes.
    pub(crate) allocated: u64,
    pub(crate) inode: u64,
    /// The major number of the device that a device file stands for.
    pub(crate) device_major: u32,
    pub(crate) mount: MountId,
}

/// Names a mounted file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MountId {
    device: (u32, u32),
    mount: u64,
    /// Whether the kernel promises never to use this number again (Linux 6.8). Otherwise what was
    /// learned about the mount must be forgotten after a while.
    pub(crate) unique: bool,
}

/// `libc` has it since 0.2.190, which is newer than Tokio allows in a lock file.
const STATX_MNT_ID_UNIQUE: c_uint = 0x4000;

/// Asks what `fd` is. With `AT_STATX_DONT_SYNC` a network or FUSE file system answers from its
/// cache.
pub(crate) fn identify(fd: BorrowedFd<'_>) -> io::Result<Identity> {
    ask(fd, c"", libc::AT_EMPTY_PATH)
}

/// The mount that `path` is on. Nothing is mounted for it.
pub(crate) fn mount_of(path: &CStr) -> io::Result<MountId> {
    Ok(ask_at(libc::AT_FDCWD, path, libc::AT_NO_AUTOMOUNT)?.mount)
}

/// statx(2), as [`identify`] asks.
pub(super) fn ask(dir: BorrowedFd<'_>, name: &CStr, flags: c_int) -> io::Result<Identity> {
    ask_at(dir.as_raw_fd(), name, flags)
}

fn ask_at(dir: RawFd, name: &CStr, flags: c_int) -> io::Result<Identity> {
    let mut out = MaybeUninit::<libc::statx>::uninit();
    let mask = libc::STATX_TYPE
        | libc::STATX_MODE
        | libc::STATX_SIZE
        | libc::STATX_BLOCKS
        | libc::STATX_INO
        | libc::STATX_MNT_ID
        | STATX_MNT_ID_UNIQUE;
    // SAFETY: `name` is NUL-terminated, and `out` is as large as the kernel's struct.
    check(c_long::from(unsafe {
        libc::statx(
            dir,
            name.as_ptr(),
            flags | libc::AT_STATX_DONT_SYNC,
            mask,
            out.as_mut_ptr(),
        )
    }))?;
    // SAFETY: the call succeeded, so the kernel filled the whole struct.
    let out = unsafe { out.assume_init() };
    Ok(Identity {
        file_type: libc::mode_t::from(out.stx_mode) & libc::S_IFMT,
        permissions: libc::mode_t::from(out.stx_mode) & !libc::S_IFMT,
        size: out.stx_size,
        allocated: out.stx_blocks.saturating_mul(512),
        inode: out.stx_ino,
        device_major: out.stx_rdev_major,
        mount: MountId {
            device: (out.stx_dev_major, out.stx_dev_minor),
            mount: out.stx_mnt_id,
            unique: out.stx_mask & STATX_MNT_ID_UNIQUE != 0,
        },
    })
}

/// The magic number of the file system that `fd` is on. A network or FUSE file system may ask its
/// server: to be called on a thread that may wait.
pub(crate) fn file_system_magic(fd: BorrowedFd<'_>) -> io::Result<u32> {
    let mut out = MaybeUninit::<libc::statfs>::uninit();
    loop {
        // SAFETY: `out` is as large as the kernel's struct.
        let result = check(c_long::from(unsafe {
            libc::fstatfs(fd.as_raw_fd(), out.as_mut_ptr())
        }));
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
            // SAFETY: the call succeeded, so the kernel filled the struct. The numbers are 32 bits
            // wide; some of them come sign-extended.
            Ok(_) => return Ok(unsafe { out.assume_init() }.f_type as u32),
        }
    }
}

/// Where the open file's cursor is.
pub(crate) fn position(fd: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: touches no memory of ours.
    let position = unsafe { libc::lseek64(fd.as_raw_fd(), 0, libc::SEEK_CUR) };
    u64::try_from(position).map_err(|_| io::Error::last_os_error())
}

/// `preadv2` or `pwritev2` with `RWF_NOWAIT`.
fn without_waiting(
    number: c_long,
    fd: BorrowedFd<'_>,
    iov: &[libc::iovec],
    offset: i64,
) -> io::Result<usize> {
    // The kernel takes the offset as two longs, low half first. With 64-bit longs the low "half" is
    // all of it, and the high one is ignored.
    // SAFETY: callers pass vectors that point to live memory of at least the lengths they state,
    // writable for a read.
    check(unsafe {
        libc::syscall(
            number,
            c_long::from(fd.as_raw_fd()),
            iov.as_ptr(),
            iov.len(),
            offset as c_ulong,
            (offset >> 32) as c_ulong,
            c_long::from(libc::RWF_NOWAIT),
        )
    })
}

/// Whether a read may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// `RWF_NOWAIT`: what is not at hand is `EAGAIN`; `EOPNOTSUPP` where the file system cannot
    /// promise it.
    Never,
    /// As a plain call does.
    Allowed,
}

fn read_into(fd: BorrowedFd<'_>, iov: libc::iovec, offset: i64, wait: Wait) -> io::Result<usize> {
    let raw = fd.as_raw_fd();
    let (at, len) = (iov.iov_base, iov.iov_len);
    let n = match (wait, offset) {
        (Wait::Never, _) => without_waiting(libc::SYS_preadv2, fd, &[iov], offset)?,
        (Wait::Allowed, AT_CURSOR) => {
            // SAFETY: callers pass a vector that points to live, writable memory of that length.
            let n = unsafe { libc::read(raw, at, len) };
            check(n as c_long)?
        }
        (Wait::Allowed, _) => {
            // SAFETY: as above.
            let n = unsafe { libc::pread64(raw, at, len, offset) };
            check(n as c_long)?
        }
    };
    assert!(n <= len, "the kernel read more than was asked for");
    Ok(n)
}

/// Reads at most `max` bytes from `offset` (or at the cursor, [`AT_CURSOR`]) into the free part of
/// `buf` and advances it by what was read.
pub(crate) fn read(
    fd: BorrowedFd<'_>,
    buf: &mut impl BufMut,
    max: usize,
    offset: i64,
    wait: Wait,
) -> io::Result<usize> {
    let chunk = buf.chunk_mut();
    let iov = libc::iovec {
        iov_base: chunk.as_mut_ptr().cast(),
        iov_len: chunk.len().min(max).min(MAX_TRANSFER),
    };
    let n = read_into(fd, iov, offset, wait)?;
    // SAFETY: the kernel initialised the first `n` bytes of the chunk.
    unsafe { buf.advance_mut(n) };
    Ok(n)
}

/// As [`read`], into the beginning of an owned buffer, as much as it has room for.
pub(crate) fn read_owned(
    fd: BorrowedFd<'_>,
    buf: &mut impl IoBufMut,
    offset: i64,
    wait: Wait,
) -> io::Result<usize> {
    let iov = libc::iovec {
        iov_base: buf.stable_mut_ptr().cast(),
        iov_len: buf.bytes_total().min(MAX_TRANSFER),
    };
    let n = read_into(fd, iov, offset, wait)?;
    // SAFETY: the kernel initialised the first `n` bytes, which are within the room.
    unsafe { buf.set_init(n) };
    Ok(n)
}

/// Writes the initialised bytes of an owned buffer.
pub(crate) fn write_owned(fd: BorrowedFd<'_>, buf: &impl IoBuf, offset: i64) -> io::Result<usize> {
    // SAFETY: an `IoBuf` promises that many initialised bytes there, unchanged while borrowed.
    let bytes = unsafe { std::slice::from_raw_parts(buf.stable_ptr(), buf.bytes_init()) };
    write(fd, bytes, offset)
}

/// Writes the beginning of `bufs` at the cursor.
pub(crate) fn write_vectored(fd: BorrowedFd<'_>, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
    const IOV_MAX: usize = 1024;
    match bufs {
        [buf] => write(fd, buf, AT_CURSOR),
        _ => {
            let count = bufs.len().min(IOV_MAX) as c_int;
            // SAFETY: `IoSlice` is documented to be ABI compatible with `iovec` on Unix, and each
            // is memory that lives through the call.
            let n = unsafe { libc::writev(fd.as_raw_fd(), bufs.as_ptr().cast(), count) };
            check(n as c_long)
        }
    }
}

/// Writes `buf` at `offset` (or at the cursor, [`AT_CURSOR`]). May wait.
pub(crate) fn write(fd: BorrowedFd<'_>, buf: &[u8], offset: i64) -> io::Result<usize> {
    let (raw, at, len) = (
        fd.as_raw_fd(),
        buf.as_ptr().cast(),
        buf.len().min(MAX_TRANSFER),
    );
    let n = match offset {
        // SAFETY: `buf` is memory of at least that length that lives through the call.
        AT_CURSOR => unsafe { libc::write(raw, at, len) },
        // SAFETY: as above.
        _ => unsafe { libc::pwrite64(raw, at, len, offset) },
    };
    check(n as c_long)
}

/// Makes a FIFO to test with.
#[cfg(test)]
pub(crate) fn make_fifo(path: &CStr) -> io::Result<()> {
    // SAFETY: a NUL-terminated path that lives through the call.
    check(c_long::from(unsafe { libc::mkfifo(path.as_ptr(), 0o600) })).map(drop)
}

/// Whether a `RWF_NOWAIT` read that answers 0 has met the end of the file. Linux 5.9 and 5.10 may
/// answer 0 although the file goes on (readv(2), BUGS); there a plain read must confirm it.
pub(crate) fn nowait_zero_is_end_of_file() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let mut names = MaybeUninit::<libc::utsname>::uninit();
        // SAFETY: `names` is as large as the kernel's struct.
        if unsafe { libc::uname(names.as_mut_ptr()) } != 0 {
            return false;
        }
        // SAFETY: the call succeeded, so every array holds a NUL-terminated string.
        let release = unsafe { CStr::from_ptr(names.assume_init_ref().release.as_ptr()) };
        !is_kernel_with_early_zero(&release.to_string_lossy())
    })
}

fn is_kernel_with_early_zero(release: &str) -> bool {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || parts.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(major), Some(minor)) => ((5, 9)..=(5, 10)).contains(&(major, minor)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use yamanote_test::TempDir;

    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn reads_without_waiting_advance_only_by_what_came() {
        if !yamanote_test::require(yamanote_test::Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        let path = directory.path().join("read");
        std::fs::write(&path, b"hello world").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let mut out = Vec::with_capacity(64);
        assert_eq!(read(file.as_fd(), &mut out, 5, 6, Wait::Never).unwrap(), 5);
        assert_eq!(out, b"world");
        assert_eq!(
            read(file.as_fd(), &mut out, 5, AT_CURSOR, Wait::Never).unwrap(),
            5
        );
        assert_eq!(
            read(file.as_fd(), &mut out, 64, AT_CURSOR, Wait::Allowed).unwrap(),
            6
        );
        assert_eq!(out, b"worldhello world");
        assert_eq!(
            read(file.as_fd(), &mut out, 64, AT_CURSOR, Wait::Never).unwrap(),
            0
        );
    }

    #[test]
    fn what_a_file_is_comes_from_its_descriptor() {
        let directory = TempDir::new();
        let path = directory.path().join("identify");
        std::fs::write(&path, b"12345").unwrap();
        let c_path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let fd = open_cached(None, &c_path, libc::O_PATH, 0).unwrap();
        let identity = identify(fd.as_fd()).unwrap();
        assert_eq!(identity.file_type, libc::S_IFREG);
        assert_eq!(identity.size, 5);
        assert_ne!(file_system_magic(fd.as_fd()).unwrap(), 0);
        let again = identify(std::fs::File::open(&path).unwrap().as_fd()).unwrap();
        assert_eq!(identity, again);
        std::fs::remove_file(&path).unwrap();
        // A plain look-up notes in the cache that there is nothing.
        assert!(!path.exists());
        let error = open_cached(None, &c_path, libc::O_PATH, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_vector_is_written_in_order() {
        let directory = TempDir::new();
        let path = directory.path().join("write");
        let file = std::fs::File::create(&path).unwrap();
        let parts = [io::IoSlice::new(b"abc"), io::IoSlice::new(b"def")];
        assert_eq!(write_vectored(file.as_fd(), &parts).unwrap(), 6);
        assert_eq!(write(file.as_fd(), b"X", 1).unwrap(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), b"aXcdef");
    }

    #[test]
    fn only_two_kernels_end_files_early() {
        assert!(is_kernel_with_early_zero("5.9.1-generic"));
        assert!(is_kernel_with_early_zero("5.10.0"));
        assert!(!is_kernel_with_early_zero("5.8.18"));
        assert!(!is_kernel_with_early_zero("5.11"));
        assert!(!is_kernel_with_early_zero("6.18.44-fc"));
        // Unknown: be careful.
        assert!(is_kernel_with_early_zero("strange"));
    }
}
