//! The rules of a file handle: what happens to bytes whose future is gone, when writes arrive, who
//! shares the cursor, where errors appear.

use std::future::{Future, poll_fn};
use std::io::{IoSlice, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use yamanote::fs::File;
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote_test::{Capability, Setup, Snapshot, TempDir, matrix, require};

/// The file systems whose answers differ most.
fn places() -> Vec<TempDir> {
    let mut places = vec![TempDir::new()];
    if require(Capability::Tmpfs) {
        places.push(TempDir::on_tmpfs());
    }
    if require(Capability::Ext4) {
        places.push(TempDir::on_ext4());
    }
    places
}

fn read_write(path: &Path) -> std::fs::File {
    let mut options = std::fs::File::options();
    options.read(true).write(true).create(true);
    options.open(path).unwrap()
}

/// Drops `file` from the page cache, so that the next read has to wait.
fn forget_cached(file: &std::fs::File) {
    file.sync_all().unwrap();
    // SAFETY: touches no memory of ours.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

/// Polls once; `None` if it is pending.
async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within five seconds");
        yamanote::time::sleep(Duration::from_millis(2)).await;
    }
}

matrix! {
    /// A write that was accepted reaches the kernel although the handle stays idle and nobody
    /// flushes.
    async fn accepted_writes_arrive_without_another_call() {
        for dir in places() {
            let path = dir.path().join("idle");
            let mut file = File::create(&path).await.unwrap();
            for part in [&b"one "[..], b"two ", b"three"] {
                file.write_all(part).await.unwrap();
            }
            eventually("idle handle", || std::fs::read(&path).unwrap() == b"one two three").await;
            drop(file);
        }
    }

    /// ... although the handle is dropped at once.
    async fn accepted_writes_arrive_after_drop() {
        for dir in places() {
            let path = dir.path().join("dropped");
            let mut file = File::create(&path).await.unwrap();
            for _ in 0..100 {
                file.write_all(b"0123456789").await.unwrap();
            }
            drop(file);
            eventually("dropped handle", || std::fs::metadata(&path).unwrap().len() == 1000).await;
            assert_eq!(std::fs::read(&path).unwrap(), b"0123456789".repeat(100));
        }
    }

    /// ... although the runtime shuts down.
    fn accepted_writes_arrive_at_shutdown(setup: Setup) {
        let dir = TempDir::new();
        for round in 0..20 {
            let path = dir.path().join(format!("{round}"));
            let runtime = yamanote_test::builder!(setup).max_blocking_threads(1).build().unwrap();
            runtime.block_on(async {
                let mut file = File::create(&path).await.unwrap();
                // The only thread is busy: the write is still queued when the runtime ends.
                yamanote::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(5)));
                file.write_all(b"bytes").await.unwrap();
            });
            drop(runtime);
            assert_eq!(std::fs::read(&path).unwrap(), b"bytes");
        }
    }

    /// Many small writes arrive in order, however they are joined on the way.
    async fn writes_keep_their_order() {
        for dir in places() {
            let path = dir.path().join("order");
            let mut file = File::create(&path).await.unwrap();
            file.set_max_buf_size(100);
            let mut expected = Vec::new();
            for i in 0..2000u32 {
                let line = format!("{i};");
                expected.extend_from_slice(line.as_bytes());
                file.write_all(line.as_bytes()).await.unwrap();
                if i % 500 == 0 {
                    file.flush().await.unwrap();
                    assert_eq!(std::fs::read(&path).unwrap(), expected);
                }
            }
            file.flush().await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), expected);
        }
    }

    /// Bytes that the kernel read for a dropped future go to the next read; nothing is skipped.
    async fn a_dropped_read_loses_nothing() {
        let mut dropped = 0;
        for dir in places() {
            let path = dir.path().join("read");
            let contents: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &contents).unwrap();
            for round in 0..10usize {
                let std = std::fs::File::open(&path).unwrap();
                let mut file = File::from_std(std.try_clone().unwrap());
                let mut got = Vec::new();
                while got.len() < contents.len() {
                    forget_cached(&std);
                    let mut buf = vec![0; 1 + (got.len() * 7 + round * 1111) % 5000];
                    match poll_once(file.read(&mut buf)).await {
                        // It was ready: it counts.
                        Some(n) => got.extend_from_slice(&buf[..n.unwrap()]),
                        // Dropped while the kernel reads.
                        None => {
                            dropped += 1;
                            let mut buf = vec![0; 1 + (got.len() * 13) % 3000];
                            let n = file.read(&mut buf).await.unwrap();
                            got.extend_from_slice(&buf[..n]);
                        }
                    }
                }
                assert!(got == contents, "round {round}");
                assert_eq!(file.read(&mut [0; 8]).await.unwrap(), 0);
            }
        }
        assert!(dropped > 0 || !require(Capability::Ext4));
    }

    /// A seek, a write and `into_std` count from where the user has read to, not the kernel.
    async fn seeks_and_writes_account_for_bytes_read_ahead() {
        for dir in places() {
            let path = dir.path().join("ahead");
            std::fs::write(&path, b"0123456789abcdefghij").unwrap();

            // `None` where the read was inline: then nothing was read ahead, which is right too.
            let read_ahead = async || {
                let std = read_write(&path);
                forget_cached(&std);
                let mut file = File::from_std(std);
                let mut big = [0; 10];
                if poll_once(file.read(&mut big)).await.is_some() {
                    file.rewind().await.unwrap();
                }
                let mut two = [0; 2];
                file.read_exact(&mut two).await.unwrap();
                assert_eq!(&two, b"01");
                file
            };

            let mut file = read_ahead().await;
            assert_eq!(file.seek(SeekFrom::Current(3)).await.unwrap(), 5);
            let mut three = [0; 3];
            file.read_exact(&mut three).await.unwrap();
            assert_eq!(&three, b"567");

            let mut file = read_ahead().await;
            assert_eq!(file.stream_position().await.unwrap(), 2);
            assert_eq!(file.seek(SeekFrom::End(-1)).await.unwrap(), 19);

            let mut file = read_ahead().await.into_std().await;
            file.read_exact(&mut three).unwrap();
            assert_eq!(&three, b"234");

            let file = read_ahead().await;
            let mut clone = file.try_clone().await.unwrap();
            clone.read_exact(&mut three).await.unwrap();
            assert_eq!(&three, b"234");

            // A failed seek moves nothing and loses nothing.
            let mut file = read_ahead().await;
            assert!(file.seek(SeekFrom::Current(-100)).await.is_err());
            file.read_exact(&mut three).await.unwrap();
            assert_eq!(&three, b"234");

            let mut file = read_ahead().await;
            file.write_all(b"XY").await.unwrap();
            file.flush().await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"01XY456789abcdefghij");

            let mut file = read_ahead().await;
            file.set_len(5).await.unwrap();
            file.read_exact(&mut three).await.unwrap();
            assert_eq!(&three, b"XY4");
        }
    }

    /// Clones, std handles and children have one cursor.
    async fn the_cursor_is_shared() {
        for dir in places() {
            let path = dir.path().join("cursor");
            std::fs::write(&path, b"0123456789").unwrap();
            let mut file = File::open(&path).await.unwrap();
            let mut clone = file.try_clone().await.unwrap();
            let mut two = [0; 2];
            file.read_exact(&mut two).await.unwrap();
            assert_eq!(&two, b"01");
            clone.read_exact(&mut two).await.unwrap();
            assert_eq!(&two, b"23");
            let mut std = clone.into_std().await;
            std.read_exact(&mut two).unwrap();
            assert_eq!(&two, b"45");
            assert_eq!(file.stream_position().await.unwrap(), 6);
            std.rewind().unwrap();
            file.read_exact(&mut two).await.unwrap();
            assert_eq!(&two, b"01");
            // Positioned reads do not touch it.
            let (n, buf) = file.read_at(Vec::with_capacity(4), 6).await;
            assert_eq!((n.unwrap(), &buf[..]), (4, &b"6789"[..]));
            assert_eq!(file.stream_position().await.unwrap(), 2);
        }
    }

    /// The error of an accepted write is reported once, by the next write, flush or sync.
    async fn errors_of_accepted_writes_are_told_once() {
        let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
        type Next = fn(&mut File) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + '_>>;
        let nexts: [Next; 4] = [
            |file| Box::pin(file.flush()),
            |file| Box::pin(async move { file.write(b"x").await.map(drop) }),
            |file| Box::pin(file.sync_all()),
            |file| Box::pin(file.shutdown()),
        ];
        for next in nexts {
            let mut file = File::from_std(full());
            file.write_all(b"no room").await.unwrap();
            let error = next(&mut file).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
            // The handle is usable, and the error is not reported again.
            file.flush().await.unwrap();
        }
    }

    /// A full file system: what was accepted before the failure is there, an error is reported, and
    /// nothing is written behind the gap.
    async fn nothing_follows_a_failed_write() {
        let dir = TempDir::new();
        let path = dir.path().join("readonly");
        std::fs::write(&path, b"contents").unwrap();
        // Open for reading only: every write fails with EBADF.
        let mut file = File::open(&path).await.unwrap();
        let mut errors = 0;
        for _ in 0..50 {
            errors += usize::from(file.write(b"x").await.is_err());
        }
        errors += usize::from(file.flush().await.is_err());
        assert!(errors > 0);
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"contents");
    }

    async fn vectored_writes_count_what_they_take() {
        for dir in places() {
            let path = dir.path().join("vectored");
            let mut file = File::create(&path).await.unwrap();
            assert!(yamanote::io::AsyncWrite::is_write_vectored(&file));
            let parts = [IoSlice::new(b"abc"), IoSlice::new(b""), IoSlice::new(b"defg")];
            assert_eq!(file.write_vectored(&parts).await.unwrap(), 7);
            file.flush().await.unwrap();
            file.set_max_buf_size(5);
            assert_eq!(file.write_vectored(&parts).await.unwrap(), 5);
            file.flush().await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"abcdefgabcde");
        }
    }

    /// Readers and writers that never wait still let other tasks run.
    async fn ready_files_do_not_starve_other_tasks() {
        for dir in places() {
            let path = dir.path().join("coop");
            std::fs::write(&path, vec![7; 64 * 1024]).unwrap();
            static RAN: AtomicBool = AtomicBool::new(false);
            RAN.store(false, Ordering::SeqCst);
            let mut file = File::open(&path).await.unwrap();
            let mut polls = 0u32;
            let mut buf = vec![0; 64 * 1024];
            let mut reading = pin!(async {
                loop {
                    file.rewind().await.unwrap();
                    file.read_exact(&mut buf).await.unwrap();
                }
            });
            poll_fn(|cx| {
                polls += 1;
                let _: Poll<()> = reading.as_mut().poll(cx);
                if polls < 5 { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            for _ in 0..4 {
                let metadata = yamanote::fs::metadata(&path);
                let exists = yamanote::fs::try_exists(&path);
                assert_eq!(metadata.await.unwrap().len(), 64 * 1024);
                assert!(exists.await.unwrap());
            }
        }
    }

    /// A whole budget is at most about a millisecond of copying.
    async fn a_budget_buys_a_bounded_copy() {
        let dir = TempDir::new();
        let path = dir.path().join("bounded");
        std::fs::write(&path, vec![7; 256 * 1024]).unwrap();
        let mut file = File::open(&path).await.unwrap();
        file.read_exact(&mut vec![0; 256 * 1024]).await.unwrap();
        yamanote::task::yield_now().await;
        let mut copied = 0;
        let mut buf = vec![0; 256 * 1024];
        loop {
            let step = async {
                file.rewind().await.unwrap();
                file.read(&mut buf).await.unwrap()
            };
            match poll_once(step).await {
                Some(n) => copied += n,
                None => break,
            }
            assert!(copied < 8 * 1024 * 1024, "{copied} bytes in one poll");
        }
    }

    async fn a_file_past_4_gib_is_read_and_written_where_asked() {
        for dir in places() {
            let path = dir.path().join("sparse");
            let far = (1u64 << 40) + 4097;
            let mut file = File::from_std(read_write(&path));
            assert_eq!(file.seek(SeekFrom::Start(far)).await.unwrap(), far);
            if file.write_all(b"far").await.is_err() || file.flush().await.is_err() {
                continue; // A file system with a smaller limit.
            }
            let (n, _) = file.write_at(b"away".to_vec(), far + 3).await;
            assert_eq!(n.unwrap(), 4);
            assert_eq!(file.metadata().await.unwrap().len(), far + 7);
            let (n, buf) = file.read_at(Vec::with_capacity(16), far).await;
            assert_eq!((n.unwrap(), &buf[..]), (7, &b"faraway"[..]));
            assert_eq!(file.stream_position().await.unwrap(), far + 3);
            for bad in [1 << 63, u64::MAX, u64::MAX - 1] {
                let (error, buf) = file.read_at(Vec::with_capacity(16), bad).await;
                assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EINVAL));
                assert_eq!(buf.capacity(), 16);
                let (error, buf) = file.write_at(vec![1], bad).await;
                assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EINVAL));
                assert_eq!(buf, [1]);
            }
        }
    }

    /// Reads and writes of the same descriptor, raw and through another handle of ours.
    async fn handles_convert_both_ways() {
        let dir = TempDir::new();
        let path = dir.path().join("convert");
        let mut file = File::create_new(&path).await.unwrap();
        assert_eq!(
            File::create_new(&path).await.unwrap_err().kind(),
            std::io::ErrorKind::AlreadyExists
        );
        file.write_all(b"hello").await.unwrap();
        let mut std = file.into_std().await;
        std.write_all(b" world").unwrap();
        let mut file = File::from(OwnedFd::from(std));
        file.rewind().await.unwrap();
        let mut all = String::new();
        file.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "hello world");
        let std = file.try_into_std().unwrap();
        let raw = std::os::fd::IntoRawFd::into_raw_fd(std);
        // SAFETY: the descriptor was just given up.
        let file = unsafe { File::from_raw_fd(raw) };
        assert_eq!(file.as_raw_fd(), raw);
        assert_eq!(file.metadata().await.unwrap().len(), 11);
    }

    /// Opening, reading, writing, cloning and dropping in any state leaves no descriptor.
    fn no_descriptor_is_left(setup: Setup) {
        yamanote_test::in_own_process(module_path!(), test_name(setup), || {
            let dir = TempDir::new();
            let before = Snapshot::take();
            let runtime = yamanote_test::builder!(setup).build().unwrap();
            runtime.block_on(async {
                for i in 0..200 {
                    let path = dir.path().join(format!("{}", i % 7));
                    poll_once(File::create(&path)).await;
                    let mut file = File::create(&path).await.unwrap();
                    file.write_all(&[7; 5000]).await.unwrap();
                    let clone = file.try_clone().await.unwrap();
                    drop(file);
                    poll_once(clone.read_at(Vec::with_capacity(100), 0)).await;
                    poll_once(clone.write_at(vec![1; 100], 0)).await;
                    poll_once(yamanote::fs::read(&path)).await;
                    poll_once(yamanote::fs::metadata(dir.path().join("missing"))).await;
                }
            });
            drop(runtime);
            before.assert_restored();
        });
    }
}

