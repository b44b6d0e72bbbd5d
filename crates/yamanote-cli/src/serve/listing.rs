//! What a directory contains, with sizes and dates.
#![forbid(unsafe_code)]

use super::root::Root;
use rustix::fs::{AtFlags, FileType, RawDir, StatxFlags, statx};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;

/// One line of a listing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Directories come first.
    pub is_file: bool,
    pub name: OsString,
    /// In bytes; a directory has none, and neither has a link that leads nowhere.
    pub size: Option<u64>,
    /// Seconds since 1970.
    pub modified: Option<i64>,
}

/// Reads `directory`, which `url_path` names in `root`. Blocks, and uses another descriptor for a
/// moment.
pub fn read(root: &Root, url_path: &str, directory: &File) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut reader = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(found) = reader.next() {
        let found = found?;
        let name = found.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let name = OsStr::from_bytes(name.to_bytes());
        match found.file_type() {
            // Its target counts, if the root lets it lead there.
            FileType::Symlink => entries.push(linked(root, url_path, name)),
            // An entry that has just been removed is left out.
            _ => entries.extend(direct(directory, name)),
        }
    }
    entries.sort();
    Ok(entries)
}

fn direct(directory: &File, name: &OsStr) -> Option<Entry> {
    let wanted = StatxFlags::TYPE | StatxFlags::SIZE | StatxFlags::MTIME;
    let found = statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()?;
    let kind = FileType::from_raw_mode(found.stx_mode.into());
    Some(Entry {
        is_file: kind != FileType::Directory,
        name: name.to_owned(),
        size: (kind == FileType::RegularFile).then_some(found.stx_size),
        modified: Some(found.stx_mtime.tv_sec),
    })
}

fn linked(root: &Root, url_path: &str, name: &OsStr) -> Entry {
    let target: Option<Metadata> = root.metadata(url_path, name).ok();
    Entry {
        is_file: !target.as_ref().is_some_and(Metadata::is_dir),
        name: OsString::from_vec(name.as_bytes().to_vec()),
        size: target
            .as_ref()
            .filter(|target| target.is_file())
            .map(Metadata::len),
        modified: target.as_ref().map(MetadataExt::mtime),
    }
}
