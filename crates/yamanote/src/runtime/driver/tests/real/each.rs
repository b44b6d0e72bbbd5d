//! Each operation, on the ring and by its plain system call: the same answers.

use std::fs::File;
use std::io::{Read as _, Seek, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use yamanote_test::TempDir;

use super::{Rig, poll_once};
use crate::buf::IoBuf;
use crate::runtime::driver::op::Operation;
use crate::runtime::driver::ops::read::Read;
use crate::runtime::driver::ops::write::Write;

/// The two ways an operation can go.
enum Way {
    Ring(Rig),
    Plain,
}

impl Way {
    fn run<T: Operation>(&self, operation: T) -> T::Output {
        match self {
            Way::Ring(rig) => rig.run(operation),
            Way::Plain => operation.run_blocking(),
        }
    }
}

fn ways() -> Vec<Way> {
    let ring = Rig::new(8).map(Way::Ring);
    ring.into_iter().chain([Way::Plain]).collect()
}

fn new_file(folder: &Path) -> File {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    options.open(folder.join("file")).unwrap()
}

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

#[test]
fn files_are_written_and_read() {
    for way in ways() {
        let dir = TempDir::new();
        let file = Arc::new(new_file(dir.path()));
        let write = Write::new(file.clone(), b"hello, world".to_vec(), 0);
        let (n, buf) = way.run(write);
        assert_eq!((n.unwrap(), &buf[..]), (12, &b"hello, world"[..]));
        let (n, _) = way.run(Write::new(file.clone(), "HE", 0));
        assert_eq!(n.unwrap(), 2);
        let (n, _) = way.run(Write::new(file.clone(), Bytes::from("!"), 12));
        assert_eq!(n.unwrap(), 1);

        let (n, buf) = way.run(Read::new(file.clone(), Vec::with_capacity(5), 0));
        assert_eq!((n.unwrap(), &buf[..]), (5, &b"HEllo"[..]));
        let half = vec![b'.'; 4].slice(1..3);
        let (n, half) = way.run(Read::new(file.clone(), half, 7));
        assert_eq!((n.unwrap(), half.into_inner()), (2, b".wo.".to_vec()));
        let (n, _) = way.run(Read::new(file.clone(), BytesMut::with_capacity(9), 13));
        assert_eq!(n.unwrap(), 0, "the end");
        let mut text = String::new();
        (&*file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "HEllo, world!", "the cursor has not moved");
    }
}

/// Rows F4 and F5 of docs/failures.md.
#[test]
fn absurd_offsets_and_lengths_are_not_mistaken_for_others() {
    for way in ways() {
        let dir = TempDir::new();
        let mut file = new_file(dir.path());
        file.write_all(b"12345").unwrap();
        let file = Arc::new(file);
        for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let read = Read::new(file.clone(), vec![0; 4], offset);
            let (result, buf) = way.run(read);
            assert_eq!((errno(result), buf), (libc::EINVAL, vec![0; 4]));
            let write = Write::new(file.clone(), "x", offset);
            assert_eq!(errno(way.run(write).0), libc::EINVAL);
        }
        assert_eq!((&*file).stream_position().unwrap(), 5);
        let far = Read::new(file.clone(), vec![0; 4], 1 << 40);
        assert_eq!(way.run(far).0.unwrap(), 0);
        for capacity in [1u64 << 32, (1 << 32) + 1] {
            let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
            let mut huge = Vec::new();
            if huge.try_reserve_exact(capacity).is_err() {
                continue;
            }
            let (result, buf) = way.run(Read::new(file.clone(), huge, 0));
            assert_eq!((result.unwrap(), &buf[..]), (5, &b"12345"[..]));
        }
    }
}

/// Row O16: the operation owns its descriptor, so the number cannot become another file's.
#[test]
fn a_descriptors_number_is_not_reused_before_the_kernel_is_done() {
    let Some(rig) = Rig::new(8) else { return };
    let dir = TempDir::new();
    let (mut peer, socket) = std::os::unix::net::UnixStream::pair().unwrap();
    let socket = Arc::new(OwnedFd::from(socket));
    let number = socket.as_fd().as_raw_fd();
    let mut op = rig.op(Write::new(socket, "to the socket", 0));
    assert!(poll_once(&mut op).is_pending());
    drop(op);
    let file = File::create(dir.path().join("file")).unwrap();
    assert_ne!(file.as_raw_fd(), number);
    rig.drain();
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "to the socket");
    assert_eq!(file.metadata().unwrap().len(), 0);
}
