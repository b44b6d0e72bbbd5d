//! Files for which there is no room: a full file system, a full device, a limit to their size or to
//! the number of descriptors.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{AsyncSeekExt, AsyncWriteExt};
use yamanote_test::{
    Capability, Driver, Setup, TempDir, builder, in_own_process, limit_file_size, require,
    see_mounts_alone,
};

const MIB: usize = 1 << 20;

fn every_setup() -> impl Iterator<Item = Setup> {
    [Driver::Uring, Driver::Epoll]
        .into_iter()
        .flat_map(|driver| [None, Some(2)].map(|workers| Setup { driver, workers }))
        .filter(|setup| setup.is_possible())
}

/// Fills a file in `directory` until the error is `errno`, in every way to write; each way returns
/// it once, keeps what had room, and leaves the handle usable.
async fn fill(directory: &Path, errno: i32) {
    let path = directory.join("filled");
    let is_full = |error: &std::io::Error| error.raw_os_error() == Some(errno);
    let block = vec![5; 64 * 1024];

    // Through the cursor: the error of an accepted write is returned by the next call.
    let mut file = File::create(&path).await.unwrap();
    let mut accepted = 0;
    let error = loop {
        match file.write(&block).await {
            Ok(n) => accepted += n,
            Err(error) => break error,
        }
        if let Err(error) = file.flush().await {
            break error;
        }
        assert!(accepted < 64 * MIB, "it is never full");
    };
    assert!(is_full(&error), "{error}");
    file.flush().await.unwrap();
    let len = file.metadata().await.unwrap().len() as usize;
    assert!(
        len <= accepted && len + 2 * block.len() >= accepted,
        "{len} of {accepted}"
    );
    file.rewind().await.unwrap();
    file.write_all(b"it goes on").await.unwrap();
    file.flush().await.unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"it goes on\x05"));
    file.sync_all().await.unwrap();
    drop(file);

    // At offsets, with the buffer back.
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .await
        .unwrap();
    let mut offset = 0;
    let mut buf = block.clone();
    let error = loop {
        let (result, back) = file.write_at(buf, offset as u64).await;
        assert_eq!(back, block);
        buf = back;
        match result {
            // Just before the end it may be less.
            Ok(n) => offset += n,
            Err(error) => break error,
        }
        assert!(offset < 64 * MIB, "it is never full");
    };
    assert!(is_full(&error), "{error}");
    assert_eq!(file.metadata().await.unwrap().len(), offset as u64);
    file.set_len(0).await.unwrap();
    let (result, _) = file.write_at(b"room again".to_vec(), 0).await;
    assert_eq!(result.unwrap(), 10);
    drop(file);

    // All at once.
    let error = fs::write(&path, vec![6; 64 * MIB]).await.unwrap_err();
    assert!(is_full(&error), "{error}");
    fs::remove_file(&path).await.unwrap();
    fs::write(&path, b"room again").await.unwrap();
    assert_eq!(fs::read(&path).await.unwrap(), b"room again");
}

