//! Which buffers positioned reads and writes take, also inside a spawned task; and that they never
//! fill more than there is, also through parts of buffers and their clones.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use yamanote::buf::{BufResult, IoBuf, IoBufMut, Slice};
use yamanote::fs::File;
use yamanote_test::{Capability, TempDir, matrix, require};

/// Where calls are made inline and, as a rule, where they are not.
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

async fn dotted_file(path: PathBuf) -> File {
    fs::write(&path, "......").unwrap();
    let mut options = File::options();
    options.read(true).write(true).open(&path).await.unwrap()
}

/// Writes the bytes `abc` in each of these forms, each in a spawned task. There the future must be
/// `Send` for references of any lifetime; an implementation for `&'static` ones does not give that.
macro_rules! written_in_tasks {
    ($path:expr, $($buffer:expr;)+) => {$({
        let path = $path.clone();
        let task = yamanote::spawn(async move {
            let file = dotted_file(path.clone()).await;
            let (result, buffer) = file.write_at($buffer, 1).await;
            assert_eq!(buffer.bytes_init(), 3);
            assert_eq!((result.unwrap(), fs::read(&path).unwrap()), (3, b".abc..".to_vec()));
        });
        task.await.unwrap();
    })+};
}

/// Reads three bytes into each of these, each in a spawned task.
macro_rules! read_in_tasks {
    ($path:expr, $($buffer:expr;)+) => {$({
        let path = $path.clone();
        let task = yamanote::spawn(async move {
            let file = dotted_file(path).await;
            let (result, buffer) = file.read_at($buffer, 2).await;
            assert_eq!((result.unwrap(), &buffer[..3]), (3, &b"..."[..]));
        });
        task.await.unwrap();
    })+};
}

matrix! {
    async fn a_spawned_task_writes_from_any_buffer() {
        for dir in places() {
            let path = dir.path().join("file");
            written_in_tasks! {
                path,
                "abc";
                b"abc";
                b"abc".as_slice();
                &b".abc."[1..4];
                "abc".to_owned();
                "abc".to_owned().into_boxed_str();
                b"abc".to_vec();
                b"abc".to_vec().into_boxed_slice();
                Box::new(*b"abc");
                Arc::<str>::from("abc");
                Arc::<[u8]>::from(&b"abc"[..]);
                Arc::new(*b"abc");
                Cow::<'static, str>::Borrowed("abc");
                Cow::<'static, str>::Owned("abc".to_owned());
                Cow::<'static, [u8]>::Borrowed(b"abc");
                Cow::<'static, [u8]>::Owned(b"abc".to_vec());
                Bytes::from_static(b"abc");
                Bytes::from(b"abc".to_vec());
                BytesMut::from("abc");
                ".abc.".slice(1..4);
                b".abc.".slice(1..4);
                b"..abc..".to_vec().slice(1..6).slice(1..4);
                "abc".slice(..).clone();
            }
        }
    }

    async fn a_spawned_task_reads_into_any_buffer() {
        for dir in places() {
            let path = dir.path().join("file");
            read_in_tasks! {
                path,
                Vec::with_capacity(3);
                vec![0; 3];
                vec![0; 3].into_boxed_slice();
                Box::new([0; 3]);
                BytesMut::with_capacity(3);
                BytesMut::zeroed(3);
                Vec::with_capacity(10).slice(..3);
                vec![0; 10].slice(2..8).slice(1..4);
            }
        }
    }

    /// A clone of a vector has room for its values only, however much the original has.
    async fn a_clone_of_a_part_is_filled_no_further_than_it_reaches() {
        async fn filled<B: IoBufMut + Clone + 'static>(file: &File, buffer: B) -> BufResult<usize, B> {
            let part = buffer.slice(..);
            let copy = part.clone();
            let (result, part) = file.read_at(part, 0).await;
            assert_eq!(result.unwrap(), 4096);
            assert_eq!(&part[..], [7; 4096]);
            let (result, copy) = file.read_at(copy, 0).await;
            (result, copy.into_inner())
        }
        for dir in places() {
            let path = dir.path().join("file");
            fs::write(&path, [7; 4096]).unwrap();
            let file = File::open(&path).await.unwrap();

            let mut vec = Vec::with_capacity(4096);
            vec.extend_from_slice(&[1; 16]);
            let (result, copy) = filled(&file, vec).await;
            assert_eq!(result.unwrap(), copy.len());
            assert!(copy.len() <= copy.capacity());
            assert!(copy.iter().all(|&byte| byte == 7));

            let mut bytes = BytesMut::with_capacity(4096);
            bytes.extend_from_slice(&[1; 16]);
            let (result, copy) = filled(&file, bytes).await;
            assert_eq!(result.unwrap(), copy.len());
            assert!(copy.len() <= copy.capacity());
            assert!(copy.iter().all(|&byte| byte == 7));
        }
    }
}

fn is_send<T: Send>(_: T) {}

/// Compiles, and is not run: to be lent for ever it would have to be leaked first.
#[allow(dead_code)]
fn what_is_lent_for_ever_is_a_buffer(
    file: &'static File,
    bytes: &'static mut [u8],
    array: &'static mut [u8; 8],
    part: Slice<&'static mut [u8]>,
) {
    is_send(async move {
        let (_, bytes) = file.read_at(bytes, 0).await;
        let (_, bytes) = file.write_at(bytes, 0).await;
        let (_, array) = file.read_at(array, 0).await;
        let (_, part) = file.read_at(part, 0).await;
        (bytes, array, part)
    });
}
