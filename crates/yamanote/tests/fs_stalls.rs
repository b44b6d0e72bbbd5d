//! Files whose inline calls would wait although nothing announces it: a listener that is asked for
//! permission, a frozen file system. Only the task that asked may stand still.
//!
//! No test looks at the clock: whatever makes a call wait lets go when a task of the same runtime
//! answers, and counts how often none did.

use std::ffi::CString;
use std::fs::File as StdFile;
use std::future::{Future, poll_fn};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc as std_mpsc;
use std::task::Poll;
use std::time::{Duration, Instant};

use yamanote::buf::IoBuf;
use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::unix::AsyncFd;
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, Interest};
use yamanote::runtime::Handle;
use yamanote::sync::mpsc;
use yamanote_test::{Capability, Setup, TempDir, builder, matrix, require};

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

/// Reads until a read completes inline, which the first one on a file system does not.
async fn until_inline(path: &Path) {
    let start = Instant::now();
    while !is_inline(fs::read(path)).await {
        assert!(start.elapsed() < Duration::from_secs(100), "never inline");
        fs::read(path).await.unwrap();
    }
}

/// Is asked before a file of a directory is opened or read.
struct Listener(OwnedFd);

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

impl Listener {
    fn on(directory: &Path, flags: u32) -> Listener {
        let asked = libc::FAN_OPEN_PERM | libc::FAN_ACCESS_PERM;
        Listener::to_be_asked(asked, directory, flags)
    }

    fn to_be_asked(what: u64, directory: &Path, flags: u32) -> Listener {
        let path = CString::new(directory.as_os_str().as_bytes()).unwrap();
        // SAFETY: the descriptor is used by its owner, made of it at once; the path ends with NUL
        // and lives through the call.
        unsafe {
            let flags = libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC | flags;
            let fd = libc::fanotify_init(flags, libc::O_RDONLY as u32);
            assert!(fd >= 0, "{}", std::io::Error::last_os_error());
            let asked = what | libc::FAN_EVENT_ON_CHILD;
            let (add, here) = (libc::FAN_MARK_ADD, libc::AT_FDCWD);
            let marked = libc::fanotify_mark(fd, add, asked, here, path.as_ptr());
            assert_eq!(marked, 0, "{}", std::io::Error::last_os_error());
            Listener(OwnedFd::from_raw_fd(fd))
        }
    }

