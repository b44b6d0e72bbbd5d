//! What is mounted where.
#![forbid(unsafe_code)]

use std::path::Path;

/// The file system of the mount with the longest path above `directory`.
pub fn file_system(directory: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    file_system_of(&mounts, directory)
}

fn file_system_of(mounts: &str, directory: &Path) -> Option<String> {
    let above = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        // proc(5): characters that would end the field are escaped in octal.
        let place = place.split(' ').nth(4)?.replace("\\040", " ");
        let is_above = directory.starts_with(&place);
        is_above.then(|| (place.len(), kind.split(' ').next().unwrap_or_default()))
    });
    // Of several mounts at one place the last one is seen.
    above
        .max_by_key(|&(len, _)| len)
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts_and_of_two_the_last() {
        let mounts = "\
            22 1 0:21 / / rw - overlay overlay rw\n\
            23 22 8:1 / /var/my\\040data rw shared:1 - ext4 /dev/sda rw\n\
            24 22 0:5 / /tmp rw - ext4 /dev/sda rw\n\
            25 24 0:6 / /tmp rw - tmpfs tmpfs rw\n";
        let kind = |path: &str| file_system_of(mounts, Path::new(path)).unwrap();
        assert_eq!(kind("/app"), "overlay");
        assert_eq!(kind("/var/my data/x"), "ext4");
        assert_eq!(kind("/var/my"), "overlay");
        assert_eq!(kind("/tmp/a"), "tmpfs");
    }
}
