//! Copies from file to file: every byte, both cursors, limits, errors, and what a dropped copy
//! leaves.

mod copy_support;

use std::fs::File as StdFile;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use copy_support::{bytes, copied_by_the_kernel, poll_times, run};
use yamanote::fs::{self, File, OpenOptions};
use yamanote::io::{self, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote_test::{
    Capability, Setup, Snapshot, TempDir, builder, deny_syscall, in_own_process, matrix, require,
};

fn directories() -> Vec<TempDir> {
    let mut directories = vec![TempDir::new()];
    if require(Capability::Ext4) {
        directories.push(TempDir::on_ext4());
    }
    if require(Capability::Tmpfs) {
        directories.push(TempDir::on_tmpfs());
    }
    directories
}

fn read_write() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options
}

struct Pair {
    from: PathBuf,
    to: PathBuf,
}

impl Pair {
    fn new(from: &TempDir, to: &TempDir, contents: &[u8]) -> Pair {
        let pair = Pair {
            from: from.path().join("from"),
            to: to.path().join("to"),
        };
        std::fs::write(&pair.from, contents).unwrap();
        let _ = std::fs::remove_file(&pair.to);
        pair
    }

    async fn open(&self) -> (File, File) {
        let from = File::open(&self.from).await.unwrap();
        (from, read_write().open(&self.to).await.unwrap())
    }
}

/// Between file systems of each kind, of each size; from and to the middle of a file.
async fn copy_everywhere() {
    let directories = directories();
    for from in &directories {
        for to in &directories {
            for len in [0, 1, 8191, 8192, 40_000, 300_000, 5_000_000] {
                let contents = bytes(len);
                let pair = Pair::new(from, to, &contents);
                let (mut source, mut sink) = pair.open().await;
                assert_eq!(io::copy(&mut source, &mut sink).await.unwrap(), len as u64);
                assert!(std::fs::read(&pair.to).unwrap() == contents, "{len}");
                assert_eq!(source.stream_position().await.unwrap(), len as u64);
                assert_eq!(sink.stream_position().await.unwrap(), len as u64);
                // A part, to behind what is there.
                let start = len / 3;
                source.seek(SeekFrom::Start(start as u64)).await.unwrap();
                let mut part = (&mut source).take(len as u64 / 2);
                let n = io::copy(&mut part, &mut sink).await.unwrap();
                assert_eq!((n, part.limit()), (len as u64 / 2, 0));
                let end = start + len / 2;
                assert_eq!(source.stream_position().await.unwrap(), end as u64);
                let expected = [&contents[..], &contents[start..end]].concat();
                assert!(std::fs::read(&pair.to).unwrap() == expected, "{len}");
                // What others share.
                let mut others = source.try_clone().await.unwrap().into_std().await;
                assert_eq!(others.stream_position().unwrap(), end as u64);
                assert_eq!(
                    sink.into_std().await.stream_position().unwrap(),
                    expected.len() as u64
                );
            }
        }
    }
}

/// After a copy was dropped: the sink has a prefix of the source that ends where both cursors are.
async fn assert_consistent(pair: &Pair, mut source: File, mut sink: File, contents: &[u8]) {
    let at = source.stream_position().await.unwrap() as usize;
    let written = sink.stream_position().await.unwrap() as usize;
    sink.flush().await.unwrap();
    // A read that was not written yet is lost, as it always was.
    assert!(written <= at && at - written <= 8192, "{at} and {written}");
    assert!(std::fs::read(&pair.to).unwrap() == contents[..written]);
    sink.write_all(b"and on").await.unwrap();
    sink.flush().await.unwrap();
    let now = std::fs::read(&pair.to).unwrap();
    assert_eq!(&now[written..], b"and on");
    let mut rest = Vec::new();
    source.read_to_end(&mut rest).await.unwrap();
    assert!(rest == contents[at..]);
}

