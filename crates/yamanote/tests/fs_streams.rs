//! Pipes, terminals and other descriptors that are no files, through `File`: the answers of read(2)
//! and write(2), whichever driver the runtime has.

use std::ffi::CString;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use yamanote::fs::{File, OpenOptions};
use yamanote::io::{AsyncReadExt, AsyncWriteExt};
use yamanote_test::{Setup, TempDir, matrix};

fn fifo(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("fifo");
    let c_path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a NUL-terminated path that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(c_path.as_ptr(), 0o600) }, 0);
    path
}

/// Polls once; `None` if it is pending.
async fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

fn owned(fd: libc::c_int) -> OwnedFd {
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: just made, owned by nobody else.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn pair(make: impl FnOnce(&mut [libc::c_int; 2]) -> libc::c_int) -> [OwnedFd; 2] {
    let mut ends = [0; 2];
    assert_eq!(make(&mut ends), 0, "{}", std::io::Error::last_os_error());
    ends.map(owned)
}

fn pipe(flags: libc::c_int) -> [OwnedFd; 2] {
    // SAFETY: two writable integers that live through the call.
    pair(|ends| unsafe { libc::pipe2(ends.as_mut_ptr(), flags | libc::O_CLOEXEC) })
}

/// A pseudo-terminal in raw mode: master and slave.
fn terminal() -> [OwnedFd; 2] {
    // SAFETY: two writable integers; no names, no sizes.
    let [master, slave] = pair(|ends| unsafe {
        let [master, slave] = ends;
        libc::openpty(
            master,
            slave,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    });
    // SAFETY: a zeroed termios is a valid one, and is filled before it is used.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(slave.as_raw_fd(), &mut settings), 0);
        libc::cfmakeraw(&mut settings);
        let set = libc::tcsetattr(slave.as_raw_fd(), libc::TCSANOW, &settings);
        assert_eq!(set, 0);
    }
    [master, slave]
}

fn do_not_wait(fd: &OwnedFd) {
    // SAFETY: no memory involved.
    let set = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(set, 0);
}

/// Gives a descriptor something to read; returns its other end.
type Speak = Box<dyn FnOnce() -> OwnedFd>;

/// Descriptors that do not wait and have nothing to read.
fn silent() -> Vec<(&'static str, OwnedFd, Speak)> {
    let mut all: Vec<(&'static str, OwnedFd, Speak)> = Vec::new();
    let say = |fd: OwnedFd| -> Speak {
        Box::new(move || {
            let mut file = std::fs::File::from(fd);
            file.write_all(&[1; 8]).unwrap();
            file.into()
        })
    };
    let [reader, writer] = pipe(libc::O_NONBLOCK);
    all.push(("pipe", reader, say(writer)));
    // SAFETY: two writable integers that live through the call.
    let [a, b] = pair(|ends| unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr())
    });
    all.push(("socket", a, say(b)));
    for (name, read_master) in [("terminal", false), ("master of a terminal", true)] {
        let [master, slave] = terminal();
        let (reader, writer) = match read_master {
            true => (master, slave),
            false => (slave, master),
        };
        do_not_wait(&reader);
        all.push((name, reader, say(writer)));
    }
    // SAFETY: no memory involved.
    let event = owned(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) });
    let bell = event.try_clone().unwrap();
    all.push(("eventfd", event, say(bell)));
    // SAFETY: no memory involved.
    let timer = owned(unsafe {
        libc::timerfd_create(
            libc::CLOCK_MONOTONIC,
            libc::TFD_NONBLOCK | libc::TFD_CLOEXEC,
        )
    });
    let alarm = timer.try_clone().unwrap();
    let set = Box::new(move || {
        // SAFETY: a zeroed itimerspec is a valid one, and lives through the call.
        unsafe {
            let mut soon: libc::itimerspec = std::mem::zeroed();
            soon.it_value.tv_nsec = 1;
            let set = libc::timerfd_settime(alarm.as_raw_fd(), 0, &soon, std::ptr::null_mut());
            assert_eq!(set, 0);
        }
        std::thread::sleep(Duration::from_millis(5));
        alarm
    });
    all.push(("timerfd", timer, set));
    all
}

