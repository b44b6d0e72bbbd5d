//! Files on a file system in memory are created, replaced, copied and removed inline, as far as
//! that cannot wait.

mod stall_support;

use std::ffi::CString;
use std::future::Future;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::AsyncWriteExt;
use yamanote::runtime::Handle;
use yamanote_test::{Capability, Setup, TempDir, builder, matrix, require};

use stall_support::{Asking, Listener, answer, is_inline, poll_once, run};

/// Repeats `operation`, which may fail, until it is done inline. The first of a kind is not.
async fn until_inline<F: Future>(what: &str, mut operation: impl FnMut() -> F) {
    let start = Instant::now();
    while !is_inline(operation()).await {
        assert!(
            start.elapsed() < Duration::from_secs(100),
            "{what}: never inline"
        );
        let _ = operation().await;
    }
}

/// Until names can be changed, and files opened and read, without the pool.
async fn know(dir: &Path) {
    let path = dir.join("known");
    until_inline("write", || fs::write(&path, b"known")).await;
    until_inline("read", || fs::read(&path)).await;
    until_inline("names", || async {
        // What an attempt before this one left undone may be there.
        let _ = fs::create_dir(dir.join("known.d")).await;
        let _ = fs::remove_dir(dir.join("known.d")).await;
    })
    .await;
}

async fn change_names(dir: &Path) {
    let path = |name: &str| dir.join(name);
    fs::write(path("a"), b"first").await.unwrap();
    fs::write(path("a"), b"new").await.unwrap();
    std::fs::set_permissions(path("a"), std::fs::Permissions::from_mode(0o4751)).unwrap();
    assert_eq!(fs::copy(path("a"), path("b")).await.unwrap(), 3);
    fs::rename(path("a"), path("c")).await.unwrap();
    fs::hard_link(path("c"), path("d")).await.unwrap();
    fs::symlink("c", path("e")).await.unwrap();
    fs::create_dir(path("f")).await.unwrap();
    fs::create_dir_all(path("g")).await.unwrap();
    fs::remove_dir(path("f")).await.unwrap();
    let mut file = File::create(path("h")).await.unwrap();
    file.write_all(b"created").await.unwrap();
    drop(file);
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true).mode(0o600);
    let mut log = options.open(path("h")).await.unwrap();
    log.write_all(b" and appended to").await.unwrap();
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path("h"))
        .await;
    assert_eq!(new.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    options.open(path("i")).await.unwrap();
    fs::remove_file(path("e")).await.unwrap();
    let gone = fs::remove_file(path("e")).await.unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
}

fn check_names(dir: &Path) {
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let mode = |name: &str| dir.join(name).metadata().unwrap().mode() & 0o7777;
    // Not root's copies lose the first bit when they are written.
    std::fs::copy(dir.join("c"), dir.join("g/b")).unwrap();
    assert_eq!((read("b"), mode("b")), (b"new".to_vec(), mode("g/b")));
    assert_eq!(mode("b") & 0o777, 0o751);
    assert_eq!((read("c"), read("d")), (b"new".to_vec(), b"new".to_vec()));
    assert_eq!(dir.join("c").metadata().unwrap().nlink(), 2);
    assert_eq!(read("h"), b"created and appended to");
    assert_eq!((read("i"), mode("i")), (b"".to_vec(), 0o600));
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    assert_eq!(names, ["b", "c", "d", "g", "h", "i"]);
}

