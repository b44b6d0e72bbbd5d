//! Copies from sockets, pipes and children to a file: every byte, the cursor, what was accepted,
//! errors, and what a dropped copy leaves.

mod copy_support;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use copy_support::{Writer, bytes, copied_by_the_kernel, poll_times, run, streams};
use yamanote::fs::{File, OpenOptions};
use yamanote::io::{self, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use yamanote::process::Command;
use yamanote_test::{
    Capability, Setup, Snapshot, TempDir, builder, deny_syscall, in_own_process, limit_file_size,
    matrix, require,
};

const LEN: usize = 5_000_000;

/// What a pipe of a copy holds at most.
const LARGEST_PIPE: usize = 1 << 20;

/// Writes all of it, in a task, and then ends the stream.
fn send(mut writer: Writer, contents: Vec<u8>) -> yamanote::task::JoinHandle<()> {
    yamanote::spawn(async move {
        // Whoever reads may stop early.
        let _ = writer.write_all(&contents).await;
        let _ = writer.shutdown().await;
    })
}

fn read_write() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    options
}

async fn receive_everywhere(dir: &TempDir) {
    let path = dir.path().join("file");
    for len in [0, 1, 50_000, 300_000, LEN] {
        let contents = bytes(len);
        for (writer, mut reader) in streams().await {
            let _ = std::fs::remove_file(&path);
            let mut file = read_write().open(&path).await.unwrap();
            file.write_all(b"before").await.unwrap();
            let sending = send(writer, contents.clone());
            let third = len as u64 / 3;
            let mut first = (&mut reader).take(third);
            assert_eq!(io::copy(&mut first, &mut file).await.unwrap(), third);
            assert_eq!(first.limit(), 0);
            let rest = io::copy(&mut reader, &mut file).await.unwrap();
            assert_eq!(rest, len as u64 - third);
            sending.await.unwrap();
            assert_eq!(file.stream_position().await.unwrap(), 6 + len as u64);
            let written = std::fs::read(&path).unwrap();
            assert!(written == [b"before", &contents[..]].concat(), "{len}");
        }
    }
}

async fn drop_in_every_state(path: &Path) {
    let contents = bytes(LEN);
    for times in [0, 1, 3, 10, 30, 100, 300] {
        for (writer, mut reader) in streams().await {
            let _ = std::fs::remove_file(path);
            let mut file = read_write().open(path).await.unwrap();
            let sending = send(writer, contents.clone());
            poll_times(io::copy(&mut reader, &mut file), times).await;
            file.flush().await.unwrap();
            let written = std::fs::read(path).unwrap();
            assert!(written == contents[..written.len()]);
            assert_eq!(file.stream_position().await.unwrap(), written.len() as u64);
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).await.unwrap();
            sending.await.unwrap();
            assert!(rest == contents[LEN - rest.len()..]);
            let lost = LEN - rest.len() - written.len();
            assert!(lost <= 8192, "{lost} bytes are lost, {times}");
        }
    }
}

