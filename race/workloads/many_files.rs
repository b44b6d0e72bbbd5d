//! Files with several operations under way: random reads, and small files.
#![forbid(unsafe_code)]

use super::job::Job;
use super::runtime::run;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Of the file `pages`, each page of which has its own number at its start and its end.
const PAGES: u64 = 16 * 1024;
const PAGE: usize = 4096;

/// Reads pages in no order, `in_flight` at once, each page once if there are enough.
pub fn random_read(job: &Job) {
    let (ops, path, in_flight, is_direct) =
        (job.ops, job.file("pages"), job.in_flight, job.is_direct);
    run(job, async move {
        let next = Arc::new(AtomicU64::new(0));
        let tasks: Vec<_> = (0..in_flight)
            .map(|_| {
                let (next, path) = (next.clone(), path.clone());
                tokio::spawn(read_pages(path, is_direct, ops, next))
            })
            .collect();
        let mut read = 0;
        for task in tasks {
            read += task.await.expect("no panic");
        }
        assert_eq!(read, ops);
    });
}

async fn read_pages(path: PathBuf, is_direct: bool, ops: u64, next: Arc<AtomicU64>) -> u64 {
    let mut options = tokio::fs::OpenOptions::new();
    if is_direct {
        options.custom_flags(nix::libc::O_DIRECT);
    }
    let file = options.read(true).open(path).await;
    let mut file = file.expect("the file system takes the flags");
    let mut buffer = vec![0; PAGE];
    let mut read = 0;
    // Relaxed: the counter orders nothing else.
    loop {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        if turn >= ops {
            return read;
        }
        // An odd factor: every page comes once before one comes twice.
        let page = turn.wrapping_mul(2_654_435_761) % PAGES;
        let place = std::io::SeekFrom::Start(page * PAGE as u64);
        file.seek(place).await.expect("a file has places");
        file.read_exact(&mut buffer).await.expect("a page is there");
        assert_eq!(buffer[..8], page.to_le_bytes());
        assert_eq!(buffer[PAGE - 8..], page.to_le_bytes());
        read += 1;
    }
}

pub fn small_read(job: &Job) {
    let path = job.file("small");
    each(job, move |_| {
        let path = path.clone();
        async move {
            let bytes = tokio::fs::read(&path).await.expect("the file is there");
            assert_eq!(bytes, [0x5A; 1024]);
        }
    });
}

pub fn small_write(job: &Job) {
    let path = job.file("scratch");
    each(job, move |task| {
        let path = path.with_extension(task.to_string());
        async move {
            let written = tokio::fs::write(&path, [0x5A; 1024]).await;
            written.expect("there is space");
        }
    });
    for task in 0..job.in_flight {
        let path = job.file("scratch").with_extension(task.to_string());
        assert_eq!(std::fs::read(path).expect("it was written"), [0x5A; 1024]);
    }
}

pub fn small_copy(job: &Job) {
    let (from, to) = (job.file("small"), job.file("scratch"));
    each(job, move |task| {
        let (from, to) = (from.clone(), to.with_extension(task.to_string()));
        async move {
            let copied = tokio::fs::copy(&from, &to).await;
            assert_eq!(copied.expect("there is space"), 1024);
        }
    });
    for task in 0..job.in_flight {
        let path = job.file("scratch").with_extension(task.to_string());
        assert_eq!(std::fs::read(path).expect("it was copied"), [0x5A; 1024]);
    }
}

/// `in_flight` tasks that do what `work` makes, again and again.
fn each<F>(job: &Job, work: impl Fn(usize) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (in_flight, rounds) = (job.in_flight, job.ops / job.in_flight as u64);
    run(job, async move {
        let tasks: Vec<_> = (0..in_flight)
            .map(|task| {
                let work = work.clone();
                tokio::spawn(async move {
                    for _ in 0..rounds {
                        work(task).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
}