/// F1: ENOSPC of a file system of 1 MiB.
#[test]
fn a_full_file_system() {
    if !require(Capability::Root) || !require(Capability::Tmpfs) {
        return;
    }
    in_own_process(module_path!(), "a_full_file_system", || {
        let directory = TempDir::new();
        let target = std::ffi::CString::new(directory.path().as_os_str().as_bytes()).unwrap();
        see_mounts_alone();
        // SAFETY: strings that end with NUL and live through the calls.
        unsafe {
            let (tmpfs, size) = (c"tmpfs".as_ptr(), c"size=1m".as_ptr());
            assert_eq!(
                libc::mount(tmpfs, target.as_ptr(), tmpfs, 0, size.cast()),
                0
            );
        }
        for setup in every_setup() {
            let runtime = builder!(setup).build().unwrap();
            runtime.block_on(fill(directory.path(), libc::ENOSPC));
        }
        // SAFETY: as above.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    });
}

/// F1: EFBIG of a process that may not write large files, without a signal.
#[test]
fn a_limit_to_the_size_of_files() {
    in_own_process(module_path!(), "a_limit_to_the_size_of_files", || {
        limit_file_size(MIB as u64);
        let directory = TempDir::new();
        for setup in every_setup() {
            let runtime = builder!(setup).build().unwrap();
            runtime.block_on(fill(directory.path(), libc::EFBIG));
        }
    });
}

/// A write is accepted behind one that fails: its place in the file is lost, and it is written
/// neither then nor with the next write.
#[test]
fn what_was_accepted_behind_a_failed_write_is_not_written_later() {
    in_own_process(
        module_path!(),
        "what_was_accepted_behind_a_failed_write_is_not_written_later",
        || {
            if !require(Capability::Ext4) {
                return;
            }
            let directory = TempDir::on_ext4();
            let path = directory.path().join("file");
            for setup in every_setup() {
                let mut builder = builder!(setup);
                builder.max_blocking_threads(1);
                let runtime = builder.build().unwrap();
                runtime.block_on(async {
                    let mut file = File::create(&path).await.unwrap();
                    // The file system is known, and that it takes no inline write.
                    file.write_all(b"first").await.unwrap();
                    file.flush().await.unwrap();
                    // The only thread is busy, so both writes wait for it.
                    let (go_on, waits) = std::sync::mpsc::channel::<()>();
                    let busy = yamanote::task::spawn_blocking(move || waits.recv());
                    file.write_all(b"fails").await.unwrap();
                    file.write_all(b"is behind it").await.unwrap();
                    limit_file_size(5);
                    go_on.send(()).unwrap();
                    busy.await.unwrap().unwrap();
                    let error = file.flush().await.unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
                    limit_file_size(libc::RLIM64_INFINITY);
                    file.write_all(b"last").await.unwrap();
                    file.flush().await.unwrap();
                });
                assert_eq!(std::fs::read(&path).unwrap(), b"firstlast");
            }
        },
    );
}

yamanote_test::matrix! {
    // F1, on a device: the error is returned by the write, or by the next call if the write was
    // only accepted.
    async fn a_full_device() {
        assert_eq!(fs::write("/dev/full", b"x").await.unwrap_err().kind(), ErrorKind::StorageFull);
        let file = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        for _ in 0..3 {
            let (result, buf) = file.write_at(vec![1; 100], 0).await;
            assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
            assert_eq!(buf, [1; 100]);
        }
        let mut file = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        for _ in 0..3 {
            let error = match file.write_all(b"accepted").await {
                Ok(()) => file.flush().await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            file.flush().await.unwrap();
        }
    }
}

/// A first look at a file system has a descriptor of its own, which must not take the file's.
#[test]
fn one_descriptor_is_enough_to_open_a_file() {
    in_own_process(
        module_path!(),
        "one_descriptor_is_enough_to_open_a_file",
        || {
            let limit = libc::rlimit64 {
                rlim_cur: 64,
                rlim_max: 64,
            };
            // SAFETY: reads `limit`, of a process of its own.
            assert_eq!(unsafe { libc::setrlimit64(libc::RLIMIT_NOFILE, &limit) }, 0);
            for setup in every_setup() {
                let dir = TempDir::new();
                let path = dir.path().join("file");
                std::fs::write(&path, b"x").unwrap();
                let runtime = builder!(setup).build().unwrap();
                runtime.block_on(async {
                    // Makes what the runtime needs to run at all.
                    yamanote::task::spawn_blocking(|| ()).await.unwrap();
                    let mut taken = Vec::new();
                    while let Ok(file) = std::fs::File::open("/dev/null") {
                        taken.push(file);
                    }
                    taken.pop();
                    File::open(&path).await.unwrap();
                });
            }
        },
    );
}
