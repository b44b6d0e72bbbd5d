//! Temporary directories on a file system of known kind.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const EXT4_MAGIC: u32 = 0xEF53;
const TMPFS_MAGIC: u32 = 0x0102_1994;
const XFS_MAGIC: u32 = 0x5846_5342;
const BTRFS_MAGIC: u32 = 0x9123_683E;

/// A directory that is removed, with everything in it, when dropped.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// In the system's directory for temporary files.
    pub fn new() -> TempDir {
        TempDir::inside(&directory_for_all())
    }

    /// On ext4; `require(Capability::Ext4)` first.
    pub fn on_ext4() -> TempDir {
        TempDir::inside(&directory_on_ext4().expect("require(Capability::Ext4) comes first"))
    }

    /// Where cached files are read inline; `require(Capability::InlineFiles)` first.
    pub fn with_inline_files() -> TempDir {
        let parent = directory_with_inline_files();
        TempDir::inside(&parent.expect("require(Capability::InlineFiles) comes first"))
    }

    /// On tmpfs; `require(Capability::Tmpfs)` first.
    pub fn on_tmpfs() -> TempDir {
        TempDir::inside(Path::new("/dev/shm"))
    }

    fn inside(parent: &Path) -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let name = format!(
                "yamanote-test-{}-{}",
                std::process::id(),
                NEXT.fetch_add(1, Relaxed)
            );
            let path = parent.join(name);
            match std::fs::create_dir(&path) {
                Ok(()) => return TempDir(path),
                // Left over from a process that was killed and had the same id.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("a directory in {}: {error}", parent.display()),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for TempDir {
    fn default() -> Self {
        TempDir::new()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The directory that `TMPDIR` names, or `/tmp` if that does not exist: the environment is not of
/// our making.
pub fn directory_for_all() -> PathBuf {
    let named = std::env::temp_dir();
    match named.is_dir() {
        true => named,
        false => "/tmp".into(),
    }
}

pub(crate) fn directory_on_ext4() -> Option<PathBuf> {
    [Some(directory_for_all()), std::env::current_dir().ok()]
        .into_iter()
        .flatten()
        .find(|path| file_system(path) == Some(EXT4_MAGIC))
}

pub(crate) fn directory_with_inline_files() -> Option<PathBuf> {
    let inline = [EXT4_MAGIC, XFS_MAGIC, BTRFS_MAGIC, TMPFS_MAGIC];
    [directory_for_all(), "/dev/shm".into()]
        .into_iter()
        .chain(std::env::current_dir())
        .find(|path| file_system(path).is_some_and(|magic| inline.contains(&magic)))
}

pub(crate) fn is_tmpfs(path: &Path) -> bool {
    file_system(path) == Some(TMPFS_MAGIC)
}

fn file_system(path: &Path) -> Option<u32> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut statfs = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `path` ends with NUL, `statfs` is writable, both live through the call.
    let result = unsafe { libc::statfs(path.as_ptr(), statfs.as_mut_ptr()) };
    // SAFETY: zeroed is a valid statfs (plain integers), whether or not the call wrote it.
    (result == 0).then(|| unsafe { statfs.assume_init() }.f_type as u32)
}
