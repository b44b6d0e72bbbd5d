//! Pipes and FIFOs: every byte arrives, ends and broken pipes are reported, other ends come and go.

mod tcp_support;

use std::ffi::CString;
use std::fs::File;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use tcp_support::{assert_numbered, numbered, unless_blocked};
use yamanote::io::{AsyncReadExt, AsyncWriteExt, Interest};
use yamanote::net::unix::pipe::{OpenOptions, Receiver, Sender, pipe};
use yamanote::time::timeout;
use yamanote_test::{Snapshot, TempDir};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);
const MIB: usize = 1024 * 1024;

/// A FIFO in a directory of its own.
fn fifo() -> (PathBuf, TempDir) {
    let directory = TempDir::new();
    let path = directory.path().join("fifo");
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name ends with NUL and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    (path, directory)
}

fn fill(sender: &Sender) -> usize {
    let mut sent = 0;
    while let Some(written) = unless_blocked(sender.try_write(&numbered(sent..sent + 4096))) {
        sent += written;
    }
    sent
}

fn is_nonblocking(fd: &impl AsRawFd) -> bool {
    // SAFETY: F_GETFL touches no memory of ours.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_NONBLOCK != 0
}

yamanote_test::matrix! {
    async fn every_byte_arrives() {
        let (mut sender, mut receiver) = pipe().unwrap();
        let writing = yamanote::spawn(async move {
            let bytes = numbered(0..MIB);
            for chunk in bytes.chunks(10_007) {
                let (one, two) = chunk.split_at(chunk.len() / 2);
                let slices = [IoSlice::new(one), IoSlice::new(two)];
                let sent = sender.write_vectored(&slices).await.unwrap();
                sender.write_all(&chunk[sent..]).await.unwrap();
            }
            sender.flush().await.unwrap();
            sender.shutdown().await.unwrap();
            sender.write_all(b"shutdown does nothing").await.unwrap();
        });
        let mut received = Vec::new();
        timeout(LONG, receiver.read_to_end(&mut received)).await.unwrap().unwrap();
        assert_eq!(received.split_off(MIB), b"shutdown does nothing");
        assert_numbered(0, &received);
        writing.await.unwrap();
        assert_eq!(receiver.read(&mut [0; 4]).await.unwrap(), 0);
    }

    async fn ends_and_broken_pipes_are_told() {
        let (mut sender, receiver) = pipe().unwrap();
        sender.write_all(b"unread").await.unwrap();
        let sent = 6 + fill(&sender);
        let mut writing = pin!(async { sender.write(b"more").await });
        timeout(SHORT, writing.as_mut()).await.unwrap_err();
        assert!(sent > 6);
        drop(receiver);
        let broken = timeout(LONG, writing).await.unwrap().unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
        assert!(sender.ready(Interest::WRITABLE).await.unwrap().is_write_closed());

        let (sender, mut receiver) = pipe().unwrap();
        let mut buf = [0; 4];
        let mut reading = pin!(async { receiver.read(&mut buf).await });
        timeout(SHORT, reading.as_mut()).await.unwrap_err();
        drop(sender);
        assert_eq!(timeout(LONG, reading).await.unwrap().unwrap(), 0);
    }

    async fn readiness_ends_when_nothing_is_found() {
        let (sender, receiver) = pipe().unwrap();
        let mut buf = [0; 4];
        assert!(receiver.readable().now_or_never().is_none());
        timeout(LONG, sender.writable()).await.unwrap().unwrap();
        let slices = [IoSlice::new(b"abc"), IoSlice::new(b"defg")];
        assert_eq!(sender.try_write_vectored(&slices).unwrap(), 7);
        timeout(LONG, receiver.readable()).await.unwrap().unwrap();
        assert_eq!(receiver.try_read(&mut buf).unwrap(), 4);
        let mut vector = Vec::with_capacity(2);
        assert_eq!(receiver.try_read_buf(&mut vector).unwrap(), 2);
        assert_eq!(vector, b"ef");
        let (one, two) = buf.split_at_mut(2);
        let mut slices = [IoSliceMut::new(one), IoSliceMut::new(two)];
        assert_eq!(receiver.try_read_vectored(&mut slices).unwrap(), 1);
        assert_eq!(receiver.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        timeout(SHORT, receiver.readable()).await.unwrap_err();
        fill(&sender);
        timeout(SHORT, sender.writable()).await.unwrap_err();
        assert_eq!(sender.try_io(|| Ok(7)).unwrap_err().kind(), ErrorKind::WouldBlock);
        timeout(LONG, receiver.readable()).await.unwrap().unwrap();
        assert_eq!(receiver.try_io(|| Ok(7)).unwrap(), 7);
        while unless_blocked(receiver.try_read(&mut vec![0; MIB])).is_some() {}
        timeout(LONG, sender.writable()).await.unwrap().unwrap();
        assert_eq!(sender.try_io(|| Ok(7)).unwrap(), 7);
    }

    async fn dropped_futures_take_nothing() {
        let (mut sender, mut receiver) = pipe().unwrap();
        let mut buf = [0; 4];
        for round in 0..50_u8 {
            {
                let mut reading = pin!(receiver.read(&mut buf));
                assert!(futures::poll!(reading.as_mut()).is_pending());
                sender.write_all(&[round]).await.unwrap();
            }
            assert_eq!(receiver.read(&mut buf).await.unwrap(), 1);
            assert_eq!(buf[0], round);
        }
        let sent = fill(&sender);
        assert!(sender.write(b"never").now_or_never().is_none());
        let mut bytes = vec![0; sent];
        receiver.read_exact(&mut bytes).await.unwrap();
        assert_numbered(0, &bytes);
        assert!(receiver.read(&mut buf).now_or_never().is_none());
    }

    /// A reader whose senders have all gone reads the end, again and again, until another comes;
    /// then it sleeps again when there is nothing.
    async fn a_fifo_gets_another_sender() {
        let (path, _directory) = fifo();
        let options = OpenOptions::new();
        let no_reader = options.open_sender(&path).unwrap_err();
        assert_eq!(no_reader.raw_os_error(), Some(libc::ENXIO));
        let mut receiver = options.open_receiver(&path).unwrap();
        let mut buf = [0; 16];
        timeout(SHORT, receiver.read(&mut buf)).await.unwrap_err();
        for text in [&b"first"[..], b"second"] {
            let mut sender = options.open_sender(&path).unwrap();
            sender.write_all(text).await.unwrap();
            let length = timeout(LONG, receiver.read(&mut buf)).await.unwrap().unwrap();
            assert_eq!(&buf[..length], text);
            timeout(SHORT, receiver.read(&mut buf)).await.unwrap_err();
            timeout(SHORT, receiver.readable()).await.unwrap_err();
            drop(sender);
            for _ in 0..3 {
                assert_eq!(timeout(LONG, receiver.read(&mut buf)).await.unwrap().unwrap(), 0);
            }
        }
    }

    /// The same from the other side.
    async fn a_fifo_gets_another_receiver() {
        let (path, _directory) = fifo();
        let options = OpenOptions::new();
        let receiver = options.open_receiver(&path).unwrap();
        let mut sender = options.open_sender(&path).unwrap();
        drop(receiver);
        let broken = timeout(LONG, sender.write(b"x")).await.unwrap().unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
        let mut receiver = options.open_receiver(&path).unwrap();
        let sent = fill(&sender);
        timeout(SHORT, sender.write(b"x")).await.unwrap_err();
        timeout(SHORT, sender.writable()).await.unwrap_err();
        let mut bytes = vec![0; sent];
        receiver.read_exact(&mut bytes).await.unwrap();
        assert_numbered(0, &bytes);
        timeout(LONG, sender.write_all(b"again")).await.unwrap().unwrap();
        assert_eq!(receiver.read(&mut bytes).await.unwrap(), 5);
    }

    async fn both_at_once_never_end() {
        let (path, _directory) = fifo();
        let mut options = OpenOptions::new();
        options.read_write(true);
        let mut sender = options.open_sender(&path).unwrap();
        sender.write_all(b"nobody yet").await.unwrap();
        let mut receiver = options.open_receiver(&path).unwrap();
        let mut buf = [0; 16];
        assert_eq!(receiver.read(&mut buf).await.unwrap(), 10);
        drop(sender);
        timeout(SHORT, receiver.read(&mut buf)).await.unwrap_err();
    }

    async fn only_pipes_are_taken() {
        let directory = TempDir::new();
        let path = directory.path().join("regular");
        File::create(&path).unwrap();
        let read_write = || File::options().read(true).write(true).open(&path).unwrap();
        let errors = [
            Sender::from_file(read_write()).unwrap_err(),
            Receiver::from_owned_fd(read_write().into()).unwrap_err(),
            OpenOptions::new().open_sender(&path).unwrap_err(),
            OpenOptions::new().open_receiver(&path).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidInput, "not a pipe".into()));
        }
        let unchecked = OpenOptions::new().unchecked(true).open_receiver(&path).unwrap_err();
        assert_eq!(unchecked.raw_os_error(), Some(libc::EPERM));
        let (read, write) = yamanote_test::pipe();
        let text = Sender::from_file(read).unwrap_err().to_string();
        assert_eq!(text, "not in O_WRONLY or O_RDWR access mode");
        let text = Receiver::from_file(write).unwrap_err().to_string();
        assert_eq!(text, "not in O_RDONLY or O_RDWR access mode");
    }

    async fn descriptors_come_and_go() {
        let (read, write) = yamanote_test::pipe();
        assert!(!is_nonblocking(&read) && !is_nonblocking(&write));
        let mut sender = Sender::from_file(write).unwrap();
        let mut receiver = Receiver::from_owned_fd(read.into()).unwrap();
        assert!(is_nonblocking(&sender) && is_nonblocking(&receiver));
        sender.write_all(b"abc").await.unwrap();
        let write = sender.into_nonblocking_fd().unwrap();
        assert!(is_nonblocking(&write));
        let mut sender = Sender::from_owned_fd_unchecked(write).unwrap();
        sender.write_all(b"def").await.unwrap();
        assert_eq!(receiver.read(&mut [0; 2]).await.unwrap(), 2);
        let (write, read) = (sender.into_blocking_fd().unwrap(), receiver.into_blocking_fd().unwrap());
        assert!(!is_nonblocking(&write) && !is_nonblocking(&read));
        File::from(write).write_all(b"ghi").unwrap();
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!(text, "cdefghi");
    }

    alone fn no_descriptor_is_left(setup: yamanote_test::Setup) {
        let (path, _directory) = fifo();
        let before = Snapshot::take();
        let runtime = yamanote_test::builder!(setup).build().unwrap();
        let inside = Snapshot::take().descriptor_count();
        let count = || Snapshot::take().descriptor_count() - inside;
        let mut outlives = runtime.block_on(async {
            let (sender, receiver) = pipe().unwrap();
            assert_eq!(count(), 2);
            let named = OpenOptions::new().open_receiver(&path).unwrap();
            assert_eq!(count(), 3);
            OpenOptions::new().open_receiver("/dev/null").unwrap_err();
            let fd = sender.into_blocking_fd().unwrap();
            Receiver::from_owned_fd(fd).unwrap_err();
            assert_eq!(count(), 2);
            drop(receiver);
            named
        });
        drop(runtime);
        let gone = outlives.read(&mut [0; 4]).now_or_never().expect("told at once");
        assert!(gone.is_err());
        drop(outlives);
        before.assert_restored();
    }
}
