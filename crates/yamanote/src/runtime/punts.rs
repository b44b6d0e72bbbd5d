//! What files have had threads of the pool do, by mount, and why.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Mutex;

use crate::util::poison::unpoisoned;

/// What a file, a directory or a name is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FileOperation {
    /// To open a file.
    Open,
    /// To read, also a whole file by its name.
    Read,
    /// To write, also a whole file by its name, and to change its length.
    Write,
    /// To bring a file to the disk.
    Sync,
    /// To move the cursor.
    Seek,
    /// To copy, from or to a file.
    Copy,
    /// To say what something is, or to follow a name.
    Look,
    /// To read a directory.
    List,
    /// To create, rename or remove, and to set permissions.
    Change,
}

impl FileOperation {
    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            FileOperation::Open => "open",
            FileOperation::Read => "read",
            FileOperation::Write => "write",
            FileOperation::Sync => "sync",
            FileOperation::Seek => "seek",
            FileOperation::Copy => "copy",
            FileOperation::Look => "look",
            FileOperation::List => "list",
            FileOperation::Change => "change",
        }
    }
}

impl fmt::Display for FileOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a thread of the pool had to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PoolReason {
    /// Operations of this kind are never done inline on such a file system.
    Never,
    /// The file system asks a server or a daemon, or is not one that is known to be local.
    Foreign,
    /// Calls of this kind are still to be tried out there, or have waited lately, or are denied.
    Untrusted,
    /// This one would have waited, or might: what it needs is not cached, it is large, or a file is
    /// a special one.
    MayWait,
    /// The runtime does no file operations inline.
    Off,
}

impl PoolReason {
    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            PoolReason::Never => "never",
            PoolReason::Foreign => "foreign",
            PoolReason::Untrusted => "untrusted",
            PoolReason::MayWait => "may_wait",
            PoolReason::Off => "off",
        }
    }
}

impl fmt::Display for PoolReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Jobs of one kind that files gave to the blocking pool.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PoolJobs {
    /// The file system and where it is mounted, such as `ext4 /data`. `unknown` if that could not
    /// be found out. Beyond 32 mounts, `others`.
    pub mount: String,
    /// What was to be done.
    pub operation: FileOperation,
    /// Why not inline.
    pub reason: PoolReason,
    /// Count: the jobs.
    pub count: u64,
}

/// The name of a mount that could not be found out.
pub(crate) const UNKNOWN: &str = "unknown";

/// Mounts that are told apart.
const MOST_MOUNTS: usize = 32;

/// The jobs of one runtime. A row is found by comparing: there are a few.
#[derive(Default)]
pub(crate) struct Punts(Mutex<Vec<PoolJobs>>);

impl Punts {
    /// On the thread that does it.
    pub(crate) fn note(&self, mount: &str, operation: FileOperation, reason: PoolReason) {
        let mut rows = unpoisoned(self.0.lock());
        if count_in(&mut rows, mount, operation, reason) {
            return;
        }
        let is_there = rows.iter().any(|row| row.mount == mount);
        let mount = match is_there || distinct(&rows) < MOST_MOUNTS {
            true => mount,
            false => "others",
        };
        if !count_in(&mut rows, mount, operation, reason) {
            rows.push(PoolJobs {
                mount: mount.to_owned(),
                operation,
                reason,
                count: 1,
            });
        }
    }

    /// Sorted by mount, operation and reason.
    pub(super) fn all(&self) -> Vec<PoolJobs> {
        let mut all = unpoisoned(self.0.lock()).clone();
        all.sort_by(|a, b| {
            let key = |it: &PoolJobs| (it.operation, it.reason);
            a.mount.cmp(&b.mount).then_with(|| key(a).cmp(&key(b)))
        });
        all
    }
}

/// False if there is no such row.
fn count_in(
    rows: &mut [PoolJobs],
    mount: &str,
    operation: FileOperation,
    reason: PoolReason,
) -> bool {
    let is_it = |row: &&mut PoolJobs| {
        (row.operation, row.reason) == (operation, reason) && row.mount == mount
    };
    match rows.iter_mut().find(is_it) {
        Some(row) => {
            row.count += 1;
            true
        }
        None => false,
    }
}

fn distinct(rows: &[PoolJobs]) -> usize {
    let mut mounts: Vec<&str> = rows.iter().map(|row| &*row.mount).collect();
    mounts.sort_unstable();
    mounts.dedup();
    mounts.len()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_labels_than_promised() {
        let punts = Punts::default();
        for round in 0..2 {
            for mount in 0..MOST_MOUNTS + 8 {
                let mount = format!("ext4 /{mount}");
                punts.note(&mount, FileOperation::Sync, PoolReason::Never);
                punts.note(&mount, FileOperation::Read, PoolReason::MayWait);
            }
            let all = punts.all();
            assert_eq!(all.len(), 2 * (MOST_MOUNTS + 1));
            let others: Vec<_> = all.iter().filter(|it| it.mount == "others").collect();
            let counts: Vec<_> = others.iter().map(|it| (it.operation, it.count)).collect();
            let expected = 8 * (round + 1);
            assert_eq!(
                counts,
                [
                    (FileOperation::Read, expected),
                    (FileOperation::Sync, expected)
                ]
            );
            assert!(
                all.iter()
                    .all(|it| it.mount == "others" || it.count == round + 1)
            );
        }
    }
}
