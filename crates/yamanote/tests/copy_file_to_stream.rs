//! Copies from a file to sockets and pipes: every byte, the file's cursor, limits, errors, and what
//! a dropped copy leaves.

mod copy_support;

use std::io::{ErrorKind, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use copy_support::{Reader, bytes, copied_by_the_kernel, poll_times, run, streams};
use yamanote::fs::{File, OpenOptions};
use yamanote::io::{self, AsyncReadExt, AsyncSeekExt};
use yamanote::net::UnixStream;
use yamanote_test::{
    Capability, Setup, Snapshot, TempDir, builder, deny_syscall, in_own_process, matrix, require,
};

fn file_of(dir: &TempDir, contents: &[u8]) -> PathBuf {
    let path = dir.path().join("file");
    std::fs::write(&path, contents).unwrap();
    path
}

/// Drops the file's pages from the cache, where that can be done.
fn cool(path: &Path) {
    use std::os::fd::AsRawFd;
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    // SAFETY: touches no memory of ours.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

/// Reads to the end, in a task.
fn receive(mut reader: Reader) -> yamanote::task::JoinHandle<Vec<u8>> {
    yamanote::spawn(async move {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        all
    })
}

async fn send_everywhere(dir: &TempDir) {
    for len in [0, 1, 8192, 16_384, 65_536, 300_001, 3_000_000] {
        let contents = bytes(len);
        let path = file_of(dir, &contents);
        for is_cold in [false, true] {
            for (mut writer, reader) in streams().await {
                if is_cold {
                    cool(&path);
                }
                let received = receive(reader);
                let mut file = File::open(&path).await.unwrap();
                let third = len as u64 / 3;
                let mut first = (&mut file).take(third);
                assert_eq!(io::copy(&mut first, &mut writer).await.unwrap(), third);
                assert_eq!(first.limit(), 0);
                assert_eq!(file.stream_position().await.unwrap(), third);
                let rest = io::copy(&mut file, &mut writer).await.unwrap();
                assert_eq!(rest, len as u64 - third);
                assert_eq!(file.stream_position().await.unwrap(), len as u64);
                drop(writer);
                assert!(received.await.unwrap() == contents, "{len}");
            }
        }
    }
}

async fn drop_in_every_state(dir: &TempDir) {
    let contents = bytes(6_000_000);
    let path = file_of(dir, &contents);
    for is_cold in [false, true] {
        for times in [0, 1, 2, 3, 20, 300] {
            for (mut writer, reader) in streams().await {
                if is_cold {
                    cool(&path);
                }
                let mut file = File::open(&path).await.unwrap();
                let mut limited = (&mut file).take(5_000_000);
                poll_times(io::copy(&mut limited, &mut writer), times).await;
                let left = limited.limit();
                let at = file.stream_position().await.unwrap();
                assert_eq!(5_000_000 - left, at);
                drop(writer);
                let received = receive(reader).await.unwrap();
                assert!(received == contents[..received.len()]);
                // What was read and not written is lost, and no more than that.
                let lost = at as usize - received.len();
                assert!(lost <= 8192, "{lost} bytes are lost, {is_cold} {times}");
                let mut rest = Vec::new();
                file.read_to_end(&mut rest).await.unwrap();
                assert!(rest == contents[at as usize..]);
            }
        }
    }
}

/// What reaches the peer if the file is overwritten after the copy.
async fn overwrite_after_copy(options: &OpenOptions, dir: &TempDir) -> Vec<u8> {
    let path = file_of(dir, &[1; 100_000]);
    let (mut writer, reader) = UnixStream::pair().unwrap();
    let mut file = options.open(&path).await.unwrap();
    io::copy(&mut file, &mut writer).await.unwrap();
    // In place: a file that is made empty first gets other pages.
    let mut other = std::fs::File::options().write(true).open(&path).unwrap();
    other.write_all(&[2; 100_000]).unwrap();
    drop(writer);
    receive(Box::new(reader)).await.unwrap()
}

matrix! {
    fn each_byte_once_and_the_cursor_behind_it(setup: Setup) {
        run(setup, async {
            send_everywhere(&TempDir::new()).await;
            if require(Capability::Ext4) {
                send_everywhere(&TempDir::on_ext4()).await;
            }
        });
    }

    fn the_kernel_sends_a_large_file(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let path = file_of(&dir, &bytes(3_000_000));
            for (mut writer, reader) in streams().await {
                let before = copied_by_the_kernel();
                let received = receive(reader);
                let mut file = File::open(&path).await.unwrap();
                io::copy(&mut io::BufReader::new(&mut file), &mut writer).await.unwrap();
                assert!(copied_by_the_kernel() - before > 2_900_000);
                drop(writer);
                assert_eq!(received.await.unwrap().len(), 3_000_000);
            }
        });
    }

    fn a_dropped_copy_gives_the_rest_back_to_the_file(setup: Setup) {
        run(setup, async {
            drop_in_every_state(&TempDir::new()).await;
            if require(Capability::Ext4) {
                drop_in_every_state(&TempDir::on_ext4()).await;
            }
        });
    }

    fn a_peer_that_is_gone(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let path = file_of(&dir, &bytes(3_000_000));
            for is_cold in [false, true] {
                for (mut writer, reader) in streams().await {
                    if is_cold {
                        cool(&path);
                    }
                    drop(reader);
                    let mut file = File::open(&path).await.unwrap();
                    let error = io::copy(&mut file, &mut writer).await.unwrap_err();
                    let expected = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                    assert!(expected.contains(&error.kind()), "{error}");
                    // Nothing is left that would be in the way of the next read.
                    file.rewind().await.unwrap();
                    assert_eq!(file.read_u8().await.unwrap(), bytes(8)[0]);
                }
            }
        });
    }

    fn other_files_and_errors(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            for (mut writer, reader) in streams().await {
                let received = receive(reader);
                let mut file = File::open("/proc/self/mountinfo").await.unwrap();
                let n = io::copy(&mut file, &mut writer).await.unwrap();
                let mut zeros = File::open("/dev/zero").await.unwrap().take(100_000);
                assert_eq!(io::copy(&mut zeros, &mut writer).await.unwrap(), 100_000);
                let mut directory = File::open(dir.path()).await.unwrap();
                let error = io::copy(&mut directory, &mut writer).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::IsADirectory);
                let path = file_of(&dir, &bytes(100_000));
                let mut write_only = File::options().write(true).open(&path).await.unwrap();
                let error = io::copy(&mut write_only, &mut writer).await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EBADF));
                drop(writer);
                assert_eq!(received.await.unwrap().len() as u64, n + 100_000);
            }
        });
    }

    /// By others, after it was opened.
    fn a_file_that_grows_and_shrinks(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(2_000_000);
            for (mut writer, reader) in streams().await {
                let received = receive(reader);
                let path = file_of(&dir, &contents[..100_000]);
                let mut file = File::open(&path).await.unwrap();
                io::copy(&mut (&mut file).take(20_000), &mut writer).await.unwrap();
                let before = copied_by_the_kernel();
                for len in [2_000_000, 2_000_000, 30_000, 50_000] {
                    file.rewind().await.unwrap();
                    file_of(&dir, &contents[..len]);
                    assert_eq!(io::copy(&mut file, &mut writer).await.unwrap(), len as u64);
                }
                drop(writer);
                let sent = [20_000, 2_000_000, 2_000_000, 30_000, 50_000];
                let expected = sent.map(|len| &contents[..len]).concat();
                assert!(received.await.unwrap() == expected);
                let by_kernel = copied_by_the_kernel() - before;
                assert!(by_kernel > 3_500_000, "{by_kernel}");
            }
        });
    }

    /// A file that this program can write to, through the handle that it copies.
    fn what_is_overwritten_afterwards_arrives_as_it_was(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true);
            assert!(overwrite_after_copy(options, &dir).await == [1; 100_000]);
        });
        let runtime = builder!(setup).kernel_copies(false).build().unwrap();
        runtime.block_on(async {
            let mut options = OpenOptions::new();
            let received = overwrite_after_copy(options.read(true), &TempDir::new()).await;
            assert!(received == [1; 100_000]);
            assert_eq!(copied_by_the_kernel(), 0);
        });
    }

    alone fn no_descriptor_is_left(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let dir = TempDir::new();
        let path = file_of(&dir, &bytes(3_000_000));
        let send = |times| {
            let path = &path;
            async move {
                for (mut writer, _reader) in streams().await {
                    cool(path);
                    let mut file = File::open(path).await.unwrap();
                    poll_times(io::copy(&mut file, &mut writer), times).await;
                }
            }
        };
        let open = || Snapshot::take().descriptor_count();
        runtime.block_on(send(0));
        let before = open();
        for times in [1, 2, 50] {
            runtime.block_on(send(times));
        }
        // The job of a copy that was dropped may still be about to close its pipe.
        let deadline = Instant::now() + Duration::from_secs(20);
        while open() > before {
            assert!(Instant::now() < deadline, "{} of {before}", open());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A reader that takes a little at a time, beside a task that wants to run.
    fn a_slow_reader_gets_everything(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let contents = bytes(2_000_000);
            let path = file_of(&dir, &contents);
            for (mut writer, mut reader) in streams().await {
                let path = path.clone();
                let copy = yamanote::spawn(async move {
                    let mut file = File::open(&path).await.unwrap();
                    file.seek(SeekFrom::Start(1)).await.unwrap();
                    io::copy(&mut file, &mut writer).await.unwrap()
                });
                let (mut all, mut block) = (Vec::new(), vec![0; 5000]);
                loop {
                    match reader.read(&mut block).await.unwrap() {
                        0 => break,
                        n => all.extend_from_slice(&block[..n]),
                    }
                    yamanote::task::yield_now().await;
                }
                assert_eq!(copy.await.unwrap(), 1_999_999);
                assert!(all == contents[1..]);
            }
        });
    }
}

fn without(name: &str, syscall: libc::c_long, errno: i32) {
    if !require(Capability::Seccomp) {
        return;
    }
    in_own_process(module_path!(), name, || {
        deny_syscall(syscall, errno);
        let runtime = yamanote::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            send_everywhere(&TempDir::new()).await;
            if require(Capability::Ext4) {
                send_everywhere(&TempDir::on_ext4()).await;
            }
        });
    });
}

#[test]
fn where_sendfile_is_denied() {
    without("where_sendfile_is_denied", libc::SYS_sendfile, libc::EPERM);
}

#[test]
fn where_splice_is_denied() {
    without("where_splice_is_denied", libc::SYS_splice, libc::ENOSYS);
}

/// `SYS_cachestat`.
#[test]
fn where_cachestat_is_denied() {
    without("where_cachestat_is_denied", 451, libc::EPERM);
}
