//! Each operation, on the ring and by its plain system call: the same answers.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Seek, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use socket2::SockAddr;
use yamanote_test::TempDir;

use super::{Bench, pipe, poll_once};
use crate::buf::IoBuf;
use crate::runtime::driver::op::Operation;
use crate::runtime::driver::op::accept::Accept;
use crate::runtime::driver::op::cancel_fd::CancelFd;
use crate::runtime::driver::op::connect::Connect;
use crate::runtime::driver::op::open::Open;
use crate::runtime::driver::op::poll::PollOnce;
use crate::runtime::driver::op::read::Read;
use crate::runtime::driver::op::recv::Recv;
use crate::runtime::driver::op::send::Send;
use crate::runtime::driver::op::statx::Statx;
use crate::runtime::driver::op::transfer::Offset;
use crate::runtime::driver::op::write::Write;

/// The two ways an operation can go.
enum Way {
    Ring(Bench),
    Plain,
}

impl Way {
    fn run<T: Operation>(&self, operation: T) -> T::Output {
        match self {
            Way::Ring(bench) => bench.run(operation),
            Way::Plain => operation.run_blocking(),
        }
    }
}

fn ways() -> Vec<Way> {
    let ring = Bench::new(8).map(Way::Ring);
    ring.into_iter().chain([Way::Plain]).collect()
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

#[test]
fn files_are_opened_written_read_stated_and_closed() {
    for way in ways() {
        let dir = TempDir::new();
        let path = c_path(&dir.path().join("file"));
        let flags = libc::O_RDWR | libc::O_CREAT;
        let file = Arc::new(way.run(Open::new(path.clone(), flags, 0o700)).unwrap());
        let write = Write::new(file.clone(), b"hello, world".to_vec(), Offset::Cursor);
        let (n, buf) = way.run(write);
        assert_eq!((n.unwrap(), &buf[..]), (12, &b"hello, world"[..]));
        // The cursor has moved; a positioned write does not care, and leaves it.
        let (n, _) = way.run(Write::new(file.clone(), "HE", Offset::At(0)));
        assert_eq!(n.unwrap(), 2);
        let (n, _) = way.run(Write::new(file.clone(), Bytes::from("!"), Offset::Cursor));
        assert_eq!(n.unwrap(), 1);

        let (n, buf) = way.run(Read::new(
            file.clone(),
            Vec::with_capacity(5),
            Offset::At(0),
        ));
        assert_eq!((n.unwrap(), &buf[..]), (5, &b"HEllo"[..]));
        let half = vec![b'.'; 4].slice(1..3);
        let (n, half) = way.run(Read::new(file.clone(), half, Offset::At(7)));
        assert_eq!((n.unwrap(), half.into_inner()), (2, b".wo.".to_vec()));
        let (n, _) = way.run(Read::new(
            file.clone(),
            BytesMut::with_capacity(9),
            Offset::Cursor,
        ));
        assert_eq!(n.unwrap(), 0, "the cursor is at the end");

        let by_fd = way.run(Statx::descriptor(file.clone())).unwrap();
        let by_path = way.run(Statx::<OwnedFd>::path(path.clone(), 0)).unwrap();
        assert_eq!((by_fd.stx_size, by_path.stx_size), (13, 13));
        assert_eq!(by_fd.stx_ino, by_path.stx_ino);
        assert_eq!(u32::from(by_fd.stx_mode) & 0o7777, 0o700);

        let exclusive = Open::new(path.clone(), flags | libc::O_EXCL, 0o700);
        assert_eq!(errno(way.run(exclusive)), libc::EEXIST);
        // A mode without O_CREAT is ignored, as open(2) does and openat2 does not.
        let folder = way
            .run(Open::new(c_path(dir.path()), libc::O_RDONLY, 0o777))
            .unwrap();
        let relative = Open::new(CString::new("file").unwrap(), libc::O_RDONLY, 0);
        let mut again = File::from(way.run(relative.relative_to(folder)).unwrap());
        let mut text = String::new();
        again.read_to_string(&mut text).unwrap();
        assert_eq!(text, "HEllo, world!");
        // SAFETY: no pointers.
        let fd_flags = unsafe { libc::fcntl(again.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(fd_flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        drop(again);
        let missing = c_path(&dir.path().join("missing"));
        assert_eq!(
            errno(way.run(Statx::<OwnedFd>::path(missing, 0))),
            libc::ENOENT
        );
    }
}

/// Rows F4 and F5 of docs/failures.md.
#[test]
fn absurd_offsets_and_lengths_are_not_mistaken_for_others() {
    for way in ways() {
        let dir = TempDir::new();
        let mut file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(dir.path().join("file"))
            .unwrap();
        file.write_all(b"12345").unwrap();
        let file = Arc::new(file);
        for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let read = Read::new(file.clone(), vec![0; 4], Offset::At(offset));
            let (result, buf) = way.run(read);
            assert_eq!((errno(result), buf), (libc::EINVAL, vec![0; 4]));
            let write = Write::new(file.clone(), "x", Offset::At(offset));
            assert_eq!(errno(way.run(write).0), libc::EINVAL);
        }
        assert_eq!((&*file).stream_position().unwrap(), 5);
        let far = Read::new(file.clone(), vec![0; 4], Offset::At(1 << 40));
        assert_eq!(way.run(far).0.unwrap(), 0);
        for capacity in [1u64 << 32, (1 << 32) + 1] {
            let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
            let mut huge = Vec::new();
            if huge.try_reserve_exact(capacity).is_err() {
                continue;
            }
            let (result, buf) = way.run(Read::new(file.clone(), huge, Offset::At(0)));
            assert_eq!((result.unwrap(), &buf[..]), (5, &b"12345"[..]));
        }
    }
}

#[test]
fn sockets_connect_accept_send_and_receive() {
    for way in ways() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = SockAddr::from(listener.local_addr().unwrap());
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = OwnedFd::from(socket.unwrap());
        let (result, client) = way.run(Connect::new(socket, address));
        result.unwrap();
        let client = Arc::new(client);
        let (server, peer) = way.run(Accept::new(Arc::new(listener), 0)).unwrap();
        let server = Arc::new(TcpStream::from(server));
        assert_eq!(peer.as_socket().unwrap(), server.peer_addr().unwrap());

        let (n, _) = way.run(Send::new(client.clone(), "ping", 0));
        assert_eq!(n.unwrap(), 4);
        assert_eq!(
            way.run(PollOnce::new(server.clone(), libc::POLLIN))
                .unwrap(),
            libc::POLLIN as u32
        );
        let (n, buf) = way.run(Recv::new(server.clone(), Vec::with_capacity(9), 0));
        assert_eq!((n.unwrap(), &buf[..]), (4, &b"ping"[..]));
        server.shutdown(std::net::Shutdown::Both).unwrap();
        let (n, _) = way.run(Recv::new(client.clone(), vec![0; 9], 0));
        assert_eq!(n.unwrap(), 0);
        let (result, buf) = way.run(Send::new(server.clone(), "late", 0));
        assert_eq!((errno(result), buf), (libc::EPIPE, "late"));
    }
}

/// Row O15: everything on one descriptor ends, and nothing else.
#[test]
fn cancelling_a_descriptor_ends_its_operations() {
    let Some(bench) = Bench::new(8) else { return };
    let (reader, _writer) = pipe();
    let (other, other_writer) = pipe();
    let reader = Arc::new(reader);
    let read = |fd| bench.op(Read::new(fd, vec![0; 8], Offset::Cursor));
    let mut first = read(reader.clone());
    let mut second = read(reader.clone());
    let mut third = read(Arc::new(other));
    for op in [&mut first, &mut second, &mut third] {
        assert!(poll_once(op).is_pending());
    }
    bench.turn();
    assert_eq!(bench.run(CancelFd::new(reader.clone())).unwrap(), 2);
    assert_eq!(errno(bench.finish(first).0), libc::ECANCELED);
    assert_eq!(errno(bench.finish(second).0), libc::ECANCELED);
    assert_eq!(bench.run(CancelFd::new(reader)).unwrap(), 0);
    File::from(other_writer).write_all(b"x").unwrap();
    assert_eq!(bench.finish(third).0.unwrap(), 1);
}

/// Row O16: the operation owns its descriptor, so the number cannot become another file's.
#[test]
fn a_descriptors_number_is_not_reused_before_the_kernel_is_done() {
    let Some(bench) = Bench::new(8) else { return };
    let dir = TempDir::new();
    let (mut peer, socket) = std::os::unix::net::UnixStream::pair().unwrap();
    let socket = Arc::new(OwnedFd::from(socket));
    let number = socket.as_fd().as_raw_fd();
    let mut op = bench.op(Write::new(socket, "to the socket", Offset::Cursor));
    assert!(poll_once(&mut op).is_pending());
    drop(op);
    let file = File::create(dir.path().join("file")).unwrap();
    assert_ne!(file.as_raw_fd(), number);
    bench.drain();
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "to the socket");
    assert_eq!(file.metadata().unwrap().len(), 0);
}
