//! Calls that make, move, remove and follow names.

use super::super::bytes::bytes_mut;
use super::super::waiting::{simulated, wait_on};
use super::{At, by_path, by_two_paths, path_at};
use crate::kernel::disk::Stop;
use crate::kernel::files::{Errno, Object};
use crate::me::Me;
use std::ffi::{c_int, c_long};

/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn answer(
    me: &Me,
    number: c_long,
    args: [usize; 6],
) -> Option<Result<usize, Errno>> {
    // SAFETY: as the caller promises.
    unsafe {
        Some(match number {
            libc::SYS_openat => open(me, number, args),
            libc::SYS_readlinkat => read_link(me, number, args),
            libc::SYS_linkat => link(me, number, args),
            libc::SYS_renameat2 => rename(me, number, args),
            libc::SYS_symlinkat => symlink(me, number, args),
            libc::SYS_mkdirat => by_path(me, number, args, At::Dir(0), |kernel, life, at, path| {
                kernel.tree(life)?.make_dir(at, path, args[2] as u32)?;
                kernel.note_name(life, "mkdir", path);
                Ok(0)
            }),
            libc::SYS_mknodat => by_path(me, number, args, At::Dir(0), |kernel, life, at, path| {
                match args[2] as u32 & libc::S_IFMT {
                    0 | libc::S_IFREG => {}
                    libc::S_IFIFO => {
                        kernel.tree(life)?.make_fifo(at, path, args[2] as u32)?;
                        kernel.note_name(life, "mkfifo", path);
                        return Ok(0);
                    }
                    _ => return Err(Stop::Errno(libc::EOPNOTSUPP)),
                }
                let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
                let fd = kernel.disk_open(life, at, path, flags, args[2] as u32)?;
                kernel.close(fd)?;
                Ok(0)
            }),
            libc::SYS_unlinkat => unlink(me, number, args),
            libc::SYS_chdir => {
                // There is no working directory of the real kernel's for a host.
                let answer = by_path(me, number, args, At::Path(0), |kernel, life, at, path| {
                    let tree = kernel.tree(life)?;
                    let ino = tree.find_dir(at, path).map_err(|stop| match stop {
                        Stop::Real(_) => Stop::Errno(libc::EACCES),
                        stop => stop,
                    })?;
                    tree.change_cwd(ino)?;
                    Ok(0)
                });
                return Some(answer);
            }
            // What the runtime asks for first, and then goes another way.
            libc::SYS_openat2 | libc::SYS_name_to_handle_at | libc::SYS_open_by_handle_at => {
                Err(libc::ENOSYS)
            }
            _ => return None,
        })
    }
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn open(me: &Me, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    let fd = unsafe {
        by_path(me, number, args, At::Dir(0), |kernel, life, at, path| {
            let (flags, mode) = (args[2] as c_int, args[3] as u32);
            Ok(kernel.disk_open(life, at, path, flags, mode)? as usize)
        })
    }?;
    if let Some((me, file)) = simulated(fd as c_int) {
        wait_on(me, file, false, None, |kernel| kernel.fifo_opened(file))?;
    }
    Ok(fd)
}

/// The number of the simulated descriptor that such a path names.
fn descriptor_of(path: &[u8]) -> Option<c_int> {
    let name = path.strip_prefix(b"/proc/self/fd/")?;
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn read_link(me: &Me, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    let (path, into) = unsafe { (path_at(args[1])?, bytes_mut(args[2] as *mut u8, args[3])?) };
    if into.is_empty() {
        return Err(libc::EINVAL);
    }
    let mut put = |target: &[u8]| {
        let n = target.len().min(into.len());
        into[..n].copy_from_slice(&target[..n]);
        n
    };
    if let Some((me, file)) = descriptor_of(path).and_then(simulated) {
        let name = me.inside(|kernel| match &kernel.file(file).object {
            Object::Disk(open) => open.path.clone(),
            Object::Socket(_) => b"socket:[1]".to_vec(),
            Object::Pipe(_) => b"pipe:[1]".to_vec(),
            _ => b"anon_inode:[simulated]".to_vec(),
        });
        return Ok(put(&name));
    }
    // SAFETY: as the caller promises.
    unsafe {
        by_path(me, number, args, At::Dir(0), |kernel, life, at, path| {
            let target = kernel.tree(life)?.read_link(at, path)?;
            Ok(put(&target))
        })
    }
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn symlink(me: &Me, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    unsafe {
        let target = path_at(args[0])?;
        by_path(me, number, args, At::Dir(1), |kernel, life, at, path| {
            kernel.tree(life)?.make_link(at, path, target)?;
            kernel.note_name(life, "symlink", path);
            Ok(0)
        })
    }
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn link(me: &Me, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    let flags = args[4] as c_int;
    if flags & !libc::AT_SYMLINK_FOLLOW != 0 {
        return Err(libc::EINVAL);
    }
    // SAFETY: as the caller promises.
    unsafe {
        by_two_paths(me, number, args, |kernel, life, old, new| {
            kernel.tree(life)?.hard_link(old, new, flags != 0)?;
            kernel.note_names(life, "link", old.1, new.1);
            Ok(())
        })
    }
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn rename(me: &Me, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    unsafe {
        by_two_paths(me, number, args, |kernel, life, old, new| {
            kernel.tree(life)?.rename(old, new, args[4] as u32)?;
            kernel.note_names(life, "rename", old.1, new.1);
            Ok(())
        })
    }
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn unlink(me: &Me, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    let flags = args[2] as c_int;
    if flags & !libc::AT_REMOVEDIR != 0 {
        return Err(libc::EINVAL);
    }
    // SAFETY: as the caller promises.
    unsafe {
        by_path(me, number, args, At::Dir(0), |kernel, life, at, path| {
            match flags {
                0 => kernel.tree(life)?.unlink(at, path)?,
                _ => kernel.tree(life)?.remove_dir(at, path)?,
            }
            let code = if flags == 0 { "unlink" } else { "rmdir" };
            kernel.note_name(life, code, path);
            Ok(0)
        })
    }
}
