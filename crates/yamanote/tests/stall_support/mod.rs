//! What makes a file's calls wait although nothing announces it: listeners that are asked for
//! permission, frozen file systems.
#![allow(dead_code, reason = "each of the two test files uses a part")]

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

use yamanote::fs;
use yamanote::sync::mpsc;
use yamanote_test::{Setup, TempDir, builder};

pub async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
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
pub async fn is_inline(operation: impl Future) -> bool {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let busy = yamanote::task::spawn_blocking(move || released.recv());
    let is_done = poll_once(operation).await.is_some();
    drop(release);
    assert!(busy.await.unwrap().is_err());
    is_done
}

/// Reads until a read completes inline, which the first one on a file system does not.
pub async fn until_inline(path: &Path) {
    let start = Instant::now();
    while !is_inline(fs::read(path)).await {
        assert!(start.elapsed() < Duration::from_secs(100), "never inline");
        fs::read(path).await.unwrap();
    }
}

/// Is asked before a file of a directory is opened or read.
pub struct Listener(OwnedFd);

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

impl Listener {
    pub fn on(directory: &Path, flags: u32) -> Listener {
        let asked = libc::FAN_OPEN_PERM | libc::FAN_ACCESS_PERM;
        Listener::to_be_asked(asked, directory, flags)
    }

    pub fn to_be_asked(what: u64, directory: &Path, flags: u32) -> Listener {
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
    pub fn questions(&self) -> std::io::Result<Vec<OwnedFd>> {
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

    pub fn allow(&self, file: BorrowedFd<'_>) {
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
pub struct Asking {
    ask: mpsc::UnboundedSender<std_mpsc::Sender<()>>,
    patience: Duration,
    pub asked: Arc<AtomicU32>,
    unheard: Arc<AtomicU32>,
}

impl Asking {
    /// On the current runtime.
    pub fn new(patience: Duration) -> Asking {
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
    pub fn ask(&self) {
        self.asked.fetch_add(1, SeqCst);
        let (heard, is_heard) = std_mpsc::channel();
        self.ask.send(heard).unwrap();
        if is_heard.recv_timeout(self.patience).is_err() {
            self.unheard.fetch_add(1, SeqCst);
        }
    }

    pub fn unheard(&self) -> u32 {
        self.unheard.load(SeqCst)
    }
}

/// A listener that thinks for a while and then lets a task of the runtime decide.
pub fn listen(directory: &Path, asking: &Asking) {
    answer(Listener::on(directory, 0), asking);
}

pub fn answer(listener: Listener, asking: &Asking) {
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

pub fn one_file(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("watched");
    std::fs::write(&path, [7; 5000]).unwrap();
    path
}

/// In a task, because a worker would be held up. Its pool has one thread, for [`is_inline`].
pub fn run<F: Future<Output = ()> + Send + 'static>(setup: Setup, test: F) {
    let runtime = builder!(setup).max_blocking_threads(1).build().unwrap();
    runtime.block_on(async { yamanote::spawn(test).await.unwrap() });
}

/// A file system in a file, until this is dropped.
pub struct Mounted {
    pub path: PathBuf,
}

impl Mounted {
    pub fn new(directory: &Path, kind: &str) -> Option<Mounted> {
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
    pub fn freeze(&self) -> Frozen {
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

pub struct Frozen(StdFile);

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
