//! Files used in no runtime, in one that has ended, and in one without drivers.

use std::io::SeekFrom;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use yamanote::fs::File;
use yamanote::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, ReadBuf};
use yamanote_test::TempDir;

fn read_write(path: &Path) -> std::fs::File {
    let mut options = std::fs::File::options();
    options.read(true).write(true).create(true);
    options.open(path).unwrap()
}

#[test]
#[should_panic(
    expected = "there is no reactor running, must be called from the context of a Tokio 1.x runtime"
)]
fn outside_a_runtime_a_read_panics() {
    let dir = TempDir::new();
    let path = dir.path().join("outside");
    std::fs::write(&path, b"hello").unwrap();
    let mut file = File::from_std(std::fs::File::open(&path).unwrap());
    let mut buf = [0; 8];
    let mut buf = ReadBuf::new(&mut buf);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = Pin::new(&mut file).poll_read(&mut cx, &mut buf);
}

#[test]
fn after_shutdown_everything_fails_and_nothing_panics() {
    let dir = TempDir::new();
    let path = dir.path().join("late");
    std::fs::write(&path, b"hello").unwrap();
    for driver in ["uring", "epoll"] {
        let Ok(driver) = driver.parse() else {
            unreachable!()
        };
        let Ok(runtime) = yamanote::runtime::Builder::new_multi_thread()
            .enable_all()
            .driver(driver)
            .build()
        else {
            continue;
        };
        let handle = runtime.handle().clone();
        let file = runtime.block_on(File::open(&path)).unwrap();
        runtime.shutdown_timeout(Duration::from_secs(1));
        let _context = handle.enter();
        let mut file = file;
        let outcome = futures::executor::block_on(async {
            let mut errors = Vec::new();
            let mut buf = [0; 4];
            errors.push(file.read(&mut buf).await.err());
            errors.push(file.seek(SeekFrom::Start(0)).await.err());
            errors.push(file.write(b"x").await.err());
            errors.push(file.set_len(1).await.err());
            errors.push(file.sync_all().await.err());
            errors.push(file.read_at(vec![0; 4], 0).await.0.err());
            errors.push(file.write_at(vec![0; 4], 0).await.0.err());
            errors.push(File::open(&path).await.err());
            errors.push(yamanote::fs::read(&path).await.err());
            errors.push(yamanote::fs::metadata(&path).await.err());
            errors.push(yamanote::fs::remove_file(&path).await.err());
            errors.push(yamanote::fs::read_dir(dir.path()).await.err());
            errors
        });
        for (i, error) in outcome.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("operation {i} succeeded"));
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::Other,
                "operation {i}: {error}"
            );
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    }
}

#[test]
fn a_runtime_without_drivers_does_files() {
    let dir = TempDir::new();
    let path = dir.path().join("bare");
    let runtime = yamanote::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        yamanote::fs::write(&path, b"hello").await.unwrap();
        assert_eq!(yamanote::fs::read(&path).await.unwrap(), b"hello");
        let file = File::from_std(read_write(&path));
        let (n, _) = file.write_at(b"J".to_vec(), 0).await;
        assert_eq!(n.unwrap(), 1);
    });
    let mut byte = [0];
    std::fs::File::open(&path)
        .unwrap()
        .read_at(&mut byte, 0)
        .map(drop)
        .unwrap();
    assert_eq!(&byte, b"J");
}
