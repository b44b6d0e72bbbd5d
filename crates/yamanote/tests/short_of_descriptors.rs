//! A process that is short of descriptors: what cannot be made returns an error, leaves nothing
//! behind, and can be made later; and what needs no descriptor of its own goes on.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use yamanote::buf::IoBuf;
use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote::net::unix::pipe;
use yamanote::net::{
    TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSocket,
    UnixStream,
};
use yamanote::process::Command;
use yamanote::runtime::{Builder, DriverChoice, Handle, Runtime};
use yamanote::signal::unix::{SignalKind, signal};
use yamanote::time::{sleep, timeout};
use yamanote_test::{
    Capability, Driver, Scarcity, Setup, Snapshot, TempDir, builder, matrix, require,
};

/// More than anything here takes.
const ENOUGH: u64 = 8;

/// What is needed to make the things below.
struct Scene {
    directory: TempDir,
    server: std::net::TcpListener,
    _unix_server: std::os::unix::net::UnixListener,
}

impl Scene {
    fn new() -> Scene {
        let directory = TempDir::new();
        let path = directory.path();
        std::fs::write(path.join("file"), [7; 10_000]).unwrap();
        std::fs::create_dir(path.join("directory")).unwrap();
        let fifo = std::ffi::CString::new(path.join("fifo").as_os_str().as_bytes()).unwrap();
        // SAFETY: a NUL-terminated path that lives through the call.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        Scene {
            server: std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
            _unix_server: std::os::unix::net::UnixListener::bind(path.join("server")).unwrap(),
            directory,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn address(&self) -> SocketAddr {
        self.server.local_addr().unwrap()
    }
}

type Making<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + 'a>>;

/// A name, and how to make it (and use it, and let it go).
type Thing = (&'static str, for<'a> fn(&'a Scene) -> Making<'a>);

macro_rules! things {
    ($($name:literal, $scene:ident => $body:expr;)*) => {
        [$( ($name, (|$scene| Box::pin(async move { $body; Ok(()) })) as for<'a> fn(&'a Scene) -> Making<'a>) ),*]
    };
}

/// A name in the file system that is free again when the socket at it is made, or is not.
fn at_free_path<T>(path: &Path, bind: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let made = bind(path);
    let _ = std::fs::remove_file(path);
    made
}

fn things() -> Vec<Thing> {
    things! {
        "TCP listener", _scene => TcpListener::bind("127.0.0.1:0").await?;
        "TCP stream", scene => TcpStream::connect(scene.address()).await?;
        "TCP socket", scene => TcpSocket::new_v4()?.connect(scene.address()).await?;
        "UDP socket", _scene => UdpSocket::bind("127.0.0.1:0").await?;
        "Unix pair", _scene => UnixStream::pair()?;
        "Unix listener", scene => at_free_path(&scene.path("l"), |path| UnixListener::bind(path))?;
        "Unix stream", scene => UnixStream::connect(scene.path("server")).await?;
        "Unix socket", scene => UnixSocket::new_stream()?.connect(scene.path("server")).await?;
        "datagram pair", _scene => UnixDatagram::pair()?;
        "datagram socket", scene => at_free_path(&scene.path("d"), |path| UnixDatagram::bind(path))?;
        "unbound datagram socket", _scene => UnixDatagram::unbound()?;
        "pipe", _scene => pipe::pipe()?;
        "FIFO", scene => pipe::OpenOptions::new().read_write(true).open_receiver(scene.path("fifo"))?;
        "FIFO as a file", scene => OpenOptions::new().read(true).write(true).open(scene.path("fifo")).await?;
        "signal", _scene => drop(signal(SignalKind::user_defined1())?);
        "child", _scene => {
            let mut command = Command::new("true");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            assert!(command.spawn()?.wait().await?.success());
        };
        "output of a child", _scene => {
            assert_eq!(Command::new("echo").arg("hello").output().await?.stdout, b"hello\n");
        };
        "file to read", scene => {
            let mut bytes = Vec::new();
            File::open(scene.path("file")).await?.read_to_end(&mut bytes).await?;
            assert_eq!(bytes.len(), 10_000);
        };
        "file to write", scene => {
            let mut file = File::create(scene.path("written")).await?;
            file.write_all(b"hello").await?;
            file.sync_all().await?;
            file.try_clone().await?.sync_data().await?;
        };
        "contents", scene => assert_eq!(fs::read(scene.path("file")).await?.len(), 10_000);
        "written contents", scene => fs::write(scene.path("written"), b"hello").await?;
        "copy", scene => assert_eq!(fs::copy(scene.path("file"), scene.path("copy")).await?, 10_000);
        "directory", scene => {
            let mut entries = fs::read_dir(scene.path("")).await?;
            while let Some(entry) = entries.next_entry().await? {
                entry.metadata().await?;
            }
        };
        "metadata", scene => {
            assert_eq!(fs::metadata(scene.path("file")).await?.len(), 10_000);
            assert!(fs::symlink_metadata(scene.path("directory")).await?.is_dir());
            assert!(!fs::try_exists(scene.path("nothing")).await?);
        };
    }
    .to_vec()
}

async fn make((name, make): Thing, scene: &Scene) -> io::Result<()> {
    let made = timeout(Duration::from_secs(20), make(scene)).await;
    made.unwrap_or_else(|_| panic!("{name}: neither made nor refused"))
}

fn runtime(setup: Setup) -> Runtime {
    builder!(setup).build().unwrap()
}

/// The descriptors there are, without those of rings: a runtime makes rings when it first needs
/// them, and keeps them.
fn descriptors() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    targets
        .filter(|target| target != Path::new("anon_inode:[io_uring]"))
        .count()
}

fn assert_descriptors(count: usize, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while descriptors() != count {
        let now = Snapshot::take();
        assert!(Instant::now() < deadline, "{what}: {count}, now {now:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

matrix! {
    /// With 0 to 8 descriptors left, each thing is made or refused with EMFILE, in a process that
    /// has made nothing before and in one that has made everything.
    alone fn everything_is_made_or_refused(setup: Setup) {
        let scene = Scene::new();
        for is_first in [true, false] {
            let runtime = runtime(setup);
            for thing in things() {
                for left in 0..=ENOUGH {
                    let before = descriptors();
                    let made = {
                        let _scarcity = Scarcity::leave(left);
                        runtime.block_on(make(thing, &scene))
                    };
                    let what = format!("{} with {left} left", thing.0);
                    match made {
                        Ok(()) => {}
                        Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{what}"),
                    }
                    if !is_first {
                        assert_descriptors(before, &what);
                    }
                }
                runtime.block_on(make(thing, &scene)).unwrap();
            }
        }
    }

    /// The same for runtimes.
    alone fn a_runtime_is_made_or_refused(setup: Setup) {
        drop(runtime(setup));
        for left in 0..=ENOUGH {
            let before = Snapshot::take();
            let made = {
                let _scarcity = Scarcity::leave(left);
                builder!(setup).build().map(drop)
            };
            match made {
                Ok(()) => {}
                Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EMFILE)),
            }
            before.assert_restored();
        }
        runtime(setup);
    }

    /// Where a ring is wanted and none can be had, the pool does it: a file that is open can be
    /// read and synced, from a task and from the thread that blocks on the runtime.
    alone fn an_open_file_needs_no_descriptor(setup: Setup) {
        if !require(Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        let runtime = runtime(setup);
        let path = directory.path().join("file");
        std::fs::write(&path, [7; 4096]).unwrap();
        runtime.block_on(async {
            let mut options = OpenOptions::new();
            options.read(true).write(true).custom_flags(libc::O_DIRECT);
            let file = Arc::new(options.open(&path).await.unwrap());
            let use_it = |file: Arc<File>| async move {
                let bytes = vec![0; 2 * 4096];
                let start = bytes.as_ptr().align_offset(4096);
                let (read, _) = file.read_at(bytes.slice(start..start + 4096), 0).await;
                assert_eq!(read.unwrap(), 4096);
                file.sync_all().await.unwrap();
            };
            let scarcity = Scarcity::leave(0);
            for _ in 0..10 {
                use_it(file.clone()).await;
            }
            yamanote::spawn(use_it(file.clone())).await.unwrap();
            assert_eq!(Handle::current().metrics().ops_submitted(), 0);

            // When descriptors are there again, so are rings.
            drop(scarcity);
            if setup.driver == Driver::Uring {
                let deadline = Instant::now() + Duration::from_secs(10);
                while Handle::current().metrics().ops_submitted() == 0 {
                    assert!(Instant::now() < deadline, "no ring any more");
                    sleep(Duration::from_millis(50)).await;
                    yamanote::spawn(use_it(file.clone())).await.unwrap();
                }
            }
        });
    }
}

/// A runtime that cannot be made because descriptors are lacking decides nothing for later ones.
#[test]
fn a_shortage_at_the_start_does_not_rule_out_rings() {
    yamanote_test::in_own_process(
        module_path!(),
        "a_shortage_at_the_start_does_not_rule_out_rings",
        || {
            if !require(Capability::IoUring) {
                return;
            }
            for choice in [DriverChoice::Auto, DriverChoice::Uring] {
                let build = || {
                    let mut builder = Builder::new_current_thread();
                    builder.enable_all().driver(choice).build()
                };
                {
                    let _scarcity = Scarcity::leave(0);
                    build().unwrap_err();
                }
                assert_eq!(build().unwrap().handle().driver().to_string(), "uring");
            }
        },
    );
}