matrix! {
    fn each_byte_once_and_the_cursors_behind_them(setup: Setup) {
        run(setup, copy_everywhere());
    }

    /// Whichever wrappers are around the files, as long as they change nothing.
    fn the_kernel_copies_through_wrappers(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(1_000_000);
            let pair = Pair::new(&dir, &dir, &contents);
            for way in 0..6 {
                let before = copied_by_the_kernel();
                let (mut source, mut sink) = pair.open().await;
                sink.set_len(0).await.unwrap();
                let n = match way {
                    0 => io::copy(&mut source, &mut sink).await,
                    1 => io::copy(&mut Box::new(&mut source), &mut Box::pin(&mut sink)).await,
                    2 => io::copy(&mut (&mut source).take(u64::MAX), &mut sink).await,
                    3 => {
                        let mut reader = io::BufReader::new(&mut source);
                        let first = reader.read_u8().await.unwrap();
                        let mut writer = io::BufWriter::new(&mut sink);
                        writer.write_u8(first).await.unwrap();
                        io::copy(&mut reader, &mut writer).await.map(|n| n + 1)
                    }
                    4 => {
                        let (mut reader, _) = io::split(&mut source);
                        io::copy(&mut reader, &mut io::join(io::empty(), &mut sink)).await
                    }
                    _ => {
                        let source: &mut (dyn io::AsyncRead + Unpin + Send) = &mut source;
                        io::copy(source, &mut sink).await
                    }
                };
                assert_eq!(n.unwrap(), 1_000_000, "way {way}");
                assert!(std::fs::read(&pair.to).unwrap() == contents, "way {way}");
                let by_kernel = copied_by_the_kernel() - before;
                assert!(by_kernel > 900_000, "way {way}: {by_kernel}");
            }
        });
    }

    fn what_was_read_ahead_and_what_was_accepted_come_first(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(300_000);
            let pair = Pair::new(&dir, &dir, &contents);
            let (mut source, mut sink) = pair.open().await;
            // A read that nobody waits for.
            poll_times(source.read(&mut [0; 5000]), 1).await;
            sink.write_all(b"accepted").await.unwrap();
            let at = source.stream_position().await.unwrap();
            assert_eq!(io::copy(&mut source, &mut sink).await.unwrap(), 300_000 - at);
            let expected = [b"accepted", &contents[at as usize..]].concat();
            assert!(std::fs::read(&pair.to).unwrap() == expected);
        });
    }

    /// Files that are not copied from the cursor to the cursor, or not by the kernel.
    fn unusual_files(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(200_000);
            let pair = Pair::new(&dir, &dir, &contents);
            std::fs::write(&pair.to, b"before").unwrap();
            // Append mode.
            let mut source = File::open(&pair.from).await.unwrap();
            let mut sink = File::options().append(true).open(&pair.to).await.unwrap();
            assert_eq!(io::copy(&mut source, &mut sink).await.unwrap(), 200_000);
            let appended = std::fs::read(&pair.to).unwrap();
            assert!(appended == [b"before", &contents[..]].concat());
            // A file whose size is said to be 0.
            let mut source = File::open("/proc/self/mountinfo").await.unwrap();
            let mut sink = File::create(&pair.to).await.unwrap();
            let n = io::copy(&mut source, &mut sink).await.unwrap();
            assert!(n > 0);
            assert_eq!(std::fs::metadata(&pair.to).unwrap().len(), n);
            // Devices.
            let mut source = File::open("/dev/zero").await.unwrap().take(100_000);
            let mut sink = File::create(&pair.to).await.unwrap();
            assert_eq!(io::copy(&mut source, &mut sink).await.unwrap(), 100_000);
            assert!(std::fs::read(&pair.to).unwrap() == [0; 100_000]);
            let mut source = File::open(&pair.from).await.unwrap();
            let mut sink = File::options().write(true).open("/dev/null").await.unwrap();
            assert_eq!(io::copy(&mut source, &mut sink).await.unwrap(), 200_000);
            // Holes.
            let sparse = StdFile::create(&pair.from).unwrap();
            sparse.set_len(3_000_000).unwrap();
            (&sparse).seek(SeekFrom::Start(1_000_000)).unwrap();
            (&sparse).write_all(&contents).unwrap();
            let mut source = File::open(&pair.from).await.unwrap();
            let mut sink = File::create(&pair.to).await.unwrap();
            assert_eq!(io::copy(&mut source, &mut sink).await.unwrap(), 3_000_000);
            assert!(std::fs::read(&pair.to).unwrap() == std::fs::read(&pair.from).unwrap());
        });
    }

    /// Both ends are the same file: what that does depends on the size of each read, which stays.
    fn a_file_copied_to_itself(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(100_000);
            let path = dir.path().join("file");
            for shared_cursor in [false, true] {
                std::fs::write(&path, &contents).unwrap();
                let mut source = read_write().open(&path).await.unwrap();
                let mut sink = match shared_cursor {
                    true => source.try_clone().await.unwrap(),
                    false => read_write().open(&path).await.unwrap(),
                };
                let before = copied_by_the_kernel();
                let n = io::copy(&mut (&mut source).take(50_000), &mut sink).await.unwrap();
                sink.flush().await.unwrap();
                assert_eq!((n, copied_by_the_kernel()), (50_000, before));
                if !shared_cursor {
                    assert!(std::fs::read(&path).unwrap() == contents);
                }
            }
            let file = read_write().open(&path).await.unwrap();
            let (mut reader, mut writer) = io::split(file);
            assert_eq!(io::copy(&mut (&mut reader).take(30_000), &mut writer).await.unwrap(), 30_000);
        });
    }

    fn errors_of_either_side(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(200_000);
            let pair = Pair::new(&dir, &dir, &contents);
            let copy = |from: File, to: File| async move {
                let (mut from, mut to) = (from, to);
                io::copy(&mut from, &mut to).await.unwrap_err()
            };
            let (source, sink) = pair.open().await;
            drop(source);
            let directory = File::open(dir.path()).await.unwrap();
            assert_eq!(copy(directory, sink).await.kind(), ErrorKind::IsADirectory);
            let (source, sink) = pair.open().await;
            drop(sink);
            let read_only = File::open(&pair.to).await.unwrap();
            assert_eq!(copy(source, read_only).await.raw_os_error(), Some(libc::EBADF));
            let write_only = File::options().write(true).open(&pair.from).await.unwrap();
            let sink = File::create(&pair.to).await.unwrap();
            assert_eq!(copy(write_only, sink).await.raw_os_error(), Some(libc::EBADF));
            let full = File::options().write(true).open("/dev/full").await.unwrap();
            let source = File::open(&pair.from).await.unwrap();
            assert_eq!(copy(source, full).await.raw_os_error(), Some(libc::ENOSPC));
        });
    }

    /// Dropped before, in and after each job.
    fn a_dropped_copy_leaves_whole_files(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(30_000_000);
            let pair = Pair::new(&dir, &dir, &contents);
            for times in [0, 1, 2, 3, 10, 1000] {
                let (mut source, mut sink) = pair.open().await;
                sink.set_len(0).await.unwrap();
                poll_times(io::copy(&mut source, &mut sink), times).await;
                assert_consistent(&pair, source, sink, &contents).await;
            }
            // A limit is not exceeded by whoever goes on.
            for times in [1, 2, 10] {
                let (mut source, mut sink) = pair.open().await;
                sink.set_len(0).await.unwrap();
                let mut limited = (&mut source).take(20_000_000);
                poll_times(io::copy(&mut limited, &mut sink), times).await;
                io::copy(&mut limited, &mut sink).await.unwrap();
                assert!(source.stream_position().await.unwrap() <= 20_000_000);
                assert!(sink.stream_position().await.unwrap() <= 20_000_000);
            }
        });
    }

    alone fn no_descriptor_is_left(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let dir = TempDir::new();
        let pair = Pair::new(&dir, &dir, &bytes(3_000_000));
        let copy_and_drop = || async {
            for times in 0..5 {
                let (mut source, mut sink) = pair.open().await;
                poll_times(io::copy(&mut source, &mut sink), times).await;
                sink.sync_all().await.unwrap();
                source.rewind().await.unwrap();
            }
        };
        runtime.block_on(copy_and_drop());
        let before = Snapshot::take();
        runtime.block_on(copy_and_drop());
        assert_eq!(Snapshot::take().descriptor_count(), before.descriptor_count());
    }

    fn it_is_turned_off(setup: Setup) {
        let runtime = builder!(setup).kernel_copies(false).build().unwrap();
        let dir = TempDir::new();
        let contents = bytes(1_000_000);
        let pair = Pair::new(&dir, &dir, &contents);
        runtime.block_on(async {
            let (mut source, mut sink) = pair.open().await;
            assert_eq!(io::copy(&mut source, &mut sink).await.unwrap(), 1_000_000);
            assert_eq!(copied_by_the_kernel(), 0);
        });
        assert!(std::fs::read(&pair.to).unwrap() == contents);
    }

    /// Two copies between the same handles' files, each the other way round.
    fn copies_that_cross(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let (a, b) = (bytes(4_000_000), vec![7; 4_000_000]);
            let paths = ["a", "b", "c", "d"].map(|name| dir.path().join(name));
            std::fs::write(&paths[0], &a).unwrap();
            std::fs::write(&paths[1], &b).unwrap();
            let copy = |from: &Path, to: &Path| {
                let (from, to) = (from.to_owned(), to.to_owned());
                yamanote::spawn(async move {
                    let mut from = File::open(from).await.unwrap();
                    let mut to = File::create(to).await.unwrap();
                    io::copy(&mut from, &mut to).await.unwrap()
                })
            };
            let copies = [copy(&paths[0], &paths[2]), copy(&paths[1], &paths[3])];
            for copy in copies {
                assert_eq!(copy.await.unwrap(), 4_000_000);
            }
            assert!(std::fs::read(&paths[2]).unwrap() == a);
            assert!(std::fs::read(&paths[3]).unwrap() == b);
        });
    }

    fn fs_copy_is_that_of_std(setup: Setup) {
        run(setup, async {
            for from in directories() {
                for to in directories() {
                    let contents = bytes(3_000_000);
                    let pair = Pair::new(&from, &to, &contents);
                    assert_eq!(fs::copy(&pair.from, &pair.to).await.unwrap(), 3_000_000);
                    assert!(std::fs::read(&pair.to).unwrap() == contents);
                    let n = fs::copy("/proc/self/mountinfo", &pair.to).await.unwrap();
                    assert!(n > 0);
                    assert_eq!(std::fs::metadata(&pair.to).unwrap().len(), n);
                    let error = fs::copy(from.path(), &pair.to).await.unwrap_err();
                    assert_eq!(error.kind(), std::fs::copy(from.path(), &pair.to).unwrap_err().kind());
                }
            }
        });
    }

    /// As in Tokio: who stops waiting does not stop the copy.
    fn a_dropped_fs_copy_goes_on(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(10_000_000);
            let pair = Pair::new(&dir, &dir, &contents);
            poll_times(fs::copy(&pair.from, &pair.to), 1).await;
            // Jobs of the same pool.
            for _ in 0..20_000 {
                if std::fs::read(&pair.to).is_ok_and(|copied| copied == contents) {
                    return;
                }
                yamanote::task::yield_now().await;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            panic!("the copy ended early");
        });
    }
}

