//! What is no plain file: pipes, devices, /proc; missing permissions; the ring where it is used.

use std::ffi::CString;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote_test::{Capability, Driver, Setup, TempDir, matrix, require};

fn fifo(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("fifo");
    let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a NUL-terminated path that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
    path
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

/// Whether `operation` completes without the pool, whose only thread is kept busy meanwhile.
async fn is_inline(operation: impl Future) -> bool {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let busy = yamanote::task::spawn_blocking(move || released.recv());
    let is_done = poll_once(operation).await.is_some();
    drop(release);
    assert!(busy.await.unwrap().is_err());
    is_done
}

matrix! {
    /// Opening a FIFO waits for the partner, without blocking anybody else.
    async fn a_fifo_is_opened_and_read_while_others_run() {
        let dir = TempDir::new();
        let path = fifo(&dir);
        // The file system is known, as in a program that has been running.
        fs::metadata(dir.path()).await.unwrap();
        let writer_path = path.clone();
        let opened = File::open(&path);
        let mut opened = pin!(opened);
        for _ in 0..3 {
            poll_fn(|cx| {
                assert!(opened.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            let start = Instant::now();
            yamanote::time::sleep(Duration::from_millis(5)).await;
            assert!(start.elapsed() < Duration::from_secs(2), "the worker was blocked");
        }
        let writer = std::thread::spawn(move || {
            let mut writer = std::fs::File::options().write(true).open(writer_path).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            writer.write_all(b"one").unwrap();
            std::thread::sleep(Duration::from_millis(20));
            writer.write_all(b"two").unwrap();
        });
        let mut file = opened.await.unwrap();
        let mut all = Vec::new();
        // Every other read is dropped on its way.
        loop {
            let mut buf = [0; 2];
            if let Some(n) = poll_once(file.read(&mut buf)).await {
                all.extend_from_slice(&buf[..n.unwrap()]);
            }
            let n = file.read(&mut buf).await.unwrap();
            if n == 0 {
                break;
            }
            all.extend_from_slice(&buf[..n]);
        }
        assert_eq!(all, b"onetwo");
        writer.join().unwrap();
    }

    async fn proc_and_devices_are_read_as_std_does() {
        assert_eq!(
            fs::read("/proc/self/cmdline").await.unwrap(),
            std::fs::read("/proc/self/cmdline").unwrap()
        );
        assert!(fs::read_to_string("/proc/cpuinfo").await.unwrap().len() > 10);
        let mut maps = String::new();
        File::open("/proc/self/status").await.unwrap().read_to_string(&mut maps).await.unwrap();
        assert!(maps.contains("VmRSS"));
        assert_eq!(fs::read("/dev/null").await.unwrap(), b"");
        let mut zeros = [7; 100];
        let mut zero = File::open("/dev/zero").await.unwrap();
        zero.read_exact(&mut zeros).await.unwrap();
        assert_eq!(zeros, [0; 100]);
        let mut random = File::open("/dev/urandom").await.unwrap();
        random.read_exact(&mut zeros).await.unwrap();
        assert_ne!(zeros, [0; 100]);
        assert!(fs::metadata("/dev/null").await.unwrap().permissions().mode() & 0o666 != 0);
        let error = fs::read("/proc/self").await.unwrap_err();
        assert_eq!(error.raw_os_error(), std::fs::read("/proc/self").unwrap_err().raw_os_error());
        let error = fs::write("/dev/full", b"x").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }

    /// Eight bytes at a time is what an eventfd takes: writes are not joined.
    async fn writes_to_a_device_stay_apart() {
        // SAFETY: no memory involved; the descriptor is ours.
        let event = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        // SAFETY: just made.
        let mut event = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(event) };
        let mut clone = event.try_clone().await.unwrap();
        for _ in 0..20 {
            event.write_all(&1u64.to_ne_bytes()).await.unwrap();
        }
        event.flush().await.unwrap();
        let mut count = [0; 8];
        clone.read_exact(&mut count).await.unwrap();
        assert_eq!(u64::from_ne_bytes(count), 20);
    }

    /// Reads that wait for the device, and those past the cache, go through the ring.
    async fn the_ring_is_used_where_it_should_be(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = dir.path().join("direct");
        let contents: Vec<u8> = (0..64 * 1024u32).map(|i| (i / 512) as u8).collect();
        std::fs::write(&path, &contents).unwrap();
        std::fs::File::open(&path).unwrap().sync_all().unwrap();
        let metrics = yamanote::runtime::Handle::current().metrics();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(libc::O_DIRECT).open(&path).await;
        let file = std::sync::Arc::new(file.unwrap());
        let before = metrics.ops_submitted();
        let reads: Vec<_> = (0..16u64)
            .map(|i| {
                let file = file.clone();
                yamanote::task::spawn(async move {
                    let buf = aligned(4096);
                    let (n, buf) = file.read_at(buf, i * 4096).await;
                    assert_eq!(n.unwrap(), 4096);
                    (i, buf)
                })
            })
            .collect();
        for read in reads {
            let (i, buf) = read.await.unwrap();
            assert_eq!(buf.bytes(), &contents[i as usize * 4096..][..4096]);
        }
        let mut buf = aligned(4096);
        buf.fill(9);
        let writer = file.clone();
        let written = yamanote::task::spawn(async move { writer.write_at(buf, 8192).await });
        let (n, buf) = written.await.unwrap();
        assert_eq!(n.unwrap(), 4096);
        let submitted = metrics.ops_submitted() - before;
        match setup.driver {
            Driver::Uring => assert!(submitted >= 17, "{submitted}"),
            Driver::Epoll => assert_eq!(submitted, 0),
        }
        // Misaligned: the kernel's answer, and the buffer back.
        let (error, buf) = file.read_at(buf, 8193).await;
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert_eq!(buf.bytes(), [9; 4096]);
        assert_eq!(&std::fs::read(&path).unwrap()[8192..12288], [9; 4096]);
    }

    /// A write by the ring whose future is dropped comes before what the handle does later.
    async fn later_operations_come_after_a_dropped_direct_write() {
        if !require(Capability::Ext4) {
            return;
        }
        let dir = TempDir::on_ext4();
        let path = dir.path().join("ordered");
        std::fs::write(&path, vec![0; 1 << 20]).unwrap();
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_DIRECT);
        let file = options.open(&path).await.unwrap();
        for round in 0..30u8 {
            // The dropped one is larger, so that it would end later if it could.
            let mut slow = aligned(1 << 20);
            slow.fill(b'A');
            let _ = poll_once(file.write_at(slow, 0)).await;
            let mut fast = aligned(4096);
            fast.fill(round);
            let (n, buf) = file.write_at(fast, 4096).await;
            assert_eq!(n.unwrap(), 4096);
            let (n, buf) = file.read_at(buf, 4096).await;
            assert_eq!(n.unwrap(), 4096);
            assert_eq!(buf.bytes(), [round; 4096]);
        }
        assert_eq!(file.metadata().await.unwrap().len(), 1 << 20);
    }

    /// A hot read needs neither the ring nor the pool.
    fn a_read_from_the_cache_needs_no_ring(setup: Setup) {
        if !require(Capability::InlineFiles) {
            return;
        }
        let runtime = yamanote_test::builder!(setup).max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let dir = TempDir::with_inline_files();
            let path = dir.path().join("hot");
            fs::write(&path, [1; 4096]).await.unwrap();
            let metrics = yamanote::runtime::Handle::current().metrics();
            let mut file = File::open(&path).await.unwrap();
            let before = metrics.ops_submitted();
            // The first of each kind on a file system takes a thread, as does the first after the
            // machine stood still.
            let start = Instant::now();
            loop {
                let mut buf = [0; 4096];
                file.rewind().await.unwrap();
                let inline = is_inline(file.read(&mut buf)).await
                    && is_inline(fs::read(&path)).await
                    && is_inline(fs::metadata(&path)).await
                    && is_inline(File::open(&path)).await;
                if inline {
                    break assert_eq!(buf, [1; 4096]);
                }
                assert!(start.elapsed() < Duration::from_secs(100), "never inline");
                assert_eq!(fs::read(&path).await.unwrap(), [1; 4096]);
            }
            assert_eq!(metrics.ops_submitted(), before);
        });
    }
}