matrix! {
    /// Where read(2) does not wait, `read` does not wait: each time, not only the first.
    async fn a_descriptor_that_does_not_wait_says_so() {
        for (name, fd, speak) in silent() {
            let mut file = File::from_std(std::fs::File::from(fd));
            for round in 0..4 {
                let error = file.read(&mut [0; 8]).await.expect_err(name);
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{name}, round {round}");
            }
            let _other_end = speak();
            assert!(file.read(&mut [0; 8]).await.unwrap() > 0, "{name}");
            let error = file.read(&mut [0; 8]).await.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{name}, at the end");
        }
    }

    /// The same of a FIFO that was opened by its path.
    async fn a_fifo_opened_not_to_wait_says_so() {
        let dir = TempDir::new();
        let path = fifo(&dir);
        // The file system is known, as in a program that has been running.
        yamanote::fs::metadata(dir.path()).await.unwrap();
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        let mut file = options.open(&path).await.unwrap();
        for _ in 0..4 {
            let error = file.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
        file.write_all(b"hello").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.read(&mut [0; 8]).await.unwrap(), 5);
        // A writer that finds no room gets an error, at the latest from the flush.
        let mut full = None;
        for _ in 0..64 {
            full = file.write_all(&[0; 8192]).await.err();
            full = full.or(file.flush().await.err());
            if full.is_some() {
                break;
            }
        }
        assert_eq!(full.unwrap().kind(), ErrorKind::WouldBlock);
    }

    /// A terminal that is hung up, before a read and during one: the same as with std.
    async fn a_terminal_that_is_hung_up_ends_as_for_std() {
        for read_master in [true, false] {
            for early in [true, false] {
                let scene = move || {
                    let [master, slave] = terminal();
                    match read_master {
                        true => (std::fs::File::from(master), slave),
                        false => (std::fs::File::from(slave), master),
                    }
                };
                let settle = Duration::from_millis(30);
                let by_std = yamanote::task::spawn_blocking(move || {
                    let (mut file, other) = scene();
                    let hang_up = move || drop(other);
                    let hung_up = match early {
                        true => { hang_up(); None }
                        false => Some(std::thread::spawn(move || {
                            std::thread::sleep(settle);
                            hang_up();
                        })),
                    };
                    let answer = file.read(&mut [0; 8]);
                    if let Some(thread) = hung_up {
                        thread.join().unwrap();
                    }
                    answer.map_err(|error| error.raw_os_error())
                });
                let by_std = by_std.await.unwrap();

                let (file, other) = scene();
                let mut file = File::from_std(file);
                let mut other = Some(other);
                if early {
                    other = None;
                }
                let mut buf = [0; 8];
                let mut read = pin!(file.read(&mut buf));
                let first = poll_once(read.as_mut()).await;
                let answer = match first {
                    Some(answer) => answer,
                    None => {
                        yamanote::time::sleep(settle).await;
                        drop(other);
                        read.await
                    }
                };
                let answer = answer.map_err(|error| error.raw_os_error());
                assert_eq!(answer, by_std, "master: {read_master}, early: {early}");
            }
        }
    }

    /// What an abandoned read has read goes to the next read of the handle.
    async fn a_read_that_was_given_up_loses_nothing() {
        let [reader, writer] = pipe(0);
        let mut file = File::from_std(std::fs::File::from(reader));
        let mut writer = std::fs::File::from(writer);
        for round in 0..20u8 {
            assert!(poll_once(file.read(&mut [0; 8])).await.is_none());
            writer.write_all(&[round; 3]).unwrap();
            let mut got = [0; 3];
            file.read_exact(&mut got).await.unwrap();
            assert_eq!(got, [round; 3]);
        }
        assert!(poll_once(file.read(&mut [0; 8])).await.is_none());
        drop(writer);
        assert_eq!(file.read(&mut [0; 8]).await.unwrap(), 0);
    }

    /// A thread that waits in read(2) or open(2) cannot be called back, here or in Tokio: it does
    /// not hold up anything that does not wait for it.
    fn what_waits_for_ever_holds_up_only_who_waits_for_it(setup: Setup) {
        for background in [true, false] {
            let dir = TempDir::new();
            let path = fifo(&dir);
            let runtime = yamanote_test::builder!(setup).build().unwrap();
            let [reader, writer] = pipe(0);
            runtime.block_on(async {
                assert!(poll_once(File::open(&path)).await.is_none());
                let mut file = File::from_std(std::fs::File::from(reader));
                assert!(poll_once(file.read(&mut [0; 8])).await.is_none());
                // Other tasks are served meanwhile.
                yamanote::fs::metadata(dir.path()).await.unwrap();
            });
            let start = Instant::now();
            match background {
                true => runtime.shutdown_background(),
                false => runtime.shutdown_timeout(Duration::from_millis(50)),
            }
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
            // The threads are released.
            drop(writer);
            let _partner = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        }
    }
}
