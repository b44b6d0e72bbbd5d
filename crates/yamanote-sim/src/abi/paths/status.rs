//! Calls that tell what a path names, and change what is told.

use super::super::bytes::bytes;
use super::super::waiting::simulated;
use super::{At, by_path, on_file, path_at};
use crate::kernel::Kernel;
use crate::kernel::disk::{Attr, Facts, Space, Stop};
use crate::kernel::files::{Errno, FileId, Object};
use crate::me::Me;
use std::ffi::{c_int, c_long};

const NS: i128 = 1_000_000_000;

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
        match number {
            libc::SYS_newfstatat => {
                let write = |facts: Facts| write_stat(args[2] as *mut _, &facts);
                stat(me, number, args, args[3] as c_int, write)
            }
            libc::SYS_statx => {
                let write = |facts: Facts| write_statx(args[4] as *mut _, &facts);
                stat(me, number, args, args[2] as c_int, write)
            }
            libc::SYS_fstat => {
                let (me, file) = simulated(args[0] as c_int)?;
                let facts = on_file(me, file, false, |kernel| facts_of(kernel, file));
                Some(facts.and_then(|facts| write_stat(args[1] as *mut _, &facts)))
            }
            libc::SYS_faccessat | libc::SYS_faccessat2 => Some(access(me, number, args)),
            libc::SYS_statfs => Some(space(me, number, args)),
            libc::SYS_fstatfs => {
                let (me, _) = simulated(args[0] as c_int)?;
                let life = me.life();
                let space = me.inside(|kernel| kernel.disk_space(life));
                Some(write_statfs(args[1] as *mut _, space))
            }
            _ => change(me, number, args),
        }
    }
}

// --- stat

/// Of any simulated descriptor.
fn facts_of(kernel: &mut Kernel, file: FileId) -> Result<Facts, Errno> {
    let kind = match &kernel.file(file).object {
        Object::Disk(_) => return kernel.disk_facts(file),
        Object::Pipe(_) => libc::S_IFIFO,
        Object::Socket(_) => libc::S_IFSOCK,
        _ => 0,
    };
    let attr = Attr {
        mode: 0o600,
        accessed: 0,
        modified: 0,
        changed: 0,
    };
    Ok(Facts {
        device: 0x0e,
        ino: u64::from(file.0) + 1,
        mode: kind | attr.mode,
        links: 1,
        len: 0,
        pages: 0,
        attr,
        born: 0,
    })
}