/// A page-aligned buffer for direct I/O.
fn aligned(len: usize) -> yamanote::buf::Slice<Vec<u8>> {
    use yamanote::buf::IoBuf;
    let bytes = vec![0u8; len + 4096];
    let begin = bytes.as_ptr().align_offset(4096);
    bytes.slice(begin..begin + len)
}

trait Bytes {
    fn bytes(&self) -> &[u8];
    fn fill(&mut self, with: u8);
}

impl Bytes for yamanote::buf::Slice<Vec<u8>> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn fill(&mut self, with: u8) {
        use yamanote::buf::IoBufMut;
        let len = self.len();
        // SAFETY: that many bytes are there, all of any value.
        unsafe { self.stable_mut_ptr().write_bytes(with, len) };
    }
}

/// As uid 65534, in a process of its own: what is not permitted fails as with std.
#[test]
fn missing_permissions_are_told() {
    if !require(Capability::Root) {
        return;
    }
    // The child cannot remove it: it gives up its rights.
    let directory =
        |pid| yamanote_test::temp::directory_for_all().join(format!("yamanote-permissions-{pid}"));
    yamanote_test::in_own_process(module_path!(), "missing_permissions_are_told", || {
        let dir = directory(std::os::unix::process::parent_id());
        std::fs::create_dir(&dir).unwrap();
        let closed = dir.join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::write(closed.join("inside"), b"x").unwrap();
        std::fs::write(dir.join("secret"), b"x").unwrap();
        std::fs::write(dir.join("readable"), b"x").unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&dir, 0o755);
        mode(&closed, 0o700);
        mode(&dir.join("secret"), 0o600);
        mode(&dir.join("readable"), 0o644);
        // SAFETY: no memory involved. The whole process drops its rights for good.
        unsafe {
            assert_eq!(libc::setgid(65534), 0);
            assert_eq!(libc::setuid(65534), 0);
        }
        for driver in ["uring", "epoll"] {
            let runtime = yamanote::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .driver(driver.parse().unwrap())
                .build();
            let Ok(runtime) = runtime else { continue };
            runtime.block_on(async {
                let denied = |error: std::io::Error| {
                    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
                };
                // Twice: first by the pool, then inline.
                for _ in 0..2 {
                    denied(fs::read(dir.join("secret")).await.unwrap_err());
                    denied(File::open(dir.join("secret")).await.unwrap_err());
                    denied(fs::metadata(closed.join("inside")).await.unwrap_err());
                    denied(fs::try_exists(closed.join("inside")).await.unwrap_err());
                    denied(fs::read_dir(&closed).await.unwrap_err());
                    denied(fs::write(dir.join("readable"), b"y").await.unwrap_err());
                    denied(fs::create_dir(dir.join("new")).await.unwrap_err());
                    let mut options = OpenOptions::new();
                    denied(
                        options
                            .write(true)
                            .open(dir.join("readable"))
                            .await
                            .unwrap_err(),
                    );
                    assert_eq!(fs::read(dir.join("readable")).await.unwrap(), b"x");
                    assert_eq!(fs::metadata(dir.join("secret")).await.unwrap().len(), 1);
                }
            });
        }
    });
    let _ = std::fs::remove_dir_all(directory(std::process::id()));
}

/// `std` reads what we wrote and the other way round, through a pipe made of raw descriptors.
#[test]
fn pipes_work_in_both_directions() {
    let (mut reader, writer) = pipe();
    let runtime = yamanote::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut writer = File::from_std(writer);
        let big = vec![5; 300_000];
        let reading = yamanote::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        writer.write_all(&big).await.unwrap();
        writer.flush().await.unwrap();
        drop(writer);
        assert_eq!(reading.await.unwrap(), big);
    });
}

fn pipe() -> (std::fs::File, std::fs::File) {
    let mut ends = [0; 2];
    // SAFETY: two writable integers that live through the call.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    // SAFETY: just made, owned by nobody else.
    ends.map(|fd| unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) })
        .into()
}
