//! Copies of files whose calls would wait although nothing announces it. Only the task that copies
//! may stand still; see `fs_stalls`.

mod stall_support;

use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use stall_support::{Asking, Mounted, is_inline, listen, run, until_inline};
use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{self, AsyncReadExt};
use yamanote::net::UnixStream;
use yamanote::runtime::Handle;
use yamanote_test::{Capability, Setup, TempDir, matrix, require, see_mounts_alone};

const LEN: usize = 300_000;

/// To a socket and to another file.
async fn copy_everywhere(path: &Path) {
    let (mut writer, mut reader) = UnixStream::pair().unwrap();
    let received = yamanote::spawn(async move {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        all
    });
    let mut file = File::open(path).await.unwrap();
    assert_eq!(io::copy(&mut file, &mut writer).await.unwrap(), LEN as u64);
    drop(writer);
    assert!(received.await.unwrap() == [7; LEN]);
    let other = path.with_extension("copy");
    let mut file = File::open(path).await.unwrap();
    let mut sink = File::create(&other).await.unwrap();
    assert_eq!(io::copy(&mut file, &mut sink).await.unwrap(), LEN as u64);
    assert!(fs::read(&other).await.unwrap() == [7; LEN]);
}

async fn is_sent_inline(path: &Path) -> bool {
    let (mut writer, _reader) = UnixStream::pair().unwrap();
    let mut file = File::open(path).await.unwrap();
    is_inline(io::copy(&mut file, &mut writer)).await
}

/// Drops a part of the file from the page cache.
fn cool(path: &Path, part: Range<i64>) {
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    let len = part.end - part.start;
    // SAFETY: touches no memory of ours.
    let done = unsafe {
        libc::posix_fadvise64(file.as_raw_fd(), part.start, len, libc::POSIX_FADV_DONTNEED)
    };
    assert_eq!(done, 0);
}

/// Whether that has worked: a page that belongs to a larger one stays. Asks cachestat(2), which
/// reads nothing; without it nobody knows.
fn is_cooled(path: &Path, part: &Range<i64>) -> bool {
    let file = std::fs::File::open(path).unwrap();
    let range = [part.start as u64, 1];
    let mut counts = [1_u64; 5];
    // SAFETY: the arrays are laid out as the kernel's structs and live through the call.
    let done = unsafe {
        libc::syscall(
            451,
            file.as_raw_fd(),
            range.as_ptr(),
            counts.as_mut_ptr(),
            0,
        )
    };
    done == 0 && counts[0] == 0
}

matrix! {
    alone fn a_listener_that_was_there_holds_up_nobody_else(setup: Setup) {
        if !require(Capability::Ext4) || !require(Capability::PermissionEvents) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_ext4();
            let path = dir.path().join("watched");
            std::fs::write(&path, [7; LEN]).unwrap();
            let asking = Asking::new(Duration::from_secs(10));
            listen(dir.path(), &asking);
            for _ in 0..2 {
                copy_everywhere(&path).await;
            }
            assert!(asking.asked.load(SeqCst) >= 6);
            assert_eq!(asking.unheard(), 0);
            assert_eq!(Handle::current().metrics().inline_file_stalls(), 0);
        });
    }

    alone fn a_listener_that_comes_later_holds_up_a_worker_once(setup: Setup) {
        if !require(Capability::Ext4) || !require(Capability::PermissionEvents) {
            return;
        }
        run(setup, async move {
            let dir = TempDir::on_ext4();
            let path = dir.path().join("watched");
            std::fs::write(&path, [7; LEN]).unwrap();
            until_inline(&path).await;
            copy_everywhere(&path).await;
            let asking = Asking::new(Duration::from_millis(500));
            listen(dir.path(), &asking);
            for _ in 0..2 {
                copy_everywhere(&path).await;
            }
            assert!(asking.asked.load(SeqCst) >= 6);
            // Where other workers run tasks, one of them may have answered.
            assert!(asking.unheard() <= 1, "{} times", asking.unheard());
        });
    }

    /// The only thread of the pool is busy meanwhile.
    alone fn what_is_cached_is_sent_at_once_and_what_is_not_by_the_pool(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_ext4();
            let path = dir.path().join("file");
            std::fs::write(&path, [7; 100_000]).unwrap();
            until_inline(&path).await;
            // A part that is not there, at either end or in the middle.
            for cold in [0..100_000, 0..4096, 40_960..45_056, 98_304..100_000] {
                let start = Instant::now();
                while !is_sent_inline(&path).await {
                    assert!(start.elapsed() < Duration::from_secs(100), "never inline");
                    std::fs::read(&path).unwrap();
                }
                cool(&path, cold.clone());
                if is_cooled(&path, &cold) {
                    assert!(!is_sent_inline(&path).await, "{cold:?}");
                }
            }
        });
    }

    /// Frozen, as for a snapshot, while something is copied to it.
    alone fn a_frozen_file_system_holds_up_nobody_else(setup: Setup) {
        if !require(Capability::LoopMounts) || setup.workers > Some(2) {
            return;
        }
        let dir = TempDir::new();
        see_mounts_alone();
        for kind in ["ext4", "xfs", "btrfs"] {
            let Some(mounted) = Mounted::new(dir.path(), kind) else {
                continue; // Its tools are not installed.
            };
            let (from, to) = (mounted.path.join("from"), mounted.path.join("to"));
            std::fs::write(&from, [7; LEN]).unwrap();
            run(setup, async move {
                let mut options = OpenOptions::new();
                let mut sink = options.write(true).create(true).open(&to).await.unwrap();
                let mut source = File::open(&from).await.unwrap();
                let asking = Asking::new(Duration::from_secs(10));
                let frozen = mounted.freeze();
                let thaw = {
                    let asking = asking.clone();
                    std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_millis(50));
                        asking.ask();
                        drop(frozen);
                    })
                };
                assert_eq!(io::copy(&mut source, &mut sink).await.unwrap(), LEN as u64);
                yamanote::task::spawn_blocking(move || thaw.join().unwrap()).await.unwrap();
                assert!(std::fs::read(&to).unwrap() == [7; LEN]);
                assert_eq!(asking.unheard(), 0);
                assert_eq!(Handle::current().metrics().inline_file_stalls(), 0);
            });
        }
    }
}