/// Of the working directory.
fn here(me: &Me) -> Result<Facts, Errno> {
    let life = me.life();
    super::take_time(me, life, false);
    me.inside(|kernel| {
        let tree = kernel.tree(life)?;
        Ok(tree.facts_of(tree.cwd, life.host))
    })
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn stat(
    me: &Me,
    number: c_long,
    args: [usize; 6],
    flags: c_int,
    write: impl FnOnce(Facts) -> Result<usize, Errno>,
) -> Option<Result<usize, Errno>> {
    // SAFETY: as the caller promises.
    let is_empty = args[1] == 0 || unsafe { path_at(args[1]) }.is_ok_and(<[u8]>::is_empty);
    let dir = args[0] as c_int;
    if flags & libc::AT_EMPTY_PATH != 0 && is_empty {
        if dir == libc::AT_FDCWD {
            let facts = here(me);
            return Some(facts.and_then(write));
        }
        let (me, file) = simulated(dir)?;
        let facts = on_file(me, file, false, |kernel| facts_of(kernel, file));
        return Some(facts.and_then(write));
    }
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    // SAFETY: as the caller promises.
    let answer = unsafe {
        by_path(me, number, args, At::Dir(0), |kernel, life, at, path| {
            let facts = kernel.tree(life)?.stat(life.host, at, path, follow)?;
            Ok(write(facts)?)
        })
    };
    Some(answer)
}

fn owner() -> (u32, u32) {
    // SAFETY: no pointers.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// # Safety
///
/// The pointer is that of a call.
#[allow(clippy::unnecessary_cast, reason = "the types are the machine's")]
unsafe fn write_stat(place: *mut libc::stat, facts: &Facts) -> Result<usize, Errno> {
    if place.is_null() {
        return Err(libc::EFAULT);
    }
    // SAFETY: numbers, of which zero is one.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    stat.st_dev = facts.device;
    stat.st_ino = facts.ino;
    stat.st_mode = facts.mode;
    stat.st_nlink = facts.links as _;
    (stat.st_uid, stat.st_gid) = owner();
    stat.st_size = facts.len as i64;
    stat.st_blksize = 4096;
    stat.st_blocks = facts.pages as i64 * 8;
    let parts = |time: i128| (time.div_euclid(NS) as i64, time.rem_euclid(NS) as i64);
    (stat.st_atime, stat.st_atime_nsec) = parts(facts.attr.accessed);
    (stat.st_mtime, stat.st_mtime_nsec) = parts(facts.attr.modified);
    (stat.st_ctime, stat.st_ctime_nsec) = parts(facts.attr.changed);
    // SAFETY: as the caller promises.
    unsafe { place.write_unaligned(stat) };
    Ok(0)
}

/// # Safety
///
/// The pointer is that of a call.
unsafe fn write_statx(place: *mut libc::statx, facts: &Facts) -> Result<usize, Errno> {
    if place.is_null() {
        return Err(libc::EFAULT);
    }
    // SAFETY: numbers, of which zero is one.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    stat.stx_mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID;
    stat.stx_blksize = 4096;
    stat.stx_nlink = facts.links;
    (stat.stx_uid, stat.stx_gid) = owner();
    stat.stx_mode = facts.mode as u16;
    stat.stx_ino = facts.ino;
    stat.stx_size = facts.len;
    stat.stx_blocks = facts.pages * 8;
    let time = |time: i128, to: &mut libc::statx_timestamp| {
        to.tv_sec = time.div_euclid(NS) as i64;
        to.tv_nsec = time.rem_euclid(NS) as u32;
    };
    time(facts.attr.accessed, &mut stat.stx_atime);
    time(facts.attr.modified, &mut stat.stx_mtime);
    time(facts.attr.changed, &mut stat.stx_ctime);
    time(facts.born, &mut stat.stx_btime);
    stat.stx_dev_major = (facts.device >> 8) as u32;
    stat.stx_dev_minor = (facts.device & 0xff) as u32;
    stat.stx_mnt_id = facts.device;
    // SAFETY: as the caller promises.
    unsafe { place.write_unaligned(stat) };
    Ok(0)
}

// --- others that ask

/// # Safety
///
/// The arguments are those of the call.
unsafe fn access(me: &Me, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    let flags = match number {
        libc::SYS_faccessat2 => args[3] as c_int,
        _ => 0,
    };
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    // SAFETY: as the caller promises.
    unsafe {
        by_path(me, number, args, At::Dir(0), |kernel, life, at, path| {
            kernel
                .tree(life)?
                .access(at, path, args[2] as u32, follow)?;
            Ok(0)
        })
    }
}

/// # Safety
///
/// The arguments are those of the call.
unsafe fn space(me: &Me, number: c_long, args: [usize; 6]) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    unsafe {
        by_path(me, number, args, At::Path(0), |kernel, life, at, path| {
            match kernel.tree(life)?.stat(life.host, at, path, true) {
                // What is really there is on the disk too, as far as a program is told.
                Ok(_) => {}
                Err(Stop::Real(path)) if !path.starts_with("/proc") => {}
                Err(stop) => return Err(stop),
            }
            let space = kernel.disk_space(life);
            Ok(write_statfs(args[1] as *mut _, space)?)
        })
    }
}

/// # Safety
///
/// The pointer is that of a call.
unsafe fn write_statfs(place: *mut libc::statfs, space: Space) -> Result<usize, Errno> {
    if place.is_null() {
        return Err(libc::EFAULT);
    }
    // SAFETY: numbers, of which zero is one.
    let mut statfs: libc::statfs = unsafe { std::mem::zeroed() };
    statfs.f_type = libc::EXT4_SUPER_MAGIC;
    statfs.f_bsize = 4096;
    statfs.f_frsize = 4096;
    statfs.f_blocks = space.all;
    statfs.f_bfree = space.free;
    statfs.f_bavail = space.free;
    statfs.f_files = 1 << 20;
    statfs.f_ffree = 1 << 20;
    statfs.f_namelen = 255;
    // SAFETY: as the caller promises.
    unsafe { place.write_unaligned(statfs) };
    Ok(0)
}

// --- what changes it

/// # Safety
///
/// The arguments are those of the call.
unsafe fn change(me: &Me, number: c_long, args: [usize; 6]) -> Option<Result<usize, Errno>> {
    // SAFETY: as the caller promises.
    unsafe {
        Some(match number {
            libc::SYS_fchmodat | SYS_FCHMODAT2 => {
                let flags = if number == SYS_FCHMODAT2 {
                    args[3] as c_int
                } else {
                    0
                };
                let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
                let mode = args[2] as u32 & 0o7777;
                set(me, number, args, follow, move |attr| attr.mode = mode)
            }
            // Everything belongs to whoever runs the program.
            libc::SYS_fchownat => {
                let follow = args[4] as c_int & libc::AT_SYMLINK_NOFOLLOW == 0;
                set(me, number, args, follow, |_| {})
            }
            libc::SYS_utimensat if args[1] == 0 => {
                let (me, file) = simulated(args[0] as c_int)?;
                let times = match times_at(args[2]) {
                    Ok(times) => times,
                    Err(number) => return Some(Err(number)),
                };
                on_file(me, file, false, |kernel| {
                    kernel.disk_set_attr(file, |attr| set_times(attr, times))?;
                    Ok(0)
                })
            }
            libc::SYS_utimensat => {
                let follow = args[3] as c_int & libc::AT_SYMLINK_NOFOLLOW == 0;
                let times = match times_at(args[2]) {
                    Ok(times) => times,
                    Err(number) => return Some(Err(number)),
                };
                set(me, number, args, follow, move |attr| set_times(attr, times))
            }
            libc::SYS_truncate => {
                let Ok(len) = u64::try_from(args[1] as i64) else {
                    return Some(Err(libc::EINVAL));
                };
                by_path(me, number, args, At::Path(0), |kernel, life, at, path| {
                    kernel.tree(life)?.truncate(at, path, len)?;
                    Ok(0)
                })
            }
            libc::SYS_fchmod => {
                let (me, file) = simulated(args[0] as c_int)?;
                let mode = args[1] as u32 & 0o7777;
                on_file(me, file, false, |kernel| {
                    kernel.disk_set_attr(file, |attr| attr.mode = mode)?;
                    Ok(0)
                })
            }
            libc::SYS_fchown => {
                let (me, file) = simulated(args[0] as c_int)?;
                on_file(me, file, false, |kernel| {
                    kernel.disk_set_attr(file, |_| {})?;
                    Ok(0)
                })
            }
            _ => return None,
        })
    }
}

/// Not in every version of `libc`.
pub(super) const SYS_FCHMODAT2: c_long = 452;

/// # Safety
///
/// The arguments are those of the call.
unsafe fn set(
    me: &Me,
    number: c_long,
    args: [usize; 6],
    follow: bool,
    change: impl FnOnce(&mut Attr),
) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    unsafe {
        by_path(me, number, args, At::Dir(0), |kernel, life, at, path| {
            kernel.tree(life)?.set_attr(at, path, follow, change)?;
            Ok(0)
        })
    }
}

