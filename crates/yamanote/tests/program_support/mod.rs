//! A program that uses the whole runtime: a device past the cache, sockets, a file and the clock.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::tcp_support::{assert_numbered, numbered, pair};
use yamanote::buf::IoBuf;
use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote::runtime::{Builder, DriverChoice, Runtime};
use yamanote::time::{sleep, timeout};

pub const PAGE: usize = 4096;
const PAGES: usize = 16;

pub fn runtime(choice: DriverChoice, workers: usize) -> std::io::Result<Runtime> {
    let mut builder = match workers {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder.enable_all().driver(choice).build()
}

/// One page of direct I/O at a time, some of it dropped in the middle.
pub async fn use_the_device(directory: std::path::PathBuf) {
    let path = directory.join("direct");
    fs::write(&path, numbered(0..PAGES * PAGE)).await.unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(libc::O_DIRECT);
    let file = Arc::new(options.open(&path).await.unwrap());
    file.sync_all().await.unwrap();
    let readers: Vec<_> = (0..4)
        .map(|reader| {
            let file = file.clone();
            yamanote::spawn(async move {
                for round in 0..6 {
                    let page = (reader * 5 + round * 3) % PAGES;
                    let aligned = || {
                        let bytes = vec![0; 2 * PAGE];
                        let start = bytes.as_ptr().align_offset(PAGE);
                        bytes.slice(start..start + PAGE)
                    };
                    yamanote::select! {
                        biased;
                        _ = file.read_at(aligned(), 0) => {}
                        () = std::future::ready(()) => {}
                    }
                    let (n, bytes) = file.read_at(aligned(), (page * PAGE) as u64).await;
                    assert_eq!(n.unwrap(), PAGE);
                    assert_numbered(page * PAGE, &bytes);
                    file.sync_data().await.unwrap();
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
}

pub async fn use_sockets() {
    let (mut client, server) = pair().await;
    let echo = yamanote::spawn(async move {
        let (mut read, mut write) = server.into_split();
        yamanote::io::copy(&mut read, &mut write).await.unwrap();
    });
    for round in 0..40 {
        let message = numbered(round * 500..(round + 1) * 500);
        client.write_all(&message).await.unwrap();
        let mut answer = vec![0; 500];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, message);
        if round % 10 == 0 {
            let start = Instant::now();
            sleep(Duration::from_millis(2)).await;
            assert!(start.elapsed() >= Duration::from_millis(2));
        }
    }
    client.shutdown().await.unwrap();
    echo.await.unwrap();
}

/// Everything through the cursor.
pub async fn use_a_file(directory: std::path::PathBuf) {
    let path = directory.join("plain");
    let bytes = numbered(0..200_000);
    for _ in 0..3 {
        let mut file = File::create(&path).await.unwrap();
        for part in bytes.chunks(30_000) {
            file.write_all(part).await.unwrap();
        }
        file.flush().await.unwrap();
        drop(file);
        let mut file = File::open(&path).await.unwrap();
        let mut start = vec![0; 100_000];
        file.read_exact(&mut start).await.unwrap();
        assert_eq!(start, bytes[..100_000]);
        file.seek(std::io::SeekFrom::Start(50_000)).await.unwrap();
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, bytes[50_000..]);
        assert_eq!(fs::read(&path).await.unwrap(), bytes);
    }
}

/// The program, which takes about fifty milliseconds when nothing fails.
pub fn run_everything(runtime: Runtime, directory: &std::path::Path) {
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let limit = Duration::from_secs(60);
        let parts = [
            yamanote::spawn(use_the_device(directory.to_owned())),
            yamanote::spawn(use_sockets()),
            yamanote::spawn(use_a_file(directory.to_owned())),
        ];
        for part in parts {
            timeout(limit, part)
                .await
                .expect("something was lost")
                .unwrap();
        }
    });
    drop(runtime);
    let metrics = handle.metrics();
    assert_eq!((metrics.live_ops(), metrics.leaked_ops()), (0, 0));
}
