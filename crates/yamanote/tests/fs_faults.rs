//! Files where something is wrong: odd lengths and offsets, names nobody should use, other readers
//! and writers of the same file.

use std::ffi::OsStr;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;

use yamanote::buf::IoBuf;
use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote_test::{Capability, Setup, Snapshot, TempDir, builder, require};

async fn poll_once<F: Future>(future: F) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

/// `a` and `b` say the same.
#[track_caller]
fn assert_same<T, U>(what: &Path, a: std::io::Result<T>, b: std::io::Result<U>) {
    let facts = |error: std::io::Error| (error.kind(), error.raw_os_error());
    let (a, b) = (a.map(drop).map_err(facts), b.map(drop).map_err(facts));
    let shown =
        String::from_utf8_lossy(&what.as_os_str().as_bytes()[..what.as_os_str().len().min(60)]);
    assert_eq!(a, b, "{shown}");
}

yamanote_test::matrix! {
    // F3: a file that gives less than is asked for, at each read.
    async fn short_reads_are_gone_on_with() {
        let directory = TempDir::new();
        let path = directory.path().join("fifo");
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a string that ends with NUL and lives through the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let writer_path = path.clone();
        let writer = std::thread::spawn(move || {
            use std::io::Write;
            let mut writer = std::fs::File::options().write(true).open(writer_path).unwrap();
            for byte in 0..200u8 {
                writer.write_all(&[byte]).unwrap();
                if byte % 20 == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        });
        let mut file = File::open(&path).await.unwrap();
        let mut head = [0; 150];
        file.read_exact(&mut head).await.unwrap();
        let mut tail = Vec::new();
        file.read_to_end(&mut tail).await.unwrap();
        assert!(head.iter().chain(&tail).copied().eq(0..200));
        writer.join().unwrap();
    }

    // F4: cut to what one call takes; in 32 bits these lengths would be 0 and 1.
    async fn buffers_of_4_gib() {
        let directory = TempDir::new();
        let path = directory.path().join("short");
        std::fs::write(&path, b"hello").unwrap();
        let file = File::open(&path).await.unwrap();
        let null = OpenOptions::new().write(true).open("/dev/null").await.unwrap();
        for len in [1u64 << 32, (1 << 32) + 1] {
            // With 32-bit addresses there is no such buffer.
            let Ok(len) = usize::try_from(len) else {
                continue;
            };
            // Reserved, and never touched beyond the first page.
            let (n, buf) = file.read_at(Vec::with_capacity(len), 0).await;
            assert_eq!(n.unwrap(), 5);
            assert_eq!(buf, b"hello");
            let mut file = File::open(&path).await.unwrap();
            let mut buf = Vec::with_capacity(len);
            assert_eq!(file.read_buf(&mut buf).await.unwrap(), 5);
            assert_eq!(buf, b"hello");
            // Zeroed by the kernel when touched, and the device touches nothing.
            let (n, buf) = null.write_at(vec![0u8; len], 0).await;
            assert_eq!(n.unwrap(), 0x7fff_f000);
            assert_eq!(buf.len(), len);
        }
    }

    // F5: far offsets, absurd ones, the one that means the cursor to io_uring, and append.
    async fn offsets_at_the_edges() {
        const TIB: u64 = 1 << 40;
        let directory = TempDir::new();
        let path = directory.path().join("sparse");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = options.open(&path).await.unwrap();
        file.write_all(b"at the cursor").await.unwrap();
        file.set_len(TIB + 5).await.unwrap();
        for offset in [TIB, (1 << 32) - 2, 1 << 32, 1 << 31] {
            let (n, _) = file.write_at(b"there".to_vec(), offset).await;
            assert_eq!(n.unwrap(), 5);
            let (n, buf) = file.read_at(Vec::with_capacity(5), offset).await;
            assert_eq!((n.unwrap(), &buf[..]), (5, &b"there"[..]));
            file.seek(SeekFrom::Start(offset)).await.unwrap();
            let mut buf = [0; 5];
            file.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"there");
        }
        file.seek(SeekFrom::Start(3)).await.unwrap();
        let std = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        for offset in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, (1 << 63) - 4096] {
            let (n, buf) = file.read_at(vec![9; 4], offset).await;
            assert_same(Path::new(&format!("read at {offset}")), n, std.read_at(&mut [0; 4], offset));
            assert_eq!(buf, [9; 4]);
            let (n, buf) = file.write_at(vec![9; 4], offset).await;
            assert_same(Path::new(&format!("write at {offset}")), n, std.write_at(&[9; 4], offset));
            assert_eq!(buf, [9; 4]);
        }
        assert_eq!(file.stream_position().await.unwrap(), 3, "nobody moved the cursor");
        assert_eq!(file.metadata().await.unwrap().len(), TIB + 5);
        assert!(file.seek(SeekFrom::Current(-4)).await.is_err());
        let mut head = [0; 10];
        file.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"the cursor");

        let path = directory.path().join("appended");
        std::fs::write(&path, b"0123").unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).await.unwrap();
        file.write_all(b"45").await.unwrap();
        file.rewind().await.unwrap();
        file.write_all(b"67").await.unwrap();
        file.flush().await.unwrap();
        let (n, _) = file.write_at(b"89".to_vec(), 0).await;
        assert_eq!(n.unwrap(), 2);
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
    }

    // F6: what direct I/O cannot do is refused, and the buffer comes back untouched.
    async fn misaligned_direct_io() {
        if !require(Capability::Ext4) {
            return;
        }
        let directory = TempDir::on_ext4();
        let path = directory.path().join("direct");
        std::fs::write(&path, vec![1; 16384]).unwrap();
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_DIRECT);
        let file = options.open(&path).await.unwrap();
        let aligned = || {
            let bytes = vec![7; 3 * 4096];
            let start = bytes.as_ptr().align_offset(4096);
            (bytes, start)
        };
        for (from, len, offset) in [(1, 4096, 0), (0, 4095, 0), (0, 4096, 1), (3, 100, 7)] {
            let (bytes, start) = aligned();
            let slice = bytes.slice(start + from..start + from + len);
            let (result, slice) = file.write_at(slice, offset).await;
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EINVAL));
            let (result, slice) = file.read_at(slice, offset).await;
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EINVAL));
            assert!(slice.iter().all(|byte| *byte == 7) && slice.len() == len);
        }
        let (bytes, start) = aligned();
        let (result, slice) = file.read_at(bytes.slice(start..start + 4096), 4096).await;
        assert_eq!(result.unwrap(), 4096);
        assert!(slice.iter().all(|byte| *byte == 1));
    }

    // F7: for every name every function returns what std returns.
    async fn names_nobody_should_use() {
        let directory = TempDir::new();
        std::fs::write(directory.path().join("file"), b"contents").unwrap();
        std::os::unix::fs::symlink("loop", directory.path().join("loop")).unwrap();
        let tail = |bytes: &[u8]| directory.path().join(OsStr::from_bytes(bytes));
        let long = |len: usize| {
            let mut path = directory.path().as_os_str().as_bytes().to_vec();
            path.extend(b"/.".repeat(len));
            path.truncate(len);
            PathBuf::from(OsStr::from_bytes(&path))
        };
        let names = [
            PathBuf::new(),
            tail(b"\xff\xfe not text \x80"),
            tail(b"nul\0nul"),
            tail(b"\0"),
            tail(b"file/"),
            tail(b"file/x"),
            tail(b"file/."),
            tail(b"loop"),
            tail(b"missing/x"),
            tail(&[b'x'; 255]),
            tail(&[b'x'; 256]),
            long(4094),
            long(4095),
            long(4096),
            long(4097),
            long(10_000),
        ];
        for name in &names {
            // Twice: the second time the kernel's cache may know the name.
            for _ in 0..2 {
                assert_same(name, File::open(name).await, std::fs::File::open(name));
                assert_same(name, fs::read(name).await, std::fs::read(name));
                assert_same(name, fs::metadata(name).await, std::fs::metadata(name));
                assert_same(name, fs::symlink_metadata(name).await, std::fs::symlink_metadata(name));
                assert_same(name, fs::try_exists(name).await, std::fs::exists(name));
                assert_same(name, fs::canonicalize(name).await, std::fs::canonicalize(name));
                assert_same(name, fs::read_dir(name).await, std::fs::read_dir(name));
                assert_same(name, fs::remove_dir(name).await, std::fs::remove_dir(name));
                assert_same(name, fs::write(name, b"x").await, std::fs::write(name, b"x"));
            }
            assert_same(name, fs::create_dir(name).await.and(fs::remove_dir(name).await),
                std::fs::create_dir(name).and(std::fs::remove_dir(name)));
        }
        let nul = fs::read(&names[2]).await.unwrap_err();
        assert_eq!((nul.kind(), nul.raw_os_error()), (ErrorKind::InvalidInput, None));
    }

    // F8: handles dropped and runtimes gone with writes under way; no write is torn, none is lost,
    // and no descriptor stays.
    alone fn writes_outlive_their_handles(setup: Setup) {
        let directory = TempDir::new();
        let before = Snapshot::take();
        for round in 0..10usize {
            let runtime = builder!(setup).build().unwrap();
            let path = |number: usize| directory.path().join(format!("{round}-{number}"));
            runtime.block_on(async {
                for number in 0..8 {
                    let mut file = File::create(path(number)).await.unwrap();
                    file.write_all(&vec![number as u8 + 1; 300_000 + round]).await.unwrap();
                    if number % 2 == 0 {
                        // Another one, which may be accepted.
                        let _ = poll_once(file.write(&vec![number as u8 + 1; 1000])).await;
                    }
                    let clone = file.try_clone().await.unwrap();
                    drop(file);
                    drop(clone);
                }
            });
            drop(runtime);
            for number in 0..8 {
                let bytes = std::fs::read(path(number)).unwrap();
                let least = 300_000 + round;
                assert!(bytes.len() == least || (number % 2 == 0 && bytes.len() == least + 1000));
                assert!(bytes.iter().all(|byte| *byte == number as u8 + 1));
            }
        }
        before.assert_restored();
    }

    // F9: descriptors that are no files at all, through `File`.
    async fn descriptors_of_other_kinds() {
        use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
        // SAFETY: no memory involved; the descriptor is new and owned by nobody else.
        let counter = unsafe { OwnedFd::from_raw_fd(libc::eventfd(3, libc::EFD_CLOEXEC)) };
        assert!(counter.as_raw_fd() >= 0);
        let mut counter = File::from_std(std::fs::File::from(counter));
        assert_eq!(counter.read_u64_le().await.unwrap(), 3);
        counter.write_all(&5u64.to_ne_bytes()).await.unwrap();
        counter.flush().await.unwrap();
        assert_eq!(counter.read_u64_le().await.unwrap(), 5);

        let (mut near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut far = File::from_std(std::fs::File::from(OwnedFd::from(far)));
        std::io::Write::write_all(&mut near, b"question").unwrap();
        let mut bytes = [0; 8];
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"question");
        far.write_all(b"answer").await.unwrap();
        far.flush().await.unwrap();
        let mut bytes = [0; 6];
        std::io::Read::read_exact(&mut near, &mut bytes).unwrap();
        assert_eq!(&bytes, b"answer");
        assert!(far.seek(SeekFrom::Start(0)).await.is_err(), "it cannot seek");

        let mut directory = File::open("/").await.unwrap();
        let error = directory.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EISDIR));
    }
}
