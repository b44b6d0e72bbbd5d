//! Files with several operations under way: random reads, and small files.
#![forbid(unsafe_code)]

use super::job::Job;
use super::runtime::run;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Of the file `pages`, each page of which has its own number at its start and its end.
const PAGES: u64 = 16 * 1024;
const PAGE: usize = 4096;

/// Reads pages in no order, `in_flight` at once, each page once if there are enough.
pub fn random_read(job: &Job) {
    let path = job.file("pages");
    share(job, move |turns| read_pages(path.clone(), turns));
}

/// The same past the page cache. What Tokio's file reads into is aligned to nothing, so its users
/// do this on the pool.
pub fn direct_read(job: &Job) {
    let path = job.file("pages");
    share(job, move |turns| read_pages_directly(path.clone(), turns));
}

/// The operations that several tasks share.
#[derive(Clone)]
struct Turns {
    next: Arc<AtomicU64>,
    ops: u64,
}

impl Turns {
    /// The page to read next.
    fn next(&self) -> Option<u64> {
        // Relaxed: it counts, and orders nothing else.
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        // An odd factor: every page comes once before one comes twice.
        (turn < self.ops).then_some(turn.wrapping_mul(2_654_435_761) % PAGES)
    }
}

/// As many tasks of `work` as are to be under way at once, each of which says how much it did.
fn share<F>(job: &Job, work: impl Fn(Turns) -> F + Send + 'static)
where
    F: Future<Output = u64> + Send + 'static,
{
    let (ops, in_flight) = (job.ops, job.in_flight);
    let turns = Turns {
        next: Arc::new(AtomicU64::new(0)),
        ops,
    };
    run(job, async move {
        let tasks: Vec<_> = (0..in_flight)
            .map(|_| tokio::spawn(work(turns.clone())))
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.expect("no panic");
        }
        assert_eq!(done, ops);
    });
}

async fn read_pages(path: PathBuf, turns: Turns) -> u64 {
    let mut file = File::open(path).await.expect("the file is there");
    let mut buffer = vec![0; PAGE];
    let mut read = 0;
    while let Some(page) = turns.next() {
        let place = std::io::SeekFrom::Start(page * PAGE as u64);
        file.seek(place).await.expect("a file has places");
        file.read_exact(&mut buffer).await.expect("a page is there");
        check(page, &buffer);
        read += 1;
    }
    read
}

async fn read_pages_directly(path: PathBuf, turns: Turns) -> u64 {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(nix::libc::O_DIRECT);
    let file = Arc::new(options.open(path).expect("the file system knows O_DIRECT"));
    // Somewhere in it is an aligned page.
    let mut buffer = vec![0; 2 * PAGE];
    let mut read = 0;
    while let Some(page) = turns.next() {
        let file = file.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let start = buffer.as_ptr().align_offset(PAGE);
            let aligned = &mut buffer[start..start + PAGE];
            let done = file.read_exact_at(aligned, page * PAGE as u64);
            done.expect("a page is there");
            check(page, aligned);
            buffer
        });
        buffer = reading.await.expect("no panic");
        read += 1;
    }
    read
}

fn check(page: u64, bytes: &[u8]) {
    assert_eq!(bytes[..8], page.to_le_bytes());
    assert_eq!(bytes[PAGE - 8..], page.to_le_bytes());
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