fn test_name(setup: Setup) -> &'static str {
    use yamanote_test::Driver::{Epoll, Uring};
    match (setup.driver, setup.workers) {
        (Uring, None) => "uring_current_thread",
        (Uring, Some(1)) => "uring_multi_thread_1",
        (Uring, Some(2)) => "uring_multi_thread_2",
        (Uring, Some(_)) => "uring_multi_thread_8",
        (Epoll, None) => "epoll_current_thread",
        (Epoll, Some(1)) => "epoll_multi_thread_1",
        (Epoll, Some(2)) => "epoll_multi_thread_2",
        (Epoll, Some(_)) => "epoll_multi_thread_8",
    }
}

/// A write whose future was dropped comes before whatever the handle does later. (A busy pool makes
/// the write slow.)
#[test]
fn later_operations_come_after_a_dropped_write() {
    let dir = TempDir::new();
    let path = dir.path().join("ordered");
    let runtime = yamanote::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let file = File::from_std(read_write(&path));
        for round in 0..20u8 {
            let (release, held) = std::sync::mpsc::channel::<()>();
            let blocker = yamanote::task::spawn_blocking(move || {
                let _ = held.recv_timeout(Duration::from_millis(20));
            });
            let first = poll_once(file.write_at(vec![b'A'; 8192], 0)).await;
            drop(release);
            let (n, _) = file.write_at(vec![b'0' + round; 10], 0).await;
            assert_eq!(n.unwrap(), 10);
            blocker.await.unwrap();
            let (n, buf) = file.read_at(Vec::with_capacity(10), 0).await;
            assert_eq!(n.unwrap(), 10);
            assert_eq!(buf, vec![b'0' + round; 10], "{}", first.is_some());
        }
    });
}

#[test]
fn max_buf_size_bounds_a_read_and_a_write() {
    let dir = TempDir::new();
    let path = dir.path().join("max");
    std::fs::write(&path, b"hello").unwrap();
    yamanote::runtime::Runtime::new().unwrap().block_on(async {
        let mut file = File::from_std(read_write(&path));
        assert_eq!(file.max_buf_size(), 2 * 1024 * 1024);
        file.set_max_buf_size(2);
        assert_eq!(file.read(&mut [0; 10]).await.unwrap(), 2);
        assert_eq!(file.write(b"abc").await.unwrap(), 2);
        file.sync_data().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"heabo");
        assert_eq!(file.try_clone().await.unwrap().max_buf_size(), 2);
    });
}
