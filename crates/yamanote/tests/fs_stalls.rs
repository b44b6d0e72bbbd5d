//! Files whose inline calls would wait although nothing announces it: a listener that is asked for
//! permission, a frozen file system. Only the task that asked may stand still.
//!
//! No test looks at the clock: whatever makes a call wait lets go when a task of the same runtime
//! answers, and counts how often none did.

mod stall_support;

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use yamanote::buf::IoBuf;
use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::unix::AsyncFd;
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, Interest};
use yamanote::runtime::Handle;
use yamanote_test::{Capability, Setup, TempDir, builder, matrix, require, see_mounts_alone};

use stall_support::{
    Asking, Listener, Mounted, answer, is_inline, listen, one_file, run, until_inline,
};

/// In every way to read one.
async fn read_everywhere(path: &Path, contents: &[u8]) {
    assert_eq!(fs::read(path).await.unwrap(), contents);
    let mut file = File::open(path).await.unwrap();
    let mut all = Vec::new();
    file.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, contents);
    let (n, buf) = file.read_at(vec![0; contents.len()], 0).await;
    assert_eq!((n.unwrap(), &buf[..]), (contents.len(), contents));
    assert_eq!(file.rewind().await.unwrap(), 0);
    assert_eq!(
        fs::metadata(path).await.unwrap().len(),
        contents.len() as u64
    );
}