    /// The files that are asked about now.
    fn questions(&self) -> std::io::Result<Vec<OwnedFd>> {
        const EVENT: usize = size_of::<libc::fanotify_event_metadata>();
        let mut bytes = [0u8; 64 * EVENT];
        // SAFETY: the buffer is writable and as long as said.
        let n = unsafe { libc::read(self.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        if n < 0 {
            return Err(std::io::Error::last_os_error());
        }
        let events = bytes[..n as usize].chunks_exact(EVENT).map(|event| {
            // SAFETY: the kernel wrote a whole event, and gave us the descriptor in it.
            unsafe {
                let event = event.as_ptr().cast::<libc::fanotify_event_metadata>();
                OwnedFd::from_raw_fd(event.read_unaligned().fd)
            }
        });
        Ok(events.collect())
    }

    fn allow(&self, file: BorrowedFd<'_>) {
        let answer = libc::fanotify_response {
            fd: file.as_raw_fd(),
            response: libc::FAN_ALLOW,
        };
        // SAFETY: the struct is readable and as long as said.
        let n = unsafe {
            let len = size_of::<libc::fanotify_response>();
            libc::write(self.as_raw_fd(), (&raw const answer).cast(), len)
        };
        assert!(n > 0, "{}", std::io::Error::last_os_error());
    }
}

/// Asks a task of the runtime; after `patience` without an answer it goes on and counts that.
#[derive(Clone)]
struct Asking {
    ask: mpsc::UnboundedSender<std_mpsc::Sender<()>>,
    patience: Duration,
    asked: Arc<AtomicU32>,
    unheard: Arc<AtomicU32>,
}

impl Asking {
    /// On the current runtime.
    fn new(patience: Duration) -> Asking {
        let (ask, mut asked) = mpsc::unbounded_channel::<std_mpsc::Sender<()>>();
        yamanote::spawn(async move {
            while let Some(heard) = asked.recv().await {
                let _ = heard.send(());
            }
        });
        Asking {
            ask,
            patience,
            asked: Arc::default(),
            unheard: Arc::default(),
        }
    }

    /// On a thread of the test's own.
    fn ask(&self) {
        self.asked.fetch_add(1, SeqCst);
        let (heard, is_heard) = std_mpsc::channel();
        self.ask.send(heard).unwrap();
        if is_heard.recv_timeout(self.patience).is_err() {
            self.unheard.fetch_add(1, SeqCst);
        }
    }

    fn unheard(&self) -> u32 {
        self.unheard.load(SeqCst)
    }
}

/// A listener that thinks for a while and then lets a task of the runtime decide.
fn listen(directory: &Path, asking: &Asking) {
    answer(Listener::on(directory, 0), asking);
}

fn answer(listener: Listener, asking: &Asking) {
    let asking = asking.clone();
    // Ends with the process, which is the test's own.
    std::thread::spawn(move || {
        loop {
            for file in listener.questions().unwrap() {
                std::thread::sleep(Duration::from_millis(50));
                asking.ask();
                listener.allow(file.as_fd());
            }
        }
    });
}

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

fn one_file(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("watched");
    std::fs::write(&path, [7; 5000]).unwrap();
    path
}

/// In a task, because a worker would be held up. Its pool has one thread, for [`is_inline`].
fn run<F: Future<Output = ()> + Send + 'static>(setup: Setup, test: F) {
    let runtime = builder!(setup).max_blocking_threads(1).build().unwrap();
    runtime.block_on(async { yamanote::spawn(test).await.unwrap() });
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

/// Nobody else sees what this thread, and those it starts, mount from now on.
fn see_mounts_alone() {
    let (none, root) = (c"none".as_ptr(), c"/".as_ptr());
    // SAFETY: strings that end with NUL and live through the calls.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
        let private = libc::MS_REC | libc::MS_PRIVATE;
        assert_eq!(libc::mount(none, root, none, private, std::ptr::null()), 0);
    }
}

/// A file system in a file, until this is dropped.
struct Mounted {
    path: PathBuf,
}

impl Mounted {
    fn new(directory: &Path, kind: &str) -> Option<Mounted> {
        let image = directory.join(format!("{kind}.img"));
        StdFile::create(&image).unwrap().set_len(400 << 20).unwrap();
        let made = Command::new(format!("mkfs.{kind}"))
            .arg("-q")
            .arg(&image)
            .output();
        if !made.ok()?.status.success() {
            return None;
        }
        let path = directory.join(kind);
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-o", "loop"])
            .args([&image, &path])
            .output();
        let output = mounted.unwrap();
        assert!(output.status.success(), "{output:?}");
        Some(Mounted { path })
    }

    /// Until the result is dropped.
    fn freeze(&self) -> Frozen {
        let root = StdFile::open(&self.path).unwrap();
        Frozen::control(&root, Frozen::FREEZE);
        Frozen(root)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

struct Frozen(StdFile);

impl Frozen {
    /// linux/fs.h: `FIFREEZE` and `FITHAW`.
    const FREEZE: libc::Ioctl = 0xc004_5877_u32 as libc::Ioctl;
    const THAW: libc::Ioctl = 0xc004_5878_u32 as libc::Ioctl;

    fn control(root: &StdFile, request: libc::Ioctl) {
        // SAFETY: neither request touches memory of ours.
        let done = unsafe { libc::ioctl(root.as_raw_fd(), request, 0) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        Frozen::control(&self.0, Frozen::THAW);
    }
}