matrix! {
    fn names_are_changed_inline(setup: Setup) {
        if !require(Capability::Tmpfs) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_tmpfs();
            know(dir.path()).await;
            let inside = dir.path().join("inside");
            std::fs::create_dir(&inside).unwrap();
            assert!(is_inline(change_names(&inside)).await);
            check_names(&inside);
        });
    }

    fn not_where_inline_files_are_off(setup: Setup) {
        if !require(Capability::Tmpfs) {
            return;
        }
        let mut builder = builder!(setup);
        let runtime = builder.inline_files(false).max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let dir = TempDir::on_tmpfs();
            for _ in 0..3 {
                let path = dir.path().join("file");
                fs::write(&path, b"contents").await.unwrap();
                assert!(!is_inline(fs::write(&path, b"contents")).await);
                assert!(!is_inline(fs::remove_file(&path)).await);
            }
        });
    }

    /// To free a large file takes long, and who writes to one holds it for long.
    fn large_files_are_left_to_the_pool(setup: Setup) {
        if !require(Capability::Tmpfs) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_tmpfs();
            know(dir.path()).await;
            let (large, small) = (dir.path().join("large"), dir.path().join("small"));
            // On the pool's only thread, after what the call before this one has left to it.
            let make = async || {
                let (small, large) = (small.clone(), large.clone());
                let made = yamanote::task::spawn_blocking(move || {
                    std::fs::write(&small, b"small").unwrap();
                    std::fs::write(&large, vec![1; 5 << 20]).unwrap();
                });
                made.await.unwrap();
            };
            make().await;
            assert!(!is_inline(fs::write(&large, b"x")).await);
            make().await;
            assert!(!is_inline(File::create(&large)).await);
            make().await;
            assert!(!is_inline(fs::copy(&small, &large)).await);
            make().await;
            assert!(!is_inline(fs::copy(&large, &small)).await);
            make().await;
            assert!(!is_inline(fs::rename(&small, &large)).await);
            make().await;
            assert!(!is_inline(fs::remove_file(&large)).await);
            assert!(!is_inline(fs::write(&small, vec![2; 1 << 20])).await);
        });
    }

    /// A reader waits for somebody who opens the FIFO. If that were tried, and given up, the reader
    /// would take it for the end.
    fn a_fifo_is_opened_once(setup: Setup) {
        if !require(Capability::Tmpfs) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_tmpfs();
            know(dir.path()).await;
            let path = dir.path().join("fifo");
            let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
            // SAFETY: a NUL-terminated path that lives through the call.
            assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
            for _ in 0..20 {
                let path_to_read = path.clone();
                let reader = std::thread::spawn(move || {
                    let mut all = Vec::new();
                    let mut fifo = std::fs::File::open(path_to_read).unwrap();
                    fifo.read_to_end(&mut all).unwrap();
                    all
                });
                fs::write(&path, b"for the reader").await.unwrap();
                assert_eq!(reader.join().unwrap(), b"for the reader");
            }
        });
    }

    /// `std` empties the file before it reads it.
    fn a_copy_to_itself(setup: Setup) {
        if !require(Capability::Tmpfs) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_tmpfs();
            know(dir.path()).await;
            let (path, link) = (dir.path().join("file"), dir.path().join("link"));
            std::fs::write(&path, b"contents").unwrap();
            std::fs::hard_link(&path, &link).unwrap();
            assert_eq!(fs::copy(&path, &link).await.unwrap(), 0);
            assert_eq!(std::fs::read(&path).unwrap(), b"");
        });
    }

    /// Who opens a file that somebody has a lease on waits until the lease is given back.
    alone fn a_lease_holds_up_only_who_asked(setup: Setup) {
        if !require(Capability::Tmpfs) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_tmpfs();
            know(dir.path()).await;
            let path = dir.path().join("leased");
            std::fs::write(&path, b"old").unwrap();
            let leased = std::fs::File::open(&path).unwrap();
            // SAFETY: neither call touches memory.
            unsafe {
                // The kernel tells the holder by this signal that somebody waits.
                libc::signal(libc::SIGIO, libc::SIG_IGN);
                let leased = libc::fcntl(leased.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK);
                assert_eq!(leased, 0, "{}", std::io::Error::last_os_error());
            }
            let mut write = std::pin::pin!(fs::write(&path, b"new"));
            assert!(poll_once(write.as_mut()).await.is_none());
            assert_eq!(std::fs::read(&path).unwrap(), b"old");
            drop(leased);
            write.await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            assert_eq!(Handle::current().metrics().inline_file_stalls(), 0);
        });
    }

    alone fn a_listener_that_was_there_holds_up_nobody(setup: Setup) {
        if !require(Capability::Tmpfs) || !require(Capability::PermissionEvents) {
            return;
        }
        run(setup, async {
            let dir = TempDir::on_tmpfs();
            let asking = Asking::new(Duration::from_secs(10));
            answer(Listener::on(dir.path(), 0), &asking);
            for round in 0..3 {
                let path = dir.path().join(format!("file {round}"));
                fs::write(&path, b"contents").await.unwrap();
                fs::write(&path, b"contents again").await.unwrap();
                drop(File::create(&path).await.unwrap());
            }
            assert!(asking.asked.load(SeqCst) >= 9);
            assert_eq!(asking.unheard(), 0);
            assert_eq!(Handle::current().metrics().inline_file_stalls(), 0);
        });
    }

    /// It comes when files are already created inline: the worker waits for it once.
    alone fn a_listener_that_comes_later_holds_up_a_worker_once(setup: Setup) {
        if !require(Capability::Tmpfs) || !require(Capability::PermissionEvents) {
            return;
        }
        run(setup, async move {
            let dir = TempDir::on_tmpfs();
            know(dir.path()).await;
            let asking = Asking::new(Duration::from_millis(500));
            answer(Listener::on(dir.path(), 0), &asking);
            for round in 0..4 {
                let path = dir.path().join(format!("file {round}"));
                fs::write(&path, b"contents").await.unwrap();
                fs::write(&path, b"contents again").await.unwrap();
            }
            assert!(asking.asked.load(SeqCst) >= 8);
            assert!(asking.unheard() <= 1, "{} times", asking.unheard());
        });
    }
}
