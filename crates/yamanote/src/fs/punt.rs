//! Counts what threads of the pool do for files, by mount, and says why.
#![forbid(unsafe_code)]

use std::fs::File as StdFile;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use super::look_up::with_c_path;
use super::mount::{BY_DESCRIPTOR, BY_NAME, Class, Mount, known_mount, learn_mount};
use super::strategy::is_inline_allowed;
use crate::runtime::context;
use crate::runtime::punts::{FileOperation, PoolReason, UNKNOWN};
use crate::simulation;
use crate::sys::fs as sys;

/// On the thread that is about to do it to the open file `fd`.
pub(super) fn note(operation: FileOperation, fd: BorrowedFd<'_>) {
    count(operation, || {
        let id = sys::identify(fd)?.mount;
        known_mount(&id).map_or_else(|| learn_mount(fd, id), Ok)
    });
}

/// The same of what `path` names, or of what is above it: where names are changed, and where there
/// is nothing of that name.
pub(super) fn note_path(operation: FileOperation, path: &Path) {
    let is_of_directory = operation == FileOperation::Change;
    let above = path.ancestors().skip(usize::from(is_of_directory));
    count(operation, || {
        let mut places = above.map(|place| match place.as_os_str().is_empty() {
            true => Path::new("."),
            false => place,
        });
        let mount = places.find_map(|place| mount_at(place).ok());
        mount.ok_or(io::ErrorKind::NotFound.into())
    });
}

/// The same of something that cannot be found any more.
pub(super) fn note_unknown(operation: FileOperation) {
    count(operation, || Err(io::ErrorKind::NotFound.into()));
}

fn mount_at(path: &Path) -> io::Result<Arc<Mount>> {
    let id = with_c_path(path, sys::mount_of).unwrap_or(Err(io::ErrorKind::InvalidInput.into()))?;
    if let Some(mount) = known_mount(&id) {
        return Ok(mount);
    }
    let mut options = StdFile::options();
    options.read(true).custom_flags(libc::O_PATH);
    let file = options.open(path)?;
    learn_mount(file.as_fd(), sys::identify(file.as_fd())?.mount)
}

fn count(operation: FileOperation, find: impl FnOnce() -> io::Result<Arc<Mount>>) {
    // Looking would be one more call that a simulated disk answers, and may fail.
    if simulation::is_inside() {
        return;
    }
    let mount = find().ok();
    let reason = why(operation, mount.as_deref());
    let name = mount.as_deref().map_or(UNKNOWN, |mount| &mount.name);
    // The runtime may be gone from this thread.
    let _ = context::with_current(|runtime| runtime.punts.note(name, operation, reason));
}

/// As it is now; the operation was refused a moment ago.
fn why(operation: FileOperation, mount: Option<&Mount>) -> PoolReason {
    if !is_inline_allowed() {
        return PoolReason::Off;
    }
    let Some(mount) = mount.filter(|mount| mount.class != Class::Other) else {
        return PoolReason::Foreign;
    };
    let in_memory = mount.class == Class::Memory;
    let is_trusted = match operation {
        FileOperation::Sync | FileOperation::List => return PoolReason::Never,
        FileOperation::Write | FileOperation::Change if !in_memory => return PoolReason::Never,
        FileOperation::Open => BY_NAME.is_given() && mount.opens.is_given(),
        FileOperation::Read | FileOperation::Copy => mount.reads.is_given(),
        FileOperation::Write => mount.writes.is_given(),
        FileOperation::Change => mount.names.is_given(),
        FileOperation::Look => BY_NAME.is_given() && BY_DESCRIPTOR.is_given(),
        FileOperation::Seek => BY_DESCRIPTOR.is_given(),
    };
    match is_trusted {
        true => PoolReason::MayWait,
        false => PoolReason::Untrusted,
    }
}
