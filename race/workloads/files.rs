//! Files that are in the page cache, through the Tokio API, one operation at a time.
#![forbid(unsafe_code)]

use super::job::Job;
use super::runtime::run;
use std::path::Path;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// Reads the same 4 KiB from the page cache over and over, through the Tokio API.
pub fn hot_read(job: &Job) {
    let (ops, path) = (job.ops, job.file("hot"));
    run(job, async move {
        let mut file = tokio::fs::File::open(path)
            .await
            .expect("the file is there");
        let mut buffer = vec![0; 4096];
        for _ in 0..ops {
            file.rewind().await.expect("a file can be rewound");
            file.read_exact(&mut buffer).await.expect("4 KiB are there");
            assert_eq!(buffer[4095], 0xA5);
        }
    });
}

/// Opens, reads and closes a small file.
pub fn small_file(job: &Job) {
    let (ops, path) = (job.ops, job.file("small"));
    run(job, async move {
        for _ in 0..ops {
            let bytes = tokio::fs::read(&path).await.expect("the file is there");
            assert_eq!(bytes.len(), 1024);
        }
    });
}

/// Reads a file that is far larger than what is copied at once.
pub fn large_file(job: &Job) {
    let (ops, path) = (job.ops, job.file("large"));
    run(job, async move {
        for _ in 0..ops {
            let bytes = tokio::fs::read(&path).await.expect("the file is there");
            assert_eq!(bytes.len(), 4 << 20);
        }
    });
}

pub fn metadata(job: &Job) {
    let (ops, path) = (job.ops, job.file("small"));
    run(job, async move {
        for _ in 0..ops {
            let metadata = tokio::fs::metadata(&path).await.expect("the file is there");
            assert_eq!(metadata.len(), 1024);
        }
    });
}

pub fn open_drop(job: &Job) {
    let (ops, path) = (job.ops, job.file("small"));
    run(job, async move {
        for _ in 0..ops {
            drop(
                tokio::fs::File::open(&path)
                    .await
                    .expect("the file is there"),
            );
        }
    });
}

/// Opens with `O_CREAT|O_TRUNC` a file that exists from the second time on.
pub fn create_drop(job: &Job) {
    let (ops, path) = (job.ops, job.file("scratch"));
    run(job, async move {
        for _ in 0..ops {
            drop(
                tokio::fs::File::create(&path)
                    .await
                    .expect("it can be created"),
            );
        }
    });
}

/// There and back again.
pub fn rename(job: &Job) {
    let (ops, here) = (job.ops, job.file("scratch"));
    let there = here.with_extension("there");
    run(job, async move {
        tokio::fs::write(&here, b"x")
            .await
            .expect("it can be written");
        for _ in 0..ops / 2 {
            tokio::fs::rename(&here, &there).await.expect("it is here");
            tokio::fs::rename(&there, &here).await.expect("it is there");
        }
    });
}

/// Replaces the contents of a small file.
pub fn write_small(job: &Job) {
    let (ops, path) = (job.ops, job.file("scratch"));
    run(job, async move {
        for _ in 0..ops {
            tokio::fs::write(&path, [0x5A; 1024])
                .await
                .expect("it can be written");
        }
    });
}

/// Creates a file and writes 256 KiB to it, piece by piece.
pub fn write_many(job: &Job) {
    let (ops, path) = (job.ops, job.file("scratch"));
    run(job, async move {
        for _ in 0..ops {
            let mut file = tokio::fs::File::create(&path)
                .await
                .expect("it can be created");
            for _ in 0..64 {
                file.write_all(&[0x5A; 4096]).await.expect("there is space");
            }
            file.flush().await.expect("there is space");
        }
        let written = tokio::fs::metadata(&path).await.expect("it was created");
        assert_eq!(written.len(), 64 * 4096);
    });
}

/// Appends blocks of 4 KiB to one file, which is synced once at the end.
pub fn append(job: &Job) {
    let (ops, path) = (job.ops, job.file("scratch"));
    run(job, async move {
        let _ = tokio::fs::remove_file(&path).await;
        let mut file = append_to(&path).await;
        for _ in 0..ops {
            file.write_all(&[0x5A; 4096]).await.expect("there is space");
        }
        file.flush().await.expect("there is space");
        file.sync_all().await.expect("the disk takes it");
        assert_eq!(length(&path).await, ops * 4096);
    });
}

/// Appends blocks of 4 KiB to one file, each of which is on the disk before the next.
pub fn append_synced(job: &Job) {
    let (ops, path) = (job.ops, job.file("scratch"));
    run(job, async move {
        let _ = tokio::fs::remove_file(&path).await;
        let mut file = append_to(&path).await;
        for _ in 0..ops {
            file.write_all(&[0x5A; 4096]).await.expect("there is space");
            file.flush().await.expect("there is space");
            file.sync_data().await.expect("the disk takes it");
        }
        assert_eq!(length(&path).await, ops * 4096);
    });
}

async fn append_to(path: &Path) -> File {
    let mut options = tokio::fs::OpenOptions::new();
    let file = options.append(true).create(true).open(path).await;
    file.expect("it can be created")
}

async fn length(path: &Path) -> u64 {
    let metadata = tokio::fs::metadata(path).await;
    metadata.expect("it was created").len()
}

/// `io::copy` from file to file, of which both stay open.
pub fn copy_file(job: &Job) {
    let (ops, from, to) = (job.ops, job.file("large"), job.file("scratch"));
    run(job, async move {
        let mut from = File::open(&from).await.expect("it is there");
        let mut to = File::create(&to).await.expect("it can be created");
        for _ in 0..ops {
            from.rewind().await.expect("a file can be rewound");
            to.rewind().await.expect("a file can be rewound");
            let copied = tokio::io::copy(&mut from, &mut to).await;
            assert_eq!(copied.expect("there is space"), 4 << 20);
            to.flush().await.expect("there is space");
        }
    });
    assert_same(&job.file("large"), &job.file("scratch"));
}

pub fn fs_copy(job: &Job) {
    let (ops, from, to) = (job.ops, job.file("pages"), job.file("scratch"));
    run(job, async move {
        for _ in 0..ops {
            tokio::fs::copy(&from, &to).await.expect("there is space");
        }
    });
    assert_same(&job.file("pages"), &job.file("scratch"));
}

fn assert_same(one: &Path, other: &Path) {
    let read = |path| std::fs::read(path).expect("it is there");
    assert!(read(one) == read(other), "the copy is another file");
}
