//! Calls on open files, and those that concern a process or a whole disk.

use super::super::bytes::bytes_mut;
use super::super::waiting::simulated;
use super::on_file;
use crate::kernel::files::{Errno, FileId, Object};
use crate::me::Me;
use std::ffi::{c_int, c_long};

/// Not in every version of `libc`.
const SYS_CACHESTAT: c_long = 451;

/// # Safety
///
/// The arguments are those of the call.
pub(super) unsafe fn answer(
    me: &Me,
    number: c_long,
    args: [usize; 6],
) -> Option<Result<usize, Errno>> {
    match number {
        libc::SYS_sync => {
            let life = me.life();
            super::take_time(me, life, true);
            me.inside(|kernel| {
                if !kernel.is_over(life) {
                    kernel.disk_sync_all(life.host);
                }
            });
            return Some(Ok(0));
        }
        libc::SYS_umask => {
            let mask = args[0] as u32 & 0o777;
            let life = me.life();
            let old = me.inside(|kernel| {
                let tree = &mut kernel.disk_of(life.host).tree;
                std::mem::replace(&mut tree.umask, mask)
            });
            return Some(Ok(old as usize));
        }
        libc::SYS_getcwd => {
            // SAFETY: as the caller promises.
            return Some(unsafe { working_directory(me, args) });
        }
        // There is no memory that a disk would be.
        libc::SYS_mmap => {
            simulated(args[4] as c_int)?;
            return Some(Err(libc::ENODEV));
        }
        // The runtime's way to learn what is in memory, which has no meaning here.
        SYS_CACHESTAT => {
            simulated(args[0] as c_int)?;
            return Some(Err(libc::ENOSYS));
        }
        _ => {}
    }
    if !is_ours(number) {
        return None;
    }
    let (me, file) = simulated(args[0] as c_int)?;
    Some(on_simulated(me, file, number, args))
}

fn is_ours(number: c_long) -> bool {
    matches!(
        number,
        libc::SYS_fsync
            | libc::SYS_fdatasync
            | libc::SYS_syncfs
            | libc::SYS_sync_file_range
            | libc::SYS_ftruncate
            | libc::SYS_fallocate
            | libc::SYS_lseek
            | libc::SYS_flock
            | libc::SYS_fadvise64
            | libc::SYS_readahead
            | libc::SYS_fchdir
            | libc::SYS_getdents64
            | libc::SYS_fgetxattr
            | libc::SYS_fsetxattr
            | libc::SYS_flistxattr
            | libc::SYS_fremovexattr
    )
}

fn on_simulated(me: &Me, file: FileId, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    let life = me.life();
    let is_on_disk = me.inside(|kernel| matches!(kernel.file(file).object, Object::Disk(_)));
    let unsigned = |value: usize| u64::try_from(value as i64).map_err(|_| libc::EINVAL);
    let done = |()| 0;
    match number {
        libc::SYS_lseek if !is_on_disk => Err(libc::ESPIPE),
        libc::SYS_fallocate | libc::SYS_fadvise64 | libc::SYS_sync_file_range if !is_on_disk => {
            Err(libc::ESPIPE)
        }
        libc::SYS_fchdir | libc::SYS_getdents64 if !is_on_disk => Err(libc::ENOTDIR),
        _ if !is_on_disk => Err(libc::EINVAL),
        libc::SYS_fsync | libc::SYS_fdatasync => {
            on_file(me, file, true, |kernel| kernel.disk_sync(file)).map(done)
        }
        libc::SYS_syncfs => on_file(me, file, true, |kernel| {
            kernel.disk_inode(file)?;
            kernel.disk_sync_all(life.host);
            Ok(0)
        }),
        libc::SYS_ftruncate => {
            let len = unsigned(args[1])?;
            on_file(me, file, false, |kernel| kernel.disk_truncate(file, len)).map(done)
        }
        libc::SYS_fallocate => {
            let (from, len) = (unsigned(args[2])?, unsigned(args[3])?);
            if len == 0 {
                return Err(libc::EINVAL);
            }
            let mode = args[1] as c_int;
            on_file(me, file, false, |kernel| {
                kernel.disk_allocate(file, mode, from, len)
            })
            .map(done)
        }
        libc::SYS_lseek => {
            let (offset, whence) = (args[1] as i64, args[2] as c_int);
            let position = me.inside(|kernel| kernel.disk_seek(file, offset, whence))?;
            Ok(position as usize)
        }
        libc::SYS_flock => lock(me, file, args[1] as c_int),
        libc::SYS_fchdir => me.inside(|kernel| {
            let (host, ino) = kernel.disk_inode(file)?;
            kernel.disk_of(host).tree.change_cwd(ino)?;
            Ok(0)
        }),
        // Advice, and a sync that promises nothing.
        libc::SYS_fadvise64 | libc::SYS_readahead | libc::SYS_sync_file_range => Ok(0),
        libc::SYS_getdents64 => Err(libc::ENOSYS),
        _ => Err(libc::EOPNOTSUPP),
    }
}