matrix! {
    fn each_byte_once_and_the_cursor_behind_it(setup: Setup) {
        run(setup, async {
            receive_everywhere(&TempDir::new()).await;
            if require(Capability::Tmpfs) {
                receive_everywhere(&TempDir::on_tmpfs()).await;
            }
        });
    }

    fn the_kernel_moves_much_at_a_time(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let path = dir.path().join("file");
            for (writer, mut reader) in streams().await {
                let before = copied_by_the_kernel();
                let sending = send(writer, bytes(LEN));
                let mut file = File::create(&path).await.unwrap();
                assert_eq!(io::copy(&mut reader, &mut file).await.unwrap(), LEN as u64);
                sending.await.unwrap();
                assert!(copied_by_the_kernel() - before > 64 * 1024);
                assert!(std::fs::read(&path).unwrap() == bytes(LEN));
            }
        });
    }

    fn what_a_child_prints(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let (from, to) = (dir.path().join("from"), dir.path().join("to"));
            std::fs::write(&from, bytes(LEN)).unwrap();
            let mut child = Command::new("cat").arg(&from).stdout(Stdio::piped()).spawn().unwrap();
            let mut file = File::create(&to).await.unwrap();
            let mut stdout = child.stdout.take().unwrap();
            assert_eq!(io::copy(&mut stdout, &mut file).await.unwrap(), LEN as u64);
            assert!(child.wait().await.unwrap().success());
            assert!(std::fs::read(&to).unwrap() == bytes(LEN));
        });
    }

    fn unusual_files(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let path = dir.path().join("file");
            for (writer, mut reader) in streams().await {
                std::fs::write(&path, b"before").unwrap();
                let mut file = File::options().append(true).open(&path).await.unwrap();
                send(writer, bytes(LEN));
                assert_eq!(io::copy(&mut reader, &mut file).await.unwrap(), LEN as u64);
                assert!(std::fs::read(&path).unwrap() == [b"before", &bytes(LEN)[..]].concat());
            }
            for (writer, mut reader) in streams().await {
                let mut null = File::options().write(true).open("/dev/null").await.unwrap();
                send(writer, bytes(LEN));
                assert_eq!(io::copy(&mut reader, &mut null).await.unwrap(), LEN as u64);
            }
        });
    }

    fn errors_of_accepted_writes(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            let path = dir.path().join("file");
            std::fs::write(&path, b"").unwrap();
            for len in [100_000, LEN] {
                for (writer, mut reader) in streams().await {
                    let mut file = File::open(&path).await.unwrap();
                    send(writer, bytes(len));
                    let error = io::copy(&mut reader, &mut file).await.unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(libc::EBADF));
                    file.flush().await.unwrap();
                }
                for (writer, mut reader) in streams().await {
                    let mut full = File::options().write(true).open("/dev/full").await.unwrap();
                    send(writer, bytes(len));
                    let error = io::copy(&mut reader, &mut full).await.unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
                }
            }
            // Once it has failed nothing more is accepted: one pipe was.
            for (writer, mut reader) in streams().await {
                let mut file = File::open(&path).await.unwrap();
                const SENT: usize = 16 << 20;
                send(writer, vec![7; SENT]);
                let error = io::copy(&mut reader, &mut file).await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EBADF));
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest).await.unwrap();
                assert!(SENT - rest.len() <= LARGEST_PIPE, "{} left", rest.len());
            }
        });
    }

    fn a_dropped_copy_loses_no_more_than_a_buffer(setup: Setup) {
        run(setup, async {
            let dir = TempDir::new();
            drop_in_every_state(&dir.path().join("file")).await;
        });
    }

    alone fn no_descriptor_is_left(setup: Setup) {
        let runtime = builder!(setup).build().unwrap();
        let dir = TempDir::new();
        let path = dir.path().join("file");
        let receive = |times| {
            let path = &path;
            async move {
                for (writer, mut reader) in streams().await {
                    let mut file = read_write().open(path).await.unwrap();
                    let sending = send(writer, bytes(LEN));
                    poll_times(io::copy(&mut reader, &mut file), times).await;
                    drop(reader);
                    sending.await.unwrap();
                }
            }
        };
        let open = || Snapshot::take().descriptor_count();
        runtime.block_on(receive(0));
        let before = open();
        for times in [1, 10, 100] {
            runtime.block_on(receive(times));
        }
        // The job of a copy that was dropped may still be about to close its pipe.
        let deadline = Instant::now() + Duration::from_secs(20);
        while open() > before {
            assert!(Instant::now() < deadline, "{} of {before}", open());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A file that may not become larger: the pipe is emptied into the error.
#[test]
fn a_limit_to_the_size() {
    in_own_process(module_path!(), "a_limit_to_the_size", || {
        limit_file_size(1_000_000);
        let runtime = yamanote::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let dir = TempDir::new();
            let path = dir.path().join("file");
            for (writer, mut reader) in streams().await {
                let mut file = File::create(&path).await.unwrap();
                send(writer, bytes(LEN));
                let error = io::copy(&mut reader, &mut file).await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
                assert!(std::fs::read(&path).unwrap() == bytes(LEN)[..1_000_000]);
            }
        });
    });
}

#[test]
fn where_splice_is_denied() {
    if !require(Capability::Seccomp) {
        return;
    }
    in_own_process(module_path!(), "where_splice_is_denied", || {
        deny_syscall(libc::SYS_splice, libc::EPERM);
        let runtime = yamanote::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(receive_everywhere(&TempDir::new()));
    });
}