matrix! {
    alone fn a_listener_that_was_there_holds_up_nobody_else(setup: Setup) {
        if !require(Capability::Ext4) || !require(Capability::PermissionEvents) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_ext4();
            let path = one_file(&dir);
            // The file system is known, and the name.
            fs::metadata(&path).await.unwrap();
            fs::metadata(&path).await.unwrap();
            let asking = Asking::new(Duration::from_secs(10));
            listen(dir.path(), &asking);
            for _ in 0..3 {
                read_everywhere(&path, &[7; 5000]).await;
            }
            assert!(asking.asked.load(SeqCst) >= 9);
            assert_eq!(asking.unheard(), 0);
            assert_eq!(Handle::current().metrics().inline_file_stalls(), 0);
        });
    }

    /// The listener comes when files are already read inline: the worker waits for it once.
    alone fn a_listener_that_comes_later_holds_up_a_worker_once(setup: Setup) {
        if !require(Capability::Ext4) || !require(Capability::PermissionEvents) {
            return;
        }
        run(setup, async move {
            let dir = TempDir::on_ext4();
            let path = one_file(&dir);
            until_inline(&path).await;
            let stalls = || Handle::current().metrics().inline_file_stalls();
            let before = stalls();
            let asking = Asking::new(Duration::from_millis(500));
            listen(dir.path(), &asking);
            for _ in 0..4 {
                read_everywhere(&path, &[7; 5000]).await;
            }
            assert!(asking.asked.load(SeqCst) >= 12);
            // Where other workers run tasks, one of them may have answered.
            assert!(asking.unheard() <= 1, "{} times", asking.unheard());
            // On a machine under load, another worker may seem to wait while it is preempted.
            let expected = if setup.workers > Some(1) { 1..=3 } else { 1..=1 };
            assert!(expected.contains(&(stalls() - before)), "{}", stalls() - before);
        });
    }

    /// A listener that is asked for reads only, so that the first direct read is the first to wait:
    /// it goes to the ring, whose submission asks as an inline call does.
    alone fn a_listener_that_comes_later_holds_up_one_direct_read(setup: Setup) {
        if !require(Capability::Ext4) || !require(Capability::PermissionEvents) {
            return;
        }
        run(setup, async move {
            let dir = TempDir::on_ext4();
            let path = dir.path().join("watched");
            std::fs::write(&path, vec![7; 16 * 4096]).unwrap();
            std::fs::File::open(&path).unwrap().sync_all().unwrap();
            until_inline(&path).await;
            let stalls = || Handle::current().metrics().inline_file_stalls();
            let before = stalls();
            let asking = Asking::new(Duration::from_millis(500));
            let reads = libc::FAN_ACCESS_PERM;
            answer(Listener::to_be_asked(reads, dir.path(), 0), &asking);
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(libc::O_DIRECT);
            // What a listener asks about a file depends on whether it was there when the file was
            // opened.
            let file = options.open(&path).await.unwrap();
            for page in 0..6 {
                let buf = vec![0; 2 * 4096];
                let start = buf.as_ptr().align_offset(4096);
                let (n, buf) = file.read_at(buf.slice(start..start + 4096), page * 4096).await;
                assert_eq!(n.unwrap(), 4096);
                assert_eq!(buf[..], [7; 4096]);
            }
            assert!(asking.asked.load(SeqCst) >= 6);
            assert!(asking.unheard() <= 1, "{} times", asking.unheard());
            assert!(stalls() - before <= 1, "{}", stalls() - before);
        });
    }

    /// The listener answers in a task of the same runtime, and opens what it watches itself.
    alone fn a_listener_of_the_program_itself_needs_no_inline_files(setup: Setup) {
        if !require(Capability::Ext4) || !require(Capability::PermissionEvents) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = one_file(&dir);
        // Another runtime of the process has found that files can be read inline here.
        let other = builder!(setup).max_blocking_threads(1).build().unwrap();
        other.block_on(until_inline(&path));
        let mut builder = builder!(setup);
        let runtime = builder.inline_files(false).max_blocking_threads(1).build().unwrap();
        let directory = dir.path().to_owned();
        runtime.block_on(async {
            yamanote::spawn(async move {
                assert!(!is_inline(fs::metadata(&path)).await);
                let listener = Listener::on(&directory, libc::FAN_NONBLOCK);
                // SAFETY: the listener owns its descriptor and gives always the same.
                let listener =
                    unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) };
                let listener = listener.unwrap();
                yamanote::spawn(async move {
                    loop {
                        let mut ready = listener.readable().await.unwrap();
                        match ready.try_io(|listener| listener.get_ref().questions()) {
                            Ok(files) => {
                                for file in files.unwrap() {
                                    listener.get_ref().allow(file.as_fd());
                                }
                            }
                            Err(_would_block) => {}
                        }
                    }
                });
                for _ in 0..3 {
                    read_everywhere(&path, &[7; 5000]).await;
                }
            })
            .await
            .unwrap();
        });
        assert_eq!(runtime.metrics().inline_file_stalls(), 0);
    }

    /// Frozen, as for a snapshot. The first write ever, one more while others wait, and what comes
    /// after them.
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
            let path = mounted.path.join("file");
            std::fs::write(&path, [0; 8]).unwrap();
            run(setup, async move {
                fs::metadata(&path).await.unwrap();
                let mut options = OpenOptions::new();
                let mut file = options.write(true).open(&path).await.unwrap();
                let positioned = options.open(&path).await.unwrap();
                let asking = Asking::new(Duration::from_secs(10));
                for round in 1..3 {
                    let frozen = mounted.freeze();
                    let asking = asking.clone();
                    let thaw = std::thread::spawn(move || {
                        std::thread::sleep(Duration::from_millis(50));
                        asking.ask();
                        drop(frozen);
                    });
                    file.write_all(&[round; 4]).await.unwrap();
                    let written = positioned.write_at(vec![round; 4], 4 * u64::from(round)).await;
                    assert_eq!(written.0.unwrap(), 4);
                    file.flush().await.unwrap();
                    yamanote::task::spawn_blocking(move || thaw.join().unwrap()).await.unwrap();
                }
                let contents = std::fs::read(&path).unwrap();
                assert_eq!(contents, [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2]);
                assert_eq!(asking.unheard(), 0);
                assert_eq!(Handle::current().metrics().inline_file_stalls(), 0);
            });
        }
    }

    /// Another writer may hold a large file in memory for long.
    fn small_files_in_memory_are_written_inline_and_large_ones_are_not(setup: Setup) {
        if require(Capability::Tmpfs) {
            run(setup, write_small_and_large(TempDir::on_tmpfs()));
        }
    }
}

async fn write_small_and_large(dir: TempDir) {
    let path = dir.path().join("file");
    fs::write(&path, b"small").await.unwrap();
    fs::metadata(&path).await.unwrap();
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).open(&path).await.unwrap();
    let start = Instant::now();
    while !is_inline(file.write_at(b"S".to_vec(), 0)).await {
        assert!(start.elapsed() < Duration::from_secs(100), "never inline");
        file.metadata().await.unwrap();
    }
    file.set_len(64 << 20).await.unwrap();
    assert!(!is_inline(file.write_at(b"L".to_vec(), 1)).await);
    let (n, _) = file.write_at(b"!".to_vec(), 2).await;
    assert_eq!(n.unwrap(), 1);
    assert_eq!(&std::fs::read(&path).unwrap()[..6], b"SL!ll\0");
}