/// A lock by `fcntl`, if that is what the command is about. A host is one process, whose locks do
/// not exclude each other; those of open files are of the whole file.
///
/// # Safety
///
/// The place is that of the call.
pub(crate) unsafe fn record_lock(
    me: &Me,
    file: FileId,
    command: c_int,
    place: usize,
) -> Option<Result<usize, Errno>> {
    let waits = match command {
        libc::F_GETLK | libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_GETLK => false,
        libc::F_OFD_SETLK => false,
        libc::F_OFD_SETLKW => true,
        _ => return None,
    };
    let place = place as *mut libc::flock;
    if place.is_null() {
        return Some(Err(libc::EFAULT));
    }
    // SAFETY: the caller passes a valid pointer, null apart.
    let mut lock = unsafe { place.read_unaligned() };
    let operation = match c_int::from(lock.l_type) {
        libc::F_RDLCK => libc::LOCK_SH,
        libc::F_WRLCK => libc::LOCK_EX,
        libc::F_UNLCK => libc::LOCK_UN,
        _ => return Some(Err(libc::EINVAL)),
    };
    if let Err(number) = me.inside(|kernel| kernel.disk_inode(file)) {
        return Some(Err(number));
    }
    Some(match command {
        libc::F_GETLK | libc::F_OFD_GETLK => {
            lock.l_type = libc::F_UNLCK as _;
            // SAFETY: as above, and it is to be written to.
            unsafe { place.write_unaligned(lock) };
            Ok(0)
        }
        libc::F_SETLK | libc::F_SETLKW => Ok(0),
        _ if waits => self::lock(me, file, operation),
        _ => self::lock(me, file, operation | libc::LOCK_NB),
    })
}

fn lock(me: &Me, file: FileId, operation: c_int) -> Result<usize, Errno> {
    let exclusive = match operation & !libc::LOCK_NB {
        libc::LOCK_SH => Some(false),
        libc::LOCK_EX => Some(true),
        libc::LOCK_UN => None,
        _ => return Err(libc::EINVAL),
    };
    let waiter = (operation & libc::LOCK_NB == 0).then_some(me.id());
    me.inside(|kernel| kernel.hold(file));
    let answer = me.wait(None, |kernel| {
        match kernel.disk_lock(file, exclusive, waiter) {
            Err(libc::EWOULDBLOCK) if waiter.is_some() => None,
            answer => Some(answer),
        }
    });
    me.inside(|kernel| kernel.release(file));
    answer.unwrap_or(Err(libc::EINTR)).map(|()| 0)
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn working_directory(me: &Me, args: [usize; 6]) -> Result<usize, Errno> {
    let life = me.life();
    let path = me.inside(|kernel| {
        let tree = &kernel.disk_of(life.host).tree;
        tree.path_of(tree.cwd)
    });
    let mut path = path.ok_or(libc::ENOENT)?;
    path.push(0);
    // SAFETY: as the caller promises.
    let into = unsafe { bytes_mut(args[0] as *mut u8, args[1]) }?;
    let into = into.get_mut(..path.len()).ok_or(libc::ERANGE)?;
    into.copy_from_slice(&path);
    Ok(path.len())
}