/// The pieces of a random program: what is done with two files, by a copy or by std.
#[test]
fn random_programs_do_what_std_does() {
    let runtime = yamanote::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for seed in 0..40_u64 {
            random_program(seed).await;
        }
    });
}

async fn random_program(seed: u64) {
    let mut word = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
    let mut below = move |limit: u64| {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        word % limit
    };
    let dir = TempDir::new();
    let contents = bytes(below(400_000) as usize);
    let paths = ["from", "ours", "std"].map(|name| dir.path().join(name));
    std::fs::write(&paths[0], &contents).unwrap();
    let mut ours = (
        File::open(&paths[0]).await.unwrap(),
        read_write().open(&paths[1]).await.unwrap(),
    );
    let open = |path: &Path, write: bool| {
        StdFile::options()
            .read(true)
            .write(write)
            .create(write)
            .truncate(false)
            .open(path)
            .unwrap()
    };
    let mut std = (open(&paths[0], false), open(&paths[2], true));
    for _ in 0..12 {
        match below(5) {
            0 => {
                let at = SeekFrom::Start(below(450_000));
                assert_eq!(ours.0.seek(at).await.unwrap(), std.0.seek(at).unwrap());
            }
            1 => {
                let at = SeekFrom::Start(below(450_000));
                assert_eq!(ours.1.seek(at).await.unwrap(), std.1.seek(at).unwrap());
            }
            2 => {
                let block = bytes(below(20_000) as usize);
                ours.1.write_all(&block).await.unwrap();
                std.1.write_all(&block).unwrap();
            }
            _ => {
                let limit = below(300_000);
                let n = io::copy(&mut (&mut ours.0).take(limit), &mut ours.1)
                    .await
                    .unwrap();
                let expected = std::io::copy(&mut (&mut std.0).take(limit), &mut std.1).unwrap();
                assert_eq!(n, expected, "seed {seed}");
            }
        }
    }
    ours.1.flush().await.unwrap();
    assert_eq!(
        ours.0.stream_position().await.unwrap(),
        std.0.stream_position().unwrap()
    );
    assert_eq!(
        ours.1.stream_position().await.unwrap(),
        std.1.stream_position().unwrap()
    );
    assert!(
        std::fs::read(&paths[1]).unwrap() == std::fs::read(&paths[2]).unwrap(),
        "seed {seed}"
    );
}

#[test]
fn where_copy_file_range_is_denied() {
    if !require(Capability::Seccomp) {
        return;
    }
    in_own_process(module_path!(), "where_copy_file_range_is_denied", || {
        deny_syscall(libc::SYS_copy_file_range, libc::EPERM);
        let runtime = yamanote::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(copy_everywhere());
    });
}
