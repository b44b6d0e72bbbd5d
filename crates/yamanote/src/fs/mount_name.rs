//! What people call a mounted file system: its kind and its place.
#![forbid(unsafe_code)]

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::simulation;

/// The mount that `fd` is on, such as `ext4 /data`. `None` where `/proc` does not tell, or does not
/// see it. It may wait.
pub(super) fn mount_name(fd: BorrowedFd<'_>) -> Option<String> {
    // The files of a simulation are on no mount of this system.
    if simulation::is_inside() {
        return None;
    }
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    let number = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    find(&mounts, number.trim())
}

/// proc_pid_mountinfo(5): number, parent, device, root, place, options, fields, "-", kind.
fn find(mounts: &str, number: &str) -> Option<String> {
    let mut lines = mounts.lines().filter_map(|line| line.split_once(" - "));
    let (mount, kind) = lines.find(|(mount, _)| mount.split(' ').next() == Some(number))?;
    let (place, kind) = (mount.split(' ').nth(4)?, kind.split(' ').next()?);
    Some(format!("{kind} {}", unescaped(place)))
}

/// Blanks, tabs, line ends and backslashes stand there as octal numbers.
fn unescaped(place: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    (escapes.iter()).fold(place.to_owned(), |place, (code, it)| {
        place.replace(code, it)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_mount_is_found_by_its_number() {
        let mounts = "\
            22 1 0:21 / / rw - overlay overlay rw\n\
            122 22 8:1 / /var/my\\040data rw shared:1 master:2 - ext4 /dev/sda rw\n";
        assert_eq!(find(mounts, "22").unwrap(), "overlay /");
        assert_eq!(find(mounts, "122").unwrap(), "ext4 /var/my data");
        assert_eq!(find(mounts, "2"), None);
    }

    #[test]
    fn the_real_ones_have_names() {
        let file = fs::File::open("/proc/self/stat").unwrap();
        assert_eq!(mount_name(file.as_fd()).unwrap(), "proc /proc");
    }
}