/// What utimensat(2) sets a time to.
#[derive(Clone, Copy)]
enum Time {
    Now,
    Omit,
    At(i128),
}

/// # Safety
///
/// There are two times, if the pointer is not null.
unsafe fn times_at(place: usize) -> Result<[Time; 2], Errno> {
    if place == 0 {
        return Ok([Time::Now; 2]);
    }
    // SAFETY: as the caller promises.
    let raw = unsafe { bytes(place as *const u8, size_of::<[libc::timespec; 2]>()) }?;
    // SAFETY: so many bytes are there, of two times.
    let [first, second] = unsafe { raw.as_ptr().cast::<[libc::timespec; 2]>().read_unaligned() };
    let time = |time: libc::timespec| match time.tv_nsec {
        libc::UTIME_NOW => Ok(Time::Now),
        libc::UTIME_OMIT => Ok(Time::Omit),
        ns if (0..NS as i64).contains(&ns) => {
            Ok(Time::At(i128::from(time.tv_sec) * NS + i128::from(ns)))
        }
        _ => Err(libc::EINVAL),
    };
    Ok([time(first)?, time(second)?])
}

fn set_times(attr: &mut Attr, [accessed, modified]: [Time; 2]) {
    let now = attr.changed;
    let new = |time: Time, old: i128| match time {
        Time::Now => now,
        Time::Omit => old,
        Time::At(time) => time,
    };
    attr.accessed = new(accessed, attr.accessed);
    attr.modified = new(modified, attr.modified);
}
