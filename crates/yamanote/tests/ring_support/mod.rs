//! What the tests of rings share: a file of numbered pages on a disk, and work on it past the
//! cache.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use yamanote::buf::IoBuf;
use yamanote::fs::{File, OpenOptions};
use yamanote::runtime::Runtime;
use yamanote_test::{Capability, Driver, Setup, TempDir, builder, require};

pub const PAGE: usize = 4096;
pub const PAGES: usize = 64;

pub fn byte_of(page: usize) -> u8 {
    (page * 7 + 1) as u8
}

/// A file of [`PAGES`] pages, each full of its own byte, on a disk.
pub fn numbered_file(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("numbered");
    let bytes: Vec<u8> = (0..PAGES).flat_map(|page| [byte_of(page); PAGE]).collect();
    std::fs::write(&path, bytes).unwrap();
    std::fs::File::open(&path).unwrap().sync_all().unwrap();
    path
}

pub async fn open_direct(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_DIRECT);
    options.open(path).await.unwrap()
}

pub fn aligned() -> (Vec<u8>, usize) {
    let buf = vec![0; 2 * PAGE];
    let start = buf.as_ptr().align_offset(PAGE);
    (buf, start)
}

pub async fn read_page(file: &File, page: usize) {
    let (buf, start) = aligned();
    let offset = (page * PAGE) as u64;
    let (result, buf) = file.read_at(buf.slice(start..start + PAGE), offset).await;
    assert_eq!(result.unwrap(), PAGE, "page {page}");
    assert!(
        buf[..].iter().all(|byte| *byte == byte_of(page)),
        "page {page}"
    );
}

pub async fn write_page(file: &File, page: usize) {
    let (mut buf, start) = aligned();
    buf[start..start + PAGE].fill(byte_of(page));
    let offset = (page * PAGE) as u64;
    let (result, _) = file.write_at(buf.slice(start..start + PAGE), offset).await;
    assert_eq!(result.unwrap(), PAGE, "page {page}");
}

/// Reads, writes and syncs, `rounds` times.
pub async fn work(path: PathBuf, seed: usize, rounds: usize) {
    let file = open_direct(&path).await;
    for round in 0..rounds {
        let page = (seed + round * 5) % PAGES;
        read_page(&file, page).await;
        if round % 4 == 1 {
            write_page(&file, page).await;
        }
        if round % 8 == 3 {
            file.sync_data().await.unwrap();
        }
    }
}

pub fn assert_by_ring(setup: Setup, runtime: &Runtime, at_least: u64) {
    let submitted = runtime.metrics().ops_submitted();
    match setup.driver {
        Driver::Uring => assert!(submitted >= at_least, "{submitted} operations by the ring"),
        Driver::Epoll => assert_eq!(submitted, 0),
    }
}

pub fn current_thread() -> Option<Runtime> {
    if !(require(Capability::IoUring) && require(Capability::Ext4)) {
        return None;
    }
    let setup = Setup {
        driver: Driver::Uring,
        workers: None,
    };
    Some(builder!(setup).build().unwrap())
}
